"""Recording metadata (RFC 7865): who takes part, who sends which stream. Pure; never raises.

Namespaces and the exact attribute names are not insisted on, because the drafts before the RFC
are still spoken. Vendors' own elements are passed over. What cannot be read is flagged.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, Self, TypeVar
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

MAX_OBJECTS: Final = 64
"""Participants, streams or sessions of one recording session; further ones are passed over."""

T = TypeVar("T")

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


@dataclass(frozen=True, slots=True)
class Participant:
    """A person or an address in the call.

    Args:
        id: as the border controller names it; means nothing outside the session.
        aors: addresses of record (``sip:``, ``tel:`` …), as written.
        name: display name, or empty.
    """

    id: str
    aors: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One media stream; ``label`` is the ``a=label`` of its m-line (RFC 4574)."""

    id: str
    label: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """One metadata document, or several merged.

    Args:
        sessions: ids of the communication sessions that are recorded.
        participants, streams: by id, in the order of the document.
        sends: participant id → ids of the streams that carry its voice.
        gone: participants that left the session.
        is_complete: False for an update that states only what changed.
        flags: ``metadata_unreadable``, ``metadata_empty``, ``metadata_repaired``.
        problem: why it is unreadable, for a person.
    """

    sessions: tuple[str, ...] = ()
    participants: Mapping[str, Participant] = field(default_factory=dict)
    streams: Mapping[str, Stream] = field(default_factory=dict)
    sends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    is_complete: bool = True
    flags: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_readable(self) -> bool:
        return "metadata_unreadable" not in self.flags

    def senders(self, label: str) -> tuple[Participant, ...]:
        """Whose voice the stream of that label carries; empty when nobody says."""
        ids = {stream.id for stream in self.streams.values() if stream.label == label}
        return tuple(
            self.participants[who]
            for who, sent in self.sends.items()
            if who in self.participants and who not in self.gone and ids.intersection(sent)
        )

    def updated(self, update: Self) -> Self:
        """What is known after ``update``; one that cannot be read changes nothing."""
        if not update.is_readable:
            return self
        if update.is_complete:
            return update
        sessions = dict.fromkeys((*self.sessions, *update.sessions))
        return replace(
            self,
            sessions=tuple(sessions)[:MAX_OBJECTS],
            participants=_bounded({**self.participants, **update.participants}),
            streams=_bounded({**self.streams, **update.streams}),
            sends=_bounded({**self.sends, **update.sends}),
            gone=(self.gone | update.gone) - (frozenset(update.sends) - update.gone),
        )


def read_metadata(raw: bytes) -> Metadata:
    """Read a metadata document."""
    flags: list[str] = []
    try:
        root = _parse(raw, flags)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as problem:
        return Metadata(flags=("metadata_unreadable",), problem=f"{problem}"[:200])
    found = _Reading()
    for element in list(root)[: 16 * MAX_OBJECTS]:
        found.take(element)
    mode = next((_text(child) for child in root if _name(child) == "datamode"), "complete")
    if not found.participants and not found.streams:
        flags.append("metadata_empty")
    return Metadata(
        sessions=tuple(found.sessions)[:MAX_OBJECTS],
        participants=_bounded(found.participants),
        streams=_bounded(found.streams),
        sends=_bounded({who: tuple(sent) for who, sent in found.sends.items()}),
        gone=frozenset(found.gone),
        is_complete=mode.lower() != "partial",
        flags=tuple(flags),
    )


def _parse(raw: bytes, flags: list[str]) -> Element:
    text = raw.strip(b"\0 \t\r\n")
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except ParseError:
        # a declared encoding that is not the real one, or bytes of another: read as UTF-8
        decoded = _DECLARATION.sub("", text.decode("utf-8-sig", "replace")).strip("\ufeff\0 \r\n")
        root = fromstring(decoded, forbid_dtd=True)
        flags.append("metadata_repaired")
    return root


class _Reading:
    """What a document holds, element by element."""

    def __init__(self) -> None:
        self.sessions: dict[str, None] = {}
        self.participants: dict[str, Participant] = {}
        self.streams: dict[str, Stream] = {}
        self.sends: dict[str, list[str]] = {}
        self.gone: set[str] = set()

    def take(self, element: Element) -> None:
        match _name(element):
            case "session":
                self.sessions.setdefault(_id(element, "session_id"))
            case "participant":
                self._participant(element)
            case "stream":
                self._stream(element)
            case "participantstreamassoc":
                self._sends(_id(element, "participant_id"), element)
            case "participantsessionassoc" if _child(element, "disassociate-time"):
                self.gone.add(_id(element, "participant_id"))
            case _:
                return

    def _participant(self, element: Element) -> None:
        who = _id(element, "participant_id")
        named = [child for child in element if _name(child) == "nameid"]
        aors = [_attribute(child, "aor") or _child(child, "aor") for child in named]
        names = [_child(child, "name") for child in named]
        self.participants[who] = Participant(
            who,
            tuple(aor for aor in aors if aor)[:MAX_OBJECTS],
            next((name for name in names if name), ""),
        )
        self._sends(who, element)  # where drafts put it

    def _stream(self, element: Element) -> None:
        what = _id(element, "stream_id")
        session = _attribute(element, "session_id") or _attribute(element, "session")
        self.streams[what] = Stream(what, _child(element, "label"), session)

    def _sends(self, who: str, element: Element) -> None:
        sent = [_text(child) for child in element if _name(child) == "send"]
        if _child(element, "disassociate-time"):
            self.sends[who] = []
        elif sent or _name(element) == "participantstreamassoc":
            self.sends[who] = [*self.sends.get(who, []), *sent][:MAX_OBJECTS]


def _name(element: Element) -> str:
    """Local name in lower case: ``datamode`` and ``dataMode``, with any namespace."""
    return str(element.tag).rpartition("}")[2].lower()


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _child(element: Element, name: str) -> str:
    """Text of the first child of that name, or empty."""
    return next((_text(child) for child in element if _name(child) == name), "")


def _attribute(element: Element, name: str) -> str:
    for key, value in element.attrib.items():
        if key.rpartition("}")[2].lower() == name:
            return value.strip()
    return ""


def _id(element: Element, name: str) -> str:
    return _attribute(element, name) or _attribute(element, "id")


def _bounded(items: Mapping[str, T]) -> dict[str, T]:
    return dict(islice(items.items(), MAX_OBJECTS))
