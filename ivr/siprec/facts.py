"""What a mirrored call tells whoever records it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ivr.facts.call import CallClosed, MediaAgreed
from ivr.ports import MediaEndpoint
from ivr.siprec.metadata import Metadata


@dataclass(frozen=True, slots=True)
class OfferedStream:
    """One media line of a dialog.

    Args:
        key: names the stream through all offers: by its label, else by its position.
        session: which dialog of the call; a plain fork has two.
        media: who sends it, and how; None when it is refused, or when the offer is ours and its
            answer has not come yet.
        is_open: False for a line that is refused, or that the other side has closed (port 0).
        is_on_hold: nothing is to be expected for now.
        why_closed: for a person; empty for an open stream.
    """

    key: str
    session: int
    index: int
    label: str | None
    media: MediaAgreed | None
    is_open: bool
    is_on_hold: bool
    why_closed: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that brought something to keep.

    Args:
        raw: byte for byte as it came.
        metadata: what is known of the call with it, or None when it carried none.
        flags: what was odd about it.
    """

    method: str
    raw: bytes
    metadata: Metadata | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Negotiation:
    """An offer, or a request for one, that waits for our answer.

    Args:
        streams: every line, open or not.
        is_first: whether it opens a dialog.
        leg_hint: whose sound the dialog carries, as a plain fork says; else empty.
        answer: takes the endpoint of each stream to record by its key; others are refused.
        refuse: takes status, reason and seconds for Retry-After (0: none).
    """

    message: Message
    streams: tuple[OfferedStream, ...]
    session: int
    is_first: bool
    leg_hint: str
    answer: Callable[[Mapping[str, MediaEndpoint]], None]
    refuse: Callable[[int, str, int], None]


@dataclass(frozen=True, slots=True)
class StreamsAgreed:
    """The answer to an offer of ours came with the ACK."""

    streams: tuple[OfferedStream, ...]


@dataclass(frozen=True, slots=True)
class MetadataReceived:
    """Metadata without an offer (UPDATE, INFO)."""

    message: Message


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """Our answer was said again for 32 seconds and no ACK came: the recorder decides whether the
    call, whose sound may be flowing all the same, goes on."""

    session: int


@dataclass(frozen=True, slots=True)
class PairIncomplete:
    """The second INVITE of a plain fork did not come in time."""

    waited_s: float


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """One dialog of a call is over while another lives."""

    session: int
    reason: str


Fact = (
    Negotiation
    | StreamsAgreed
    | MetadataReceived
    | Unacknowledged
    | PairIncomplete
    | SessionEnded
    | CallClosed
)
