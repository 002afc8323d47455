"""A SIP message as received: start line, headers, body. Bytes survive whatever they hold.

Own parser, because pjsua2 hands over raw text and a malformed message must still be kept and
read as far as it goes: nothing here raises on any input. Bytes that are no UTF-8 are carried as
surrogate escapes, so ``text.encode("utf-8", "surrogateescape")`` gives them back untouched.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

COMPACT_FORMS = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
    "e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact",
    "k": "Supported", "l": "Content-Length", "m": "Contact", "n": "Identity-Info",
    "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events",
    "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip
"""IANA registry of compact header forms (RFC 3261 section 7.3.3 and later documents)."""

_HEAD_END = re.compile(rb"\r\n\r\n|\n\n")
_LINE_END = re.compile(r"\r\n|\n")


@dataclass(frozen=True, slots=True)
class Header:
    """One header field. ``name`` has its full form in the sender's spelling; ``value`` is
    unfolded (RFC 3261 section 7.3.1) and stripped, otherwise untouched."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A message cut into its parts; see ``parse``."""

    start_line: str
    headers: tuple[Header, ...]
    body: bytes

    def all(self, name: str) -> tuple[str, ...]:
        """Values of every header of that name, in order; names compare without case."""
        wanted = name.casefold()
        return tuple(item.value for item in self.headers if item.name.casefold() == wanted)

    def first(self, name: str) -> str | None:
        """The first value of that name, or None."""
        return next(iter(self.all(name)), None)

    @property
    def method(self) -> str:
        """Method of a request; ``SIP/2.0`` for a response; empty when there is none."""
        return self.start_line.split(" ", 1)[0]

    @property
    def request_uri(self) -> str | None:
        """Request URI, or None when the start line is not a request line."""
        parts = self.start_line.split(" ")
        return parts[1] if len(parts) >= 3 and not self.start_line.startswith("SIP/") else None

    @property
    def status(self) -> int | None:
        """Status code of a response, or None."""
        parts = self.start_line.split(" ", 2)
        is_response = len(parts) >= 2 and parts[0].startswith("SIP/")
        return int(parts[1]) if is_response and _is_short_number(parts[1]) else None

    @property
    def content_length(self) -> int | None:
        """Declared length of the body in bytes, or None when absent or unreadable."""
        value = self.first("Content-Length")
        return int(value) if value is not None and _is_short_number(value) else None

    @property
    def is_truncated(self) -> bool:
        """Whether fewer body bytes arrived than Content-Length declares."""
        declared = self.content_length
        return declared is not None and len(self.body) < declared


def _is_short_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def parse(raw: bytes) -> SipMessage:
    """Cut a message into its parts. Never raises; what cannot be read is left out."""
    end = _HEAD_END.search(raw)
    head, body = (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")
    start_line, *lines = _LINE_END.split(head.decode("utf-8", "surrogateescape"))
    return SipMessage(start_line, tuple(_headers(lines)), body)


def _headers(lines: Iterable[str]) -> list[Header]:
    found: list[Header] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            if found:
                last = found[-1]
                found[-1] = Header(last.name, f"{last.value} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        if colon and name:
            found.append(Header(COMPACT_FORMS.get(name.lower(), name), value.strip()))
    return found
