"""Speech in pieces that are small enough to be quoted, with the runs of syllables in each.

Every run of one to three syllables counts twice: as written, and, marked with ``~``, as it sounds
at its roughest, so that a wrong tone or coda, or a text without marks, still shares something.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

from ivr.facts.call import OUR_VOICE, LegName
from ivr.facts.speech import Utterance, Word

Read = Callable[[str], Sequence[tuple[str, str]]]
"""A written word to (canonical syllable, rough sound) pairs: `ivr.spotting.sound`."""

LONGEST_RUN: Final = 3
PIECE_WORDS: Final = 40  # a longer utterance is cut: nobody quotes a page
ROUGH: Final = "~"


@dataclass(frozen=True, slots=True)
class Piece:
    """An utterance, or a stretch of a long one.

    Args:
        syllables: how many it has.
        runs: each once, sorted; those that begin before the piece and end in it included.
    """

    leg: LegName
    start_s: float
    end_s: float
    text: str
    syllables: int
    runs: tuple[str, ...]


class Reader:
    """Cuts utterances into pieces; remembers what it read last, as live calls come word by word.

    Args:
        read: how a written word is spelt and how it sounds.
        known: whether a run is of any interest; others are left out.
    """

    def __init__(self, read: Read, known: Callable[[str], bool] = lambda _: True) -> None:
        self._read = read
        self._known = known
        self._runs_of = lru_cache(maxsize=4096)(self._find)

    def pieces(self, utterances: Sequence[Utterance]) -> list[Piece]:
        """In order of their ends. Of an utterance's partials and final only the last one counts;
        our own voice is left out."""
        latest = {(utterance.leg, utterance.index): utterance for utterance in utterances}
        found = [
            piece
            for utterance in latest.values()
            if utterance.leg not in OUR_VOICE
            for piece in self._cut(utterance)
        ]
        return sorted(found, key=lambda one: (one.end_s, one.start_s, one.leg.value, one.text))

    def _cut(self, utterance: Utterance) -> Iterator[Piece]:
        words = utterance.words
        for start in range(0, len(words), PIECE_WORDS):
            part = words[start : start + PIECE_WORDS]
            before = words[max(0, start - LONGEST_RUN + 1) : start]
            yield self._piece(utterance.leg, part, before)

    def _piece(self, leg: LegName, part: Sequence[Word], before: Sequence[Word]) -> Piece:
        text = " ".join(word.text for word in part)
        syllables, runs = self._runs_of(text, " ".join(word.text for word in before))
        return Piece(leg, part[0].start_s, part[-1].end_s, text, syllables, runs)

    def _find(self, text: str, before: str) -> tuple[int, tuple[str, ...]]:
        spoken = list(chain.from_iterable(map(self._read, text.split())))
        earlier = list(chain.from_iterable(map(self._read, before.split())))
        context = earlier[max(0, len(earlier) - LONGEST_RUN + 1) :]
        both = [*context, *spoken]
        found = set()
        for prefix, form in (("", 0), (ROUGH, 1)):
            row = [pair[form] for pair in both]
            for end in range(len(context) + 1, len(row) + 1):
                for length in range(1, min(LONGEST_RUN, end) + 1):
                    found.add(prefix + " ".join(row[end - length : end]))
        return len(spoken), tuple(sorted(filter(self._known, found)))
