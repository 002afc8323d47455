"""Counting errors and their uncertainty: alignment of syllables, intervals of shares and rates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ivr.facts.judgement import PhraseHit
from ivr.spotting.syllable import parse

TAIL: Final = 0.025  # on each side of a 95 % interval
_STEPS: Final = 60  # of bisection: beyond the precision of a float


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of a recogniser in syllables.

    Args:
        said: syllables of the reference.
        toneless: errors that remain when tones are taken off both sides.
    """

    said: int = 0
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0
    toneless: int = 0

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(
            self.said + other.said,
            self.substituted + other.substituted,
            self.deleted + other.deleted,
            self.inserted + other.inserted,
            self.toneless + other.toneless,
        )

    @property
    def rate(self) -> float:
        """Syllable error rate; can exceed 1 with many insertions; NaN when nothing was said."""
        return self._share(self.substituted + self.deleted + self.inserted)

    @property
    def toneless_rate(self) -> float:
        return self._share(self.toneless)

    def _share(self, errors: int) -> float:
        return errors / self.said if self.said else math.nan


def compare(said: Sequence[str], heard: Sequence[str]) -> Errors:
    """Errors of one stretch of canonical syllables."""
    substituted, deleted, inserted = align(said, heard)
    without = align([without_tone(word) for word in said], [without_tone(word) for word in heard])
    return Errors(len(said), substituted, deleted, inserted, sum(without))


def align(said: Sequence[str], heard: Sequence[str]) -> tuple[int, int, int]:
    """Substitutions, deletions and insertions of a cheapest alignment (Levenshtein, 1966); of
    equally cheap ones the one with the fewest substitutions."""
    # (errors, substitutions, deletions, insertions) for what was heard so far
    row = [(n, 0, 0, n) for n in range(len(heard) + 1)]
    for word in said:
        diagonal = row[0]
        left = _plus(diagonal, 0, 1, 0)
        row[0] = left
        for n, other in enumerate(heard, start=1):
            above = row[n]
            same = diagonal if word == other else _plus(diagonal, 1, 0, 0)
            left = min(same, _plus(above, 0, 1, 0), _plus(left, 0, 0, 1))
            diagonal, row[n] = above, left
    return row[-1][1:]


def _plus(
    path: tuple[int, int, int, int], substituted: int, deleted: int, inserted: int
) -> tuple[int, int, int, int]:
    return (path[0] + 1, path[1] + substituted, path[2] + deleted, path[3] + inserted)


def without_tone(word: str) -> str:
    """A syllable by its parts without the tone; a word that is no syllable stays as it is."""
    parts = parse(word)
    if parts is None:
        return word
    return f"{parts.initial}+{parts.medial}+{parts.nucleus}+{parts.coda}"


def poisson(events: int) -> tuple[float, float]:
    """95 % confidence interval of the mean of a Poisson count (exact: Garwood, 1936)."""
    most = 2.0 * events + 20.0

    def crossing(least: int, wanted: float) -> float:
        low, high = 0.0, most
        for _ in range(_STEPS):
            middle = (low + high) / 2
            # the chance of at most `least` events falls as the mean grows
            if _at_most(least, middle) > wanted:
                low = middle
            else:
                high = middle
        return low

    return (crossing(events - 1, 1 - TAIL) if events else 0.0, crossing(events, TAIL))


def _at_most(events: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    log_mean = math.log(mean)
    return math.fsum(math.exp(k * log_mean - mean - math.lgamma(k + 1)) for k in range(events + 1))


@dataclass(frozen=True, slots=True)
class Rate:
    """Events in a time of watching, both of which may be small."""

    events: int
    hours: float

    def per(self, hours: float) -> tuple[float, float, float]:
        """Events per so many hours, with the ends of the 95 % interval; NaN without any time."""
        if self.hours <= 0:
            return (math.nan, math.nan, math.nan)
        scale = hours / self.hours
        low, high = poisson(self.events)
        return (self.events * scale, low * scale, high * scale)


@dataclass(frozen=True, slots=True)
class Matched:
    """Hits in sound against hits in the text that was spoken."""

    found: int
    missed: int
    false: int

    @property
    def said(self) -> int:
        return self.found + self.missed


def match(said: Sequence[PhraseHit], heard: Sequence[PhraseHit], slack_s: float) -> Matched:
    """One to one, in order of time: same concept, same leg, and at most ``slack_s`` between."""
    free = sorted(heard, key=lambda hit: (hit.start_s, hit.end_s))
    found = 0
    for hit in sorted(said, key=lambda hit: (hit.start_s, hit.end_s)):
        partner = next((other for other in free if _together(hit, other, slack_s)), None)
        if partner is not None:
            free.remove(partner)
            found += 1
    return Matched(found, len(said) - found, len(free))


def _together(hit: PhraseHit, other: PhraseHit, slack_s: float) -> bool:
    return (
        hit.concept == other.concept
        and hit.leg is other.leg
        and other.start_s - slack_s <= hit.end_s
        and hit.start_s <= other.end_s + slack_s
    )
