"""An interpolated Witten-Bell trigram over syllables, as an acceptor in OpenFst's text format."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from model_recipe.corpus import UNKNOWN, Sentence

_BEGIN, _END = "<s>", "</s>"
_ORDER = 3
History = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """What the counts are softened with.

    `uniform` is the share of the unigram spread evenly, so that any syllable can come out;
    `unknown` is the probability of the filler word; trigram histories seen less often than
    `minimum`, a weight, get no state of their own.
    """

    uniform: float = 0.05
    unknown: float = 1e-6
    minimum: float = 0.06


class Trigram:
    """Counts with back-off to the shorter history."""

    def __init__(
        self,
        weighted: Iterable[tuple[Sentence, float]],
        words: Sequence[str],
        smoothing: Smoothing = Smoothing(),
    ) -> None:
        counts: list[dict[History, Counter[str]]] = [defaultdict(Counter) for _ in range(_ORDER)]
        for sentence, weight in weighted:
            padded = (_BEGIN, *sentence, _END)
            for end in range(1, len(padded)):
                for length in range(min(_ORDER, end + 1)):
                    counts[length][padded[end - length : end]][padded[end]] += weight  # type: ignore[assignment]
        self._counts = counts
        unigram = counts[0][()]
        total = sum(unigram.values())
        everything = [*words, _END]
        self.unigram = {
            word: (1 - smoothing.unknown)
            * (
                (1 - smoothing.uniform) * unigram[word] / total
                + smoothing.uniform / len(everything)
            )
            for word in everything
        }
        self.unigram[UNKNOWN] = smoothing.unknown
        self.histories: dict[History, int] = {(): 0}
        for history in counts[1]:
            self.histories[history] = len(self.histories)
        for history, following in counts[2].items():
            if sum(following.values()) > smoothing.minimum:
                self.histories[history] = len(self.histories)

    def probability(self, history: History, word: str) -> float:
        """P(word | history), the history being a known one."""
        if not history:
            return self.unigram[word]
        following = self._counts[len(history)][history]
        count = sum(following.values())
        kept = count / (count + len(following))
        shorter = self.probability(history[1:], word)
        return kept * following[word] / count + (1 - kept) * shorter

    def back_off(self, history: History) -> float:
        """The weight left for words not seen after a history."""
        following = self._counts[len(history)][history]
        return len(following) / (sum(following.values()) + len(following))

    def _next(self, history: History, word: str) -> int:
        longest = (*history, word)[-(_ORDER - 1) :]
        while longest not in self.histories:
            longest = longest[1:]
        return self.histories[longest]

    def _arcs(self) -> Iterator[tuple[int, int, str, float]]:
        """(source, target, word or "" for back-off, cost)."""
        for history, state in self.histories.items():
            following = self._counts[len(history)][history] if history else self.unigram
            for word in following:
                if word != _END:
                    cost = -math.log(self.probability(history, word))
                    yield state, self._next(history, word), word, cost
            if history:
                shorter = history[1:]
                target = self.histories.get(shorter, 0)
                yield state, target, "", -math.log(self.back_off(history))

    def fst_text(self, word_ids: dict[str, int]) -> str:
        """The acceptor; back-off arcs are epsilon, the first line leaves the start state."""
        start = self.histories[(_BEGIN,)]
        arcs = sorted(self._arcs(), key=lambda arc: (arc[0] != start, arc[0]))
        lines = [
            f"{source} {target} {word_ids[word] if word else 0} "
            f"{word_ids[word] if word else 0} {cost:.5f}"
            for source, target, word, cost in arcs
        ]
        for history, state in self.histories.items():
            ends = not history or self._counts[len(history)][history][_END] > 0
            if ends:
                lines.append(f"{state} {-math.log(self.probability(history, _END)):.5f}")
        return "\n".join(lines) + "\n"
