"""Session timers (RFC 4028): who refreshes a session, how often, and when it is over. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from ivr.siprec.request import Request

MIN_SE_S: Final = 90
"""Shortest interval that the RFC allows."""

LONGEST_S: Final = 86_400

_INTERVAL = re.compile(r"^\s*(\d{1,9})")
_REFRESHER = re.compile(r";\s*refresher\s*=\s*(uac|uas)", re.IGNORECASE)


class TooBrief(Exception):
    """The interval is shorter than ``MIN_SE_S``: 422 with Min-SE."""


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What was agreed.

    Args:
        interval_s: without a refresh so long the session is over.
        is_ours: whether we refresh.
        is_spoken: whether the peer knows the extension.
    """

    interval_s: int
    is_ours: bool
    is_spoken: bool

    @property
    def refresh_after_s(self) -> float:
        """RFC 4028 section 7.2: half the interval."""
        return self.interval_s / 2

    @property
    def over_after_s(self) -> float:
        """RFC 4028 section 10: BYE shortly before the session runs out."""
        return self.interval_s - min(32.0, self.interval_s / 3)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """For our 2xx."""
        refresher = "uas" if self.is_ours else "uac"
        told = [("Session-Expires", f"{self.interval_s};refresher={refresher}")]
        if self.is_spoken and not self.is_ours:
            told.append(("Require", "timer"))
        return tuple(told)

    @property
    def refreshing(self) -> tuple[tuple[str, str], ...]:
        """For an UPDATE of ours."""
        return (("Session-Expires", f"{self.interval_s};refresher=uac"), ("Supported", "timer"))


def agree(request: Request) -> SessionTimer | None:
    """What we answer to an INVITE or UPDATE; None: nobody asked for a timer, and we do not: dead
    sessions are found by their missing sound.

    Raises:
        TooBrief: it wants less than the RFC allows.
    """
    is_spoken = "timer" in (*request.tokens("Supported"), *request.tokens("Require"))
    value = request.message.first("Session-Expires") or ""
    found = _INTERVAL.match(value)
    if found is None:
        return None
    interval_s = min(int(found[1]), LONGEST_S)
    if interval_s < MIN_SE_S:
        if is_spoken:
            raise TooBrief
        interval_s = MIN_SE_S
    least = _INTERVAL.match(request.message.first("Min-SE") or "")
    if least is not None:
        interval_s = max(interval_s, min(int(least[1]), LONGEST_S))
    refresher = _REFRESHER.search(value)
    is_ours = not is_spoken or (refresher is not None and refresher[1].lower() == "uas")
    return SessionTimer(interval_s, is_ours, is_spoken)
