"""From strengths to a score: additive evidence on the log-odds scale, then two gates.

The weights say how much a fully established group moves the odds; they were set by hand and
checked on the tuning dialogues (`ivr bench verdict`).  The score is a ranking figure with
fixed thresholds, not a calibrated probability.
"""

import math
from types import MappingProxyType
from typing import Final

from ivr.verdict.features import GROUNDS, PRESSES, SUBSTANCE, Evidence, Feature

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


def may_file(evidence: Evidence) -> bool:
    """A claimed authority or a pretext, then a demand or a threat, in three concepts or more.

    Family talk takes much more than that, and what is clearly told of others is never filed: a
    false report is worse than a late one.
    """
    if max(evidence.strength(Feature.RETELLING), evidence.strength(Feature.REPORT)) >= TOLD:
        return False
    if evidence.strength(Feature.FAMILY) >= FAMILIAR and len(evidence.groups()) < MANY_GROUPS:
        return False
    return (
        len(evidence.concepts()) >= FILING_CONCEPTS
        and evidence.strongest(GROUNDS) >= SUBSTANCE
        and evidence.strongest(PRESSES) >= SUBSTANCE
        and evidence.first_ground_s is not None
        and evidence.last_press_s is not None
        and evidence.last_press_s >= evidence.first_ground_s
    )


def score(evidence: Evidence, live_threshold: float, filing_threshold: float) -> float:
    """0–1, four decimals; held just below a threshold whose gate is closed."""
    value = 1.0 / (1.0 + math.exp(-log_odds(evidence)))
    if not may_warn(evidence):
        value = min(value, live_threshold - 0.01)
    if not may_file(evidence):
        value = min(value, filing_threshold - 0.01)
    return round(max(0.0, value), 4)
