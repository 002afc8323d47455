"""One suspect's case, heard in order of time: phrases and sentences, and the score after each."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ivr.facts.call import OUR_VOICE, LegName
from ivr.facts.judgement import Level, PhraseHit
from ivr.settings import VerdictSettings
from ivr.verdict.features import Evidence, Feature, feature_of
from ivr.verdict.scorer import WINDOW, Deeds, Scorer, Side, Window, sides_of
from ivr.verdict.scoring import combined, score, score_with
from ivr.verdict.wording import Piece


def suspects(legs: set[LegName]) -> tuple[LegName, ...]:
    """Whose words are judged: the caller's; when nobody knows which channel is the caller's,
    each in turn. The agent's own voice and a known callee never are."""
    if LegName.CALLER in legs:
        return (LegName.CALLER,)
    if LegName.MIXED in legs:
        return (LegName.MIXED,)
    channels = tuple(leg for leg in (LegName.CHANNEL_1, LegName.CHANNEL_2) if leg in legs)
    return channels or (LegName.CALLER,)


def level_of(score: float, settings: VerdictSettings) -> Level:
    if score >= settings.filing_threshold:
        return Level.FILING
    return Level.LIVE if score >= settings.live_threshold else Level.NONE


@dataclass(slots=True)
class Trial:
    """What has been heard of a call so far, and what it amounts to.

    Args:
        scorer: None: the phrases alone are weighed.
        handicap: log-odds that are asked beyond the levels; above 0 nothing is filed.
    """

    suspect: LegName
    settings: VerdictSettings
    scorer: Scorer | None = None
    handicap: float = 0.0
    evidence: Evidence = field(default_factory=Evidence)
    window: Window | None = None
    deeds: Deeds | None = None
    score: float = 0.0
    live_at_s: float | None = None
    filing_at_s: float | None = None
    _kept: float = 0.0  # the highest that any full window of a long call came to
    _heard: int = 0
    _since: int = 0

    def __post_init__(self) -> None:
        if self.scorer is not None:
            self.window, self.deeds = Window(self.scorer), Deeds(self.scorer)

    @property
    def total(self) -> float:
        """Log-odds of wording and rules as they stand, without handicap or gates."""
        assert self.window is not None
        return combined(self.window, self.evidence, self.window.scorer.model.rules_weight)

    def hear(self, hits: Sequence[PhraseHit], pieces: Sequence[Piece]) -> None:
        """Everything in order of time; a call so far is a call."""
        for _ in self.moments(hits, pieces):
            pass
        self.score = max(self.score, self._kept)

    def moments(self, hits: Sequence[PhraseHit], pieces: Sequence[Piece]) -> Iterator[float]:
        """The same step by step: gives the time after each phrase and each sentence."""
        turned_away = turned_away_in(hits)
        events: list[tuple[float, float, int, int]] = [
            (hit.end_s, hit.start_s, 0, n) for n, hit in enumerate(hits)
        ]
        events += [(piece.end_s, piece.start_s, 1, n) for n, piece in enumerate(pieces)]
        # of what ends together the phrases come first: they are part of the sentence
        for end_s, _, is_piece, n in sorted(
            events, key=lambda one: (one[0], one[2], one[1], one[3])
        ):
            if is_piece:
                self._add_piece(pieces[n])
            elif hits[n].leg in OUR_VOICE or n in turned_away:
                continue
            else:
                self.evidence.add(n, hits[n], is_suspect=hits[n].leg is self.suspect)
            self._weigh(end_s)
            yield end_s

    def _add_piece(self, piece: Piece) -> None:
        assert self.window is not None
        assert self.deeds is not None
        sides = sides_of(piece.leg, self.suspect)
        self.window.add(piece, sides)
        if Side.CALLER in sides:
            self.deeds.add(piece)
        self._heard += piece.syllables
        self._since += piece.syllables

    def _weigh(self, at_s: float) -> None:
        live, filing = self.settings.live_threshold, self.settings.filing_threshold
        if self.window is None or self.deeds is None:
            self.score = score(self.evidence, live, filing)
        else:
            self.score = score_with(
                self.window, self.evidence, self.deeds, live, filing, self.handicap
            )
        level = level_of(self.score, self.settings)
        if level is not Level.NONE and self.live_at_s is None:
            self.live_at_s = at_s
        if level is Level.FILING and self.filing_at_s is None:
            self.filing_at_s = at_s
        if self._heard > WINDOW and self._since >= WINDOW // 2:
            self._kept, self._since = max(self._kept, self.score), 0


def turned_away_in(hits: Sequence[PhraseHit]) -> set[int]:
    """Invitations that are only part of advice against going: "khỏi ra cửa hàng mất công"."""
    spans: dict[LegName, list[tuple[float, float]]] = {}
    for hit in sorted(hits, key=lambda one: one.start_s):
        if feature_of(hit) is Feature.ISOLATION and not (hit.negated or hit.quoted):
            known = spans.setdefault(hit.leg, [])
            if known and hit.start_s <= known[-1][1]:
                known[-1] = (known[-1][0], max(known[-1][1], hit.end_s))
            else:
                known.append((hit.start_s, hit.end_s))
    found = set()
    for index, hit in enumerate(hits):
        if feature_of(hit) is Feature.IN_PERSON and hit.leg in spans:
            known = spans[hit.leg]  # disjoint, by start: only the last that began can overlap
            last = bisect_left(known, (hit.end_s,)) - 1
            if last >= 0 and known[last][1] > hit.start_s:
                found.add(index)
    return found
