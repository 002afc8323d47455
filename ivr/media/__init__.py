"""The RTP door: every packet of every leg to disk as it came, then one time line per leg."""
