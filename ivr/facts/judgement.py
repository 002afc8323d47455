"""What spotting found and what the verdict makes of it."""

from dataclasses import dataclass
from enum import StrEnum

from ivr.facts.call import LegName


class Stage(StrEnum):
    """The steps of an impersonation scam, in plausible order; ``counter`` speaks against one."""

    CONTACT = "contact"
    AUTHORITY = "authority"
    ACCUSATION = "accusation"
    THREAT = "threat"
    ISOLATION = "isolation"
    INSTRUCTION = "instruction"
    DEMAND = "demand"
    COUNTER = "counter"  # advice, family address, past telling: evidence against
    ADVERT = "advert"  # marketing: evidence for spam


@dataclass(frozen=True, slots=True)
class PhraseHit:
    """A phrase of the rulebook, heard on a leg.

    Args:
        phrase_id: unique in the rulebook.
        concept: what it means, e.g. ``cong_an``.
        pretext: story it belongs to, e.g. ``sim_revoked``, or None.
        heard: the words as recognised.
        score: 0–1, 1 is an exact match with full confidence.
        negated: a guard word (không, đừng, chưa, bao giờ…) governs it.
        is_final: False while it rests on a partial utterance.
        kind: the rulebook's finer class within the stage, e.g. ``claim``, ``money``, ``advice``.
        weight: 0–1, how much the rulebook lets an exact match of it count.
        quoted: it lies within the reach of a reporting phrase ("họ xưng là…", "giả danh…").
    """

    phrase_id: str
    concept: str
    stage: Stage
    pretext: str | None
    heard: str
    leg: LegName
    start_s: float
    end_s: float
    score: float
    negated: bool
    is_final: bool
    rulebook_sha256: str
    kind: str = ""
    weight: float = 1.0
    quoted: bool = False


class Label(StrEnum):
    SCAM = "scam"
    SUSPICIOUS = "suspicious"
    SPAM = "spam"
    CLEAN = "clean"
    UNSURE = "unsure"


class Level(StrEnum):
    """How far the verdict reaches: ``live`` warns, ``filing`` reports."""

    NONE = "none"
    LIVE = "live"
    FILING = "filing"


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence that an argument rests on, as heard; ``terms`` are its words that count most."""

    leg: LegName
    start_s: float
    end_s: float
    text: str
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One argument of the verdict.

    Args:
        hits: indexes into the verdict's hit list.
        passages: sentences whose wording, not a phrase of the rulebook, is the argument.
    """

    code: str
    text_vi: str
    text_en: str
    hits: tuple[int, ...]
    is_against: bool = False
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a call, or of a call so far.

    ``live_at_s`` / ``filing_at_s``: when each level was first reached, or None.
    ``scorer_sha256``: the model that weighed the wording; empty: the rules judged alone.
    """

    label: Label
    level: Level
    score: float
    pretexts: tuple[str, ...]
    stages: tuple[Stage, ...]
    reasons: tuple[Reason, ...]
    live_at_s: float | None
    filing_at_s: float | None
    rulebook_sha256: str
    scorer_sha256: str = ""


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What another recogniser made of the same sound after the call.

    Args:
        engine: e.g. ``viet-asr``.
        model_name, model_sha256: what it listened with.
        is_demonstration_model: its model proves the way but was not made for people.
        verdict: judged on its transcript alone; None when it could not listen.
        is_leading: the final verdict, its hits and quotes come from this transcript.
        failure: why it could not listen; empty when it could.
    """

    engine: str
    model_name: str
    model_sha256: str
    is_demonstration_model: bool
    verdict: Verdict | None
    is_leading: bool = False
    failure: str = ""
