"""Who speaks in a voiced call and what line it runs over: drawn by seed, before any sound.

Needs no synthesiser, so that tests can hold the promises: voices of the call's part only, two
different voices in a call, the same plan for the same seed, every beginning of the list balanced.
"""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_recipe.voices import SPREADS, VARIANTS, Speaker, draw_speaker

# Voices never cross: the tune voices set the model's decoding, the test voices measure it.
GROUP_OF = {"tuning": "tune", "test": "test", "test-2": "test", "test-3": "test"}
DIALECT_OF = {"north": "vi", "central": "vi-vn-x-central", "south": "vi-vn-x-south"}
ROLES = ("caller", "callee")

CODECS = ("ALAW", "ULAW", "GSM610")
VOICES = "voices"  # other people talk behind the speaker
# what is heard behind a speaker: name, and range of the signal-to-noise ratio in dB
NOISES: tuple[tuple[str, tuple[float, float] | None], ...] = (
    ("none", None),
    ("light", (20.0, 32.0)),
    ("loud", (8.0, 20.0)),
    (VOICES, (10.0, 24.0)),
)
LOSSES = (0.0, 0.0, 0.01, 0.03)  # share of lost packets
LEVELS_DB = (3.0, 24.0)  # peak below full scale


@dataclass(frozen=True, slots=True)
class LegPlan:
    """One speaker on one line; `noise` names one of `NOISES`, `snr_db` is None without any."""

    speaker: Speaker
    noise: str
    snr_db: float | None
    level_db: float


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call; `seed` is what its sound is drawn from. `loss` is a share of packets."""

    name: str
    seed: str
    codec: str
    loss: float
    legs: dict[str, LegPlan]
    turns: tuple[tuple[str, str], ...]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The dialogues of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def balanced(dialogues: Sequence[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Shuffled so that any beginning of the list has about the shares of label and hardness."""
    rng = random.Random(f"order {seed}")
    groups: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for dialogue in dialogues:
        groups.setdefault((dialogue["label"], dialogue["hard"]), []).append(dialogue)
    placed = []
    for key in sorted(groups):
        group = groups[key]
        rng.shuffle(group)
        placed += [((n + 0.5) / len(group), key, d) for n, d in enumerate(group)]
    placed.sort(key=lambda entry: entry[:2])
    return [dialogue for _, _, dialogue in placed]


def plan_call(dialogue: dict[str, Any], part: str, seed: int, attempt: int = 0) -> CallPlan:
    """The plan of one dialogue; it depends on nothing but the arguments.

    Args:
        attempt: another draw of the manner of speaking, after the synthesiser crashed.
    """
    lasting = f"{seed} {dialogue['id']}"
    rng = random.Random(lasting)
    group, dialect = GROUP_OF[part], DIALECT_OF[dialogue["region"]]
    variants = rng.sample(VARIANTS[group], len(ROLES))
    codec, loss = rng.choice(CODECS), rng.choice(LOSSES)
    manner = random.Random(f"{lasting} {attempt}")
    legs = {}
    for role, variant in zip(ROLES, variants, strict=True):
        noise, snr_range = rng.choice(NOISES)
        legs[role] = LegPlan(
            speaker=draw_speaker(manner, group, f"{dialect}+{variant}"),
            noise=noise,
            snr_db=None if snr_range is None else rng.uniform(*snr_range),
            level_db=rng.uniform(*LEVELS_DB),
        )
    turns = tuple((turn["who"], turn["text"]) for turn in dialogue["turns"])
    return CallPlan(dialogue["id"], f"{lasting} {attempt}", codec, loss, legs, turns)


def voices_of(plans: Iterable[CallPlan]) -> set[str]:
    """Voice variants that a set uses."""
    return {leg.speaker.voice.partition("+")[2] for plan in plans for leg in plan.legs.values()}


assert set(GROUP_OF.values()) <= set(SPREADS)  # a spread of manners for each group
