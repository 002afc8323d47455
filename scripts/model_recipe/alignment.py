"""From espeak-ng's phoneme times to the frame labels that the network learns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_recipe.espeak import Mark, TimeMark
from model_recipe.pronunciation import NOISE, SILENCE, output_of, phones_of

OUTPUT_FRAME_MS = 30  # one network output; Vosk has this number built in
_VOWEL_SIGNS = "aeiouy@EIOUVY3A&0"
# A stop's silent closure belongs to the stop; a longer gap is a pause.
_CLOSURE_MS = 110
# Where a diphthong's glide starts when the synthesiser reports vowel and glide as one phoneme.
_GLIDE_SHARE = 0.55


@dataclass(frozen=True, slots=True)
class Segment:
    """A base phone and its start in milliseconds."""

    phone: str
    ms: float


def _is_vowel(name: str) -> bool:
    return name[:1] in _VOWEL_SIGNS


def _by_word(marks: Sequence[TimeMark]) -> list[list[TimeMark]]:
    groups: list[list[TimeMark]] = []
    for mark in marks:
        if mark.mark is Mark.WORD:
            groups.append([])
        elif groups:
            groups[-1].append(mark)
    # the last "word" may be nothing but the final pause
    return [g for g in groups if any(not mark.name.startswith("_") for mark in g)]


def _word_segments(
    word: str, sounds: Sequence[TimeMark], start: float, end: float
) -> list[Segment]:
    bases = phones_of(word)
    starts = [start]
    vowel_from = 0
    if bases[0].endswith("-"):
        vowel_from = 1
        starts.append(sounds[1].ms if len(sounds) > 1 else start + 0.4 * (end - start))
    if bases[-1].startswith("-"):
        coda = None
        seen_vowel = False
        for sound in sounds[vowel_from:]:
            if _is_vowel(sound.name):
                seen_vowel = True
            elif seen_vowel:
                coda = sound.ms
                break
        nucleus = starts[-1]
        starts.append(nucleus + _GLIDE_SHARE * (end - nucleus) if coda is None else coda)
    return [Segment(base, ms) for base, ms in zip(bases, starts, strict=True)]


def align(words: Sequence[str], marks: Sequence[TimeMark]) -> list[Segment] | None:
    """Base phones with start times, silence included; None when the words do not match."""
    groups = _by_word(marks)
    if len(groups) != len(words):
        return None
    segments: list[Segment] = []
    end = 0.0
    for word, group in zip(words, groups, strict=True):
        sounds = [mark for mark in group if not mark.name.startswith("_")]
        pauses = [m.ms for m in group if m.name.startswith("_") and m.ms >= sounds[-1].ms]
        start = sounds[0].ms
        if start - end < _CLOSURE_MS:
            start = end
        else:
            segments.append(Segment(SILENCE, end))
        end = pauses[0] if pauses else sounds[-1].ms + 80
        segments += _word_segments(word, sounds, start, end)
    segments.append(Segment(SILENCE, end))
    return segments


def align_foreign(marks: Sequence[TimeMark]) -> list[Segment]:
    """Speech in another language: noise between pauses."""
    segments: list[Segment] = []
    for mark in marks:
        if mark.mark is Mark.PHONEME:
            phone = SILENCE if mark.name == "_:" else NOISE
            if not segments or segments[-1].phone != phone:
                segments.append(Segment(phone, mark.ms))
    return segments


def frame_labels(segments: Sequence[Segment], frames: int, window_ms: float) -> np.ndarray:
    """The network output of each frame; frame f is centred at 30 f + window/2 ms.

    Every phone gets at least one frame, as the graph has no shorter path through it.
    """
    labels = np.zeros(frames, np.int16)
    starts: list[int] = []
    for segment in segments:
        nearest = math.ceil((segment.ms - window_ms / 2) / OUTPUT_FRAME_MS)
        starts.append(max(nearest, starts[-1] + 1 if starts else 0))
    starts[0] = 0
    for segment, start, end in zip(segments, starts, [*starts[1:], frames], strict=True):
        if start >= frames:
            break
        labels[start] = output_of(segment.phone, first=True)
        labels[start + 1 : end] = output_of(segment.phone, first=False)
    return labels
