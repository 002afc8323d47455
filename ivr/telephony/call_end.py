"""Why a call ended and who ended it. Pure."""

import re
from dataclasses import dataclass

from ivr.facts.call import Blame, Pickup

_CAUSE = re.compile(r"Q\.850\s*;.*?\bcause\s*=\s*(\d+)", re.IGNORECASE)
_TEXT = re.compile(r'\btext\s*=\s*"([^"]*)"', re.IGNORECASE)
_NETWORK_CAUSES = frozenset({34, 38, 41, 42, 44, 47, 58, 63, 102})
"""Q.850 causes that mean the network failed, though the BYE came from the other side."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    """``reason`` is a short English text for logs and the case file."""

    blame: Blame
    reason: str


def from_bye(reason_header: str | None) -> CallEnd:
    """The other side sent BYE, perhaps with a Reason header (RFC 3326)."""
    if not reason_header:
        return CallEnd(Blame.CALLER, "BYE from the other side")
    cause = _CAUSE.search(reason_header)
    text = _TEXT.search(reason_header)
    said = text[1] if text else reason_header
    if cause and int(cause[1]) in _NETWORK_CAUSES:
        return CallEnd(Blame.UPSTREAM, f"BYE, network cause {cause[1]}: {said}")
    return CallEnd(Blame.CALLER, f"BYE from the other side: {said}")


def from_status(status: int, phrase: str, is_answered: bool, is_confirmed: bool) -> CallEnd:
    """No BYE was seen and we did not hang up: only the last status tells.

    Args:
        status: pj's last status of the call.
        is_answered: whether our 200 was sent.
        is_confirmed: whether its ACK came.
    """
    if not is_answered and status == 487:
        return CallEnd(Blame.CALLER, "cancelled before the answer")
    if is_answered and not is_confirmed:
        return CallEnd(Blame.UPSTREAM, f"no ACK for our answer ({status} {phrase})")
    if status == 408:
        return CallEnd(Blame.UPSTREAM, "the other side no longer answers")
    if status == 488:
        return CallEnd(Blame.UPSTREAM, "no common media format")
    return CallEnd(Blame.UNKNOWN, f"{status} {phrase}")


_BUSY = frozenset({486, 600})
_NO_ANSWER = frozenset({480, 487})
_REFUSED = frozenset({*range(300, 400), 401, 402, 403, 405, 406, 407, 488, 603, 606, 607, 608})


def pickup(status: int, has_rung: bool, is_given_up: bool, is_too_late: bool) -> Pickup:
    """How a call that we placed ended before it was answered.

    Args:
        status: its final status; 408 also stands for no answer at all.
        has_rung: the other side had sent a provisional answer (RFC 3261: 180, 183 …).
        is_given_up: we ended it because nobody wants it any more.
        is_too_late: we ended it because it rang too long.
    """
    if is_too_late:
        return Pickup.NO_ANSWER if has_rung else Pickup.UNREACHABLE
    if is_given_up:
        return Pickup.GIVEN_UP
    if status in _BUSY:
        return Pickup.BUSY
    if status in _NO_ANSWER or (status == 408 and has_rung):
        return Pickup.NO_ANSWER
    return Pickup.REFUSED if status in _REFUSED else Pickup.UNREACHABLE
