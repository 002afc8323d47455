"""Rules 2 to 5 of docs/rtp-door.md for one leg: order, offset, sound, gaps.

Stretches of G.711 that go on regularly are placed and painted as arrays; everything else packet by
packet, to the same result.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from ivr.facts.audio import Gap, GapKind
from ivr.media import g711
from ivr.media.bulk import Bytes
from ivr.media.codecs import LegDecoder, samples_by_length
from ivr.media.collecting import CollectedLeg
from ivr.media.g711 import RATE_HZ, Samples
from ivr.media.payloads import Coding
from ivr.media.rtp import RtpPacket
from ivr.media.sequencing import ABSURD_JUMP_S, LegClock

AT_ONCE: Final = 8192
_SILENT: Final = np.zeros(0, dtype="<i2")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The time stamp could not be believed here; arrival time placed the packet.

    Args:
        offset: where the packet was placed, in samples.
        ssrc: its source.
    """

    offset: int
    ssrc: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """Packets from ``first`` on, in order; ``samples`` of a single one that was decoded."""

    first: int
    count: int
    samples: Samples | None


class Layout:
    """What a leg's packets are on its line. ``offsets`` and ``ends`` are theirs, in order.

    Args:
        data: the wire log.
    """

    def __init__(self, leg: CollectedLeg, data: Bytes) -> None:
        self._leg, self._data = leg, data
        self._codings: list[Coding] = []
        self._fill()
        self.anchors: list[Anchor] = []
        self.offsets = np.zeros(len(self._run), dtype=np.int64)
        self.ends = np.zeros(len(self._run), dtype=np.int64)
        self._pieces = list(self._place())

    @property
    def last(self) -> tuple[int, int]:
        """(arrival in ns, samples) of the packet that came last."""
        n = int(np.argmax(self._at_ns))
        return int(self._at_ns[n]), int(self.ends[n] - self.offsets[n])

    def paint(self) -> tuple[Samples, int]:
        """(samples, packets of which nothing could be placed). The first to take a sample keeps
        it."""
        length = int(self.ends.max(initial=0))
        line, is_free = np.zeros(length, dtype="<i2"), np.ones(length, dtype=bool)
        hidden, painted = 0, 0
        for piece in self._pieces:
            span = slice(piece.first, piece.first + piece.count)
            offsets, ends = self.offsets[span], self.ends[span]
            if piece.samples is not None:
                hidden += _paint_one(line, is_free, int(offsets[0]), piece.samples)
            elif int(offsets[0]) >= painted and bool(np.all(offsets[1:] >= ends[:-1])):
                self._paint_many(line, is_free, span)
            else:
                for n in range(piece.first, piece.first + piece.count):
                    hidden += _paint_one(line, is_free, int(self.offsets[n]), self._decoded(n))
            painted = max(painted, int(ends.max()))
        return line, hidden

    def gaps(self) -> list[Gap]:
        """Between what was placed: ``lost`` where sequence numbers are missing, else
        ``silence``."""
        others = sorted(self._leg.other_places)
        gaps: list[Gap] = []
        reached = np.maximum.accumulate(self.ends) if len(self.ends) else self.ends
        for before in np.flatnonzero(self.offsets[1:] > reached[:-1]).tolist():
            n, end, offset = before + 1, int(reached[before]), int(self.offsets[before + 1])
            last, this = self._place_of(before), self._place_of(n)
            between = bisect_left(others, this) - bisect_left(others, last)
            missing = this[1] - last[1] - 1 - between
            is_lost = this[0] == last[0] and missing > 0
            kind = GapKind.LOST if is_lost else GapKind.SILENCE
            if gaps and (gaps[-1].kind, gaps[-1].offset + gaps[-1].samples) == (kind, end):
                end = gaps.pop().offset  # comfort noise within one silence
            gaps.append(Gap(self._leg.name, kind, end, offset - end))
        return gaps

    # --- order -----------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Everything that takes time, as columns, by run and extended number."""
        singles, parts = self._leg.sounds, self._leg.stretches
        count = len(singles)
        columns = {
            "run": np.array([s.run for s in singles], dtype=np.int64),
            "extended": np.array([s.extended for s in singles], dtype=np.int64),
            "at_ns": np.array([s.at_ns for s in singles], dtype=np.int64),
            "stamp": np.array([s.packet.timestamp for s in singles], dtype=np.int64),
            "ssrc": np.array([s.packet.ssrc for s in singles], dtype=np.int64),
            "coding": np.array([self._number(s.coding) for s in singles], dtype=np.int64),
            "payload_at": np.zeros(count, dtype=np.int64),
            "size": np.array([len(s.packet.payload) for s in singles], dtype=np.int64),
            "single": np.arange(count, dtype=np.int64),
        }
        found = {name: [column] for name, column in columns.items()}
        for part in parts:
            many = len(part.extended)
            told: dict[str, Any] = {
                "run": np.full(many, part.run),
                "extended": part.extended,
                "at_ns": part.at_ns,
                "stamp": part.timestamp,
                "ssrc": np.full(many, part.ssrc),
                "coding": np.full(many, self._number(part.coding)),
                "payload_at": part.payload_at,
                "size": part.size,
                "single": np.full(many, -1),
            }
            for name, column in told.items():
                found[name].append(column)
        joined = {name: np.concatenate(parts) for name, parts in found.items()}
        order = np.lexsort((joined["extended"], joined["run"]))
        self._run, self._extended, self._at_ns, self._stamp, self._ssrc = (
            joined[name][order] for name in ("run", "extended", "at_ns", "stamp", "ssrc")
        )
        self._coding, self._payload_at, self._size, self._single = (
            joined[name][order] for name in ("coding", "payload_at", "size", "single")
        )

    def _number(self, coding: Coding) -> int:
        if coding not in self._codings:
            self._codings.append(coding)
        return self._codings.index(coding)

    def _place_of(self, n: int) -> tuple[int, int]:
        return int(self._run[n]), int(self._extended[n])

    # --- offset ----------------------------------------------------------------------------------

    def _place(self) -> Iterator[_Piece]:
        clock, decoder = LegClock(RATE_HZ), LegDecoder()
        edges = [*np.flatnonzero(~self._goes_on()).tolist(), len(self._run)]
        for first, last in pairwise(edges):
            n = first
            while n < last:
                yield self._place_one(n, clock, decoder)
                n += 1
                if n < last:
                    count = self._place_many(n, last, clock)
                    if count:
                        yield _Piece(n, count, None)
                    n += count

    def _goes_on(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Whether a packet continues the one before it in every way."""
        by_length = [samples_by_length(c.name, b"") is not None for c in self._codings]
        clocks = [coding.clock_hz for coding in self._codings]
        if not by_length:
            return np.zeros(0, dtype=bool)
        step = np.diff(self._stamp) % (1 << 32)
        goes_on = np.array(by_length)[self._coding[1:]] & (step > 0)
        goes_on &= step <= ABSURD_JUMP_S * np.array(clocks)[self._coding[1:]]
        goes_on &= (self._single[1:] < 0) & (self._single[:-1] < 0)
        for column in (self._run, self._ssrc, self._coding, self._size):
            goes_on &= np.diff(column) == 0
        return np.concatenate([[False], goes_on])

    def _place_one(self, n: int, clock: LegClock, decoder: LegDecoder) -> _Piece:
        coding, packet = self._codings[self._coding[n]], self._packet(n)
        samples = _SILENT
        if coding.is_sound:
            samples = decoder.decode(coding.name, coding.clock_hz, packet.ssrc, packet.payload)
        run, at_ns = int(self._run[n]), int(self._at_ns[n])
        offset, anew = clock.place(run, packet, at_ns, len(samples), coding.clock_hz)
        if anew:
            self.anchors.append(Anchor(offset, packet.ssrc))
        self.offsets[n], self.ends[n] = offset, offset + len(samples)
        return _Piece(n, 1, samples)

    def _place_many(self, first: int, last: int, clock: LegClock) -> int:
        span = slice(first, last)
        offsets = clock.place_rising(
            int(self._run[first]),
            self._packet(first),
            self._extended[span],
            self._stamp[span],
            self._at_ns[span],
            int(self._size[first]),
            self._codings[self._coding[first]].clock_hz,
        )
        placed = slice(first, first + len(offsets))
        self.offsets[placed], self.ends[placed] = offsets, offsets + self._size[placed]
        return len(offsets)

    def _packet(self, n: int) -> RtpPacket:
        single = int(self._single[n])
        if single >= 0:
            return self._leg.sounds[single].packet
        sequence, stamp = int(self._extended[n]) % 0x10000, int(self._stamp[n])
        begin, size = int(self._payload_at[n]), int(self._size[n])
        payload = self._data[begin : begin + size].tobytes()
        return RtpPacket(0, sequence, stamp, int(self._ssrc[n]), payload)

    # --- sound -----------------------------------------------------------------------------------

    def _decoded(self, n: int) -> Samples:
        """Of a packet in a piece of many: all are G.711."""
        return g711.decode(self._codings[self._coding[n]].name, self._packet(n).payload)

    def _paint_many(self, line: Samples, is_free: Bytes, span: slice) -> None:
        name, size = self._codings[self._coding[span.start]].name, int(self._size[span.start])
        within = np.arange(size)
        for first in range(span.start, span.stop, AT_ONCE):
            part = slice(first, min(first + AT_ONCE, span.stop))
            payloads = self._data[self._payload_at[part, None] + within]
            samples = g711.decode(name, payloads.tobytes())
            offsets = self.offsets[part]
            begin, end = int(offsets[0]), int(self.ends[part.stop - 1])
            if end - begin == len(samples):
                line[begin:end], is_free[begin:end] = samples, False
            else:
                spots = (offsets[:, None] + within).reshape(-1)
                line[spots], is_free[spots] = samples, False


def _paint_one(line: Samples, is_free: Any, offset: int, samples: Samples) -> int:
    """1 when nothing of it found room."""
    if not len(samples):
        return 0
    span = slice(offset, offset + len(samples))
    free = is_free[span]
    is_hidden = not free.any()
    line[span][free] = samples[free]
    free[:] = False
    return int(is_hidden)
