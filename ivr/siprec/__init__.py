"""Room 1b: the session recording server (RFC 7866). Pure asyncio: mirrored calls from an
operator's border controller, by SIPREC or as plain forks, become lines of the house."""
