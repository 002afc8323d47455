"""The plan of a voiced set keeps what the figures rest on: unheard voices, balance, repetition."""

import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from model_recipe.voiced_plan import (  # noqa: E402
    DIALECT_OF,
    GROUP_OF,
    NOISES,
    balanced,
    plan_call,
    read_lines,
    voices_of,
)
from model_recipe.voices import VARIANTS  # noqa: E402

FOLDER = SCRIPTS.parent / "data" / "dialogues"


@pytest.mark.parametrize("part", sorted(GROUP_OF))
def test_each_part_is_spoken_by_its_own_voices_and_no_other(part: str) -> None:
    dialogues = read_lines(FOLDER / f"{part}.jsonl")
    spoken_by = voices_of(plan_call(dialogue, part, seed=1) for dialogue in dialogues)
    assert spoken_by == set(VARIANTS[GROUP_OF[part]])
    for group, voices in VARIANTS.items():
        if group != GROUP_OF[part]:
            assert not spoken_by & set(voices), group


def test_the_two_sides_differ_and_speak_the_dialect_of_the_call() -> None:
    for dialogue in read_lines(FOLDER / "tuning.jsonl"):
        legs = plan_call(dialogue, "tuning", seed=1).legs
        assert legs["caller"].speaker.voice != legs["callee"].speaker.voice
        for leg in legs.values():
            assert leg.speaker.dialect == DIALECT_OF[dialogue["region"]]


def test_the_same_seed_gives_the_same_plan() -> None:
    dialogue = read_lines(FOLDER / "tuning.jsonl")[0]
    assert plan_call(dialogue, "tuning", 1) == plan_call(dialogue, "tuning", 1)
    assert plan_call(dialogue, "tuning", 1) != plan_call(dialogue, "tuning", 2)


def test_another_attempt_keeps_voices_and_line() -> None:
    dialogue = read_lines(FOLDER / "tuning.jsonl")[0]
    first, second = (plan_call(dialogue, "tuning", 1, attempt) for attempt in (0, 1))
    assert (first.codec, first.loss) == (second.codec, second.loss)
    for role, leg in first.legs.items():
        other = second.legs[role]
        assert (leg.noise, leg.snr_db, leg.level_db) == (
            other.noise,
            other.snr_db,
            other.level_db,
        )
        assert leg.speaker.voice == other.speaker.voice
        assert leg.speaker.manner != other.speaker.manner


def test_noise_stays_in_its_range() -> None:
    ranges = dict(NOISES)
    for dialogue in read_lines(FOLDER / "tuning.jsonl"):
        for leg in plan_call(dialogue, "tuning", 1).legs.values():
            wanted = ranges[leg.noise]
            if wanted is None:
                assert leg.snr_db is None
            else:
                assert leg.snr_db is not None
                assert wanted[0] <= leg.snr_db <= wanted[1]


@pytest.mark.parametrize("length", [20, 60, 120])
def test_any_beginning_of_the_list_has_the_shares_of_the_whole(length: int) -> None:
    whole = read_lines(FOLDER / "tuning.jsonl")
    ordered = balanced(whole, seed=1)
    assert sorted(one["id"] for one in ordered) == sorted(one["id"] for one in whole)
    shares = Counter((one["label"], one["hard"]) for one in whole)
    found = Counter((one["label"], one["hard"]) for one in ordered[:length])
    for key, number in shares.items():
        assert abs(found[key] - length * number / len(whole)) <= 1.5
