"""The judge: hits and words in, a verdict with its reasons out. Pure and deterministic."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from ivr.facts.call import OUR_VOICE, LegName
from ivr.facts.judgement import Label, Level, PhraseHit, Reason, Stage, Verdict
from ivr.facts.speech import Utterance
from ivr.settings import VerdictSettings
from ivr.verdict.features import SUBSTANCE, Evidence, Feature
from ivr.verdict.reasons import CALLEE_SUSPECTED, NO_VIETNAMESE, TOO_LITTLE, reasons
from ivr.verdict.scorer import Scorer
from ivr.verdict.scoring import KNOWN_RUNS
from ivr.verdict.trial import Trial, level_of, suspects
from ivr.verdict.wording import Piece
from ivr.verdict.wording_reasons import wording_reasons

SPAM_STRENGTH: Final = 0.45
MARKED_SHARE: Final = 0.05  # Vietnamese without any mark is rare below one word in twenty
CALLEE_HANDICAP: Final = 2.0  # log-odds; a victim who calls back is rare
SCAM_STAGES: Final = tuple(stage for stage in Stage if stage not in (Stage.COUNTER, Stage.ADVERT))


class SequenceJudge:
    """Implements `ivr.ports.Judge`.

    Args:
        settings: thresholds and the least number of syllables.
        rulebook_sha256: digest to state when a call has no hit at all.
        scorer: weighs the wording beside the phrases; None: the rules judge alone.
    """

    def __init__(
        self, settings: VerdictSettings, rulebook_sha256: str = "", scorer: Scorer | None = None
    ) -> None:
        self._settings = settings
        self._rulebook = rulebook_sha256
        self._scorer = scorer

    def judge(
        self,
        hits: Sequence[PhraseHit],
        utterances: Sequence[Utterance],
        duration_s: float,  # noqa: ARG002 - part of the port; time is taken from the words
    ) -> Verdict:
        """The verdict over everything heard so far.

        ``hits`` is indexed by the reasons; its order is kept. A provisional hit counts like a
        final one: its score already carries the recogniser's doubt.
        """
        words = _words(utterances)
        legs = {hit.leg for hit in hits} | set(words)
        pieces = self._scorer.pieces(utterances) if self._scorer is not None else []
        trial = self._suspected(legs, hits, pieces)
        level = level_of(trial.score, self._settings)
        doubt = self._doubt(words.get(trial.suspect, []), trial, hits, level)
        found = (*reasons(trial.evidence, hits, trial.deeds), *wording_reasons(trial, pieces))
        if trial.suspect is LegName.CALLEE:
            found = (CALLEE_SUSPECTED, *found)
        return Verdict(
            label=_label(level, trial.evidence, doubt),
            level=level,
            score=trial.score,
            pretexts=trial.evidence.pretexts(),
            stages=_stages(trial, hits),
            reasons=(doubt, *found) if doubt else found,
            live_at_s=trial.live_at_s,
            filing_at_s=trial.filing_at_s,
            rulebook_sha256=hits[0].rulebook_sha256 if hits else self._rulebook,
            scorer_sha256=self._scorer.sha256 if self._scorer is not None else "",
        )

    def _suspected(
        self, legs: set[LegName], hits: Sequence[PhraseHit], pieces: Sequence[Piece]
    ) -> Trial:
        """The case that stands: that against whom most speaks; of equals the first."""
        trials = [Trial(leg, self._settings, self._scorer) for leg in suspects(legs)]
        for one in trials:
            one.hear(hits, pieces)
        trial = max(trials, key=lambda one: one.score)
        if self._scorer is None or not {LegName.CALLER, LegName.CALLEE} <= legs:
            return trial
        called = Trial(LegName.CALLEE, self._settings, self._scorer, handicap=CALLEE_HANDICAP)
        called.hear(hits, pieces)
        if called.score < self._settings.live_threshold or called.total <= trial.total:
            return trial
        called.live_at_s = min(
            at_s for at_s in (trial.live_at_s, called.live_at_s) if at_s is not None
        )
        return called

    def _doubt(
        self, words: Sequence[str], trial: Trial, hits: Sequence[PhraseHit], level: Level
    ) -> Reason | None:
        if level is not Level.NONE:
            return None
        if len(words) < self._settings.min_syllables:
            return TOO_LITTLE
        if not hits and trial.window is not None and trial.window.known < KNOWN_RUNS:
            return NO_VIETNAMESE
        marked = sum(not unicodedata.normalize("NFC", word).isascii() for word in words)
        return NO_VIETNAMESE if not hits and marked < MARKED_SHARE * len(words) else None


def _words(utterances: Sequence[Utterance]) -> dict[LegName, list[str]]:
    """Words by leg; of an utterance's partials and final only the last one counts."""
    latest = {(utterance.leg, utterance.index): utterance for utterance in utterances}
    found: dict[LegName, list[str]] = {}
    for (leg, _), utterance in latest.items():
        if leg not in OUR_VOICE:
            found.setdefault(leg, []).extend(
                word.text for word in utterance.words if any(c.isalpha() for c in word.text)
            )
    return found


def _label(level: Level, evidence: Evidence, doubt: Reason | None) -> Label:
    if level is Level.FILING:
        return Label.SCAM
    if level is Level.LIVE:
        return Label.SUSPICIOUS
    if evidence.strength(Feature.ADVERT) >= SPAM_STRENGTH:
        return Label.SPAM
    return Label.UNSURE if doubt else Label.CLEAN


def _stages(trial: Trial, hits: Sequence[PhraseHit]) -> tuple[Stage, ...]:
    """Stages that the suspect reached in earnest, in plausible order."""
    reached = {
        hit.stage
        for hit in hits
        if hit.leg is trial.suspect
        and not hit.negated
        and not hit.quoted
        and hit.weight * hit.score >= SUBSTANCE * 0.6
    }
    return tuple(stage for stage in SCAM_STAGES if stage in reached)
