"""What telephony knows of a call: RFC 3261 signalling, identities, how it ended."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Mode(StrEnum):
    """How a call reaches us; only legs and dialogue differ."""

    ANSWER = "answer"  # the agent speaks with the caller
    BRIDGE = "bridge"  # the agent rings the subscriber and joins the two
    LISTEN = "listen"  # merged into a running call by the subscriber
    MIRROR = "mirror"  # copied to us by an operator (RFC 7866, or a fork of two calls)
    MENU = "menu"  # a subscriber who calls the access number: voice menu, no case
    UPLOAD = "upload"


class LegName(StrEnum):
    """One direction of sound. ``mixed`` is a conference heard as one stream."""

    CALLER = "caller"
    CALLEE = "callee"  # the person who was called, when their side is heard on its own
    AGENT = "agent"  # what we send to the caller (of a bridge: the callee's voice is in it)
    AGENT_TO_CALLEE = "agent_to_callee"  # what we send to the callee of a bridge
    MIXED = "mixed"
    PARTY_3 = "party_3"  # further streams of a mirrored conference
    PARTY_4 = "party_4"
    PARTY_5 = "party_5"
    PARTY_6 = "party_6"
    CHANNEL_1 = "channel_1"
    CHANNEL_2 = "channel_2"


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity header as it came.

    Args:
        header: canonical header name, e.g. ``From``, ``P-Asserted-Identity``, ``Diversion``.
        raw: the header value, unfolded, otherwise untouched.
        uri_user: user part of its URI, if one could be read.
        e164: ``+84…`` when the user part is a telephone number, else None.
        confidence: 0–1, how far this header says who calls (0 for headers that do not).
        flags: spoof patterns seen, e.g. ``double_zero``, ``anonymous``, ``unexpected_country``.
        decoded: what an encoded header says, for a reader (claims of a PASSporT, User-to-User).
    """

    header: str
    raw: str
    uri_user: str | None
    e164: str | None
    confidence: float
    flags: tuple[str, ...] = ()
    decoded: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """The party a report would name, with where that claim comes from.

    ``number`` is E.164 when it could be normalised, else the displayed text, else None
    (anonymous). It is never the subscriber's own number.
    """

    number: str | None
    display: str | None
    source_header: str | None
    confidence: float
    flags: tuple[str, ...] = ()


OUR_VOICE = frozenset({LegName.AGENT, LegName.AGENT_TO_CALLEE})
"""Legs that we make: recorded, never recognised, never judged."""


@dataclass(frozen=True, slots=True)
class CallOpened:
    """A call was accepted; everything later refers to ``call_id`` (ULID).

    Args:
        trunk: name of the configured trunk that the call came over; empty: none is named.
        lawful_basis: what a mirrored call is recorded on; empty: the announcement.
        consent_version, consented_on: of the subscriber, as the settings state them (ISO date);
            empty: they state none.
    """

    call_id: str
    mode: Mode
    legs: tuple[LegName, ...]
    identities: tuple[Identity, ...]
    caller: Caller
    subscriber: str | None
    access: str
    sip_call_id: str | None
    source_address: str | None
    opened_at: datetime
    trunk: str = ""
    lawful_basis: str = ""
    consent_version: str = ""
    consented_on: str = ""


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key was pressed: ``rfc4733``, ``info`` or ``inband`` (as sound). ``at_s`` counts from the
    call's opening; of keys sent as sound from the leg's first packet."""

    digit: str
    at_s: float
    method: str


@dataclass(frozen=True, slots=True)
class MediaAgreed:
    """SDP offer and answer were exchanged (RFC 3264); comes again after every re-INVITE.

    Args:
        remote: address and port the other side's SDP names for its RTP.
        signalled_from: address the SIP message came from (a NAT shows its outside here).
        agent: loopback address and port on which pjsua2 receives RTP.
        payload_types: RTP payload type → (encoding name, clock rate in Hz).
        direction: ``sendrecv``, ``sendonly``, ``recvonly`` or ``inactive``, as answered by us.
    """

    remote: tuple[str, int]
    signalled_from: str
    agent: tuple[str, int]
    payload_types: dict[int, tuple[str, int]]
    direction: str


@dataclass(frozen=True, slots=True)
class Signalling:
    """One SIP message of a call, as it passed our socket.

    Args:
        at_ns: when, nanoseconds since 1970 by the wall clock.
        is_sent: whether it was ours.
        peer: where it came from or went to; an empty host when that is not known.
        raw: byte for byte; empty when the call had said too much already to keep it whole.
        is_last: no more of this call are told of, for it had too many.
    """

    at_ns: int
    is_sent: bool
    peer: tuple[str, int]
    raw: bytes
    is_last: bool = False


class Blame(StrEnum):
    """Who ended the call."""

    CALLER = "caller"
    CALLEE = "callee"  # the subscriber, of the leg on which we rang them
    US = "us"
    UPSTREAM = "upstream"
    UNKNOWN = "unknown"


class Pickup(StrEnum):
    """How ringing somebody ended."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"  # it rang, or should have, and nobody came
    REFUSED = "refused"  # rejected, or sent elsewhere: we follow nobody
    UNREACHABLE = "unreachable"  # no answer to the INVITE, no such person, network trouble
    NO_SLOT = "no_slot"  # not dialled: the worker has no free slot
    GIVEN_UP = "given_up"  # we stopped ringing: the caller is gone


@dataclass(frozen=True, slots=True)
class CallClosed:
    """The call is over. ``sip_status`` is the last status or cause known (0: none)."""

    blame: Blame
    reason: str
    sip_status: int
    duration_s: float
    closed_at: datetime
