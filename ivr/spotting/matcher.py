"""Finding the phrases of a compiled rulebook in a row of tokens.

A dynamic programme over positions: each holds the tree nodes that some path has reached there,
with the cheapest way.  A path starts on a matching word and ends on one; in between a word may
be inserted or, if it carries no meaning, be missing, at the rulebook's costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ivr.spotting.automaton import NO_NODE, ROOT, Automaton, Tree
from ivr.spotting.lexicon import Candidates
from ivr.spotting.rulebook import Limit, Phrase
from ivr.spotting.tokens import Token

SCORE_SLOPE: Final = 5.0  # a mean cost of 0.08, the loosest limit, leaves 0.6 of the score


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase at tokens ``start`` … ``end`` (exclusive). ``quality`` grows with what was
    matched and how well; among overlapping ones the highest stands."""

    concept: str
    phrase: Phrase | None
    start: int
    end: int
    mean: float
    worst: float
    quality: float


class _Path(NamedTuple):
    """The cheapest way to a node: cost so far, slots, worst word, first token, insertions, words
    that may still be skipped in the gap it stands in, words skipped in gaps."""

    cost: float
    slots: int
    worst: float
    start: int
    inserted: int
    gap_left: int
    skipped: int


class _Edge(NamedTuple):
    """A list entry of several words, found beforehand."""

    end: int
    symbol: int
    cost: float
    slots: int
    worst: float


class Matcher:
    """Matches token rows against one compiled rulebook; holds no state of a call."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        limits = automaton.matching.limits
        self._limits = [limits[0], *limits]  # by number of slots
        self._loosest = max(limit.mean for limit in limits)

    def limit(self, slots: int) -> Limit:
        return self._limits[min(slots, len(self._limits) - 1)]

    def find(self, tokens: Sequence[Token], *, folded: bool = False) -> list[Match]:
        """All matches, the best one where variants of one concept overlap, by position."""
        lookup = self.automaton.lexicon.candidates
        candidates = [lookup(token.text, folded=folded) for token in tokens]
        texts = [token.text for token in tokens]
        edges = self._list_edges(texts, candidates)
        borders = [
            place > 0 and token.utterance != tokens[place - 1].utterance
            for place, token in enumerate(tokens)
        ]
        search = _Search(self, self.automaton.tree, texts, borders, candidates, edges)
        return _best(search.run(), self.automaton)

    def _list_edges(
        self, texts: list[str], candidates: list[Candidates]
    ) -> dict[int, list[_Edge]]:
        tree, found = self.automaton.list_tree, dict[int, list[_Edge]]()
        for start in range(len(texts)):
            paths = [(ROOT, 0.0, 0.0)]
            for place in range(start, len(texts)):
                paths = [
                    (child, cost + step, max(worst, step))
                    for node, cost, worst in paths
                    for symbol, step in candidates[place]
                    if (child := tree.children[node].get(symbol)) is not None
                ]
                if not paths:
                    break
                slots = place - start + 1
                for node, cost, worst in paths:
                    limit = self.limit(slots)
                    if tree.ends[node] and cost <= limit.mean * slots and worst <= limit.worst:
                        for end in tree.ends[node]:
                            symbol = self.automaton.list_symbols[end]
                            found.setdefault(start, []).append(
                                _Edge(place + 1, symbol, cost, slots, worst)
                            )
        return found


class _Search:
    """One run over one row of tokens."""

    def __init__(
        self,
        matcher: Matcher,
        tree: Tree,
        texts: list[str],
        borders: list[bool],
        candidates: list[Candidates],
        edges: dict[int, list[_Edge]],
    ) -> None:
        self._borders = borders  # an utterance begins here: no gap reaches across
        self._matcher = matcher
        self._loosest = matcher._loosest
        self._tree = tree
        self._texts = texts
        self._candidates = candidates
        self._edges = edges
        self._matching = matcher.automaton.matching
        self._states: list[dict[int, _Path]] = [{} for _ in range(len(texts) + 1)]
        self._found: list[tuple[int, int, _Path]] = []

    def run(self) -> list[tuple[int, int, _Path]]:
        """(target, end, path) of everything accepted, overlaps included."""
        for place, text in enumerate(self._texts):
            candidates = self._candidates[place]
            edges = self._edges.get(place, ())
            self._step(place, ROOT, _Path(0.0, 0, 0.0, place, 0, 0, 0), candidates, edges)
            # states only ever move to later positions, or to nodes added to this very table
            for node, path in list(self._states[place].items()):
                self._step(place, node, path, candidates, edges)
                self._pass_over(place, node, path, text)
            self._states[place] = {}
        return self._found

    def _step(
        self, place: int, node: int, path: _Path, candidates: Candidates, edges: Sequence[_Edge]
    ) -> None:
        children = self._tree.children[node]
        if not children:
            return
        cost, slots, worst, start, inserted, _, skipped = path
        if candidates:
            for symbol, step in candidates:
                child = children.get(symbol)
                if child is not None:
                    reached = _Path(
                        cost + step,
                        slots + 1,
                        step if step > worst else worst,
                        start,
                        inserted,
                        0,
                        skipped,
                    )
                    self._reach(place + 1, child, reached, is_match=True)
        for edge in edges:
            child = children.get(edge.symbol)
            if child is not None:
                reached = _Path(
                    cost + edge.cost,
                    slots + edge.slots,
                    max(worst, edge.worst),
                    start,
                    inserted,
                    0,
                    skipped,
                )
                self._reach(edge.end, child, reached, is_match=True)

    def _pass_over(self, place: int, node: int, path: _Path, text: str) -> None:
        """Take the word at ``place`` for a gap's filling or for an insertion."""
        if text in self._matching.guards:
            return
        if self._tree.is_gap[node]:
            if path.gap_left > 0 and not self._borders[place]:
                filled = path._replace(gap_left=path.gap_left - 1, skipped=path.skipped + 1)
                self._reach(place + 1, node, filled, is_match=False)
            return
        if path.inserted > self._tree.longest[node] // 4:
            return
        cost = (
            self._matching.function_cost
            if text in self._matching.function_words
            else self._matching.insert_cost
        )
        moved = path._replace(cost=path.cost + cost, inserted=path.inserted + 1)
        self._reach(place + 1, node, moved, is_match=False)

    def _reach(self, place: int, node: int, path: _Path, *, is_match: bool) -> None:
        tree = self._tree
        if path.cost > self._loosest * tree.longest[node]:
            return
        known = self._states[place].get(node)
        if known is not None and (known.cost, -known.gap_left, known.start) <= (
            path.cost,
            -path.gap_left,
            path.start,
        ):
            return
        self._states[place][node] = path
        if is_match and tree.ends[node]:
            limit = self._matching.gap_limit if path.skipped else self._matcher.limit(path.slots)
            if path.cost <= limit.mean * path.slots and path.worst <= limit.worst:
                self._found.extend((target, place, path) for target in tree.ends[node])
        gap = tree.gap[node]
        if gap != NO_NODE:
            self._reach(
                place, gap, path._replace(gap_left=self._matching.gap_words), is_match=False
            )
        for child in tree.skippable[node]:
            lost = path._replace(
                cost=path.cost + self._matching.function_cost, slots=path.slots + 1
            )
            self._reach(place, child, lost, is_match=False)  # a path ends on a heard word


def _best(found: list[tuple[int, int, _Path]], automaton: Automaton) -> list[Match]:
    """Of overlapping matches of one concept, decoys included, the one with most matched."""
    matches = []
    for target, end, path in found:
        mean = path.cost / path.slots
        goal = automaton.targets[target]
        quality = path.slots * (1.0 - SCORE_SLOPE * mean)
        matches.append(
            Match(goal.concept, goal.phrase, path.start, end, mean, path.worst, quality)
        )
    matches.sort(
        key=lambda match: (
            -match.quality,
            match.phrase is not None,
            match.start,
            match.end,
            match.phrase.phrase_id if match.phrase else "",
        )
    )
    taken: dict[str, set[int]] = {}
    kept = []
    for match in matches:
        places = taken.setdefault(match.concept, set())
        span = range(match.start, match.end)
        if places.isdisjoint(span):
            places.update(span)
            if match.phrase is not None:
                kept.append(match)
    return sorted(kept, key=lambda match: (match.start, match.end, match.concept))
