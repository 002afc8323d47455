"""The scorer's model: a small JSON file that a person can read, made by `scripts/train_scorer`.

All weights are whole thousandths: sums are exact, so the same call gives the same bytes wherever
it is judged.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from ivr.errors import SettingsError

FORMAT: Final = "ivr-scorer-2"
UNIT: Final = 1000  # weights are given in thousandths


class Hearing(StrEnum):
    """How much of a call is heard. Each has levels of its own: the same log-odds say less when
    only one side is heard, or when nobody knows who speaks."""

    BOTH = "both"  # each side on a leg of its own
    ALONE = "alone"  # the suspect alone, as when the agent answers
    MIXED = "mixed"  # both voices on one leg


@dataclass(frozen=True, slots=True)
class Levels:
    """Log-odds at which warning and filing begin."""

    live_at: float
    filing_at: float

    def __post_init__(self) -> None:
        if not self.live_at < self.filing_at:
            raise ValueError("live_at must lie below filing_at")


@dataclass(frozen=True, slots=True)
class ActModel:
    """How likely a piece does one thing (demands money, threatens, gives advice …)."""

    bias: int
    weights: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ScorerModel:
    """Weights of runs of syllables, on the log-odds scale.

    Args:
        sha256: digest of the file.
        caller / callee: what a run counts in the suspect's mouth and in the other side's.
        rules_weight: how much the log-odds of the rules count beside those of the wording.
        levels: by how much of the call is heard.
        ground_at / press_at: log-odds from which an act stands for a ground, or for a demand or
            threat.
        acts: by name.
    """

    version: str
    sha256: str
    bias: int
    caller: Mapping[str, int]
    callee: Mapping[str, int]
    rules_weight: float
    levels: Mapping[Hearing, Levels]
    ground_at: float
    press_at: float
    acts: Mapping[str, ActModel]

    @classmethod
    def load(cls, path: Path) -> "ScorerModel":
        """Read a model file.

        Raises:
            SettingsError: it is missing, or no model of this format.
        """
        try:
            content = path.read_bytes()
            return cls.read(json.loads(content), hashlib.sha256(content).hexdigest())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise SettingsError(
                f"The scorer {path} cannot be used.",
                why=f"{type(problem).__name__}: {problem}",
                remedy="Take the file of the repository, make it with scripts/train_scorer, or "
                'judge by the rules alone: [verdict] judge = "rules".',
            ) from problem

    @classmethod
    def read(cls, raw: Mapping[str, Any], sha256: str) -> "ScorerModel":
        """From the members of the file.

        Raises:
            KeyError, TypeError, ValueError: a member is missing or of another kind.
        """
        if raw["format"] != FORMAT:
            raise ValueError(f"format {raw['format']!r} is not {FORMAT!r}")
        return cls(
            version=str(raw["version"]),
            sha256=sha256,
            bias=int(raw["bias"]),
            caller=_weights(raw["caller"]),
            callee=_weights(raw["callee"]),
            rules_weight=float(raw["rules_weight"]),
            levels={
                hearing: Levels(**{name: float(at) for name, at in raw["levels"][hearing].items()})
                for hearing in Hearing
            },
            ground_at=float(raw["ground_at"]),
            press_at=float(raw["press_at"]),
            acts={
                name: ActModel(int(act["bias"]), _weights(act["weights"]))
                for name, act in raw["acts"].items()
            },
        )


def _weights(raw: Mapping[str, Any]) -> dict[str, int]:
    found = {}
    for run, weight in raw.items():
        if not isinstance(weight, int) or isinstance(weight, bool):
            raise TypeError(f"the weight of {run!r} is no whole number of thousandths")
        found[run] = weight
    return found
