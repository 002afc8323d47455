"""The evaluation dialogues in data/dialogues keep what their card promises."""

import json
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import combinations, groupby
from pathlib import Path
from typing import Any, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "data" / "dialogues"
PARTS = ("tuning", "test")
REGIONS = {"north", "central", "south"}
DISPATCH_PRETEXTS = ("subscription_revoked", "identity_social_media", "drug_ring")


class Turn(BaseModel):
    """One utterance."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    who: Literal["caller", "callee"]
    text: str = Field(min_length=1, max_length=400)


class Dialogue(BaseModel):
    """One line of the set, with the rules a single line must keep."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(pattern=r"^(tuning|test)-\d{3}$")
    label: Literal["scam", "benign", "spam"]
    pretext: str | None = Field(pattern=r"^[a-z_]+$")
    region: Literal["north", "central", "south"]
    hard: bool
    hard_kind: str | None = Field(pattern=r"^[a-z_]+$")
    broken_off: bool
    turns: list[Turn] = Field(min_length=4, max_length=25)
    first_demand_turn: int | None = Field(ge=0)
    notes: str = Field(min_length=5)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        scam = self.label == "scam"
        assert self.hard == (self.hard_kind is not None), "a hard dialogue names its kind"
        assert scam == (self.pretext is not None), "a scam, and only a scam, has a pretext"
        assert scam or not self.broken_off, "only a scam is marked as broken off"
        demanded = self.first_demand_turn is not None
        assert demanded == (scam and not self.broken_off), "a scam demands unless broken off"
        if self.first_demand_turn is not None:
            assert self.first_demand_turn < len(self.turns), "the demand is one of the turns"
        if scam:
            assert len(self.turns) >= 6, "a scam is long enough to be judged"
        return self

    def spoken(self) -> list[str]:
        """All syllables in the order they are said."""
        return [word for turn in self.turns for word in _syllables(turn.text)]


def _syllables(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _runs(dialogues: list[Dialogue], length: int) -> set[tuple[str, ...]]:
    return _runs_of([turn.text for dialogue in dialogues for turn in dialogue.turns], length)


def _runs_of(spoken: list[str], length: int) -> set[tuple[str, ...]]:
    found = set()
    for text in spoken:
        words = _syllables(text)
        found.update(tuple(words[at : at + length]) for at in range(len(words) - length + 1))
    return found


def _read(part: str) -> list[Dialogue]:
    lines = (FOLDER / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Dialogue.model_validate_json(line) for line in lines]


@pytest.fixture(scope="module")
def parts() -> dict[str, list[Dialogue]]:
    return {part: _read(part) for part in PARTS}


@pytest.fixture(scope="module")
def everything(parts: dict[str, list[Dialogue]]) -> list[Dialogue]:
    return [dialogue for part in PARTS for dialogue in parts[part]]


def test_set_is_as_large_as_promised(everything: list[Dialogue]) -> None:
    labels = Counter(dialogue.label for dialogue in everything)
    assert len(everything) >= 400
    assert labels["scam"] >= 150
    assert labels["benign"] >= 200
    assert labels["spam"] >= 50


def test_at_least_half_of_the_benign_calls_are_hard(parts: dict[str, list[Dialogue]]) -> None:
    for dialogues in parts.values():
        benign = [dialogue for dialogue in dialogues if dialogue.label == "benign"]
        assert 2 * sum(dialogue.hard for dialogue in benign) >= len(benign)


def test_ids_are_unique_and_name_their_part(parts: dict[str, list[Dialogue]]) -> None:
    for part, dialogues in parts.items():
        ids = [dialogue.id for dialogue in dialogues]
        assert ids == [f"{part}-{number:03d}" for number in range(1, len(ids) + 1)]


@pytest.mark.parametrize("part", PARTS)
def test_text_is_nfc_and_clean(part: str) -> None:
    text = (FOLDER / f"{part}.jsonl").read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)
    for dialogue in _read(part):
        for turn in dialogue.turns:
            assert turn.text == " ".join(turn.text.split())
            assert re.fullmatch(r"[\w ,]+", turn.text), (dialogue.id, turn.text)
            assert not re.search(r"\d", turn.text), f"{dialogue.id}: numbers are spelt out"


def test_nobody_speaks_more_than_twice_in_a_row(everything: list[Dialogue]) -> None:
    for dialogue in everything:
        longest = max(len(list(run)) for _, run in groupby(turn.who for turn in dialogue.turns))
        assert longest <= 2, dialogue.id
        assert {turn.who for turn in dialogue.turns} == {"caller", "callee"}, dialogue.id


@pytest.mark.parametrize("label", ["scam", "benign", "spam"])
def test_every_region_speaks_in_both_parts(parts: dict[str, list[Dialogue]], label: str) -> None:
    for dialogues in parts.values():
        spread = Counter(dialogue.region for dialogue in dialogues if dialogue.label == label)
        assert spread.keys() == REGIONS
        assert min(spread.values()) >= 0.15 * spread.total()


def test_pretexts_and_hard_kinds_stand_in_both_parts(parts: dict[str, list[Dialogue]]) -> None:
    pretexts, kinds = (
        [{getattr(dialogue, field) for dialogue in parts[part]} for part in PARTS]
        for field in ("pretext", "hard_kind")
    )
    assert pretexts[0] == pretexts[1]
    assert kinds[0] == kinds[1]
    assert len(pretexts[0] - {None}) >= 23


@pytest.mark.parametrize("pretext", DISPATCH_PRETEXTS)
def test_each_pretext_of_the_dispatch_comes_in_every_region(
    parts: dict[str, list[Dialogue]], pretext: str
) -> None:
    for dialogues in parts.values():
        chosen = [dialogue for dialogue in dialogues if dialogue.pretext == pretext]
        assert len(chosen) >= 5
        assert {dialogue.region for dialogue in chosen} == REGIONS


def test_some_scams_are_broken_off_before_the_demand(parts: dict[str, list[Dialogue]]) -> None:
    for dialogues in parts.values():
        assert sum(dialogue.broken_off for dialogue in dialogues) >= 5


def test_no_two_dialogues_share_most_of_their_words(everything: list[Dialogue]) -> None:
    sets = [(dialogue.id, frozenset(dialogue.spoken())) for dialogue in everything]
    for (first, one), (second, two) in combinations(sets, 2):
        assert len(one & two) / len(one | two) < 0.6, (first, second)


def test_halves_share_no_wording(parts: dict[str, list[Dialogue]]) -> None:
    tuning, test = parts["tuning"], parts["test"]
    assert _runs(tuning, 8).isdisjoint(_runs(test, 8))
    assert len(_runs(tuning, 6) & _runs(test, 6)) <= 20


def test_card_shows_the_figures_of_the_files() -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "dialogue_stats")],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert run.stdout.strip() in card, "run scripts/dialogue_stats and put its output in the card"


ACTS = frozenset(
    re.findall(
        r"\w+",
        """authority contact pretext accusation threat pressure isolation instruction control
        money secret data advert advice retelling report family in_person everyday interview
        banter""",
    )
)
FURTHER_TESTS = (FOLDER / "test-2.jsonl", FOLDER / "test-3.jsonl")
TRAINING = sorted((FOLDER / "training").glob("*.jsonl"))


def _taught(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _said(path: Path) -> list[str]:
    return [turn["text"] for dialogue in _taught(path) for turn in dialogue["turns"]]


def test_there_are_several_authors_to_learn_from() -> None:
    assert len(TRAINING) >= 5


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)
def test_a_training_file_keeps_the_form_and_is_large(path: Path) -> None:
    dialogues = _taught(path)
    ids = [dialogue["id"] for dialogue in dialogues]
    assert ids == [f"{path.stem}-{number:03d}" for number in range(1, len(ids) + 1)]
    assert unicodedata.is_normalized("NFC", path.read_text(encoding="utf-8"))
    labels = Counter(dialogue["label"] for dialogue in dialogues)
    assert labels["scam"] >= 40
    assert labels["benign"] >= 55
    assert {dialogue["region"] for dialogue in dialogues} == REGIONS
    for dialogue in dialogues:
        assert (dialogue["label"] == "scam") == (dialogue["pretext"] is not None)
        assert dialogue["hard"] == (dialogue["hard_kind"] is not None)
        assert len(dialogue["turns"]) >= 4
        for turn in dialogue["turns"]:
            assert re.fullmatch(r"[\w ,]+", turn["text"]), (dialogue["id"], turn["text"])
            assert not re.search(r"\d", turn["text"]), f"{dialogue['id']}: numbers are spelt out"
            assert turn["who"] == "callee" or turn["acts"], "a caller's turn says what it does"
            assert ACTS.issuperset(turn.get("acts", ()))


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)
def test_a_training_file_shares_no_wording_with_the_test_part(
    path: Path, parts: dict[str, list[Dialogue]]
) -> None:
    spoken = _said(path)
    for sealed in (_runs(parts["test"], 8), *(_runs_of(_said(one), 8) for one in FURTHER_TESTS)):
        assert _runs_of(spoken, 8).isdisjoint(sealed)
    assert len(_runs_of(spoken, 6) & _runs(parts["test"], 6)) <= 20
