"""What media knows of sound: frames for the recogniser, recordings and gaps for evidence."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ivr.facts.call import LegName


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """Decoded sound of one leg, in order, without overlap.

    Args:
        leg: whose sound.
        offset: samples since the leg's first packet at which ``pcm`` starts.
        rate_hz: sample rate.
        pcm: signed 16-bit little-endian mono.
        gap_before: samples of filled silence directly before this frame (0: none).
    """

    leg: LegName
    offset: int
    rate_hz: int
    pcm: bytes
    gap_before: int = 0

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2


class GapKind(StrEnum):
    """Why samples of the time line did not come from a packet."""

    LOST = "lost"  # sequence numbers are missing: the network lost them
    SILENCE = "silence"  # time stamps advanced, no sequence number is missing: the sender paused
    STALLED = "stalled"  # nothing arrived until the leg was closed


@dataclass(frozen=True, slots=True)
class Gap:
    """A span of the leg's time line that was filled with zeros."""

    leg: LegName
    kind: GapKind
    offset: int
    samples: int


@dataclass(frozen=True, slots=True)
class LegStats:
    """Counters of one leg (RFC 3550 names). Every packet that arrived is in exactly one of
    ``accepted``, ``duplicate``, ``late``, ``foreign``, ``malformed``; ``lost`` never arrived."""

    leg: LegName
    accepted: int
    duplicate: int
    late: int
    foreign: int
    malformed: int
    lost: int
    reordered: int
    jitter_ms: float
    payload_types: tuple[str, ...]
    ssrcs: tuple[int, ...]
    comfort_noise: int = 0  # of the accepted: RFC 3389 packets, rendered as silence


@dataclass(frozen=True, slots=True)
class Recording:
    """One leg as it can be listened to, derived from the wire log.

    Args:
        start_s: seconds from the wire log's first packet to this leg's first packet.
        parent_sha256: hex digest of the wire log (or upload) it was decoded from.
        is_complete: False when the recorder was cut off before the call ended.
    """

    leg: LegName
    path: Path
    rate_hz: int
    samples: int
    start_s: float
    gaps: tuple[Gap, ...]
    stats: LegStats
    parent_sha256: str
    is_complete: bool


@dataclass(frozen=True, slots=True)
class WireLog:
    """The original: every packet as it came, with the head of its block hash chain."""

    path: Path
    chain_path: Path
    sha256: str
    blocks: int
    chain_head: str
    first_packet_at: datetime | None
