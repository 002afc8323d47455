"""Order and place: which run of sequence numbers a packet belongs to, and where it sounds.

Live tap and offline time line share both, so a second heard live is the same second later.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ivr.media.rtp import RtpPacket

MAX_MISORDER: Final = 3000
"""Sequence numbers further away than this are a new run (MAX_DROPOUT of RFC 3550 appendix A.1,
used in both directions: a packet a minute late still finds its place)."""

STRAGGLER_NS: Final = 1_000_000_000
"""How long after the last packet of a run that was replaced another one may still join it."""

ABSURD_JUMP_S: Final = 10.0
TOLERATED_DISAGREEMENT_S: Final = 1.0
PAUSE_AT_CHANGE_S: Final = 0.1
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

    def place_rising(
        self, ssrc: int, sequences: npt.NDArray[np.int64], last_ns: int
    ) -> tuple[int, npt.NDArray[np.int64]] | None:
        """Places of packets of one source whose numbers only rise, each by at most
        ``MAX_MISORDER``: (run, extended numbers), as `place` gives them one by one. None when the
        first does not continue the newest run so.

        Args:
            sequences: not empty.
            last_ns: arrival of the last.
        """
        run = self._runs[-1] if self._runs else None
        if run is None or run.ssrc != ssrc:
            return None
        steps = np.diff(sequences, prepend=run.highest) % 0x10000
        if not 1 <= int(steps[0]) <= MAX_MISORDER:
            return None
        extended = run.highest + np.cumsum(steps)
        run.taken += len(extended)
        run.highest, run.last_ns = int(extended[-1]), last_ns
        run.seen.update(extended[-2 * MAX_MISORDER :].tolist())  # older ones can never be asked for
        run.forget_old()
        return run.index, extended

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


@dataclass(frozen=True, slots=True)
class _Placed:
    """The last packet that was placed, and where."""

    run: int
    packet: RtpPacket
    clock_hz: int
    at_ns: int
    offset: int
    samples: int


class LegClock:
    """Turns time stamps into samples since the leg's first packet. Feed what takes time (audio,
    comfort noise) in order of place.

    Within a run the time stamp alone decides (RFC 3550: it counts samples). Where it cannot be
    believed, arrival times carry the line on: a new SSRC; a new run, or a jump of more than 10 s,
    that disagrees with the arrival times by more than 1 s; a time stamp that does not advance;
    a line more than 10 s, and 1 % of its length, away from the arrival times as a whole (time
    stamps that stood still while on hold; a sender that wants an endless line). When the payload
    goes over to another clock rate, time stamps cannot be compared (RFC 7160): the packet with
    the next number stands directly behind the last one unless it came more than 0.1 s later.

    Args:
        rate_hz: of the line.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._last: _Placed | None = None
        self._first_ns = 0
        self._end = 0

    def place(
        self, run: int, packet: RtpPacket, at_ns: int, samples: int, clock_hz: int | None = None
    ) -> tuple[int, bool]:
        """(offset in samples, whether it was anchored anew by arrival time).

        Args:
            samples: what it lays out on the line; 0 for comfort noise.
            clock_hz: what its time stamps count; the rate of the line if not given.
        """
        clock_hz = clock_hz or self._rate_hz
        offset, anew = 0, False
        if self._last is None:
            self._first_ns = at_ns
        else:
            found = self._by_time_stamp(self._last, run, packet, at_ns, clock_hz)
            anew = found is None or self._is_astray(found, at_ns)
            if found is None or anew:
                elapsed_s = (at_ns - self._last.at_ns) / 1e9
                found = max(self._end, self._last.offset + round(elapsed_s * self._rate_hz))
            offset = found
        self._last = _Placed(run, packet, clock_hz, at_ns, offset, samples)
        self._end = max(self._end, offset + samples)
        return offset, anew

    def place_rising(
        self,
        run: int,
        packet: RtpPacket,
        extended: npt.NDArray[np.int64],
        stamps: npt.NDArray[np.int64],
        at_ns: npt.NDArray[np.int64],
        samples: int,
        clock_hz: int,
    ) -> npt.NDArray[np.int64]:
        """Offsets of packets that continue the last one's run, source and clock, each with a time
        stamp later by at most ``ABSURD_JUMP_S``, as `place` gives them one by one; of as many, from
        the first, as lie where their arrival allows.

        Args:
            packet: any of the same source; its number and time stamp are not looked at.
            extended: numbers with their wraps.
            samples: what each lays out.
        """
        last = self._last
        assert last is not None
        steps = np.diff(stamps, prepend=last.packet.timestamp) % (1 << 32)
        offsets = last.offset + np.cumsum(steps * self._rate_hz // clock_hz)
        total_s = (at_ns - self._first_ns) / 1e9
        allowed_s = ABSURD_JUMP_S + TOLERATED_DRIFT * np.maximum(total_s, 0.0)
        astray = np.flatnonzero(np.abs(offsets / self._rate_hz - total_s) > allowed_s)
        count = int(astray[0]) if len(astray) else len(offsets)
        if count:
            sequence, stamp = int(extended[count - 1]) % 0x10000, int(stamps[count - 1])
            newest = replace(packet, sequence=sequence, timestamp=stamp)
            offset = int(offsets[count - 1])
            arrived = int(at_ns[count - 1])
            self._last = _Placed(run, newest, clock_hz, arrived, offset, samples)
            self._end = max(self._end, offset + samples)
        return offsets[:count]

    def _by_time_stamp(
        self, last: _Placed, run: int, packet: RtpPacket, at_ns: int, clock_hz: int
    ) -> int | None:
        """Where the packet says it stands; None when that cannot be believed."""
        if packet.ssrc != last.packet.ssrc:
            return None
        elapsed_s = (at_ns - last.at_ns) / 1e9
        if clock_hz != last.clock_hz:
            is_next = run == last.run and (packet.sequence - last.packet.sequence) % 0x10000 == 1
            is_pause = elapsed_s - last.samples / self._rate_hz > PAUSE_AT_CHANGE_S
            return last.offset + last.samples if is_next and not is_pause else None
        step = (packet.timestamp - last.packet.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        advance_s = step / clock_hz
        agrees = abs(advance_s - elapsed_s) <= TOLERATED_DISAGREEMENT_S
        if not (agrees if run != last.run else step > 0 and (agrees or advance_s <= ABSURD_JUMP_S)):
            return None
        return last.offset + step * self._rate_hz // clock_hz

    def _is_astray(self, offset: int, at_ns: int) -> bool:
        total_s = (at_ns - self._first_ns) / 1e9
        allowed_s = ABSURD_JUMP_S + TOLERATED_DRIFT * max(total_s, 0.0)
        return abs(offset / self._rate_hz - total_s) > allowed_s


class Jitter:
    """Interarrival jitter of RFC 3550 section 6.4.1, in order of arrival.

    Args:
        rate_hz: what time stamps count, unless ``feed`` is told otherwise.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._last: tuple[int, int, int] | None = None
        self._value_s = 0.0

    def feed(self, run: int, timestamp: int, at_ns: int, clock_hz: int | None = None) -> None:
        if clock_hz is not None and clock_hz != self._rate_hz:
            self._rate_hz, self._last = clock_hz, None
        if self._last is not None and self._last[0] == run:
            step = (timestamp - self._last[1] + (1 << 31)) % (1 << 32) - (1 << 31)
            transit_s = (at_ns - self._last[2]) / 1e9 - step / self._rate_hz
            if abs(transit_s) < ABSURD_JUMP_S:  # else the sender's clock was reset
                self._value_s += (abs(transit_s) - self._value_s) / 16.0
        self._last = (run, timestamp, at_ns)

    def feed_many(
        self,
        run: int,
        stamps: npt.NDArray[np.int64],
        at_ns: npt.NDArray[np.int64],
        clock_hz: int,
    ) -> None:
        """The same of many packets of one run, in order of arrival; not empty."""
        self.feed(run, int(stamps[0]), int(at_ns[0]), clock_hz)
        steps = (np.diff(stamps) + (1 << 31)) % (1 << 32) - (1 << 31)
        transits = np.abs(np.diff(at_ns) / 1e9 - steps / self._rate_hz)
        value = self._value_s
        for transit in transits.tolist():
            if transit < ABSURD_JUMP_S:
                value += (transit - value) / 16.0
        self._value_s = value
        self._last = (run, int(stamps[-1]), int(at_ns[-1]))

    @property
    def units(self) -> int:
        """In time stamp units, as RTCP carries it."""
        return round(self._value_s * self._rate_hz)

    @property
    def ms(self) -> float:
        return round(self._value_s * 1000.0, 3)
