"""What the kernel knows of its own clock: whether something keeps it right, and how well.

``adjtimex`` (man 2 adjtimex) is where chrony, ntpd and systemd-timesyncd tell the kernel what they
found. Nothing is asked over the network. Own code of one system call: the standard library has no
binding.
"""

import ctypes
import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STA_UNSYNC: Final = 0x0040
STA_NANO: Final = 0x2000
_TIME_ERROR: Final = 5
_UNKNOWN_ERROR_US: Final = 16_000_000
"""The kernel's largest error: what it says when nothing ever set the clock."""

DISCIPLINES: Final = (
    ("chrony", Path("/run/chrony/chronyd.pid")),
    ("ntpd", Path("/run/ntpd.pid")),
    ("systemd-timesyncd", Path("/run/systemd/timesync/synchronized")),
)
"""What keeps a clock, and the file that shows that it runs."""


class _Timex(ctypes.Structure):
    """``struct timex``; the tail is reserved by the kernel."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


@dataclass(frozen=True, slots=True)
class ClockState:
    """The kernel's word on its clock, at one moment.

    Args:
        is_synchronised: whether something keeps it right; None: the kernel could not be asked.
        estimated_error_us: what the offset to UTC is believed to be at most, as a rule.
        maximum_error_us: what it cannot exceed as long as the reference is right; it grows by
            500 µs each second without a new measurement.
        offset_us: correction still being slewed in.
        kept_by: the program that keeps it, as far as its files show.
        why_unknown: why nothing is known; empty when the kernel answered.
    """

    is_synchronised: bool | None
    estimated_error_us: int | None
    maximum_error_us: int | None
    offset_us: int | None
    kept_by: str | None
    why_unknown: str = ""

    @property
    def told(self) -> str:
        """The offset to UTC for a person, as far as it was measured."""
        if self.is_synchronised is None:
            return f"not measured: {self.why_unknown}"
        if self.estimated_error_us is None or self.maximum_error_us is None:
            return "not measured: the kernel says that nothing keeps its clock"
        kept = "kept" if self.is_synchronised else "not kept any more"
        return (
            f"estimated within {self.estimated_error_us} us, "
            f"at most {self.maximum_error_us} us; the clock is {kept}"
        )


def read_clock_state() -> ClockState:
    """Ask the kernel; a machine that cannot be asked is no error."""
    timex = _Timex()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        state = libc.adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError) as problem:
        return _unknown(str(problem))
    if state < 0:
        code = ctypes.get_errno()
        return _unknown(errno.errorcode.get(code, str(code)))
    is_synchronised = state != _TIME_ERROR and not timex.status & STA_UNSYNC
    is_measured = is_synchronised or timex.maxerror < _UNKNOWN_ERROR_US
    offset = timex.offset // 1000 if timex.status & STA_NANO else timex.offset
    return ClockState(
        is_synchronised=is_synchronised,
        estimated_error_us=int(timex.esterror) if is_measured else None,
        maximum_error_us=int(timex.maxerror) if is_measured else None,
        offset_us=int(offset) if is_measured else None,
        kept_by=next((name for name, sign in DISCIPLINES if sign.exists()), None),
    )


def _unknown(why: str) -> ClockState:
    return ClockState(None, None, None, None, None, f"adjtimex: {why}")
