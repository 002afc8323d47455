"""Would a call be taken now? The one answer for admission, for OPTIONS and for `/readyz`."""

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ivr.facts.call import CallClosed

LAG_OVER = 0.5
"""Refused above the limit, calls are taken again below this share of it."""
MEASURED_WITHIN_S = 2.0
"""A look at the disk that is no older serves an INVITE."""
DISK_AGAIN = 1.1
"""Refused below the limit, calls are taken again above this multiple of it."""


class Cause(StrEnum):
    """Why a call is refused."""

    STARTING = "starting"  # what an earlier process left open is being sealed
    DRAINING = "draining"
    CALLS = "calls"
    LAG = "recognition_lag"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no call is taken now; ``detail`` in figures."""

    cause: Cause
    detail: str


class Ending(Protocol):
    """Whatever a call is counted by until it is over."""

    @property
    def closed(self) -> CallClosed | None: ...


class Capacity:
    """Real capacity: calls, recognition lag, free disk. Hysteresis on what is measured, so that a
    dispatcher does not send calls in bursts while a figure trembles about its limit.

    Args:
        vault: folder on the disk that is measured.
        max_calls: at once; further ones are refused.
        lag_s: how far the slowest recogniser is behind.
    """

    def __init__(
        self,
        vault: Path,
        *,
        max_calls: int,
        max_lag_s: float,
        min_free_mb: int,
        lag_s: Callable[[], float],
    ) -> None:
        self._vault = vault
        self._max_calls, self._max_lag_s, self._min_free_mb = max_calls, max_lag_s, min_free_mb
        self._lag_s = lag_s
        self._calls: list[Ending] = []
        self._is_lagging = self._is_disk_low = False
        self._measured_at = 0.0
        self.free_mb: int | None = None
        self.is_starting = self.is_draining = False
        self.told: Refusal | None = None

    @property
    def max_calls(self) -> int:
        return self._max_calls

    @property
    def calls(self) -> int:
        """That are not over."""
        return sum(call.closed is None for call in self._calls)

    @property
    def lag_s(self) -> float:
        return self._lag_s()

    def enter(self, call: Ending) -> None:
        """Count a call until it is over; to be called in the same breath as ``refusal``."""
        self._calls = [each for each in self._calls if each.closed is None]
        self._calls.append(call)

    @property
    def measured_ago_s(self) -> float:
        """Seconds since the disk last answered."""
        return time.monotonic() - self._measured_at

    @property
    def is_lagging(self) -> bool:
        """As of the last ``refusal``."""
        return self._is_lagging

    @property
    def is_disk_low(self) -> bool:
        """As of the last ``refusal``."""
        return self._is_disk_low

    async def measure(self, max_age_s: float = 0.0) -> None:
        """Look at the disk, unless that was done not long ago; what cannot be looked at has no
        room."""
        if max_age_s and self.measured_ago_s < max_age_s:
            return
        try:
            free = (await asyncio.to_thread(shutil.disk_usage, self._vault)).free
        except OSError:
            free = 0
        self.free_mb = free // 2**20
        self._measured_at = time.monotonic()

    def refusal(self) -> Refusal | None:
        """Why a call would be refused now; None: it would be taken. Never waits; the disk is as it
        was last measured. On the event loop only; other threads read the last answer, ``told``.
        """
        self.told = self._refusal()
        return self.told

    def _refusal(self) -> Refusal | None:
        lag_s, free_mb = self._lag_s(), self.free_mb
        lag_limit_s = self._max_lag_s * (LAG_OVER if self._is_lagging else 1.0)
        self._is_lagging = lag_s > lag_limit_s
        free_limit = self._min_free_mb * (DISK_AGAIN if self._is_disk_low else 1.0)
        self._is_disk_low = free_mb is not None and free_mb < free_limit
        calls = self.calls
        if self.is_starting:
            return Refusal(Cause.STARTING, "cases of an earlier process are being sealed")
        if self.is_draining:
            return Refusal(Cause.DRAINING, f"{calls} calls still run")
        if self._is_disk_low:
            return Refusal(Cause.DISK, f"{free_mb} MB free, {self._min_free_mb} needed")
        if self._is_lagging:
            return Refusal(Cause.LAG, f"{lag_s:.1f} s behind, {self._max_lag_s:.1f} allowed")
        if calls >= self._max_calls:
            return Refusal(Cause.CALLS, f"{calls} of {self._max_calls} calls run")
        return None
