"""Listening copies: WAV files made from a wire log, and the proof that they still match it."""

import os
import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ivr.errors import MediaError
from ivr.facts.audio import Recording, WireLog
from ivr.facts.call import OUR_VOICE, LegName
from ivr.media.codecs import FLOAT_CODECS
from ivr.media.g711 import RATE_HZ, Samples
from ivr.media.timeline import LegTimeline, Timelines, read_timelines

CALL_NAME: Final = "call.wav"
FLOAT_TOLERANCE: Final = 2
"""Steps of 16 bits by which another build of libavcodec may round otherwise."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A listening copy that is not what the wire log decodes to.

    Args:
        why: for a person.
        at_s: second of the first sample that differs; None when it is not about a sample.
    """

    path: Path
    why: str
    at_s: float | None = None


def write_recordings(wire_log: WireLog, folder: Path) -> tuple[Recording, ...]:
    """Write ``<leg>.wav`` for each leg and ``call.wav`` (stereo, on the log's time: the first
    side left; right all other sides together, or the agent where there are none). Same log, same
    bytes. Blocking.

    Raises:
        MediaError: the log cannot be read or the files cannot be written.
    """
    timelines = read_timelines(wire_log.path)
    for name, samples in _listening_copies(timelines).items():
        _write_wav(folder / name, samples)
    return tuple(
        Recording(
            leg=line.leg,
            path=folder / f"{line.leg.value}.wav",
            rate_hz=RATE_HZ,
            samples=len(line.samples),
            start_s=line.start_s,
            gaps=line.gaps,
            stats=line.stats,
            parent_sha256=timelines.sha256,
            is_complete=timelines.is_complete,
        )
        for line in timelines.legs
    )


def read_samples(recording: Recording) -> Samples:
    """int16 samples of a recording's file, shape (n,).

    Raises:
        MediaError: the file cannot be read.
    """
    try:
        with wave.open(str(recording.path), "rb") as sound:
            return np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
    except (OSError, EOFError, wave.Error, ValueError) as problem:
        raise MediaError(
            f"The recording {recording.path.name} cannot be read.",
            why=str(problem),
            remedy="Make it again from the wire log; the wire log is the original.",
        ) from problem


def redecode_matches(wire_log: WireLog, paths: Iterable[Path]) -> tuple[Mismatch, ...]:
    """Decode the wire log again and compare every sample of the copies; empty when all match:
    exactly, or within ``FLOAT_TOLERANCE`` when a leg had a codec that computes in floating point.

    Args:
        paths: files named as ``write_recordings`` names them.

    Raises:
        MediaError: the wire log cannot be read.
    """
    timelines = read_timelines(wire_log.path)
    expected = _listening_copies(timelines)
    tolerance = FLOAT_TOLERANCE if _has_float_codec(timelines) else 0
    found = (_compare(path, expected.get(path.name), tolerance) for path in paths)
    return tuple(mismatch for mismatch in found if mismatch is not None)


def _listening_copies(timelines: Timelines) -> Mapping[str, Samples]:
    """File name → samples, shape (n,) or (n, 2)."""
    copies = {f"{line.leg.value}.wav": line.samples for line in timelines.legs}
    ours = [line for line in timelines.legs if line.leg in OUR_VOICE]
    others = [line for line in timelines.legs if line.leg not in OUR_VOICE]
    first = others.pop(0) if others else None
    channels = (_on_log_time(first), _heard_against(ours, others))
    stereo = np.zeros((max(map(len, channels)), 2), dtype="<i2")
    for number, channel in enumerate(channels):
        stereo[: len(channel), number] = channel
    return {**copies, CALL_NAME: stereo}


def _heard_against(ours: list[LegTimeline], others: list[LegTimeline]) -> Samples:
    """The right channel: our voice to the first side, but where others speak for themselves,
    from the first packet of each to its last, their sum (ours would be their echo)."""
    base = _on_log_time(next((line for line in ours if line.leg is LegName.AGENT), None))
    if not others:
        return base
    lines = [_on_log_time(line)[: _lead(line) + line.said] for line in others]
    total = np.zeros(max([len(base), *map(len, lines)]), dtype=np.int32)
    total[: len(base)] = base
    for line, samples in zip(others, lines, strict=True):
        total[_lead(line) : len(samples)] = 0
    for samples in lines:
        total[: len(samples)] += samples
    return np.clip(total, -32768, 32767).astype("<i2")


def _lead(line: LegTimeline) -> int:
    """Samples from the log's first packet to the leg's."""
    return round(line.start_s * RATE_HZ)


def _on_log_time(line: LegTimeline | None) -> Samples:
    if line is None:
        return np.zeros(0, dtype="<i2")
    return np.concatenate([np.zeros(_lead(line), dtype="<i2"), line.samples])


def _write_wav(path: Path, samples: Samples) -> None:
    """16-bit PCM, header and samples only; appears under its name only when it is whole."""
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as stream:
            with wave.open(stream, "wb") as sound:
                sound.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
                sound.setsampwidth(2)
                sound.setframerate(RATE_HZ)
                sound.writeframes(samples.astype("<i2").tobytes())
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError as problem:
        draft.unlink(missing_ok=True)
        raise MediaError(
            f"The recording {path.name} cannot be written.",
            why=problem.strerror or str(problem),
            remedy="Make room on the disk of the data folder; the wire log is safe, so "
            "`ivr recover` makes the recording again.",
        ) from problem


def _has_float_codec(timelines: Timelines) -> bool:
    labels = {label for line in timelines.legs for label in line.stats.payload_types}
    return any(label.partition("/")[0].upper() in FLOAT_CODECS for label in labels)


def _compare(path: Path, expected: Samples | None, tolerance: int) -> Mismatch | None:
    if expected is None:
        return Mismatch(path, "the wire log has no such leg")
    try:
        with wave.open(str(path), "rb") as sound:
            shape = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
            actual = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
    except (OSError, EOFError, wave.Error, ValueError) as problem:
        return Mismatch(path, f"it cannot be read as WAV: {problem}")
    channels = 1 if expected.ndim == 1 else expected.shape[1]
    if shape != (channels, 2, RATE_HZ):
        return Mismatch(path, f"it has (channels, bytes, Hz) = {shape}")
    flat = expected.reshape(-1)
    shared = min(len(flat), len(actual))
    apart = np.abs(flat[:shared].astype(np.int32) - actual[:shared])
    differing = np.flatnonzero(apart > tolerance)
    if len(differing):
        at_s = round(int(differing[0]) // channels / RATE_HZ, 3)
        return Mismatch(path, f"{len(differing)} samples differ", at_s)
    if len(flat) != len(actual):
        return Mismatch(path, f"it has {len(actual)} samples, should have {len(flat)}")
    return None
