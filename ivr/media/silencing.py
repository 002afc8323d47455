"""Copies of recordings with spans of silence."""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ivr.errors import MediaError


def write_silenced(source: Path, target: Path, spans: Sequence[tuple[float, float]]) -> float:
    """Copy a 16-bit WAV with every channel silent in each span; returns the seconds silenced.

    Args:
        spans: start and end in seconds from the file's first sample; what lies outside the file
            is left out, and they may overlap.

    Raises:
        MediaError: ``source`` is no such WAV, or ``target`` cannot be written.
    """
    try:
        with wave.open(str(source), "rb") as sound:
            shape = sound.getparams()
            data = np.frombuffer(sound.readframes(shape.nframes), dtype="<i2")
        samples = data.reshape(-1, shape.nchannels).copy()
        is_silenced = np.zeros(len(samples), dtype=bool)
        for start_s, end_s in spans:
            first = max(0, int(start_s * shape.framerate))
            is_silenced[first : max(first, int(np.ceil(end_s * shape.framerate)))] = True
        samples[is_silenced] = 0
        with wave.open(str(target), "wb") as copy:
            copy.setparams(shape)
            copy.writeframes(samples.tobytes())
    except (OSError, EOFError, wave.Error, ValueError) as problem:
        raise MediaError(
            f"No silenced copy of {source.name} could be made.",
            why=str(problem),
            remedy="Check free space of the target; the original is untouched.",
        ) from problem
    return float(np.count_nonzero(is_silenced)) / shape.framerate
