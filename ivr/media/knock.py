"""Making pjsua2 send to us: it follows the source of the RTP it hears (symmetric RTP)."""

import os
from typing import Final

from ivr.facts.call import MediaAgreed
from ivr.media.g711 import RATE_HZ, SILENCE
from ivr.media.rtp import RtpPacket, pack_rtp

KNOCK_EVERY_S: Final = 0.2
KNOCKS: Final = 150
"""Half a minute; an agent that has nothing to say (listening only) is then left alone."""

BURST: Final = 12
"""pjsua2 follows a new source after 10 packets (PJMEDIA_RTP_NAT_PROBATION_CNT)."""

_FRAME: Final = RATE_HZ // 50


class Knock:
    """Some silence, sent from our inside socket until the agent's packets come to us.

    Its SDP told pjsua2 to send to the other side directly; the packets of the other side, which
    come through us, would change that, but the other side may be silent.
    """

    def __init__(self) -> None:
        self._ssrc = int.from_bytes(os.urandom(4), "big")
        self._sequence = int.from_bytes(os.urandom(2), "big")
        self._timestamp = 0
        self._payload_type: int | None = None
        self._silence = b""
        self._left = 0
        self._last_at = float("-inf")

    def begin(self, media: MediaAgreed) -> None:
        """Knock anew, with the first G.711 payload type of this agreement."""
        for payload_type, (name, _) in media.payload_types.items():
            if name.upper() in SILENCE:
                self._payload_type = payload_type
                self._silence = bytes([SILENCE[name.upper()]]) * _FRAME
                self._left = KNOCKS
                return
        self._left = 0

    def answered(self) -> None:
        self._left = 0

    def is_due(self, now: float) -> bool:
        """Args: now: monotonic seconds."""
        return self._left > 0 and now - self._last_at >= KNOCK_EVERY_S

    def packets(self, now: float) -> list[bytes]:
        """The next packets to send, of 20 ms each; they count as sent."""
        self._left -= 1
        self._last_at = now
        return [self._packet() for _ in range(BURST)]

    def _packet(self) -> bytes:
        assert self._payload_type is not None
        self._sequence = (self._sequence + 1) % 0x10000
        self._timestamp = (self._timestamp + _FRAME) % (1 << 32)
        return pack_rtp(
            RtpPacket(
                self._payload_type, self._sequence, self._timestamp, self._ssrc, self._silence
            )
        )
