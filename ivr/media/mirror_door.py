"""The RTP door of a mirrored call: streams that end here, with nobody of ours behind them."""

from pathlib import Path
from typing import Self

from ivr.facts.call import LegName, MediaAgreed
from ivr.media.side import Endpoint
from ivr.media.wire_door import WireDoor
from ivr.settings import MediaSettings


class MirrorDoor(WireDoor):
    """For SIPREC (RFC 7866) and forks: every stream is a leg. RTCP is answered here, with a
    receiver report every 5 s to where the stream's own reports come from. Made by ``open``."""

    @classmethod
    async def open(cls, folder: Path, settings: MediaSettings, *, call_id: str) -> Self:
        """Begin ``wire.pcapng`` and ``wire.chain.jsonl`` in ``folder``; no port is bound yet.

        Args:
            folder: exists and holds no wire log yet.

        Raises:
            MediaError: the wire log cannot be created.
        """
        return cls(await cls._begin(folder, settings, call_id), settings)

    async def add_stream(self, leg: LegName) -> Endpoint:
        """Bind a pair of ports for a stream. A leg that was removed goes on where it was.

        Raises:
            EnvironmentProblem: no ports are free.
            MediaError: the disk is so full that the stream cannot be logged.
            ValueError: it is there already, is a voice of ours, or the door is closed.
        """
        return self._open_side(leg, None).endpoint

    def endpoint(self, leg: LegName) -> Endpoint:
        """Where a stream is taken.

        Raises:
            KeyError: no such stream is open.
        """
        return self._sides[leg].endpoint

    def agree(self, leg: LegName, media: MediaAgreed) -> None:
        """Learn, or learn anew, who sends the stream and what its payload types mean.

        Args:
            media: its ``agent`` counts for nothing, e.g. ``("127.0.0.1", 0)``.

        Raises:
            KeyError: no such stream is open.
            MediaError: an address is not numeric; nothing is changed then.
        """
        self._sides[leg].agree(media)

    def remove_stream(self, leg: LegName) -> None:
        """Close a stream's sockets; what it brought stays, and it may be added again.

        Raises:
            KeyError: no such stream is open.
        """
        self._close_side(self._sides[leg])
