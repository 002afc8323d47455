"""The words of a rulebook as numbers, and which of them a heard syllable may stand for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from ivr.spotting.costs import Region, indexes, tables
from ivr.spotting.syllable import fold, parse

FOLDED_COST: Final = 0.04  # a word without its marks: one of several, so the score is lower
MAX_CACHE: Final = 20_000  # distinct heard words remembered; then it starts anew

Candidates = tuple[tuple[int, float], ...]


class Lexicon:
    """Numbers the symbols of all variants and finds candidates for a heard word.

    Args:
        symbols: every word and ``{list}`` that occurs.
        members: single-word entries of each list: such a word also stands for its list.
        strict: words that are taken only at ``strict_limit`` or closer (guard words).
        limit: largest cost of one syllable.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        members: Mapping[str, Sequence[str]],
        strict: frozenset[str],
        strict_limit: float,
        limit: float,
        region: Region | None = None,
    ) -> None:
        self.ids: dict[str, int] = {}
        for symbol in symbols:
            self.ids.setdefault(symbol, len(self.ids))
        for words in members.values():
            for word in words:
                self.ids.setdefault(word, len(self.ids))
        self._lists_of: dict[int, list[int]] = {}
        for name, words in members.items():
            for word in words:
                self._lists_of.setdefault(self.ids[word], []).append(self.ids[name])
        self._strict = strict
        self._limits = (limit, strict_limit)
        self._tables = tables(region)
        self._by_fold: dict[str, list[int]] = {}
        self._index_syllables()
        self._cache: dict[tuple[str, bool], Candidates] = {}

    def _index_syllables(self) -> None:
        rows: list[tuple[int, int, int]] = []
        kept: list[int] = []
        limits: list[float] = []
        for word, number in self.ids.items():
            if word.startswith("{"):
                continue
            self._by_fold.setdefault(fold(word), []).append(number)
            parsed = parse(word)
            if parsed is not None:
                rows.append(indexes(parsed))
                kept.append(number)
                limits.append(self._limits[1] if word in self._strict else self._limits[0])
        table = np.array(rows, dtype=np.intp).reshape(-1, 3)
        self._onsets, self._rimes, self._tones = table[:, 0], table[:, 1], table[:, 2]
        self._numbers = np.array(kept, dtype=np.intp)
        self._word_limits = np.array(limits)

    def candidates(self, heard: str, *, folded: bool = False) -> Candidates:
        """(symbol, cost) pairs, cheapest first, lists included."""
        key = (heard, folded)
        known = self._cache.get(key)
        if known is None:
            if len(self._cache) >= MAX_CACHE:
                self._cache.clear()
            known = self._cache[key] = self._with_lists(self._near(heard, folded=folded))
        return known

    def _near(self, heard: str, *, folded: bool) -> dict[int, float]:
        found: dict[int, float] = {}
        if folded:
            found = dict.fromkeys(self._by_fold.get(heard, ()), FOLDED_COST)
        else:
            parsed = parse(heard)
            if parsed is not None:
                onset, rime, tone = indexes(parsed)
                by_onset, by_rime, by_tone = self._tables
                costs = (
                    by_onset[onset][self._onsets]
                    + by_rime[rime][self._rimes]
                    + by_tone[tone][self._tones]
                )
                near = np.flatnonzero(costs <= self._word_limits)
                found = {int(self._numbers[n]): float(costs[n]) for n in near}
        if heard in self.ids:
            found[self.ids[heard]] = 0.0
        return found

    def _with_lists(self, words: dict[int, float]) -> Candidates:
        found = dict(words)
        for word, cost in words.items():
            for number in self._lists_of.get(word, ()):
                found[number] = min(cost, found.get(number, cost))
        return tuple(sorted(found.items(), key=lambda pair: (pair[1], pair[0])))
