"""What a SIP body carries: the session description and the recording metadata. Never raises.

Border controllers write multipart/mixed (RFC 2046) in every way but the right one, and a call
must not go unrecorded because of it. The standard library's e-mail parser splits the parts; what
is done here is what it cannot know: a boundary that is missing, differs from the declared one or
breaks the grammar, a body that is no multipart at all, a part without a type.
"""

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.parser import BytesParser
from typing import Final

METADATA_TYPES: Final = ("application/rs-metadata+xml", "application/rs-metadata")
"""RFC 7866 section 9.1, and what drafts before it said; both are sent."""

_BOUNDARY = re.compile(r'boundary\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE | re.DOTALL)
_FIRST_DELIMITER = re.compile(rb"(?:\A|\n)--([^\r\n]{1,200}?)[ \t]*\r?\n")
_SDP = re.compile(rb"\A\s*v=\d")
_METADATA = re.compile(rb"<(?:\w[\w.-]*:)?recording[\s>]")
_MAX_PARTS: Final = 32
_MAX_NESTED: Final = 8
"""Multiparts inside each other; the parser takes time that grows with the square of them."""


@dataclass(frozen=True, slots=True)
class Body:
    """One message's content.

    Args:
        sdp: the session description as text, or None when there is none.
        metadata: the recording metadata (XML) as it came, or None.
        flags: what was odd: ``boundary_missing``, ``boundary_differs``, ``type_differs``,
            ``multipart_unreadable``, ``several_descriptions``.
    """

    sdp: str | None
    metadata: bytes | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str
    content: bytes

    @property
    def is_sdp(self) -> bool:
        return self.kind == "application/sdp" or _SDP.match(self.content) is not None

    @property
    def is_metadata(self) -> bool:
        return self.kind in METADATA_TYPES or _METADATA.search(self.content[:4096]) is not None


def read_body(content_type: str | None, content: bytes) -> Body:
    """Find description and metadata in a body, whatever its declared type says."""
    if not content.strip():
        return Body(None, None)
    flags: list[str] = []
    parts = _parts(content_type or "", content, flags)
    described = [part for part in parts if part.is_sdp]
    metadata = [part for part in parts if part.is_metadata and not part.is_sdp]
    if len(described) > 1:
        flags.append("several_descriptions")
    if any(part.kind != "application/sdp" for part in described[:1]) or any(
        part.kind not in METADATA_TYPES for part in metadata[:1]
    ):
        flags.append("type_differs")
    sdp = described[0].content.decode("utf-8", "replace") if described else None
    return Body(sdp, metadata[0].content if metadata else None, tuple(flags))


def _parts(content_type: str, content: bytes, flags: list[str]) -> list[_Part]:
    kind = content_type.partition(";")[0].strip().lower()
    found = _FIRST_DELIMITER.search(content)
    is_delimited = found is not None and not _SDP.match(content)
    if not kind.startswith("multipart/") and not is_delimited:
        return [_Part(kind, content)]
    boundary = _declared(content_type)
    if boundary is None or b"--" + boundary not in content:
        if found is None:  # nothing separates anything: one part, whatever it is
            flags.append("multipart_unreadable")
            return [_Part("", content)]
        flags.append("boundary_missing" if boundary is None else "boundary_differs")
        boundary = found[1]
    return _split(boundary, content, flags)


def _declared(content_type: str) -> bytes | None:
    """The boundary parameter; unquoted ones may hold what RFC 2045 wants quoted."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return None
    text = found[1].strip()
    if text.startswith('"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return text.rstrip().encode("utf-8", "surrogateescape") or None


def _split(boundary: bytes, content: bytes, flags: list[str]) -> list[_Part]:
    quoted = boundary.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if quoted.startswith(b"<") and quoted.endswith(b">"):
        quoted = b"<" + quoted + b">"  # the parser takes a pair off, as around a Message-ID
    head = b'Content-Type: multipart/mixed; boundary="' + quoted + b'"\r\n\r\n'
    if content.lower().count(b"multipart/") > _MAX_NESTED:
        flags.append("multipart_unreadable")
        return []
    try:
        message = BytesParser().parsebytes(head + content)
        leaves = [part for part in message.walk() if not part.is_multipart()][:_MAX_PARTS]
        parts = [_part(leaf.get_content_type(), leaf.get_payload(decode=True)) for leaf in leaves]
    except (MessageError, ValueError, LookupError, TypeError, RecursionError):
        parts = []  # e.g. an encoding nobody knows
    if not parts:
        flags.append("multipart_unreadable")
    return parts


def _part(kind: str, content: object) -> _Part:
    return _Part(kind.lower(), content if isinstance(content, bytes) else b"")
