"""Receiver reports (RFC 3550 section 6.4.2) for streams that nobody else answers: a border
controller takes a recorder that is silent for dead."""

import base64
import os
import struct
from typing import Final

from ivr.media.sequencing import Reception

REPORT_EVERY_S: Final = 5.0
"""The smallest interval that RFC 3550 section 6.2 recommends."""

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION = 200, 201, 202
_CNAME: Final = 1
_MOST_LOST: Final = 0x7FFFFF
_FEWEST_LOST: Final = -0x800000


class ReceiverReports:
    """Keeps what one stream's reports need. ``now`` is monotonic seconds everywhere."""

    def __init__(self, now: float) -> None:
        self._ssrc = int.from_bytes(os.urandom(4), "big")
        self._cname = base64.b64encode(os.urandom(12))  # short-term name of RFC 7022 section 4.2
        self._due_at = now + REPORT_EVERY_S
        self._heard: tuple[int, int, float] | None = None  # SSRC, middle of its NTP time, when
        self._before: Reception | None = None

    def hear(self, compound: bytes, now: float) -> None:
        """Take the other side's RTCP; only a sender report in it matters, damage is passed over."""
        at = 0
        while at + 8 <= len(compound):
            kind, words = struct.unpack_from("!BH", compound, at + 1)
            if kind == SENDER_REPORT and at + 28 <= len(compound):
                ssrc, middle = struct.unpack_from("!I2xI", compound, at + 4)
                self._heard = (ssrc, middle, now)
            at += 4 * (words + 1)

    def is_due(self, now: float) -> bool:
        return now >= self._due_at

    def compound(self, reception: Reception | None, now: float) -> bytes:
        """The next receiver report with our name behind it; counts as sent.

        Args:
            reception: of the newest source; None: nothing came yet, and the report is empty.
        """
        self._due_at = now + REPORT_EVERY_S
        blocks = b"" if reception is None else self._block(reception, now)
        count = bool(blocks)
        head = struct.pack("!BBHI", 0x80 | count, RECEIVER_REPORT, 1 + len(blocks) // 4, self._ssrc)
        item = struct.pack("!IBB", self._ssrc, _CNAME, len(self._cname)) + self._cname
        item += bytes(4 - len(item) % 4)  # ends with at least one zero
        name = struct.pack("!BBH", 0x81, SOURCE_DESCRIPTION, len(item) // 4) + item
        return head + blocks + name

    def _block(self, reception: Reception, now: float) -> bytes:
        before = self._before
        if before is None or before.ssrc != reception.ssrc or before.expected > reception.expected:
            before = Reception(reception.ssrc, 0, 0, 0, 0)
        self._before = reception
        expected = reception.expected - before.expected
        missing = expected - (reception.received - before.received)
        fraction = min(missing * 256 // expected, 255) if expected and missing > 0 else 0
        lost = min(max(reception.expected - reception.received, _FEWEST_LOST), _MOST_LOST)
        last_report, delay = 0, 0
        if self._heard is not None and self._heard[0] == reception.ssrc:
            last_report = self._heard[1]
            delay = round((now - self._heard[2]) * 65536) % (1 << 32)
        return struct.pack(
            "!IIIIII",
            reception.ssrc,
            fraction << 24 | lost & 0xFFFFFF,
            reception.highest,
            reception.jitter,
            last_report,
            delay,
        )
