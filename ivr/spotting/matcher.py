"""Finding the phrases of a compiled rulebook in a row of tokens.

A dynamic programme over positions: each holds the tree nodes that some path has reached there,
with the cheapest way.  A path starts on a matching word and ends on one; in between a word may
be inserted or, if it carries no meaning, be missing, at the rulebook's costs.
"""

from bisect import bisect_left
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


_Path = tuple[float, int, float, int, int, int]
"""The cheapest way to a node: cost so far, slots, worst word, first token, words inserted, words
skipped in gaps. A bare tuple: some hundreds are made for every utterance."""


class _Span(NamedTuple):
    """A symbol that tokens ``start`` … ``end`` (exclusive) may stand for: a word, or an entry of
    a list with one word or several."""

    start: int
    end: int
    cost: float
    slots: int
    worst: float


_Spans = dict[int, list[_Span]]  # by symbol


class Matcher:
    """Matches token rows against one compiled rulebook; holds no state of a call."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        limits = automaton.matching.limits
        self._limits = [limits[0], *limits]  # by number of slots
        self.loosest = max(limit.mean for limit in limits)

    def limit(self, slots: int) -> Limit:
        return self._limits[min(slots, len(self._limits) - 1)]

    def find(self, tokens: Sequence[Token], *, folded: bool = False) -> list[Match]:
        """All matches, the best one where variants of one concept overlap, by position."""
        lookup = self.automaton.lexicon.candidates
        candidates = [lookup(token.text, folded=folded) for token in tokens]
        starting: list[_Spans] = [
            {symbol: [_Span(place, place + 1, cost, 1, cost)] for symbol, cost in candidates[place]}
            for place in range(len(tokens))
        ]
        self._add_list_entries(candidates, starting)
        search = _Search(self, tokens, starting)
        return _best(search.run(), self.automaton)

    def _add_list_entries(self, candidates: list[Candidates], starting: list[_Spans]) -> None:
        """Add the list entries of several words, found in their own tree."""
        tree = self.automaton.list_tree
        symbols = self.automaton.list_symbols
        for start in range(len(candidates)):
            paths = [(ROOT, 0.0, 0.0)]
            for place in range(start, len(candidates)):
                paths = [
                    (child, cost + step, max(worst, step))
                    for node, cost, worst in paths
                    for symbol, step in candidates[place]
                    if (child := tree.children[node].get(symbol)) is not None
                ]
                if not paths:
                    break
                slots = place - start + 1
                limit = self.limit(slots)
                for node, cost, worst in paths:
                    if cost <= limit.mean * slots and worst <= limit.worst:
                        span = _Span(start, place + 1, cost, slots, worst)
                        for end in tree.ends[node]:
                            starting[start].setdefault(symbols[end], []).append(span)


class _Search:
    """One run over one row of tokens.

    ``starting[place]`` holds what may begin there; ``where`` the same by symbol alone, for gaps.
    """

    def __init__(self, matcher: Matcher, tokens: Sequence[Token], starting: list[_Spans]) -> None:
        self._matcher = matcher
        self._loosest = matcher.loosest
        self._tree: Tree = matcher.automaton.tree
        self._matching = matcher.automaton.matching
        self._texts = [token.text for token in tokens]
        self._starting = [*starting, {}]
        self._where: dict[int, list[_Span]] = {}
        for spans in starting:
            for symbol, found in spans.items():
                self._where.setdefault(symbol, []).extend(found)
        self._gap_end = self._gap_ends(tokens)
        self._states: list[dict[int, _Path]] = [{} for _ in range(len(tokens) + 1)]
        self._found: list[tuple[int, int, _Path]] = []

    def _gap_ends(self, tokens: Sequence[Token]) -> list[int]:
        """Per place the last one that a gap may reach: it crosses no guard word, and no border
        of an utterance."""
        guards, words = self._matching.guards, self._matching.gap_words
        ends = []
        for place in range(len(tokens) + 1):
            end = place
            while (
                end < len(tokens)
                and end - place < words
                and tokens[end].text not in guards
                and (end == 0 or tokens[end].utterance == tokens[end - 1].utterance)
            ):
                end += 1
            ends.append(end)
        return ends

    def run(self) -> list[tuple[int, int, _Path]]:
        """(target, end, path) of everything accepted, overlaps included."""
        roots = self._tree.children[ROOT]
        for place, text in enumerate(self._texts):
            spans = self._starting[place]
            fresh = (0.0, 0, 0.0, place, 0, 0)
            for symbol in roots.keys() & spans.keys():
                self._take(roots[symbol], fresh, spans[symbol])
            # a step only adds to later places, or, over a missing word, to this one
            states = self._states[place]
            for node, path in list(states.items()):
                children = self._tree.children[node]
                for symbol in children.keys() & spans.keys():
                    self._take(children[symbol], path, spans[symbol])
                self._insert(place, node, path, text)
            self._states[place] = {}
        return self._found

    def _take(self, node: int, path: _Path, spans: list[_Span]) -> None:
        cost, slots, worst, start, inserted, skipped = path
        for span in spans:
            worse = span.worst if span.worst > worst else worst
            reached = (cost + span.cost, slots + span.slots, worse, start, inserted, skipped)
            self._reach(span.end, node, reached)

    def _insert(self, place: int, node: int, path: _Path, text: str) -> None:
        """Pass over one word that the phrase does not have; the next one must match."""
        following = self._starting[place + 1]
        shared = self._tree.children[node].keys() & following.keys()
        matching = self._matching
        if not shared or text in matching.guards:
            return
        cost, slots, worst, start, inserted, skipped = path
        if inserted > self._tree.longest[node] // 4:
            return
        cost += matching.function_cost if text in matching.function_words else matching.insert_cost
        moved = (cost, slots, worst, start, inserted + 1, skipped)
        for symbol in shared:
            self._take(self._tree.children[node][symbol], moved, following[symbol])

    def _reach(self, place: int, node: int, path: _Path, *, is_match: bool = True) -> None:
        tree = self._tree
        cost = path[0]
        if cost > self._loosest * tree.longest[node]:
            return
        if is_match and tree.ends[node]:
            self._accept(place, node, path)
        known = self._states[place].get(node)
        if known is not None and (known[0], known[3], known[5]) <= (cost, path[3], path[5]):
            return
        if tree.children[node]:
            self._states[place][node] = path
        gap = tree.gap[node]
        if gap != NO_NODE:
            self._leap(place, gap, path)
        for child in tree.skippable[node]:
            lost = (cost + self._matching.function_cost, path[1] + 1, *path[2:])
            self._reach(place, child, lost, is_match=False)  # a path ends on a heard word

    def _leap(self, place: int, gap: int, path: _Path) -> None:
        """Go on from a gap at any place within its reach."""
        children = self._tree.children[gap]
        last = self._gap_end[place]
        cost, slots, worst, start, inserted, skipped = path
        for symbol in children.keys() & self._where.keys():
            spans = self._where[symbol]  # by start; a long text holds thousands of them
            for number in range(bisect_left(spans, (place,)), len(spans)):
                span = spans[number]
                if span.start > last:
                    break
                leapt = (cost, slots, worst, start, inserted, skipped + span.start - place)
                self._take(children[symbol], leapt, [span])

    def _accept(self, place: int, node: int, path: _Path) -> None:
        cost, slots, worst, _, _, skipped = path
        limit = self._matching.gap_limit if skipped else self._matcher.limit(slots)
        if cost <= limit.mean * slots and worst <= limit.worst:
            self._found.extend((target, place, path) for target in self._tree.ends[node])


def _best(found: list[tuple[int, int, _Path]], automaton: Automaton) -> list[Match]:
    """Of overlapping matches of one concept, decoys included, the one with most matched."""
    matches = []
    for target, end, path in found:
        cost, slots, worst, start, _, _ = path
        mean = cost / slots
        goal = automaton.targets[target]
        quality = slots * (1.0 - SCORE_SLOPE * mean)
        matches.append(Match(goal.concept, goal.phrase, start, end, mean, worst, quality))
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
