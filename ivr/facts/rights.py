"""What the people on a call may ask of us, on what ground they were recorded, and what went wrong
with their data: the terms of Vietnam's Law on Personal Data Protection (91/2025/QH15)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Ground(StrEnum):
    """On what a call was recorded. What the law says of each: `ivr rights law`."""

    ANNOUNCEMENT = "announcement"  # the caller was told before the conversation
    MIRROR = "mirror"  # an operator's copy, on the basis that the settings state
    UPLOAD = "upload"  # somebody handed the recording in
    NONE = "none"  # the call ended before anybody was told


@dataclass(frozen=True, slots=True)
class Notice:
    """The announcement as it was played.

    Args:
        prompt: id of the recording; ``text``: what it says, in ``language``.
        is_whole: it was played to its end; None: the record ends before that is known.
    """

    at: datetime
    language: str
    prompt: str
    text: str
    is_whole: bool | None


@dataclass(frozen=True, slots=True)
class Consent:
    """The subscriber's, as the settings stated it when the call came.

    Args:
        version: of the text that was agreed to.
        given_on: ISO date; empty: the settings do not say.
    """

    version: str
    given_on: str


@dataclass(frozen=True, slots=True)
class LawfulBasis:
    """The record of one case; stands in its manifest as ``lawful_basis``.

    Args:
        stated: the words of the settings, for a mirrored call.
        consent: None: the settings name none.
    """

    ground: Ground
    stated: str
    notice: Notice | None
    consent: Consent | None


class RequestKind(StrEnum):
    """What a person may ask (article 4)."""

    WITHDRAW = "withdraw"  # their consent
    RESTRICT = "restrict"
    OBJECT = "object"
    VIEW = "view"
    CORRECT = "correct"
    COPY = "copy"
    DELETE = "delete"


class RequestState(StrEnum):
    OPEN = "open"
    DONE = "done"
    PARTLY = "partly"  # some of it refused, with the reason
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """One request of a person about their own data.

    Args:
        reference: ``YC-2026-0001``: year and number of the entry.
        number, name, contact, details, answer: personal data; empty once the request was closed
            and its time to be kept is over (``erased_at``).
        identity: how it was made sure that the number is theirs.
        has_third_party: others hold the data too and must be asked.
    """

    reference: str
    kind: RequestKind
    state: RequestState
    received_at: datetime
    number: str
    name: str
    contact: str
    identity: str
    details: str
    has_third_party: bool
    acknowledged_at: datetime | None = None
    extended_at: datetime | None = None
    closed_at: datetime | None = None
    answer: str = ""
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something done about a request or a breach, and by whom. No personal data but ``who``."""

    at: datetime
    act: str
    who: str
    detail: str


class BreachField(StrEnum):
    """What a note about a breach tells; the form has a place for each."""

    WHAT = "what"
    WHERE = "where"
    CAUSE = "cause"
    DATA = "data"
    PEOPLE = "people"
    CONSEQUENCES = "consequences"
    MEASURES = "measures"
    CONTACT = "contact"
    NOTIFIED = "notified"  # the authority was told: the clock stands still
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class BreachNote:
    at: datetime
    who: str
    about: BreachField
    text: str


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach of personal data.

    Args:
        reference: ``SC-2026-0001``.
        detected_at: from here the law counts.
        notified_at: when the authority was told.
    """

    reference: str
    detected_at: datetime
    opened_at: datetime
    notified_at: datetime | None = None
    closed_at: datetime | None = None
