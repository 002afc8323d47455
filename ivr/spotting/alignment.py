"""One variant against one row of words, without limits: the cheapest way to lay it on.

The matcher looks for everything at once and forgets what does not fit; an explanation needs to
see what did not. This is the plain dynamic programme that the matcher must agree with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from ivr.spotting.costs import distance, parts
from ivr.spotting.rulebook import Matching
from ivr.spotting.syllable import parse
from ivr.spotting.template import GAP, Variant, is_list

UNLIKE: Final = 1.0  # words of which one is no Vietnamese syllable
LOST: Final = 0.9  # a missing word that carries meaning


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an alignment.

    ``kind`` is ``same``, ``near``, ``far``, ``inserted``, ``missing`` or ``skipped`` (in a gap);
    ``parts`` splits the cost by initial, medial, nucleus, coda and tone.
    """

    expected: str
    heard: str
    kind: str
    cost: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alignment:
    """The cheapest alignment; ``mean`` is by slot of the variant."""

    steps: tuple[Step, ...]
    slots: int
    mean: float
    worst: float


@lru_cache(maxsize=100_000)
def word_cost(expected: str, heard: str) -> float:
    """Distance of two words; 0 for the same spelling, even when it is no syllable."""
    if expected == heard:
        return 0.0
    a, b = parse(expected), parse(heard)
    return UNLIKE if a is None or b is None else distance(a, b)


def _step(expected: str, heard: str) -> Step:
    cost = word_cost(expected, heard)
    a, b = parse(expected), parse(heard)
    split = parts(a, b) if a is not None and b is not None else {}
    kind = "same" if cost == 0.0 else "near" if cost <= 0.15 else "far"
    return Step(expected, heard, kind, cost, split)


def align(
    variant: Variant,
    tokens: Sequence[str],
    lists: Mapping[str, Sequence[Variant]],
    matching: Matching,
) -> Alignment:
    """Lay a variant on the tokens; where it starts and ends is free."""
    best: dict[tuple[int, int], tuple[float, int, tuple[Step, ...]]] = {
        (0, place): (0.0, 0, ()) for place in range(len(tokens) + 1)
    }

    def offer(key: tuple[int, int], cost: float, slots: int, steps: tuple[Step, ...]) -> None:
        known = best.get(key)
        if known is None or (cost, len(steps)) < (known[0], len(known[2])):
            best[key] = (cost, slots, steps)

    for index, symbol in enumerate(variant):
        for place in range(len(tokens) + 1):
            state = best.get((index, place))
            if state is None:
                continue
            cost, slots, steps = state
            if symbol == GAP:
                for far in range(place, min(len(tokens), place + matching.gap_words) + 1):
                    skipped = tuple(
                        Step("...", token, "skipped", 0.0) for token in tokens[place:far]
                    )
                    offer((index + 1, far), cost, slots, steps + skipped)
                continue
            for words in lists[symbol[1:-1]] if is_list(symbol) else ((symbol,),):
                end = place + len(words)
                if end <= len(tokens):
                    laid = tuple(map(_step, words, tokens[place:end]))
                    added = sum(step.cost for step in laid)
                    offer((index + 1, end), cost + added, slots + len(words), steps + laid)
            lost = matching.function_cost if symbol in matching.droppable_words else LOST
            missing = Step(symbol, "", "missing", lost)
            offer((index + 1, place), cost + lost, slots + 1, (*steps, missing))
            if steps and place < len(tokens):
                extra = _insertion(tokens[place], matching)
                offer((index, place + 1), cost + extra.cost, slots, (*steps, extra))
    ends = [best[len(variant), p] for p in range(len(tokens) + 1) if (len(variant), p) in best]
    cost, slots, steps = min(ends, key=lambda state: (state[0] / max(1, state[1]), len(state[2])))
    words_cost = [step.cost for step in steps if step.kind in ("same", "near", "far")]
    return Alignment(steps, slots, cost / max(1, slots), max(words_cost, default=UNLIKE))


def _insertion(token: str, matching: Matching) -> Step:
    cost = matching.function_cost if token in matching.function_words else matching.insert_cost
    return Step("", token, "inserted", cost)
