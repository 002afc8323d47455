"""The offline time line: from a wire log to one array of samples a leg, with its gaps.

The same log gives the same samples, gaps and counters, byte for byte; docs/rtp-door.md states
the rules so that somebody else can write this again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ivr.errors import MediaError
from ivr.facts.audio import Gap, GapKind, LegStats
from ivr.facts.call import LegName
from ivr.media.bulk import BulkReader, Bytes, Span
from ivr.media.collecting import CollectedLeg, CollectedLog
from ivr.media.g711 import RATE_HZ, Samples
from ivr.media.layout import Anchor, Layout

STALLED_AFTER_NS: Final = 1_000_000_000
"""Silence at the end longer than this is ``stalled``: zeros up to the closing of the log."""

LONGEST_S: Final = 24 * 3600
"""A leg that would be longer is damage, not a call: its samples would not fit into memory."""


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


def read_timelines(path: Path) -> Timelines:
    """Read the wire log at ``path`` into one time line a leg.

    Raises:
        MediaError: it cannot be read, or its content is not that of a wire log.
    """
    log = CollectedLog()
    reader = BulkReader(path)
    try:
        for entry in reader:
            if isinstance(entry, Span):
                log.take_span(entry, reader.data)
            else:
                log.take(entry)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as problem:
        raise MediaError(
            "A fact or an interface of the wire log cannot be understood.",
            why=f"{type(problem).__name__}: {problem}",
            remedy="The file was changed or comes from another version: check its chain.",
        ) from problem
    sha256 = hashlib.sha256(reader.data.data).hexdigest()
    ordered = log.ordered_legs
    for leg in ordered:
        side = log.side_of(leg)
        if leg.name.value == side.remote:
            leg.foreign += side.foreign
    is_complete = log.closed_ns is not None and reader.torn_at is None and not log.lacks_packets
    # sockets are read in turn, so the first packet in the file need not be the earliest
    starts = [leg.first_ns for leg in ordered if leg.first_ns is not None]
    origin_ns = min([log.first_ns or 0, *starts])
    timelines = tuple(
        _lay_out(leg, reader.data, origin_ns, log.side_of(leg).closed_ns or log.closed_ns)
        for leg in ordered
    )
    return Timelines(timelines, sha256, is_complete)


def _lay_out(
    leg: CollectedLeg, data: Bytes, log_start_ns: int, closed_ns: int | None
) -> LegTimeline:
    """Put the collected packets of a leg on its line."""
    layout = Layout(leg, data)
    _require_possible(leg.name, *_extremes(layout))
    line, hidden = layout.paint()
    gaps = layout.gaps()
    start_ns = log_start_ns if leg.first_ns is None else leg.first_ns
    stalled = _stalled(layout, closed_ns)
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
        anchors=tuple(layout.anchors),
    )


def _require_possible(leg: LegName, *offsets: int) -> None:
    for offset in offsets:
        if not 0 <= offset <= LONGEST_S * RATE_HZ:
            raise MediaError(
                f"The leg {leg.value} of the wire log is impossibly long.",
                why=f"something would stand at {offset / RATE_HZ:.0f} s",
                remedy="The file was changed: check its chain.",
            )


def _extremes(layout: Layout) -> tuple[int, ...]:
    if not len(layout.offsets):
        return ()
    return int(layout.offsets.min()), int(layout.offsets.max())


def _stalled(layout: Layout, closed_ns: int | None) -> int:
    """Samples of zeros between the last packet's end and the closing of the log."""
    if not len(layout.offsets) or closed_ns is None:
        return 0
    last_ns, samples = layout.last
    quiet_ns = closed_ns - last_ns
    if quiet_ns <= STALLED_AFTER_NS:
        return 0
    return max(round(quiet_ns * RATE_HZ / 1e9) - samples, 0)


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
