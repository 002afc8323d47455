"""Sound of prompts: bring it to one form and level, check it, join several to one WAV. Pure but
for reading files.

Levels are in dB below full scale (dBFS), over the frames in which somebody speaks.
"""

import hashlib
import io
import re
import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ivr.dialogue.listing import TONE, Entry
from ivr.dialogue.prompts import Prompt
from ivr.dialogue.spoken import PAUSE
from ivr.errors import EnvironmentProblem

Samples = npt.NDArray[np.int16]

RATE_HZ: Final = 8000
LEVEL_DB: Final = -20.0
"""What prompts are brought to; a telephone network expects speech near -20 dBm0."""

LOUDEST_PEAK: Final = 0.7
"""-3 dBFS: headroom for a telephone's own compression."""

QUIETEST_DB: Final = -32.0
LOUDEST_DB: Final = -14.0
HIGHEST_PEAK_DB: Final = -0.5
LONGEST_EDGE_S: Final = 0.6
EDGE_S: Final = 0.1
WORD_EDGE_S: Final = 0.01
GAP_S: Final = 0.06
"""Between two joined prompts; words of a number stand as close as in speech."""

PAUSE_S: Final = 0.3
SHORTEST_SYLLABLE_S: Final = 0.07
LONGEST_SYLLABLE_S: Final = 0.65
FRAME: Final = RATE_HZ // 50
FLOOR: Final = 0.01
"""Frames that peak below -40 dBFS are silence."""


def trimmed(samples: Samples, edge_s: float = EDGE_S) -> Samples:
    """Without the silence at both ends but for ``edge_s`` seconds; empty if nobody speaks."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > FLOOR * 32768)
    if len(loud) == 0:
        return samples[:0]
    edge = np.zeros(int(edge_s * RATE_HZ), np.int16)
    return np.concatenate([edge, samples[loud[0] : loud[-1] + 1], edge])


def levelled(samples: Samples) -> Samples:
    """At ``LEVEL_DB``, or as near to it as ``LOUDEST_PEAK`` lets it come."""
    if not samples.any():
        return samples
    sound = samples.astype(np.float64) / 32768
    gain = 10 ** ((LEVEL_DB - speech_level_db(samples)) / 20)
    gain = min(gain, LOUDEST_PEAK / float(np.abs(sound).max()))
    return np.asarray(np.round(sound * gain * 32767), np.int16)


def speech_level_db(samples: Samples) -> float:
    """Root mean square over the frames of 20 ms in which somebody speaks."""
    whole = samples[: len(samples) // FRAME * FRAME].astype(np.float64) / 32768
    frames = whole.reshape(-1, FRAME)
    active = frames[np.abs(frames).max(axis=1) > FLOOR] if len(frames) else frames
    if len(active) == 0:
        return -np.inf
    return float(10 * np.log10(np.mean(np.square(active))))


def as_wav(samples: Samples) -> bytes:
    """8 kHz, 16-bit, mono."""
    held = io.BytesIO()
    with wave.open(held, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(samples.astype("<i2").tobytes())
    return held.getvalue()


def read_wav(path: Path) -> Samples:
    """Samples of a prompt.

    Raises:
        EnvironmentProblem: it cannot be read, or is not 8 kHz, 16-bit, mono.
    """
    try:
        with wave.open(str(path), "rb") as sound:
            form = (sound.getframerate(), sound.getnchannels(), 8 * sound.getsampwidth())
            content = sound.readframes(sound.getnframes())
    except (OSError, EOFError, wave.Error) as problem:
        raise _unusable(path, str(problem) or type(problem).__name__) from problem
    if form != (RATE_HZ, 1, 16):
        raise _unusable(path, f"it has {form[0]} Hz, {form[1]} channels, {form[2]} bits")
    return np.frombuffer(content, "<i2")


def _unusable(path: Path, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"The prompt {path} is not a WAV of 8 kHz, 16 bits, mono.",
        why=why,
        remedy="`ivr prompts record ID FILE` converts any recording.",
    )


def faults(entry: Entry, folder: Path) -> list[str]:
    """What is wrong with a prompt's file, in words; empty when nothing is."""
    path = entry.path(folder)
    try:
        samples = read_wav(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except EnvironmentProblem as problem:
        return [problem.why]
    except OSError as problem:
        return [problem.strerror or str(problem)]
    found = [] if entry.voice == TONE else list(sound_faults(samples, entry.text))
    if digest != entry.sha256:
        found.append(f"it is not the listed recording (SHA-256 begins {digest[:12]})")
    if abs(len(samples) / RATE_HZ - entry.duration_s) > 0.01:
        found.append(f"it lasts {len(samples) / RATE_HZ:.2f} s, listed are {entry.duration_s:.2f}")
    return found


def sound_faults(samples: Samples, text: str) -> Iterator[str]:
    """Level, peak, silence at the ends, length against the text."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > FLOOR * 32768)
    if len(loud) == 0:
        yield "nobody speaks in it"
        return
    level = speech_level_db(samples)
    if not QUIETEST_DB <= level <= LOUDEST_DB:
        yield f"its level is {level:.1f} dBFS, wanted {QUIETEST_DB:.0f} to {LOUDEST_DB:.0f}"
    peak = 20 * np.log10(float(np.abs(samples.astype(np.int32)).max()) / 32768)
    if peak > HIGHEST_PEAK_DB:
        yield f"its peak is {peak:.1f} dBFS: it is probably clipped"
    edges = {"begins": loud[0], "ends": len(samples) - 1 - loud[-1]}
    for where, count in edges.items():
        if count / RATE_HZ > LONGEST_EDGE_S:
            yield f"it {where} with {count / RATE_HZ:.2f} s of silence"
    spoken_s, syllables = (loud[-1] - loud[0] + 1) / RATE_HZ, count_syllables(text)
    if spoken_s < SHORTEST_SYLLABLE_S * syllables:
        yield f"{spoken_s:.2f} s are too short for its {syllables} syllables: is the text right?"
    if spoken_s > LONGEST_SYLLABLE_S * syllables + 0.5:
        yield f"{spoken_s:.2f} s are too long for its {syllables} syllables: is the text right?"


def count_syllables(text: str) -> int:
    """Groups of vowels, which is one a word in Vietnamese and near enough in English."""
    return max(1, len(re.findall(r"[aeiouyà-ýăĩũơưạ-ỹ]+", text.casefold())))


def joined(prompts: Mapping[str, Prompt], pieces: Sequence[str]) -> bytes:
    """Several prompts as one WAV, so that nothing but the wanted gap is heard between them.

    Raises:
        EnvironmentProblem: a prompt cannot be read.
        KeyError: there is no such prompt.
    """
    gap, pause = (np.zeros(int(length * RATE_HZ), np.int16) for length in (GAP_S, PAUSE_S))
    parts: list[Samples] = []
    for piece in pieces:
        parts += [pause] if piece == PAUSE else [read_wav(prompts[piece].path), gap]
    return as_wav(np.concatenate(parts) if parts else gap)
