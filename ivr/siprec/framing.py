"""SIP messages out of a TCP stream (RFC 3261 section 18.3): split, joined or torn as they come."""

import re
from typing import Final

from ivr.sip.message import COMPACT_FORMS

PING: Final = b"\r\n\r\n"
"""Keep-alive of RFC 5626 section 3.5.1; answered with one CRLF."""

_LENGTH = re.compile(rb"^[ \t]*([A-Za-z-]+)[ \t]*:[ \t]*(\S*)[ \t]*\r?$", re.MULTILINE)
assert COMPACT_FORMS["l"] == "Content-Length"
_NAMES: Final = frozenset({b"content-length", b"l"})


class FramingError(Exception):
    """The stream cannot be read on: nobody knows where the next message begins.

    Args:
        status: what the sender may be told: 400, or 513 for a message beyond the limit.
    """

    def __init__(self, status: int, reason: str, head: bytes) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.head = head


class Framer:
    """Feed bytes, get messages. Holds at most ``max_bytes`` of an unfinished message."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._scanned = 0
        self._wanted: int | None = None  # length of the message whose head was read

    @property
    def is_waiting(self) -> bool:
        """Whether a message has begun and is not finished."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Whole messages, in order; ``PING`` for each keep-alive.

        Raises:
            FramingError: no length, an impossible one, or a message beyond the limit.
        """
        self._held += data
        found: list[bytes] = []
        while self._held:
            if self._wanted is None and not self._read_head(found):
                break
            if self._wanted is None:
                continue
            if len(self._held) < self._wanted:
                break
            found.append(bytes(self._held[: self._wanted]))
            self._forget(self._wanted)
        return found

    def _read_head(self, found: list[bytes]) -> bool:
        """Find out how long the message is; False: more bytes are needed."""
        if self._held.startswith(PING):
            found.append(PING)
            self._forget(len(PING))
            return True
        if self._held.startswith(b"\r\n"):
            if len(self._held) < len(PING) and PING.startswith(bytes(self._held)):
                return False  # the rest of a keep-alive may follow
            self._forget(2)
            return True
        end = self._held.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(self._held)
            if len(self._held) > self._max_bytes:
                raise FramingError(513, "Message Too Large", b"")
            return False
        head = bytes(self._held[: end + 4])
        self._wanted = end + 4 + _content_length(head)
        if self._wanted > self._max_bytes:
            raise FramingError(513, "Message Too Large", head)
        return True

    def _forget(self, count: int) -> None:
        del self._held[:count]
        self._scanned, self._wanted = 0, None


def _content_length(head: bytes) -> int:
    """0 when the header is missing (RFC 3261 demands it on a stream; without, there is no body)."""
    for name, value in _LENGTH.findall(head):
        if name.lower() in _NAMES:
            if not value.isdigit() or len(value) > 9:
                raise FramingError(400, "Bad Content-Length", head)
            return int(value)
    return 0
