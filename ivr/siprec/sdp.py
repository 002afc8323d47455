"""Session descriptions (RFC 4566) of mirrored calls: offers read leniently, answers written. Pure.

Own parser, because every audio line must be found whatever else the text holds, and a label is
text, never a number: ``01`` and ``1`` are two streams. Nothing here raises.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

STATIC_PAYLOADS: Final[Mapping[int, tuple[str, int]]] = {
    0: ("PCMU", 8000), 3: ("GSM", 8000), 4: ("G723", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000),
    13: ("CN", 8000), 15: ("G728", 8000), 18: ("G729", 8000),
}  # fmt: skip
"""RFC 3551 section 6: known without an rtpmap."""

BESIDE_SOUND: Final = frozenset({"telephone-event", "cn"})
"""Taken along with sound; a stream of nothing else is no stream."""

DIRECTIONS: Final = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
_MEDIA = re.compile(r"^(\S+)\s+(\d{1,9})(?:/\d+)?\s+(\S+)\s*(.*)$")
_CONNECTION = re.compile(r"^IN\s+IP[46]\s+([^\s/]+)", re.IGNORECASE)
_RTPMAP = re.compile(r"^(\d{1,3})\s+([^\s/]+)/(\d{1,9})")
_FMTP = re.compile(r"^(\d{1,3})\s+(.+)$")

Accepts = Callable[[str, int], bool]
"""Whether sound of that encoding name and clock rate (Hz) can be decoded here."""


@dataclass(frozen=True, slots=True)
class MediaLine:
    """One ``m=`` line with its attributes.

    Args:
        index: position in the description, from 0.
        host: connection address as written; empty when there is none.
        label: ``a=label`` (RFC 4574), or None.
        encodings: payload type → (encoding name, clock rate in Hz), in the order offered.
        fmtp: payload type → format parameters.
    """

    index: int
    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    host: str = ""
    label: str | None = None
    direction: str = "sendrecv"
    encodings: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    fmtp: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_on_hold(self) -> bool:
        """Whether the sender says that nothing comes (RFC 3264, or RFC 2543's 0.0.0.0)."""
        names_nobody = self.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        return self.direction in {"inactive", "recvonly"} or names_nobody

    def taken(self, accepts: Accepts) -> dict[int, tuple[str, int]]:
        """Payload types that we answer with; empty when there is no sound to record."""
        if self.kind != "audio" or not self.port or self.protocol.upper() not in _PLAIN_RTP:
            return {}
        sound = {pt: known for pt, known in self.encodings.items() if accepts(*known)}
        beside = {
            pt: known for pt, known in self.encodings.items() if known[0].lower() in BESIDE_SOUND
        }
        order = list(self.encodings)
        found = {**sound, **beside} if sound else {}
        return dict(sorted(found.items(), key=lambda item: order.index(item[0])))


_PLAIN_RTP: Final = frozenset({"RTP/AVP", "RTP/AVPF"})


@dataclass(frozen=True, slots=True)
class AnsweredLine:
    """What we say to one offered line, or offer ourselves.

    Args:
        port: ours; 0 refuses the stream.
    """

    line: MediaLine
    port: int
    payloads: Mapping[int, tuple[str, int]]


def read_sdp(text: str) -> tuple[MediaLine, ...]:
    """Every media line of a description, in order; what cannot be read is left out."""
    session: list[tuple[str, str]] = []
    media: list[tuple[str, list[tuple[str, str]]]] = []
    for raw in re.split(r"\r\n|\n|\r", text):
        name, equals, value = raw.strip().partition("=")
        if not equals or len(name) != 1:
            continue
        if name == "m":
            media.append((value, []))
        else:
            (media[-1][1] if media else session).append((name, value.strip()))
    found = (_line(index, value, own, session) for index, (value, own) in enumerate(media))
    return tuple(found)


def write_sdp(host: str, session_id: int, version: int, lines: Sequence[AnsweredLine]) -> str:
    """A description of ours: every stream received only, none sent."""
    family = "IP6" if ":" in host else "IP4"
    out = [
        "v=0",
        f"o=ivr {session_id} {version} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
    ]
    for answer in lines:
        out += _media_text(answer)
    return "\r\n".join(out) + "\r\n"


def _media_text(answer: AnsweredLine) -> list[str]:
    line = answer.line
    if not answer.port:
        formats = " ".join(line.formats) or "0"
        out = [f"m={line.kind} 0 {line.protocol} {formats}"]
        return [*out, *_label(line)]
    numbers = " ".join(str(number) for number in answer.payloads)
    out = [f"m={line.kind} {answer.port} {line.protocol} {numbers}"]
    for number, (name, rate) in answer.payloads.items():
        out.append(f"a=rtpmap:{number} {name}/{rate}")
        if number in line.fmtp:
            out.append(f"a=fmtp:{number} {line.fmtp[number]}")
    out.append("a=inactive" if line.direction in {"inactive", "recvonly"} else "a=recvonly")
    return [*out, *_label(line)]


def _label(line: MediaLine) -> list[str]:
    return [] if line.label is None else [f"a=label:{line.label}"]


def _line(
    index: int, value: str, own: list[tuple[str, str]], session: list[tuple[str, str]]
) -> MediaLine:
    found = _MEDIA.match(value)
    if found is None:  # counted all the same: an answer must have as many lines as the offer
        return MediaLine(index, "audio", 0, "RTP/AVP", ())
    port = int(found[2])
    formats = tuple(found[4].split())
    return MediaLine(
        index=index,
        kind=found[1].lower(),
        port=port if port <= 0xFFFF else 0,
        protocol=found[3],
        formats=formats,
        host=_first(_connection(own) or _connection(session)),
        label=_first(_attributes(own, "label")) or None,
        direction=_direction(own) or _direction(session) or "sendrecv",
        encodings=_encodings(formats, own),
        fmtp={int(hit[1]): hit[2] for hit in map(_FMTP.match, _attributes(own, "fmtp")) if hit},
    )


def _encodings(formats: Sequence[str], own: list[tuple[str, str]]) -> dict[int, tuple[str, int]]:
    maps = {
        int(hit[1]): (hit[2], int(hit[3]))
        for hit in map(_RTPMAP.match, _attributes(own, "rtpmap"))
        if hit
    }
    numbers = (int(item) for item in formats if item.isascii() and item.isdigit())
    known = {**STATIC_PAYLOADS, **maps}
    return {number: known[number] for number in numbers if number in known and number < 128}


def _connection(attributes: list[tuple[str, str]]) -> list[str]:
    hits = (_CONNECTION.match(value) for name, value in attributes if name == "c")
    return [hit[1] for hit in hits if hit]


def _attributes(lines: list[tuple[str, str]], name: str) -> list[str]:
    """Values of ``a=name:…``."""
    found = []
    for kind, value in lines:
        key, _, rest = value.partition(":")
        if kind == "a" and key.strip().lower() == name:
            found.append(rest.strip())
    return found


def _direction(lines: list[tuple[str, str]]) -> str:
    values = (value.strip().lower() for kind, value in lines if kind == "a")
    return next((value for value in values if value in DIRECTIONS), "")


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""
