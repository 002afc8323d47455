"""Which words of a row deny what follows them, and how sure that is.

A guard word (không, đừng, chưa, chớ, khỏi…) reaches a few words ahead, not across a clause.
"nếu không chuyển", "để không bị thu hồi", "đúng không" contain the word without denying: such
sequences stand in the rulebook as excuses.  A recogniser writes no commas, so a clause is also
taken to end where a subject and "phải", "sẽ", "bị" … begin another one, and at the border of an
utterance once the guard has its verb.  A word that only resembles a guard makes things
uncertain, and uncertainty may lower a score, never raise it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ivr.spotting.costs import distance
from ivr.spotting.rulebook import Matching
from ivr.spotting.syllable import fold, parse
from ivr.spotting.tokens import Token

UNCERTAIN_LIMIT: Final = 0.06  # khôn, khồng… but not công (0.11) or dừng (0.27)
UNCERTAIN_FACTOR: Final = 0.7
ZERO: Final = "không"  # beside another digit it is a nought, not a "no"
_NUMBERS: Final = frozenset(("hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín"))


class Denial(IntEnum):
    NONE = 0
    UNCERTAIN = 1
    SURE = 2
    WHOLE = 3  # "không có chuyện": denies the whole clause after it, its subject too


@dataclass(frozen=True, slots=True)
class _Sequences:
    by_first: dict[str, tuple[tuple[str, ...], ...]]

    def at(self, texts: Sequence[str], place: int) -> int:
        """Length of the longest sequence that starts here, or 0."""
        lengths = [
            len(words)
            for words in self.by_first.get(texts[place], ())
            if tuple(texts[place : place + len(words)]) == words
        ]
        return max(lengths, default=0)


def _sequences(phrases: frozenset[str]) -> _Sequences:
    table: dict[str, list[tuple[str, ...]]] = {}
    for phrase in sorted(phrases):
        words = tuple(phrase.split())
        table.setdefault(words[0], []).append(words)
    return _Sequences({first: tuple(found) for first, found in table.items()})


class Guards:
    """Finds denials; compiled once from the rulebook's ``matching:`` table."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._guards = _sequences(matching.guards)
        self._excuses = _sequences(matching.guard_excused_by)
        self._stops = matching.guard_stopped_by
        self._new_clause = matching.guard_new_clause
        self._particles = matching.guard_particles
        self._single = [
            parsed
            for word in sorted(matching.guards)
            if " " not in word and (parsed := parse(word)) is not None
        ]
        self._folded = {fold(word) for word in matching.guards}
        self._likeness: dict[str, Denial] = {}

    def denials(self, tokens: Sequence[Token], *, folded: bool = False) -> list[Denial]:
        """For each token, whether a guard word before it reaches it."""
        texts = [token.text for token in tokens]
        found = [Denial.NONE] * len(tokens)
        excused_until = 0
        for place in range(len(tokens)):
            excused_until = max(excused_until, place + self._excuses.at(texts, place))
            strength = self._strength(texts, place, folded=folded)
            if strength is Denial.NONE or place < excused_until:
                continue
            length = max(1, self._guards.at(texts, place))
            reach = self._matching.guard_reach * (2 if length > 1 else 1)
            if strength is Denial.SURE and self._is_whole(texts[place : place + length]):
                strength = Denial.WHOLE
            for ahead in range(place + length, min(len(tokens), place + length + reach)):
                if self._ends_clause(tokens, place + length, ahead, strength):
                    break
                found[ahead] = max(found[ahead], strength)
        return found

    def over(self, denials: Sequence[Denial], texts: Sequence[str]) -> Denial:
        """How the words of one phrase are denied: as its first word is, but a phrase that brings
        its own subject and verb ("thuê bao của anh sẽ bị thu hồi") is a clause of its own."""
        if denials[0] is not Denial.WHOLE and not self._new_clause.isdisjoint(texts[1:]):
            return Denial.NONE
        return denials[0]

    def _is_whole(self, words: Sequence[str]) -> bool:
        return " ".join(words) in self._matching.guard_whole

    def _ends_clause(
        self, tokens: Sequence[Token], first: int, ahead: int, strength: Denial
    ) -> bool:
        """Whether a denial whose own words end before ``first`` stops short of ``ahead``."""
        before, text = tokens[ahead - 1], tokens[ahead].text
        if before.breaks:
            return True
        if before.utterance != tokens[ahead].utterance:
            return ahead > first or before.text in self._particles
        if text in self._new_clause:
            return ahead > first and strength is not Denial.WHOLE
        return text in self._stops

    def _strength(self, texts: Sequence[str], place: int, *, folded: bool) -> Denial:
        if texts[place] == ZERO and _NUMBERS & set(texts[max(0, place - 1) : place + 2]):
            return Denial.NONE
        if self._guards.at(texts, place):
            return Denial.SURE
        word = texts[place]
        if folded:
            return Denial.UNCERTAIN if word in self._folded else Denial.NONE
        if word not in self._likeness:
            if len(self._likeness) > 20_000:
                self._likeness.clear()
            self._likeness[word] = self._resemblance(word)
        return self._likeness[word]

    def _resemblance(self, word: str) -> Denial:
        parsed = parse(word)
        if parsed is None:
            return Denial.NONE
        nearest = min((distance(parsed, guard) for guard in self._single), default=1.0)
        if nearest <= self._matching.guard_limit:
            return Denial.SURE
        return Denial.UNCERTAIN if nearest <= UNCERTAIN_LIMIT else Denial.NONE
