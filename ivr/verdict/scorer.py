"""The scorer: how much the wording of a call is that of a scam, and what each piece of it does.

A linear model over runs of syllables.  What a side says adds up over the distinct runs of the last
few hundred syllables and is divided by the root of their number, so that neither length nor
repetition convicts anybody.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ivr.facts.call import LegName
from ivr.facts.speech import Utterance
from ivr.verdict.scorer_model import UNIT, Hearing, ScorerModel
from ivr.verdict.wording import Piece, Read, Reader

WINDOW: Final = 400  # syllables of both sides; longer than any call it learned from
FEWEST: Final = 20  # a few words do not weigh more than this many
FEWEST_OF_ACT: Final = 5

GROUND_ACTS: Final = ("authority", "pretext", "accusation")
PRESS_ACTS: Final = ("money", "secret", "data", "control", "threat", "isolation")


class Side(StrEnum):
    """In whose mouth a run is weighed."""

    CALLER = "caller"  # the suspect
    CALLEE = "callee"  # who is being called


BOTH: Final = (Side.CALLER, Side.CALLEE)


def sides_of(leg: LegName, suspect: LegName) -> tuple[Side, ...]:
    """Of a leg that holds both voices nobody knows who speaks: it counts as both."""
    if suspect is LegName.MIXED:
        return BOTH
    return (Side.CALLER,) if leg is suspect else (Side.CALLEE,)


class Scorer:
    """A loaded model; serves any number of calls.

    Args:
        model: see `ScorerModel`.
        read: how a written word is spelt and how it sounds.
    """

    def __init__(self, model: ScorerModel, read: Read) -> None:
        self.model = model
        self._acts_of: dict[str, list[tuple[str, int]]] = {}
        for name, act in model.acts.items():
            for run, weight in act.weights.items():
                self._acts_of.setdefault(run, []).append((name, weight))
        self._acts = lru_cache(maxsize=4096)(self._weigh_acts)
        self._said = lru_cache(maxsize=4096)(self._add_up)
        self._reader = Reader(read, self._knows)

    @classmethod
    def load(cls, path: Path, read: Read) -> "Scorer":
        """Read a model file.

        Raises:
            SettingsError: it is missing, or no model.
        """
        return cls(ScorerModel.load(path), read)

    @property
    def sha256(self) -> str:
        return self.model.sha256

    def _knows(self, run: str) -> bool:
        return run in self.model.caller or run in self.model.callee or run in self._acts_of

    def pieces(self, utterances: Sequence[Utterance]) -> list[Piece]:
        return self._reader.pieces(utterances)

    def weights(self, side: Side) -> Mapping[str, int]:
        return self.model.caller if side is Side.CALLER else self.model.callee

    def acts(self, piece: Piece) -> Mapping[str, float]:
        """Log-odds of each act in a piece."""
        return self._acts(piece.syllables, piece.runs)

    def said(self, piece: Piece, sides: tuple[Side, ...]) -> tuple[int, tuple[str, ...]]:
        """Sum of the weights of a piece's runs, in thousandths, and the runs that carry it."""
        return self._said(piece.runs, sides)

    def _add_up(
        self, runs: tuple[str, ...], sides: tuple[Side, ...]
    ) -> tuple[int, tuple[str, ...]]:
        found: Counter[str] = Counter()
        for side in sides:
            weights = self.weights(side)
            for run in runs:
                if run in weights:
                    found[run] += weights[run]
        total = sum(found.values())
        sign = 1 if total >= 0 else -1
        carrying = [run for run in found if found[run] * sign > 0]
        # of like weight the longer run says more to a reader
        carrying.sort(key=lambda run: (-found[run] * sign * (run.count(" ") + 1), run))
        return total, _shown(carrying)

    def _weigh_acts(self, syllables: int, runs: tuple[str, ...]) -> Mapping[str, float]:
        root = math.sqrt(max(syllables, FEWEST_OF_ACT))
        sums = dict.fromkeys(self.model.acts, 0)
        for run in runs:
            for name, weight in self._acts_of.get(run, ()):
                sums[name] += weight
        return MappingProxyType(
            {name: (act.bias + sums[name] / root) / UNIT for name, act in self.model.acts.items()}
        )


@dataclass(slots=True)
class Window:
    """What has been said lately, and how it weighs. Exact: whole numbers go in and out."""

    scorer: Scorer
    _pieces: deque[tuple[Piece, tuple[Side, ...]]] = field(default_factory=deque)
    _counts: dict[Side, Counter[str]] = field(
        default_factory=lambda: {side: Counter() for side in Side}
    )
    _sums: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    _syllables: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    _length: int = 0
    _is_mixed: bool = False

    def add(self, piece: Piece, sides: tuple[Side, ...]) -> None:
        self._is_mixed = self._is_mixed or sides == BOTH
        self._pieces.append((piece, sides))
        self._length += piece.syllables
        for side in sides:
            weights, counts = self.scorer.weights(side), self._counts[side]
            self._syllables[side] += piece.syllables
            for run in piece.runs:
                weight = weights.get(run)
                if weight is not None:
                    counts[run] += 1
                    if counts[run] == 1:
                        self._sums[side] += weight
        while self._length > WINDOW and len(self._pieces) > 1:
            self._forget()

    def _forget(self) -> None:
        piece, sides = self._pieces.popleft()
        self._length -= piece.syllables
        for side in sides:
            weights, counts = self.scorer.weights(side), self._counts[side]
            self._syllables[side] -= piece.syllables
            for run in piece.runs:
                weight = weights.get(run)
                if weight is not None:
                    counts[run] -= 1
                    if not counts[run]:
                        del counts[run]
                        self._sums[side] -= weight

    @property
    def log_odds(self) -> float:
        total = float(self.scorer.model.bias)
        for side in Side:
            total += self._sums[side] / math.sqrt(max(self._syllables[side], FEWEST))
        return total / UNIT

    @property
    def hearing(self) -> Hearing:
        """How much of the call is heard, as far as the window reaches."""
        if self._is_mixed:
            return Hearing.MIXED
        return Hearing.BOTH if self._syllables[Side.CALLEE] else Hearing.ALONE

    @property
    def spoken(self) -> int:
        """Syllables of the suspect."""
        return self._syllables[Side.CALLER]

    @property
    def known(self) -> int:
        """Distinct runs of the suspect that the model knows."""
        return len(self._counts[Side.CALLER])


@dataclass(frozen=True, slots=True)
class Share:
    """What a piece adds to the log-odds, and its strongest runs, the strongest first."""

    piece: Piece
    weight: float
    terms: tuple[str, ...]


TERMS: Final = 4


def share(scorer: Scorer, piece: Piece, sides: tuple[Side, ...], syllables: int) -> Share:
    """What one piece says, taken alone; the terms are those that carry its sign.

    Args:
        syllables: of the side, in the window that is explained.
    """
    total, terms = scorer.said(piece, sides)
    return Share(piece, total / math.sqrt(max(syllables, FEWEST)) / UNIT, terms)


def _shown(runs: Sequence[str]) -> tuple[str, ...]:
    """The first few, written ones before their rough sounds, none that is part of another."""
    kept: list[str] = []
    for run in runs:
        if run.startswith("~"):
            continue
        if any(f" {run} " in f" {other} " for other in kept):
            continue
        kept = [other for other in kept if f" {other} " not in f" {run} "]
        kept.append(run)
        if len(kept) == TERMS:
            break
    return tuple(kept) or tuple(runs[:TERMS])


@dataclass(slots=True)
class Deeds:
    """What the suspect did so far, by the wording of single pieces."""

    scorer: Scorer
    best: dict[str, tuple[float, Piece]] = field(default_factory=dict)
    first_ground_s: float | None = None
    last_press_s: float | None = None

    def add(self, piece: Piece) -> None:
        model = self.scorer.model
        acts = self.scorer.acts(piece)
        for name, value in acts.items():
            if name not in self.best or value > self.best[name][0]:
                self.best[name] = (value, piece)
        if self.first_ground_s is None and _reaches(acts, GROUND_ACTS, model.ground_at):
            self.first_ground_s = piece.start_s
        if _reaches(acts, PRESS_ACTS, model.press_at):
            self.last_press_s = piece.end_s

    def value(self, name: str) -> float:
        return self.best[name][0] if name in self.best else -math.inf


def _reaches(acts: Mapping[str, float], names: Sequence[str], at: float) -> bool:
    return any(acts.get(name, -math.inf) >= at for name in names)
