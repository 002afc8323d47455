"""How well the verdict does on dialogues with known labels: precision and recall at both levels.

Text level: the dialogues are typed, so recognition plays no part in these figures.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.errors import InputError
from ivr.facts.call import LegName
from ivr.facts.judgement import Label, Level, PhraseHit, Verdict
from ivr.settings import VerdictSettings
from ivr.spotting.spotter import Spotter
from ivr.spotting.tokens import utterances_from_turns
from ivr.verdict.judge import SequenceJudge
from ivr.verdict.scorer import Scorer

LEGS: Final = {"caller": LegName.CALLER, "callee": LegName.CALLEE}
LABELS: Final = ("scam", "benign", "spam")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A labelled conversation; ``first_demand_turn`` is its index among the turns, or None."""

    name: str
    label: str
    pretext: str
    region: str
    is_hard: bool
    turns: tuple[tuple[LegName, str], ...]
    first_demand_turn: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the judge made of one dialogue."""

    dialogue: Dialogue
    hits: tuple[PhraseHit, ...]
    verdict: Verdict

    @property
    def was_warned(self) -> bool:
        return self.verdict.live_at_s is not None

    @property
    def was_filed(self) -> bool:
        return self.verdict.level is Level.FILING


@dataclass(frozen=True, slots=True)
class Row:
    """Counts of a group of dialogues."""

    group: str
    scams: int
    others: int
    warned: int
    filed: int
    false_warned: int
    false_filed: int

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """Filing precision and recall, live precision and recall; NaN where undefined."""
        return (
            _ratio(self.filed, self.filed + self.false_filed),
            _ratio(self.filed, self.scams),
            _ratio(self.warned, self.warned + self.false_warned),
            _ratio(self.warned, self.scams),
        )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def read_dialogues(path: Path) -> list[Dialogue]:
    """Read a JSON-lines file of dialogues.

    Raises:
        InputError: it cannot be read, or a line is no dialogue; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(
            f"The dialogues {path} cannot be read.",
            why=str(problem),
            remedy="Give a UTF-8 file with one JSON object a line.",
        ) from problem
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(_dialogue(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise InputError(
                f"{path}:{number} is no dialogue.",
                why=f"{type(problem).__name__}: {problem}",
                remedy="Each line needs id, label (scam, benign, spam) and turns of who and text.",
            ) from problem
    return found


def _dialogue(raw: dict[str, Any]) -> Dialogue:
    if raw["label"] not in LABELS:
        raise ValueError(f"label {raw['label']!r} is none of {LABELS}")
    return Dialogue(
        name=str(raw["id"]),
        label=raw["label"],
        pretext=raw.get("pretext") or raw.get("hard_kind") or "-",
        region=raw.get("region") or "-",
        is_hard=bool(raw.get("hard")),
        turns=tuple((LEGS[turn["who"]], turn["text"]) for turn in raw["turns"]),
        first_demand_turn=raw.get("first_demand_turn"),
    )


def assess(dialogue: Dialogue, spotter: Spotter, judge: SequenceJudge) -> Outcome:
    """Spot and judge one dialogue."""
    utterances = utterances_from_turns(dialogue.turns)
    hits = spotter.spot(utterances)
    ends = [utterance.words[-1].end_s for utterance in utterances if utterance.words]
    verdict = judge.judge(hits, utterances, max(ends, default=0.0))
    return Outcome(dialogue, hits, verdict)


def evaluate(
    dialogues: Iterable[Dialogue],
    spotter: Spotter,
    settings: VerdictSettings | None = None,
    scorer: Scorer | None = None,
) -> list[Outcome]:
    """All outcomes, in the order of the dialogues; without a scorer the rules judge alone."""
    judge = SequenceJudge(settings or VerdictSettings(), spotter.rulebook.sha256, scorer)
    return [assess(dialogue, spotter, judge) for dialogue in dialogues]


def count(group: str, outcomes: Sequence[Outcome]) -> Row:
    scams = [one for one in outcomes if one.dialogue.label == "scam"]
    others = [one for one in outcomes if one.dialogue.label != "scam"]
    return Row(
        group,
        len(scams),
        len(others),
        warned=sum(one.was_warned for one in scams),
        filed=sum(one.was_filed for one in scams),
        false_warned=sum(one.was_warned for one in others),
        false_filed=sum(one.was_filed for one in others),
    )


def table(outcomes: Sequence[Outcome]) -> list[Row]:
    """One row for all, then by region, then hard and easy, then by pretext."""
    rows = [count("all", outcomes)]
    keys: tuple[tuple[str, Callable[[Outcome], str]], ...] = (
        ("region ", lambda one: one.dialogue.region),
        ("", lambda one: "hard" if one.dialogue.is_hard else "not hard"),
        ("pretext ", lambda one: one.dialogue.pretext),
    )
    for prefix, key in keys:
        for value in sorted({key(one) for one in outcomes}):
            group = [one for one in outcomes if key(one) == value]
            rows.append(count(prefix + value, group))
    return rows


def wilson(part: int, whole: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson, 1927)."""
    if not whole:
        return (0.0, 1.0)
    z, share = 1.96, part / whole
    middle = share + z * z / (2 * whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    below = 1 + z * z / whole
    return (max(0.0, (middle - reach) / below), min(1.0, (middle + reach) / below))


def render(outcomes: Sequence[Outcome]) -> str:
    """The table as text, with intervals for the whole set."""
    lines = [
        f"{'group':32} {'scam':>4} {'other':>5} "
        + " ".join(f"{name:>7}" for name in ("file P", "file R", "live P", "live R"))
    ]
    for row in table(outcomes):
        shown = " ".join("      -" if math.isnan(f) else f"{f:7.3f}" for f in row.figures)
        lines.append(f"{row.group:32} {row.scams:4} {row.others:5} {shown}")
    total = count("all", outcomes)
    for name, part, whole in (
        ("filing precision", total.filed, total.filed + total.false_filed),
        ("filing recall", total.filed, total.scams),
        ("live precision", total.warned, total.warned + total.false_warned),
        ("live recall", total.warned, total.scams),
    ):
        low, high = wilson(part, whole)
        lines.append(f"{name}: {part} of {whole}, 95 % interval {low:.3f} to {high:.3f}")
    spam = [one for one in outcomes if one.dialogue.label == "spam"]
    named = sum(one.verdict.label is Label.SPAM for one in spam)
    lines.append(f"spam named so: {named} of {len(spam)}")
    return "\n".join(lines)


def mistakes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Wrong at either level, the gravest first: false filings, missed filings, live errors."""

    def rank(one: Outcome) -> int:
        if one.dialogue.label != "scam":
            return 0 if one.was_filed else 2 if one.was_warned else 9
        return 9 if one.was_filed else 1 if not one.was_warned else 3

    return sorted((one for one in outcomes if rank(one) < 9), key=rank)
