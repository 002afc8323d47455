"""From strengths, and the wording, to a score: additive evidence on the log-odds scale, then gates.

The weights say how much a fully established group moves the odds; they were set by hand and
checked on the tuning dialogues (`ivr bench verdict`).  The score is a ranking figure with
fixed thresholds, not a calibrated probability.
"""

import math
from types import MappingProxyType
from typing import Final

from ivr.verdict.features import GROUNDS, PRESSES, SUBSTANCE, Evidence, Feature
from ivr.verdict.scorer import Deeds, Window

BIAS: Final = -4.0
WEIGHTS: Final = MappingProxyType(
    {
        Feature.CLAIM: 0.6,
        Feature.OFFICE: 2.7,
        Feature.PRETEXT: 4.3,
        Feature.ACCUSATION: 0.8,
        Feature.THREAT: 0.5,
        Feature.PRESSURE: 1.6,
        Feature.ISOLATION: 2.9,
        Feature.INSTRUCTION: 2.0,
        Feature.CONTROL: 3.0,
        Feature.MONEY: 2.5,
        Feature.SECRET: 0.7,
        Feature.DATA: 1.9,
        Feature.ADVICE: -2.9,
        Feature.RETELLING: -2.8,
        Feature.REPORT: -3.3,
        Feature.FAMILY: -1.5,
        Feature.IN_PERSON: -3.4,
        Feature.EVERYDAY: -2.0,
        Feature.DENIAL: -0.7,
        Feature.ADVERT: -0.9,
    }
)
TIE: Final = 2.7  # a ground and a demand or threat of the same caller: more than their sum
ADVICE_SPENT: Final = 0.8
FILING_CONCEPTS: Final = 3
FAMILIAR: Final = 0.55  # from here on the speakers seem to know each other
MANY_GROUPS: Final = 4
TOLD: Final = 0.8  # from here on it is a story, a rehearsal or a report
LIVE_CONCEPTS: Final = 2
KNOWN_RUNS: Final = 10  # a text in another language shares fewer with what the scorer knows
FILING_SYLLABLES: Final = 30  # of the suspect
RULES_BOUND: Final = 8.0
CERTAIN: Final = 2.5  # of unseen calls above it nine in ten were scams by the rules alone


def log_odds(evidence: Evidence) -> float:
    total = BIAS + sum(weight * evidence.strength(feature) for feature, weight in WEIGHTS.items())
    # the same words often claim a police office and an office: they count once
    total -= (
        WEIGHTS[Feature.OFFICE]
        * evidence.strength(Feature.OFFICE)
        * evidence.strength(Feature.CLAIM)
    )
    # who asks for the code gains nothing by warning of others who do
    total -= (
        WEIGHTS[Feature.ADVICE]
        * evidence.strength(Feature.ADVICE)
        * ADVICE_SPENT
        * evidence.strongest((Feature.SECRET, Feature.CONTROL))
    )
    return total + TIE * evidence.strongest(GROUNDS) * evidence.strongest(PRESSES)


def may_warn(evidence: Evidence) -> bool:
    """At least two things of different kinds were said."""
    return len(evidence.concepts()) >= LIVE_CONCEPTS and len(evidence.groups()) >= LIVE_CONCEPTS


def _is_told(evidence: Evidence) -> bool:
    """What is clearly told of others is never filed; family talk takes much more than other talk:
    a false report is worse than a late one."""
    if max(evidence.strength(Feature.RETELLING), evidence.strength(Feature.REPORT)) >= TOLD:
        return True
    return evidence.strength(Feature.FAMILY) >= FAMILIAR and len(evidence.groups()) < MANY_GROUPS


def may_file(evidence: Evidence, deeds: Deeds | None = None) -> bool:
    """A claimed authority, a pretext or an accusation, then a demand or a threat.

    Without a scorer they must come in three phrases or more, and not from what is told of others.
    With one either may show in the wording of a sentence instead of a phrase, and how far a call
    is told or familiar is weighed, not a bar: as a bar it cost recall and no false filing
    (docs/verdict.md).
    """
    if deeds is None:
        if _is_told(evidence) or len(evidence.concepts()) < FILING_CONCEPTS:
            return False
        firsts, lasts = [evidence.first_ground_s], [evidence.last_press_s]
    else:
        firsts = [evidence.first_ground_s, deeds.first_ground_s]
        lasts = [evidence.last_press_s, deeds.last_press_s]
    if evidence.strongest(GROUNDS) < SUBSTANCE:
        firsts[0] = None
    if evidence.strongest(PRESSES) < SUBSTANCE:
        lasts[0] = None
    grounds = [at_s for at_s in firsts if at_s is not None]
    presses = [at_s for at_s in lasts if at_s is not None]
    return bool(grounds) and bool(presses) and max(presses) >= min(grounds)


def may_file_with(window: Window, evidence: Evidence, deeds: Deeds) -> bool:
    """The same with wording: a few sentences tell too little of it, unless the phrases alone
    would open the gate."""
    is_enough = window.spoken >= FILING_SYLLABLES or may_file(evidence)
    return is_enough and may_file(evidence, deeds)


def score(evidence: Evidence, live_threshold: float, filing_threshold: float) -> float:
    """By the rules alone: 0–1, four decimals; held just below a threshold whose gate is closed."""
    value = _share(log_odds(evidence))
    return _gated(value, may_warn(evidence), may_file(evidence), live_threshold, filing_threshold)


def score_with(
    window: Window,
    evidence: Evidence,
    deeds: Deeds,
    live_threshold: float,
    filing_threshold: float,
    handicap: float = 0.0,
) -> float:
    """By wording and rules together, on the same scale: the model's two levels, for what is heard
    of this call, lie at the two thresholds.

    Args:
        handicap: log-odds that are asked beyond that; above 0 the call is never filed.
    """
    model = window.scorer.model
    total = combined(window, evidence, model.rules_weight) - handicap
    levels = model.levels[window.hearing]
    step = (total - levels.live_at) / (levels.filing_at - levels.live_at)
    low, high = _log_odds_of(live_threshold), _log_odds_of(filing_threshold)
    value = _share(low + step * (high - low))
    return _gated(
        value,
        window.known >= KNOWN_RUNS,
        not handicap and may_file_with(window, evidence, deeds),
        live_threshold,
        filing_threshold,
    )


def combined(window: Window, evidence: Evidence, rules_weight: float) -> float:
    """Log-odds of wording and rules."""
    return window.log_odds + rules_share(bounded(log_odds(evidence)), rules_weight)


def rules_share(rules: float, rules_weight: float) -> float:
    """What the log-odds of the rules count beside the wording.  Beyond `CERTAIN` they count in
    full: stock phrases in stock order convict even in a call too short for its wording to tell."""
    return rules_weight * rules + max(rules - CERTAIN, 0.0)


def bounded(rules: float) -> float:
    """Held within bounds that log-odds of the rules seldom leave."""
    return min(max(rules, -RULES_BOUND), RULES_BOUND)


def _log_odds_of(threshold: float) -> float:
    held = min(max(threshold, 0.001), 0.999)
    return math.log(held / (1.0 - held))


def _share(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(log_odds, -700.0), 700.0)))


def _gated(
    value: float, warns: bool, files: bool, live_threshold: float, filing_threshold: float
) -> float:
    if not warns:
        value = min(value, live_threshold - 0.01)
    if not files:
        value = min(value, filing_threshold - 0.01)
    return round(max(0.0, value), 4)
