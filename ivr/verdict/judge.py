"""The judge: hits and words in, a verdict with its reasons out. Pure and deterministic."""

import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ivr.facts.call import LegName
from ivr.facts.judgement import Label, Level, PhraseHit, Reason, Stage, Verdict
from ivr.facts.speech import Utterance
from ivr.settings import VerdictSettings
from ivr.verdict.features import SUBSTANCE, Evidence, Feature, feature_of
from ivr.verdict.reasons import NO_VIETNAMESE, TOO_LITTLE, reasons
from ivr.verdict.scoring import score

SPAM_STRENGTH: Final = 0.45
MARKED_SHARE: Final = 0.05  # Vietnamese without any mark is rare below one word in twenty
SCAM_STAGES: Final = tuple(stage for stage in Stage if stage not in (Stage.COUNTER, Stage.ADVERT))


@dataclass(slots=True)
class _Trial:
    """One leg's case, heard in order of time."""

    suspect: LegName
    evidence: Evidence
    score: float = 0.0
    live_at_s: float | None = None
    filing_at_s: float | None = None


def suspects(legs: set[LegName]) -> tuple[LegName, ...]:
    """Whose words are judged: the caller's; when nobody knows which channel is the caller's,
    each in turn. The agent's own voice and a known callee never are."""
    if LegName.CALLER in legs:
        return (LegName.CALLER,)
    if LegName.MIXED in legs:
        return (LegName.MIXED,)
    channels = tuple(leg for leg in (LegName.CHANNEL_1, LegName.CHANNEL_2) if leg in legs)
    return channels or (LegName.CALLER,)


class SequenceJudge:
    """Implements `ivr.ports.Judge`.

    Args:
        settings: thresholds and the least number of syllables.
        rulebook_sha256: digest to state when a call has no hit at all.
    """

    def __init__(self, settings: VerdictSettings, rulebook_sha256: str = "") -> None:
        self._settings = settings
        self._rulebook = rulebook_sha256

    def judge(
        self,
        hits: Sequence[PhraseHit],
        utterances: Sequence[Utterance],
        duration_s: float,  # noqa: ARG002 - part of the port; time is taken from the hits
    ) -> Verdict:
        """The verdict over everything heard so far.

        ``hits`` is indexed by the reasons; its order is kept. A provisional hit counts like a
        final one: its score already carries the recogniser's doubt.
        """
        words = _words(utterances)
        legs = {hit.leg for hit in hits} | set(words)
        trials = [self._try(leg, hits) for leg in suspects(legs)]
        trial = max(trials, key=lambda one: one.score)  # the first of equals
        level = self._level(trial.score)
        doubt = self._doubt(words.get(trial.suspect, []), hits, level)
        found = tuple(reasons(trial.evidence, hits))
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
        )

    def _try(self, suspect: LegName, hits: Sequence[PhraseHit]) -> _Trial:
        trial = _Trial(suspect, Evidence())
        settings = self._settings
        turned_away = _turned_away(hits)
        in_time = sorted(range(len(hits)), key=lambda n: (hits[n].end_s, hits[n].start_s, n))
        for index in in_time:
            hit = hits[index]
            if hit.leg is LegName.AGENT or index in turned_away:
                continue
            trial.evidence.add(index, hit, is_suspect=hit.leg is suspect)
            trial.score = score(trial.evidence, settings.live_threshold, settings.filing_threshold)
            level = self._level(trial.score)
            if level is not Level.NONE and trial.live_at_s is None:
                trial.live_at_s = hit.end_s
            if level is Level.FILING and trial.filing_at_s is None:
                trial.filing_at_s = hit.end_s
        return trial

    def _level(self, value: float) -> Level:
        if value >= self._settings.filing_threshold:
            return Level.FILING
        return Level.LIVE if value >= self._settings.live_threshold else Level.NONE

    def _doubt(
        self, words: Sequence[str], hits: Sequence[PhraseHit], level: Level
    ) -> Reason | None:
        if level is not Level.NONE:
            return None
        if len(words) < self._settings.min_syllables:
            return TOO_LITTLE
        marked = sum(not unicodedata.normalize("NFC", word).isascii() for word in words)
        return NO_VIETNAMESE if not hits and marked < MARKED_SHARE * len(words) else None


def _turned_away(hits: Sequence[PhraseHit]) -> set[int]:
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


def _words(utterances: Sequence[Utterance]) -> dict[LegName, list[str]]:
    """Words by leg; of an utterance's partials and final only the last one counts."""
    latest = {(utterance.leg, utterance.index): utterance for utterance in utterances}
    found: dict[LegName, list[str]] = {}
    for (leg, _), utterance in latest.items():
        if leg is not LegName.AGENT:
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


def _stages(trial: _Trial, hits: Sequence[PhraseHit]) -> tuple[Stage, ...]:
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
