"""What is refused before the house hears of it, and when a call has waited too long. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ivr.sip.message import SipMessage
from ivr.telephony.networks import is_from

PJSIP_MAX_PKT_LEN = 4000
"""Compiled in: pj cuts a datagram there and would take what is left for an INVITE without offer;
a TCP message beyond it is dropped without an answer."""

SETUP_TIMEOUT_S = 180.0
"""An INVITE that nobody answered or refused so long is refused with 480 (RFC 3261's timer C)."""

MEDIA_TIMEOUT_S = 0.5
"""An answered call without agreed media so long after the ACK (RFC 3264: our offer in the 200 must
be answered in the ACK) is ended: nothing could be recorded."""


NO_ACK = "no ACK for our answer"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final answer of ours."""

    status: int
    reason: str


def refusal(
    message: SipMessage, size: int, host: str, allow_from: Sequence[str], is_sdp_unreadable: bool
) -> Refusal | None:
    """Whether an INVITE is refused at the door.

    Args:
        size: bytes that arrived.
        host: where from.
        is_sdp_unreadable: our description could not be led to the RTP door.
    """
    if not is_from(host, allow_from):
        return Refusal(403, "Forbidden")
    if message.is_truncated or size >= PJSIP_MAX_PKT_LEN:
        return Refusal(513, "Message Too Large")
    if is_sdp_unreadable:
        return Refusal(488, "Not Acceptable Here")
    return None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come; nanoseconds of the monotonic clock, 0 for not yet."""

    offered_ns: int
    answered_ns: int
    confirmed_ns: int
    is_media_agreed: bool


@dataclass(frozen=True, slots=True)
class Overdue:
    """Why a call is ended. ``is_upstream``: the other side failed, not we."""

    reason: str
    is_upstream: bool


def overdue(progress: Progress, now_ns: int, ack_timeout_s: float) -> Overdue | None:
    """Limits that pj does not set, or sets too late."""
    if not progress.answered_ns:
        waited_s = (now_ns - progress.offered_ns) / 1e9
        return Overdue("nobody answered", False) if waited_s > SETUP_TIMEOUT_S else None
    if not progress.confirmed_ns:
        waited_s = (now_ns - progress.answered_ns) / 1e9
        return Overdue(NO_ACK, True) if waited_s > ack_timeout_s else None
    waited_s = (now_ns - progress.confirmed_ns) / 1e9
    if not progress.is_media_agreed and waited_s > MEDIA_TIMEOUT_S:
        return Overdue("no media was agreed: our offer got no answer", True)
    return None
