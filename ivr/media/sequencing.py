"""Order and place: which run of sequence numbers a packet belongs to, and where it sounds.

Live tap and offline time line share both, so a second heard live is the same second later.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from ivr.media.rtp import RtpPacket

MAX_MISORDER: Final = 3000
"""Sequence numbers further away than this are a new run (MAX_DROPOUT of RFC 3550 appendix A.1,
used in both directions: a packet a minute late still finds its place)."""

STRAGGLER_NS: Final = 1_000_000_000
"""How long after the last packet of a run that was replaced another one may still join it."""

ABSURD_JUMP_S: Final = 10.0
TOLERATED_DISAGREEMENT_S: Final = 1.0
TOLERATED_DRIFT: Final = 0.01
"""No sender's clock is wrong by more than 1 %."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a packet stands among all packets of its leg.

    Args:
        run: counts from 0; a new one begins with a new SSRC or a jump of the sequence number.
        extended: sequence number with its wraps counted; ordered within the run.
        is_duplicate: the same place was taken before.
        is_reordered: a later place was taken before.
    """

    run: int
    extended: int
    is_duplicate: bool
    is_reordered: bool


@dataclass(frozen=True, slots=True)
class Reception:
    """What a receiver report (RFC 3550 section 6.4) says of one source.

    Args:
        highest: extended highest sequence number received, 32 bits.
        expected: packets between the first and the highest.
        received: packets that came, duplicates included (the RFC counts them).
        jitter: in time stamp units.
    """

    ssrc: int
    highest: int
    expected: int
    received: int
    jitter: int


@dataclass(slots=True)
class _Run:
    index: int
    ssrc: int
    highest: int
    last_ns: int
    lowest: int
    taken: int = 0
    duplicates: int = 0
    seen: set[int] = field(default_factory=set)

    @property
    def lost(self) -> int:
        """Places between the first and the last that nothing came for."""
        return self.span - self.taken

    @property
    def span(self) -> int:
        """Places from the first to the last."""
        return self.highest - self.lowest + 1

    def extend(self, sequence: int) -> int | None:
        """``sequence`` with its wraps, or None when it is too far away to belong here."""
        distance = (sequence - self.highest + 0x8000) % 0x10000 - 0x8000
        return self.highest + distance if abs(distance) <= MAX_MISORDER else None

    def forget_old(self) -> None:
        if len(self.seen) > 4 * MAX_MISORDER:
            oldest = self.highest - MAX_MISORDER
            self.seen = {extended for extended in self.seen if extended >= oldest}


class Sequencer:
    """Gives each packet of one leg its place, in order of arrival (RFC 3550 appendix A.1)."""

    def __init__(self) -> None:
        self._runs: deque[_Run] = deque(maxlen=8)  # older ones can no longer be joined
        self._count = 0
        self._lost_before = 0
        self.duplicates = 0
        self.reordered = 0

    @property
    def lost(self) -> int:
        """Packets that never came, so far."""
        return self._lost_before + sum(run.lost for run in self._runs)

    def reception(self, jitter: int) -> Reception | None:
        """The newest run as a receiver report states it."""
        if not self._runs:
            return None
        run = self._runs[-1]
        highest = (run.highest - 0x10000) % (1 << 32)
        return Reception(run.ssrc, highest, run.span, run.taken + run.duplicates, jitter)

    def place(self, packet: RtpPacket, at_ns: int) -> Place:
        run, extended = self._find(packet, at_ns)
        is_duplicate = extended in run.seen
        is_reordered = extended < run.highest and not is_duplicate
        self.duplicates += is_duplicate
        self.reordered += is_reordered
        run.duplicates += is_duplicate
        run.taken += not is_duplicate
        run.seen.add(extended)
        run.highest, run.lowest = max(run.highest, extended), min(run.lowest, extended)
        run.last_ns = at_ns
        run.forget_old()
        return Place(run.index, extended, is_duplicate, is_reordered)

    def _find(self, packet: RtpPacket, at_ns: int) -> tuple[_Run, int]:
        for run in reversed(self._runs):
            is_open = run is self._runs[-1] or at_ns - run.last_ns <= STRAGGLER_NS
            if run.ssrc == packet.ssrc and is_open:
                extended = run.extend(packet.sequence)
                if extended is not None:
                    return run, extended
        first = packet.sequence + 0x10000  # so that a packet from before a wrap stays positive
        if len(self._runs) == self._runs.maxlen:
            self._lost_before += self._runs[0].lost
        run = _Run(self._count, packet.ssrc, first, at_ns, first)
        self._count += 1
        self._runs.append(run)
        return run, first


class LegClock:
    """Turns time stamps into samples since the leg's first packet. Feed audio in order of place.

    Within a run the time stamp alone decides (RFC 3550: it counts samples). Where it cannot be
    believed, arrival times carry the line on: a new SSRC; a new run, or a jump of more than 10 s,
    that disagrees with the arrival times by more than 1 s; a time stamp that does not advance;
    a line more than 10 s, and 1 % of its length, away from the arrival times as a whole (time
    stamps that stood still while on hold; a sender that wants an endless line).
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._last: tuple[int, int, int, int] | None = None  # run, ssrc, time stamp, arrival
        self._first_ns = 0
        self._offset = 0
        self._end = 0

    def place(self, run: int, packet: RtpPacket, at_ns: int, samples: int) -> tuple[int, bool]:
        """(offset in samples, whether it was anchored anew by arrival time)."""
        anew = False
        if self._last is None:
            offset = 0
            self._first_ns = at_ns
        else:
            elapsed_s = (at_ns - self._last[3]) / 1e9
            step = (packet.timestamp - self._last[2] + (1 << 31)) % (1 << 32) - (1 << 31)
            anew = not self._is_believable(run, packet.ssrc, step, elapsed_s)
            if anew or self._is_astray(self._offset + step, at_ns):
                anew = True
                offset = max(self._end, self._offset + round(elapsed_s * self._rate_hz))
            else:
                offset = self._offset + step
        self._last = (run, packet.ssrc, packet.timestamp, at_ns)
        self._offset = offset
        self._end = max(self._end, offset + samples)
        return offset, anew

    def _is_believable(self, run: int, ssrc: int, step: int, elapsed_s: float) -> bool:
        assert self._last is not None
        if ssrc != self._last[1]:
            return False
        advance_s = step / self._rate_hz
        agrees = abs(advance_s - elapsed_s) <= TOLERATED_DISAGREEMENT_S
        if run != self._last[0]:
            return agrees
        return step > 0 and (agrees or advance_s <= ABSURD_JUMP_S)

    def _is_astray(self, offset: int, at_ns: int) -> bool:
        total_s = (at_ns - self._first_ns) / 1e9
        allowed_s = ABSURD_JUMP_S + TOLERATED_DRIFT * max(total_s, 0.0)
        return abs(offset / self._rate_hz - total_s) > allowed_s


class Jitter:
    """Interarrival jitter of RFC 3550 section 6.4.1, in order of arrival."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._last: tuple[int, int, int] | None = None
        self._value = 0.0

    def feed(self, run: int, timestamp: int, at_ns: int) -> None:
        if self._last is not None and self._last[0] == run:
            step = (timestamp - self._last[1] + (1 << 31)) % (1 << 32) - (1 << 31)
            transit = (at_ns - self._last[2]) * self._rate_hz / 1e9 - step
            if abs(transit) < ABSURD_JUMP_S * self._rate_hz:  # else the sender's clock was reset
                self._value += (abs(transit) - self._value) / 16.0
        self._last = (run, timestamp, at_ns)

    @property
    def units(self) -> int:
        """In time stamp units, as RTCP carries it."""
        return round(self._value)

    @property
    def ms(self) -> float:
        return round(self._value * 1000.0 / self._rate_hz, 3)
