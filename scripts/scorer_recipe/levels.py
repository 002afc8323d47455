"""From a trial's course to figures, and from figures to the levels of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit
from ivr.settings import VerdictSettings
from ivr.spotting.sound import spelt_and_sounding
from ivr.verdict.scorer import Scorer
from ivr.verdict.scorer_model import Hearing, ScorerModel
from ivr.verdict.scoring import KNOWN_RUNS, bounded, log_odds, may_file_with, rules_share
from ivr.verdict.trial import Trial
from ivr.verdict.wording import Piece
from scorer_recipe.corpus import FIRST_AUTHOR, TWINS, Example
from scorer_recipe.fitting import Rows, fit

FILING_PRECISION = 0.98
LIVE_PRECISION = 0.82
GROUND_AT = -2.5
PRESS_AT = -2.5
UNSET = {
    "version": "",
    "rules_weight": 0.0,
    "levels": {hearing: {"live_at": 0.0, "filing_at": 1.0} for hearing in Hearing},
    "ground_at": GROUND_AT,
    "press_at": PRESS_AT,
}
SHUT = -99.0  # below every level


@dataclass(frozen=True, slots=True)
class Course:
    """How a call looked after each phrase and sentence of it.

    Args:
        wording / rules: log-odds.
        may_warn / may_file: whether the gates were open.
        hearing: how much of the call was heard.
    """

    example: Example
    wording: tuple[float, ...]
    rules: tuple[float, ...]
    may_warn: tuple[bool, ...]
    may_file: tuple[bool, ...]
    hearing: tuple[Hearing, ...]

    def filing(self, rules_weight: float) -> float:
        """What the whole call comes to, for the filing level."""
        if not self.may_file[-1]:
            return SHUT
        return self.wording[-1] + rules_share(self.rules[-1], rules_weight)

    def live(self, rules_weight: float, hearing: Hearing) -> float:
        """The highest that the call came to while so much of it was heard, for the live level."""
        return max(
            (
                wording + rules_share(rules, rules_weight)
                for wording, rules, warns, heard in zip(
                    self.wording, self.rules, self.may_warn, self.hearing, strict=True
                )
                if warns and heard is hearing
            ),
            default=SHUT,
        )

    def is_filed(self, found: Mapping[str, Any]) -> bool:
        """With a model's levels."""
        at: float = found["levels"][self.hearing[-1]]["filing_at"]
        return self.filing(found["rules_weight"]) >= at

    def is_warned(self, found: Mapping[str, Any]) -> bool:
        """With a model's levels, at any moment."""
        return any(
            self.live(found["rules_weight"], hearing) >= found["levels"][hearing]["live_at"]
            for hearing in Hearing
        )


def scorer_of(raw: dict[str, Any]) -> Scorer:
    return Scorer(ScorerModel.read({**UNSET, **raw}, ""), spelt_and_sounding)


def course(
    scorer: Scorer,
    example: Example,
    *,
    pieces: Sequence[Piece] | None = None,
    hits: Sequence[PhraseHit] | None = None,
    suspect: LegName = LegName.CALLER,
) -> Course:
    """Walk through a call with the judge's own trial.

    Args:
        pieces / hits: other words, or phrases, than those of the dialogue.
    """
    trial = Trial(suspect, VerdictSettings(), scorer)
    window, deeds = trial.window, trial.deeds
    assert window is not None
    assert deeds is not None
    heard = hits if hits is not None else example.hits
    steps = [
        (
            window.log_odds,
            bounded(log_odds(trial.evidence)),
            window.known >= KNOWN_RUNS,
            may_file_with(window, trial.evidence, deeds),
            window.hearing,
        )
        for _ in trial.moments(heard, pieces if pieces is not None else example.pieces)
    ]
    return Course(example, *(tuple(column) for column in zip(*steps, strict=True)))


def rules_weight(courses: Sequence[Course]) -> float:
    """How much the rules count beside the wording: by a fit of the two on whole calls by authors
    whom neither has seen."""
    fair = [one for one in courses if one.example.author != FIRST_AUTHOR]
    rows = Rows.of([((0, 1), (one.wording[-1], one.rules[-1])) for one in fair], 2)
    is_scam = np.array([float(one.example.is_scam) for one in fair])
    wording, rules, _ = fit(rows, is_scam, np.ones(len(fair)), 1.0)
    return round(float(np.clip(rules / max(wording, 1e-6), 0.0, 1.0)), 2)


def level_at(values: Sequence[float], is_scam: Sequence[bool], precision: float) -> float:
    """The lowest value from which on at least so many are scams; halfway to the next one below."""
    order = sorted(zip(values, is_scam, strict=True), reverse=True)
    best, scams = len(order), 0
    found = order[0][0]
    for count, (value, scam) in enumerate(order, start=1):
        scams += scam
        below = order[count][0] if count < best else value
        if scam and scams / count >= precision and value > SHUT:
            found = (value + max(below, value - 0.1)) / 2
    return round(found, 3)


def levels(courses: Mapping[Hearing, Sequence[Course]], weight: float) -> dict[str, Any]:
    """The missing members of a model, from courses out of each author's own model.

    Args:
        courses: the same calls, by how much of them was heard.
        weight: of the rules.
    """
    found = {}
    for hearing, heard in courses.items():
        fair = [one for one in heard if one.example.author not in {FIRST_AUTHOR, *TWINS}]
        is_scam = [one.example.is_scam for one in fair]
        filing_at = level_at([one.filing(weight) for one in fair], is_scam, FILING_PRECISION)
        live = [one.live(weight, hearing) for one in fair]
        live_at = min(level_at(live, is_scam, LIVE_PRECISION), filing_at - 0.1)
        found[hearing.value] = {"live_at": round(live_at, 3), "filing_at": filing_at}
    return {
        "rules_weight": weight,
        "levels": found,
        "ground_at": GROUND_AT,
        "press_at": PRESS_AT,
    }
