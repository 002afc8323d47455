"""What the hits of one speaker amount to: a few strengths between 0 and 1.

Hits are added in order of time, so the state after each one is the state of the call so far.
Of a concept the three best wordings count, each half of the one before; what a group's concepts
say adds up by noisy-or.  So saying one thing twenty times convicts nobody.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from ivr.facts.judgement import PhraseHit, Stage

DENIED: Final = 0.1  # what is left of a phrase that a guard word denies
MISSING: Final = 0.5  # a pretext: what is "not yet done" is a story too ("chưa thông quan")
QUOTED: Final = 0.15  # or that is told of somebody else
OTHER_SIDE: Final = 0.5  # family talk and an interview show in either side's words


class Feature(StrEnum):
    """The groups that the score is made of."""

    CLAIM = "claim"
    OFFICE = "office"
    PRETEXT = "pretext"
    ACCUSATION = "accusation"
    THREAT = "threat"
    PRESSURE = "pressure"
    ISOLATION = "isolation"
    INSTRUCTION = "instruction"
    CONTROL = "control"
    MONEY = "money"
    SECRET = "secret"  # noqa: S105 - a kind of demand, not a password
    DATA = "data"
    ADVICE = "advice"
    RETELLING = "retelling"
    REPORT = "report"
    FAMILY = "family"
    IN_PERSON = "in_person"
    EVERYDAY = "everyday"
    DENIAL = "denial"
    ADVERT = "advert"


AGAINST: Final = frozenset(
    (
        Feature.ADVICE,
        Feature.RETELLING,
        Feature.REPORT,
        Feature.FAMILY,
        Feature.IN_PERSON,
        Feature.EVERYDAY,
        Feature.DENIAL,
    )
)
_BY_KIND: Final = {
    (Stage.AUTHORITY, "office"): Feature.OFFICE,
    (Stage.THREAT, "urgency"): Feature.PRESSURE,
    (Stage.THREAT, "vague"): Feature.PRESSURE,
    (Stage.INSTRUCTION, "app"): Feature.CONTROL,
    (Stage.INSTRUCTION, "call_forward"): Feature.CONTROL,
    (Stage.DEMAND, "code"): Feature.SECRET,
    (Stage.DEMAND, "data"): Feature.DATA,
    (Stage.COUNTER, "family"): Feature.FAMILY,
    (Stage.COUNTER, "retelling"): Feature.RETELLING,
    (Stage.COUNTER, "media"): Feature.RETELLING,
    (Stage.COUNTER, "report"): Feature.REPORT,
    (Stage.COUNTER, "interview"): Feature.REPORT,
    (Stage.COUNTER, "in_person"): Feature.IN_PERSON,
    (Stage.COUNTER, "everyday"): Feature.EVERYDAY,
}
_BY_STAGE: Final = {
    Stage.CONTACT: Feature.PRETEXT,
    Stage.AUTHORITY: Feature.CLAIM,
    Stage.ACCUSATION: Feature.ACCUSATION,
    Stage.THREAT: Feature.THREAT,
    Stage.ISOLATION: Feature.ISOLATION,
    Stage.INSTRUCTION: Feature.INSTRUCTION,
    Stage.DEMAND: Feature.MONEY,
    Stage.COUNTER: Feature.ADVICE,
    Stage.ADVERT: Feature.ADVERT,
}
GROUNDS: Final = (Feature.CLAIM, Feature.OFFICE, Feature.PRETEXT, Feature.ACCUSATION)
PRESSES: Final = (
    Feature.MONEY,
    Feature.SECRET,
    Feature.DATA,
    Feature.CONTROL,
    Feature.THREAT,
    Feature.ISOLATION,
)
REPEATS: Final = (1.0, 0.5, 0.25)  # what a concept's best, second and third wording count
_TELLS_PRETEXT: Final = (
    Feature.THREAT,
    Feature.ACCUSATION,
    Feature.CONTROL,
    Feature.SECRET,
)
SUBSTANCE: Final = 0.25  # a strength below this is a hint, not a fact


def feature_of(hit: PhraseHit) -> Feature:
    """The group a hit counts for."""
    return _BY_KIND.get((hit.stage, hit.kind), _BY_STAGE[hit.stage])


def _left_of(hit: PhraseHit, feature: Feature) -> float:
    """The share of its strength that a denied or quoted phrase keeps."""
    if hit.quoted:
        return DENIED if hit.negated else QUOTED
    return MISSING if feature is Feature.PRETEXT else DENIED


class _Wording(NamedTuple):
    """One way a concept was said: strength, the words, place in the hit list."""

    strength: float
    heard: str
    place: int


@dataclass(slots=True)
class Evidence:
    """What one suspect's side has said so far."""

    _best: dict[Feature, dict[str, list[_Wording]]] = field(default_factory=dict)
    _pretexts: dict[str, dict[str, float]] = field(default_factory=dict)
    _strength: dict[Feature, float] = field(default_factory=dict)
    first_ground_s: float | None = None
    last_press_s: float | None = None

    def add(self, index: int, hit: PhraseHit, *, is_suspect: bool) -> None:
        """Count a hit.

        Args:
            index: its place in the verdict's hit list.
            is_suspect: whether the suspect said it; of the other side only family talk and an
                officer's questions count.
        """
        feature = feature_of(hit)
        strength = hit.weight * hit.score
        if not is_suspect:
            if feature is not Feature.FAMILY and hit.kind != "interview":
                return
            strength *= OTHER_SIDE
        elif feature is Feature.IN_PERSON and hit.negated:
            strength *= DENIED  # "khỏi ra phường" invites nobody
        elif feature not in AGAINST:
            if hit.negated or hit.quoted:
                if feature in PRESSES:
                    self._count(Feature.DENIAL, hit, strength, index)
                strength *= _left_of(hit, feature)
            self._note_order(feature, hit, strength)
            if hit.pretext is not None:
                known = self._pretexts.setdefault(hit.pretext, {})
                known[hit.concept] = max(strength, known.get(hit.concept, 0.0))
                if feature in _TELLS_PRETEXT:
                    self._count(Feature.PRETEXT, hit, strength * 0.7, index)
        self._count(feature, hit, strength, index)

    def _count(self, feature: Feature, hit: PhraseHit, strength: float, index: int) -> None:
        group = self._best.setdefault(feature, {})
        heard = hit.heard.casefold()
        wordings = group.setdefault(hit.concept, [])
        if len(wordings) == len(REPEATS) and strength <= wordings[-1].strength:
            return
        wordings.append(_Wording(strength, heard, index))
        wordings.sort(key=lambda one: -one.strength)  # stable: of equals the earlier stays first
        kept = list({one.heard: one for one in reversed(wordings)}.values())
        kept.sort(key=lambda one: (-one.strength, one.place))
        group[hit.concept] = kept[: len(REPEATS)]
        missed = 1.0
        for wordings in group.values():
            for share, wording in zip(REPEATS, wordings, strict=False):
                missed *= 1.0 - min(wording.strength * share, 1.0)
        self._strength[feature] = 1.0 - missed

    def _note_order(self, feature: Feature, hit: PhraseHit, strength: float) -> None:
        if strength < SUBSTANCE * 0.5:
            return
        is_ground = feature in GROUNDS or hit.pretext is not None
        if is_ground and self.first_ground_s is None:
            self.first_ground_s = hit.start_s
        if feature in PRESSES:
            self.last_press_s = hit.start_s

    def strength(self, feature: Feature) -> float:
        return self._strength.get(feature, 0.0)

    def strongest(self, features: tuple[Feature, ...]) -> float:
        return max(self.strength(feature) for feature in features)

    def indexes(self, feature: Feature) -> tuple[int, ...]:
        """Hits that the strength rests on, in order."""
        group = self._best.get(feature, {})
        return tuple(
            sorted(
                {
                    one.place
                    for wordings in group.values()
                    for one in wordings
                    if one.strength >= 0.05
                }
            )
        )

    def concepts(self) -> set[str]:
        """Distinct concepts that speak for a scam and are neither denied nor quoted."""
        return {
            concept
            for feature, group in self._best.items()
            if feature not in AGAINST and feature is not Feature.ADVERT
            for concept, wordings in group.items()
            if wordings[0].strength >= 0.1
        }

    def groups(self) -> set[Feature]:
        """Groups for a scam that reach substance."""
        return {
            feature
            for feature, value in self._strength.items()
            if feature not in AGAINST and feature is not Feature.ADVERT and value >= SUBSTANCE * 0.8
        }

    def pretexts(self) -> tuple[str, ...]:
        """Stories told, the best supported first."""
        totals = dict.fromkeys(self._pretexts, 1.0)
        for name, found in self._pretexts.items():
            for value in found.values():
                totals[name] *= 1.0 - min(value, 1.0)
        ranked = sorted((missed, name) for name, missed in totals.items() if missed <= 0.85)
        return tuple(name for _, name in ranked)
