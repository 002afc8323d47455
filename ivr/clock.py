"""Time, as one object that tests can replace."""

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Protocol

VIETNAM: Final = timezone(timedelta(hours=7), "+07:00")
"""No summer time since 1975."""


class Clock(Protocol):
    """Where the house takes its time from."""

    def now(self) -> datetime:
        """Wall time, timezone-aware UTC."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back; its zero has no meaning."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def to_iso(moment: datetime) -> str:
    """RFC 3339 with microseconds and ``Z``, the one form used in files and JSON."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
