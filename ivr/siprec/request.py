"""A SIP request as the recording server needs it, read from bytes; and texts of ours. Pure."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from ivr.sip.message import SipMessage, parse
from ivr.sip.name_addr import split_values

MAGIC_COOKIE: Final = "z9hG4bK"

_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+\Z")
_TAG = re.compile(r";\s*tag\s*=\s*([^;,\s>]+)", re.IGNORECASE)
_CSEQ = re.compile(r"(\d{1,10})\s+(\S+)\Z")
_SENT_BY = re.compile(r"SIP\s*/\s*2\.0\s*/\s*(\S+)\s+([^;\s]+)\s*(.*)\Z", re.DOTALL)
_PARAMETER = re.compile(r";\s*([^\s;=]+)\s*(?:=\s*(\"[^\"]*\"|[^\s;]*))?")


class BadRequest(Exception):
    """A request that cannot be worked on. ``status`` may be told to the sender."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Via:
    """The topmost Via (RFC 3261 section 20.42), as written, with what answers need of it."""

    text: str
    host: str
    port: int
    branch: str
    has_rport: bool

    def answered(self, source: tuple[str, int]) -> str:
        """The value with ``received`` and ``rport`` (RFC 3261 section 18.2.1, RFC 3581)."""
        shown = re.sub(r";\s*rport\s*(?=;|$)", f";rport={source[1]}", self.text, count=1)
        if self.host.strip("[]").lower() != source[0].lower() or self.has_rport:
            shown += f";received={source[0]}"
        return shown


@dataclass(frozen=True, slots=True)
class Request:
    """One request; see ``read_request``.

    Args:
        body: cut at Content-Length.
        is_truncated: fewer bytes came than Content-Length says.
    """

    raw: bytes
    message: SipMessage
    method: str
    uri: str
    call_id: str
    from_tag: str
    to_tag: str
    cseq: int
    via: Via
    further_vias: tuple[str, ...]
    body: bytes
    is_truncated: bool

    @property
    def transaction(self) -> tuple[str, ...]:
        """What retransmissions share (RFC 3261 section 17.2.3); ACK has its INVITE's."""
        method = "INVITE" if self.method == "ACK" else self.method
        if self.via.branch.startswith(MAGIC_COOKIE):
            return (self.via.branch, self.via.host, str(self.via.port), method)
        return (self.call_id, self.from_tag, str(self.cseq), self.via.text, method)

    def without_content(self) -> "Request":
        """What its transaction needs to remember: a body may be 60 kB."""
        return replace(self, raw=b"", body=b"", message=SipMessage("", (), b""))

    def tokens(self, name: str) -> tuple[str, ...]:
        """Comma-separated tokens of a header, in lower case."""
        values = (item for value in self.message.all(name) for item in value.split(","))
        return tuple(item.strip().lower() for item in values if item.strip())


def read_request(message: SipMessage, raw: bytes) -> Request:
    """Check and read a request.

    Raises:
        BadRequest: what is missing or wrong, with a status.
    """
    method, uri = _start_line(message.start_line)
    vias = [part for value in message.all("Via") for part in split_values(value)]
    via = read_via(vias[0]) if vias else None
    if via is None:
        raise BadRequest(400, "No readable Via")
    found = _CSEQ.match((message.first("CSeq") or "").strip())
    if found is None or int(found[1]) >= 1 << 32:
        raise BadRequest(400, "Bad CSeq")
    if found[2] != method:
        raise BadRequest(400, "CSeq names another method")
    values = {name: message.first(name) for name in ("From", "To", "Call-ID")}
    for name, value in values.items():
        if not value:
            raise BadRequest(400, f"No {name}")
    length = message.first("Content-Length")
    if length is not None and message.content_length is None:
        raise BadRequest(400, "Bad Content-Length")
    declared = message.content_length
    return Request(
        raw=raw,
        message=message,
        method=method,
        uri=uri,
        call_id=values["Call-ID"] or "",
        from_tag=tag_of(values["From"] or ""),
        to_tag=tag_of(values["To"] or ""),
        cseq=int(found[1]),
        via=via,
        further_vias=tuple(vias[1:]),
        body=message.body if declared is None else message.body[:declared],
        is_truncated=message.is_truncated,
    )


def _start_line(line: str) -> tuple[str, str]:
    parts = line.split(" ")
    if len(parts) < 3 or not _TOKEN.match(parts[0]):
        raise BadRequest(400, "Bad request line")
    if parts[-1].upper() != "SIP/2.0":
        raise BadRequest(505, "Version Not Supported")
    if len(parts) != 3:
        raise BadRequest(400, "Bad request line")
    if not re.match(r"(sips?|tel):", parts[1], re.IGNORECASE):
        raise BadRequest(416, "Unsupported URI Scheme")
    return parts[0], parts[1]


def read_via(text: str) -> Via | None:
    """One Via value, or None when it is none."""
    found = _SENT_BY.match(text.strip())
    if found is None:
        return None
    host, _, port = found[2].rpartition(":") if _has_port(found[2]) else (found[2], "", "")
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(found[3])}
    return Via(
        text=text.strip(),
        host=host,
        port=int(port) if port else 5060,
        branch=parameters.get("branch", ""),
        has_rport="rport" in parameters,
    )


def _has_port(sent_by: str) -> bool:
    return re.search(r"(?:\]|^[^:]*):\d{1,5}\Z", sent_by) is not None


def tag_of(value: str) -> str:
    """The tag of a From or To value; one inside the URI's brackets is none."""
    found = _TAG.search(value[value.rfind(">") + 1 :])
    return found[1] if found else ""


def read_response(raw: bytes) -> tuple[SipMessage, Via] | None:
    """A response and its topmost Via, or None when it is none."""
    message = parse(raw)
    via = read_via(next(iter(split_values(message.first("Via") or "")), ""))
    return None if message.status is None or via is None else (message, via)


def new_tag() -> str:
    """A tag, or a part of a branch: 64 random bits (RFC 3261 section 19.3 wants 32)."""
    return secrets.token_hex(8)


def response_text(
    request: Request,
    source: tuple[str, int],
    status: int,
    reason: str,
    *,
    to_tag: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> bytes:
    """A response to ``request``, which came from ``source`` (RFC 3261 section 8.2.6)."""
    message = request.message
    to = message.first("To") or ""
    if not request.to_tag and status > 100:
        to = f"{to};tag={to_tag}"
    vias = [request.via.answered(source), *request.further_vias]
    lines = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in vias)]
    if 100 < status < 300:
        lines += [f"Record-Route: {value}" for value in message.all("Record-Route")]
    lines += [
        f"From: {message.first('From')}",
        f"To: {to}",
        f"Call-ID: {request.call_id}",
        f"CSeq: {request.cseq} {request.method}",
    ]
    return finished(lines, headers, body)


def finished(lines: list[str], headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Start line and headers, then more headers and a body, as bytes."""
    every = [*lines, *(f"{name}: {value}" for name, value in headers)]
    if body:
        every.append("Content-Type: application/sdp")
    every.append(f"Content-Length: {len(body)}")
    return "\r\n".join(every).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def refusal_text(
    message: SipMessage, source: tuple[str, int], status: int, reason: str
) -> tuple[bytes, int] | None:
    """An answer to a request that cannot be read as one, and the port it goes to; None when it
    does not even say whom to answer. Nothing is remembered of it."""
    vias = [part for value in message.all("Via") for part in split_values(value)]
    via = read_via(vias[0]) if vias else None
    if via is None:
        return None
    lines = [f"SIP/2.0 {status} {reason}", f"Via: {via.answered(source)}"]
    lines += [f"Via: {text}" for text in vias[1:]]
    for name in ("From", "To", "Call-ID", "CSeq"):
        lines += [f"{name}: {value}" for value in message.all(name)[:1]]
    return finished(lines, (), b""), source[1] if via.has_rport else via.port


def printable(text: str) -> str:
    r"""The text with everything but letters and common signs as ``\x..``: for logs and stores."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in clean)
