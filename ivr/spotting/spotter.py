"""The listener: utterances in, phrase hits out, over all legs of one call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit
from ivr.facts.speech import Utterance
from ivr.spotting.automaton import compile_rulebook
from ivr.spotting.costs import Region
from ivr.spotting.guards import UNCERTAIN_FACTOR, Denial, Guards
from ivr.spotting.matcher import SCORE_SLOPE, Match, Matcher
from ivr.spotting.readings import with_readings
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.tokens import Token, has_diacritics, tokenize, utterances_from_turns

TAIL_TOKENS: Final = 40  # more than any phrase and any quotation reaches back
CONFIDENCE_FLOOR: Final = 0.4  # what an exact match keeps when the recogniser believed nothing


def _order(hit: PhraseHit) -> tuple[float, str, str, float]:
    return (hit.start_s, hit.leg.value, hit.phrase_id, hit.end_s)


class Spotter:
    """A compiled rulebook; serves any number of calls.

    Args:
        rulebook: checked.
        on: leave out phrases that are not yet valid on this day; None keeps all.
        region: lower costs further for one region's mergers; None serves all three.
    """

    def __init__(
        self, rulebook: Rulebook, *, on: date | None = None, region: Region | None = None
    ) -> None:
        self.rulebook = rulebook
        self.matcher = Matcher(compile_rulebook(rulebook, on=on, region=region))
        self.guards = Guards(rulebook.matching)

    def listen(self) -> "SpottingSession":
        """A fresh listener for one call."""
        return SpottingSession(self)

    def spot(self, utterances: Iterable[Utterance]) -> tuple[PhraseHit, ...]:
        """All hits of a finished transcript."""
        session = self.listen()
        for utterance in utterances:
            session.hear(utterance)
        return session.hits

    def spot_text(self, text: str, leg: LegName = LegName.CALLER) -> tuple[PhraseHit, ...]:
        """All hits of one speaker's text; times are made up, see `utterances_from_turns`."""
        return self.spot(utterances_from_turns([(leg, text)]))

    def hits_in(
        self, tokens: Sequence[Token], leg: LegName, *, folded: bool, is_final: bool
    ) -> list[tuple[int, PhraseHit]]:
        """(index of the token after it, hit) for each match in a row of tokens."""
        matches = self.matcher.find(tokens, folded=folded)
        denials = self.guards.denials(tokens, folded=folded)
        quoted = _quoted(matches, tokens)
        texts = [token.text for token in tokens]
        return [
            (
                match.end,
                self._hit(
                    match,
                    tokens,
                    leg,
                    self.guards.over(
                        denials[match.start : match.end], texts[match.start : match.end]
                    ),
                    quoted,
                    is_final=is_final,
                ),
            )
            for match in matches
        ]

    def _hit(
        self,
        match: Match,
        tokens: Sequence[Token],
        leg: LegName,
        denial: Denial,
        quoted: Sequence[int],
        *,
        is_final: bool,
    ) -> PhraseHit:
        phrase = match.phrase
        assert phrase is not None  # decoys never leave the matcher
        span = tokens[match.start : match.end]
        confidence = sum(token.confidence for token in span) / len(span)
        score = (1.0 - SCORE_SLOPE * match.mean) * (
            CONFIDENCE_FLOOR + (1.0 - CONFIDENCE_FLOOR) * confidence
        )
        if denial is Denial.UNCERTAIN:
            score *= UNCERTAIN_FACTOR
        return PhraseHit(
            phrase_id=phrase.phrase_id,
            concept=phrase.concept,
            stage=phrase.stage,
            pretext=phrase.pretext,
            heard=" ".join({token.word: token.heard for token in span}.values()),
            leg=leg,
            start_s=round(span[0].start_s, 2),
            end_s=round(span[-1].end_s, 2),
            score=round(max(0.0, score), 4),
            negated=denial >= Denial.SURE,
            is_final=is_final,
            rulebook_sha256=self.rulebook.sha256,
            kind=phrase.kind,
            weight=phrase.weight,
            quoted=quoted[match.start] > 0 and phrase.reach == 0,
        )


def _quoted(matches: Sequence[Match], tokens: Sequence[Token]) -> list[int]:
    """For each token, how many reporting phrases ("họ xưng là…") reach it."""
    marks = [0] * (len(tokens) + 1)
    for match in matches:
        if match.phrase is not None and match.phrase.reach:
            for place in range(match.start, min(len(tokens), match.end + match.phrase.reach)):
                marks[place] += 1
    return marks


@dataclass(slots=True)
class _Leg:
    """What is remembered of one leg."""

    words: int = 0
    tail: list[Token] = field(default_factory=list)
    is_marked: bool = False  # a Vietnamese diacritic was seen
    standing: list[PhraseHit] = field(default_factory=list)
    provisional: list[PhraseHit] = field(default_factory=list)
    hidden: list[PhraseHit] = field(default_factory=list)  # standing, but a provisional is better

    def hits(self) -> list[PhraseHit]:
        return [hit for hit in self.standing if hit not in self.hidden] + self.provisional


class SpottingSession:
    """One call. Implements `ivr.ports.Listener`."""

    def __init__(self, spotter: Spotter) -> None:
        self._spotter = spotter
        self._legs: dict[LegName, _Leg] = {}

    @property
    def hits(self) -> tuple[PhraseHit, ...]:
        """All hits that stand, ordered by time, then leg, then phrase id."""
        found = [hit for leg in self._legs.values() for hit in leg.hits()]
        return tuple(sorted(found, key=_order))

    def hear(self, utterance: Utterance) -> tuple[PhraseHit, ...]:
        """Take one utterance; returns the hits that it added, by time.

        A partial's hits are provisional: the next partial or the final of the same utterance
        replaces them all.  A final's hits are returned even when a partial announced them.
        """
        leg = self._legs.setdefault(utterance.leg, _Leg())
        before = leg.provisional
        tokens = tokenize(utterance, leg.words)
        leg.is_marked = leg.is_marked or has_diacritics(tokens)
        found = self._hits(leg, utterance, tokens)
        if utterance.others:
            others = [
                self._hits(leg, utterance, tokenize(replace(utterance, words=words), leg.words))
                for words in utterance.others
            ]
            found = with_readings(found, others)
        leg.provisional, leg.hidden = _settle(found, leg.standing[-TAIL_TOKENS:])
        new = leg.provisional
        if utterance.is_final:
            if leg.hidden:
                leg.standing = [hit for hit in leg.standing if hit not in leg.hidden]
            leg.standing += leg.provisional
            leg.provisional, leg.hidden = [], []
            leg.words += len(utterance.words)
            leg.tail = [*leg.tail, *tokens][-TAIL_TOKENS:]
        else:
            known = {(hit.phrase_id, hit.start_s) for hit in before}
            new = [hit for hit in new if (hit.phrase_id, hit.start_s) not in known]
        return tuple(sorted(new, key=_order))

    def _hits(self, leg: _Leg, utterance: Utterance, tokens: Sequence[Token]) -> list[PhraseHit]:
        """Phrases that end in these tokens; they may have begun in what was said before."""
        tail = self._joinable_tail(leg, tokens)
        return [
            hit
            for end, hit in self._spotter.hits_in(
                [*tail, *tokens],
                utterance.leg,
                folded=not leg.is_marked,
                is_final=utterance.is_final,
            )
            if end > len(tail)
        ]

    def _joinable_tail(self, leg: _Leg, tokens: Sequence[Token]) -> list[Token]:
        """Tokens said so shortly before that a phrase may run across the border."""
        if not tokens or not leg.tail:
            return []
        gap_s = tokens[0].start_s - leg.tail[-1].end_s
        return leg.tail if gap_s <= self._spotter.rulebook.matching.join_s else []


def _settle(
    found: Sequence[PhraseHit], recent: Sequence[PhraseHit]
) -> tuple[list[PhraseHit], list[PhraseHit]]:
    """New hits that stand, and earlier ones of the same concept that they replace."""
    kept: list[PhraseHit] = []
    replaced: list[PhraseHit] = []
    for hit in found:
        rivals = [
            old
            for old in recent
            if old.concept == hit.concept and old.start_s < hit.end_s and hit.start_s < old.end_s
        ]
        if all(_length(hit) >= _length(old) for old in rivals):
            kept.append(hit)
            replaced += rivals
    return kept, replaced


def _length(hit: PhraseHit) -> float:
    return (hit.end_s - hit.start_s) * hit.score
