"""The offline time line: from a wire log to one array of samples a leg, with its gaps.

The same log gives the same samples, gaps and counters, byte for byte; docs/rtp-door.md states
the rules so that somebody else can write this again.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ivr.errors import MediaError
from ivr.facts.audio import Gap, GapKind, LegStats
from ivr.facts.call import LegName
from ivr.media.codecs import LegDecoder
from ivr.media.collecting import CollectedLeg, CollectedLog, Sound
from ivr.media.g711 import RATE_HZ, Samples
from ivr.media.sequencing import LegClock
from ivr.media.wire_format import WireLogReader

STALLED_AFTER_NS: Final = 1_000_000_000
"""Silence at the end longer than this is ``stalled``: zeros up to the closing of the log."""

LONGEST_S: Final = 24 * 3600
"""A leg that would be longer is damage, not a call: its samples would not fit into memory."""


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
class LegTimeline:
    """One leg on its RTP clock.

    Args:
        samples: int16, shape (n,), 8000 Hz; zeros in gaps.
        gaps: by offset.
        start_s: seconds from the log's first packet to this leg's first audio packet.
        said: samples up to the end of its last packet; what follows was stalled.
        anchors: where the line was anchored anew, by offset.
    """

    leg: LegName
    samples: Samples
    gaps: tuple[Gap, ...]
    stats: LegStats
    start_s: float
    said: int
    anchors: tuple[Anchor, ...]


@dataclass(frozen=True, slots=True)
class Timelines:
    """All legs of a wire log.

    Args:
        sha256: of the log.
        is_complete: the log was closed properly and lacks no packet that arrived on a leg.
    """

    legs: tuple[LegTimeline, ...]
    sha256: str
    is_complete: bool


@dataclass(frozen=True, slots=True)
class _LaidOut:
    """A packet at its place on the line; comfort noise has no samples of its own."""

    offset: int
    samples: Samples
    sound: Sound

    @property
    def end(self) -> int:
        return self.offset + len(self.samples)


def read_timelines(path: Path) -> Timelines:
    """Read the wire log at ``path`` into one time line a leg.

    Raises:
        MediaError: it cannot be read, or its content is not that of a wire log.
    """
    log = CollectedLog()
    reader = WireLogReader(path)
    try:
        for entry in reader:
            log.take(entry)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as problem:
        raise MediaError(
            "A fact or an interface of the wire log cannot be understood.",
            why=f"{type(problem).__name__}: {problem}",
            remedy="The file was changed or comes from another version: check its chain.",
        ) from problem
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    ordered = log.ordered_legs
    for leg in ordered:
        side = log.side_of(leg)
        if leg.name.value == side.remote:
            leg.foreign += side.foreign
    is_complete = log.closed_ns is not None and reader.torn_at is None and not log.lacks_packets
    # sockets are read in turn, so the first packet in the file need not be the earliest
    starts = [leg.sounds[0].at_ns for leg in ordered if leg.sounds]
    origin_ns = min([log.first_ns or 0, *starts])
    timelines = tuple(
        _lay_out(leg, origin_ns, log.side_of(leg).closed_ns or log.closed_ns) for leg in ordered
    )
    return Timelines(timelines, sha256, is_complete)


def _lay_out(leg: CollectedLeg, log_start_ns: int, closed_ns: int | None) -> LegTimeline:
    """Put the collected packets of a leg on its line."""
    laid_out: list[_LaidOut] = []
    clock, decoder = LegClock(RATE_HZ), LegDecoder()
    anchors: list[Anchor] = []
    for sound in sorted(leg.sounds, key=lambda sound: (sound.run, sound.extended)):
        coding, packet = sound.coding, sound.packet
        samples = _SILENT
        if coding.is_sound:
            samples = decoder.decode(coding.name, coding.clock_hz, packet.ssrc, packet.payload)
        offset, anew = clock.place(sound.run, packet, sound.at_ns, len(samples), coding.clock_hz)
        _require_possible(leg.name, offset)
        laid_out.append(_LaidOut(offset, samples, sound))
        if anew:
            anchors.append(Anchor(offset, packet.ssrc))
    line, hidden = _paint(laid_out)
    gaps = _find_gaps(leg, laid_out)
    start_ns = leg.sounds[0].at_ns if leg.sounds else log_start_ns
    stalled = _stalled(laid_out, closed_ns)
    lead = round((start_ns - log_start_ns) * RATE_HZ / 1e9)
    said = len(line)
    _require_possible(leg.name, lead, said + stalled)
    if stalled:
        gaps.append(Gap(leg.name, GapKind.STALLED, said, stalled))
        line = np.concatenate([line, np.zeros(stalled, dtype="<i2")])
    return LegTimeline(
        leg=leg.name,
        samples=line,
        gaps=tuple(gaps),
        stats=_stats(leg, hidden),
        start_s=round((start_ns - log_start_ns) / 1e9, 6),
        said=said,
        anchors=tuple(anchors),
    )


def _require_possible(leg: LegName, *offsets: int) -> None:
    for offset in offsets:
        if not 0 <= offset <= LONGEST_S * RATE_HZ:
            raise MediaError(
                f"The leg {leg.value} of the wire log is impossibly long.",
                why=f"something would stand at {offset / RATE_HZ:.0f} s",
                remedy="The file was changed: check its chain.",
            )


def _paint(laid_out: Iterable[_LaidOut]) -> tuple[Samples, int]:
    """(samples, packets of which nothing could be placed). The first to take a sample keeps it."""
    length = max((each.end for each in laid_out), default=0)
    line = np.zeros(length, dtype="<i2")
    is_free = np.ones(length, dtype=bool)
    hidden = 0
    for each in laid_out:
        if len(each.samples):
            span = slice(each.offset, each.end)
            free = is_free[span]
            hidden += not free.any()
            line[span][free] = each.samples[free]
            free[:] = False
    return line, hidden


def _find_gaps(leg: CollectedLeg, laid_out: list[_LaidOut]) -> list[Gap]:
    """Between what was placed: ``lost`` where sequence numbers are missing, else ``silence``."""
    others = sorted(leg.other_places)
    gaps: list[Gap] = []
    end, last, seen = 0, None, 0
    for each in laid_out:
        offset, sound = each.offset, each.sound
        if offset > end and last is not None:
            while seen < len(others) and others[seen] < (last.run, last.extended):
                seen += 1
            between = seen
            while between < len(others) and others[between] < (sound.run, sound.extended):
                between += 1
            missing = sound.extended - last.extended - 1 - (between - seen)
            is_lost = sound.run == last.run and missing > 0
            kind = GapKind.LOST if is_lost else GapKind.SILENCE
            before = gaps[-1] if gaps else None
            if before is not None and (before.kind, before.offset + before.samples) == (kind, end):
                gaps.pop()  # comfort noise within one silence
                end = before.offset
            gaps.append(Gap(leg.name, kind, end, offset - end))
        end, last = max(end, each.end), sound
    return gaps


def _stalled(laid_out: list[_LaidOut], closed_ns: int | None) -> int:
    """Samples of zeros between the last packet's end and the closing of the log."""
    if not laid_out or closed_ns is None:
        return 0
    last = max(laid_out, key=lambda each: each.sound.at_ns)
    quiet_ns = closed_ns - last.sound.at_ns
    if quiet_ns <= STALLED_AFTER_NS:
        return 0
    return max(round(quiet_ns * RATE_HZ / 1e9) - len(last.samples), 0)


def _stats(leg: CollectedLeg, hidden: int) -> LegStats:
    return LegStats(
        leg=leg.name,
        accepted=leg.accepted - hidden,
        duplicate=leg.sequencer.duplicates,
        late=hidden,
        foreign=leg.foreign,
        malformed=leg.malformed,
        lost=leg.sequencer.lost,
        reordered=leg.sequencer.reordered,
        jitter_ms=leg.jitter.ms,
        payload_types=tuple(leg.types),
        ssrcs=tuple(leg.ssrcs),
        comfort_noise=leg.comfort_noise,
    )
