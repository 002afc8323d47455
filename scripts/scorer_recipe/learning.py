"""From examples to a model: views of each dialogue, the runs worth keeping, the weights."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ivr.verdict.scorer import FEWEST, FEWEST_OF_ACT, Side
from ivr.verdict.scorer_model import FORMAT, UNIT
from ivr.verdict.wording import ROUGH, Piece
from scorer_recipe.corpus import Example, Mishearing, is_caller
from scorer_recipe.fitting import Row, Rows, fit

COST = 1.0
SCALE = 4.0  # how large a run's value is beside the penalty
ROUGH_SHARE = 0.5  # a rough sound is trusted less than a spelling
FEWEST_DIALOGUES = 3  # a run in fewer dialogues teaches nothing
KEPT = 12000  # runs in the model
KEPT_PER_ACT = 150
ACT_SCALE = 3.0
MISHEARD = 0.15  # of the syllables
SHARE_CALLER_ONLY = 0.5  # the agent answers: the other side is not heard
SHARE_MISHEARD = 0.25
SHARE_BEGINNINGS = 0.2  # of all beginnings of a dialogue together
ACTS = (
    "authority", "pretext", "accusation", "threat", "pressure", "isolation", "instruction",
    "control", "money", "secret", "data", "advice", "retelling", "report", "family", "in_person",
    "everyday",
)  # fmt: skip

Run = tuple[Side, str]


@dataclass(frozen=True, slots=True)
class View:
    """A dialogue as somebody may come to hear it: whole or in part."""

    runs: frozenset[Run]
    syllables: dict[Side, int]
    is_scam: bool
    share: float


def view(pieces: Iterable[Piece], is_scam: bool, share: float, *, callee: bool = True) -> View:
    runs: set[Run] = set()
    syllables = dict.fromkeys(Side, 0)
    for piece in pieces:
        side = Side.CALLER if is_caller(piece) else Side.CALLEE
        if side is Side.CALLER or callee:
            syllables[side] += piece.syllables
            runs.update((side, run) for run in piece.runs)
    return View(frozenset(runs), syllables, is_scam, share)


def views(example: Example, mishearing: Mishearing, turn: int) -> list[View]:
    """Whole; the caller alone; misheard; and its beginnings. Whether the callee is heard in the
    last two alternates with ``turn``."""
    scam, callee = example.is_scam, turn % 2 == 0
    found = [
        view(example.pieces, scam, 1.0),
        view(example.pieces, scam, SHARE_CALLER_ONLY, callee=False),
        view(mishearing.pieces(example), scam, SHARE_MISHEARD, callee=callee),
    ]
    ends = [n + 1 for n, piece in enumerate(example.pieces) if is_caller(piece)][1:-1]
    found += [
        view(example.pieces[:end], scam, SHARE_BEGINNINGS / len(ends), callee=callee)
        for end in ends
    ]
    return found


def _rows(shown: Sequence[View], columns: dict[Run, int], worth: dict[Run, float]) -> Rows:
    rows: list[Row] = []
    for one in shown:
        root = {side: math.sqrt(max(count, FEWEST)) for side, count in one.syllables.items()}
        known = sorted(
            (columns[run], worth[run] / root[run[0]]) for run in one.runs & columns.keys()
        )
        rows.append(([column for column, _ in known], [value for _, value in known]))
    return Rows.of(rows, len(columns))


def _worth(run: Run, count: int, dialogues: int) -> float:
    """How freely a run's weight may grow: rare runs more than those that stand in every call (the
    root of the inverse document frequency), spellings more than rough sounds."""
    rarity = math.sqrt(math.log(dialogues / count) / 3)
    return SCALE * rarity * (ROUGH_SHARE if run[1].startswith(ROUGH) else 1.0)


def learn(examples: Sequence[Example]) -> dict[str, Any]:
    """A model's members but for its levels, which `scorer_recipe.levels` sets."""
    mishearing = Mishearing(examples, MISHEARD)
    shown = [one for n, example in enumerate(examples) for one in views(example, mishearing, n)]
    spread = Counter(run for example in examples for run in view(example.pieces, False, 1).runs)
    worth = {
        run: _worth(run, count, len(examples) + 1)
        for run, count in spread.items()
        if count >= FEWEST_DIALOGUES
    }
    chosen = sorted(worth)
    weights, rows = _fit(shown, chosen, worth)
    weight_of = np.abs(weights[:-1]) * np.sqrt(rows.mean_squares()[:-1])
    kept = sorted(chosen[n] for n in np.argsort(-weight_of, kind="stable")[:KEPT])
    weights, _ = _fit(shown, kept, worth)
    sides: dict[Side, dict[str, int]] = {side: {} for side in Side}
    for (side, run), weight in zip(kept, weights, strict=False):
        thousandths = round(float(weight) * worth[side, run] * UNIT)
        if thousandths:
            sides[side][run] = thousandths
    return {
        "format": FORMAT,
        "bias": round(float(weights[-1]) * UNIT),
        "caller": sides[Side.CALLER],
        "callee": sides[Side.CALLEE],
        "acts": learn_acts(examples),
    }


def _fit(shown: Sequence[View], chosen: Sequence[Run], worth: dict[Run, float]) -> tuple[Any, Rows]:
    rows = _rows(shown, {run: n for n, run in enumerate(chosen)}, worth)
    is_scam = np.array([float(one.is_scam) for one in shown])
    shares = np.array([one.share for one in shown])
    return fit(rows, is_scam, shares, COST), rows


def learn_acts(examples: Sequence[Example]) -> dict[str, Any]:
    """One model for each act, over the suspect's pieces of those dialogues that name acts."""
    told = [
        (piece, acts)
        for example in examples
        for piece, acts in zip(example.pieces, example.acts, strict=True)
        if acts is not None and is_caller(piece)
    ]
    spread = Counter(run for piece, _ in told for run in piece.runs)
    chosen = sorted(run for run, count in spread.items() if count >= FEWEST_DIALOGUES)
    found = {}
    for act in ACTS:
        does = np.array([float(act in acts) for _, acts in told])
        weights, rows = _fit_act([piece for piece, _ in told], chosen, does)
        weight_of = np.abs(weights[:-1]) * np.sqrt(rows.mean_squares()[:-1])
        kept = sorted(chosen[n] for n in np.argsort(-weight_of, kind="stable")[:KEPT_PER_ACT])
        weights, _ = _fit_act([piece for piece, _ in told], kept, does)
        named = {
            run: round(float(weight) * ACT_SCALE * UNIT)
            for run, weight in zip(kept, weights, strict=False)
        }
        found[act] = {"bias": round(float(weights[-1]) * UNIT), "weights": named}
    return found


def _fit_act(
    pieces: Sequence[Piece], chosen: Sequence[str], does: "np.typing.NDArray[np.float64]"
) -> tuple[Any, Rows]:
    columns = {run: n for n, run in enumerate(chosen)}
    rows: list[Row] = []
    for piece in pieces:
        value = ACT_SCALE / math.sqrt(max(piece.syllables, FEWEST_OF_ACT))
        known = [columns[run] for run in piece.runs if run in columns]
        rows.append((known, [value] * len(known)))
    matrix = Rows.of(rows, len(columns))
    return fit(matrix, does, np.ones(len(pieces)), COST), matrix
