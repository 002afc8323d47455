"""A word as the scorer of the verdict reads it: each syllable as written, and as it sounds at its
roughest, without tone or mark and with what regions and recognisers merge made one."""

import re
from functools import lru_cache
from typing import Final

from ivr.spotting.syllable import fold
from ivr.spotting.tokens import syllables

_MERGED: Final = (
    (re.compile(r"^(?:gi(?=[aeouy])|r)"), "d"),  # d, đ, gi, r
    (re.compile(r"^tr"), "ch"),
    (re.compile(r"^s"), "x"),
    (re.compile(r"(?<=[aeiouy])n(?:g|h)$"), "n"),
    (re.compile(r"(?<=[aeiouy])(?:ch|c)$"), "t"),
)


@lru_cache(maxsize=16_384)  # more than the syllables of the language
def rough(syllable: str) -> str:
    """The rough sound of a canonical syllable.

    >>> rough("trước"), rough("giấy")
    ('chuot', 'day')
    """
    sound = fold(syllable)
    for pattern, merged in _MERGED:
        sound = pattern.sub(merged, sound)
    return sound


@lru_cache(maxsize=16_384)
def spelt_and_sounding(word: str) -> tuple[tuple[str, str], ...]:
    """One written word, in any Unicode form, as (canonical syllable, rough sound) pairs; several
    for a number, none for a bare mark."""
    return tuple((syllable, rough(syllable)) for syllable in syllables(word))
