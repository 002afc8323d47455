"""Spotting and verdict together on dialogues written for this test, and the bench that counts."""

from pathlib import Path

import pytest

from ivr.bench.verdict import count, evaluate, mistakes, read_dialogues, render, wilson
from ivr.errors import InputError
from ivr.facts.judgement import Label, Level
from ivr.settings import PROJECT_ROOT
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.sound import spelt_and_sounding
from ivr.spotting.spotter import Spotter
from ivr.verdict.scorer import Scorer

DIALOGUES = read_dialogues(PROJECT_ROOT / "tests/assets/dialogues-tuning/own.jsonl")


@pytest.fixture(scope="module")
def spotter() -> Spotter:
    return Spotter(Rulebook.load(PROJECT_ROOT / "config/rulebook/vi.yaml"))


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue.name)
def test_own_dialogues_are_judged_right(dialogue, spotter: Spotter) -> None:  # type: ignore[no-untyped-def]
    (outcome,) = evaluate([dialogue], spotter)
    if dialogue.label == "scam":
        assert outcome.was_warned
    else:
        assert outcome.verdict.level is not Level.FILING
        assert outcome.verdict.label is not Label.SCAM
    if dialogue.label == "spam":
        assert outcome.verdict.label is Label.SPAM


def test_the_table_counts_what_was_judged(spotter: Spotter) -> None:
    outcomes = evaluate(DIALOGUES, spotter)
    total = count("all", outcomes)
    assert total.scams + total.others == len(DIALOGUES)
    assert total.filed >= 0.8 * total.scams
    assert total.false_filed == 0
    assert "filing precision" in render(outcomes)
    assert all(not one.was_filed for one in mistakes(outcomes))


def test_with_the_scorer_nothing_is_filed_falsely_and_little_is_missed(spotter: Spotter) -> None:
    """It never saw these calls; the rules were made on them."""
    scorer = Scorer.load(PROJECT_ROOT / "config/scorer/vi.json", spelt_and_sounding)
    total = count("all", evaluate(DIALOGUES, spotter, scorer=scorer))
    assert total.false_filed == 0
    assert total.filed >= 0.8 * total.scams
    assert total.warned >= 0.9 * total.scams
    assert total.false_warned <= 0.1 * total.others


def test_wilson_interval() -> None:
    low, high = wilson(50, 50)
    assert 0.92 < low < 0.94
    assert high == pytest.approx(1.0)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", ":1 is no dialogue"),
        ('{"id": "a", "label": "fraud", "turns": []}', "fraud"),
        ('{"id": "a", "label": "scam"}', "turns"),
        ('{"id": "a", "label": "scam", "turns": [{"who": "bank", "text": "a"}]}', "bank"),
        ("[]", "no dialogue"),
    ],
)
def test_bad_dialogue_files_are_named_by_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "dialogues.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_dialogues(path)
    assert says in str(caught.value)


def test_a_missing_dialogue_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_dialogues(tmp_path / "none.jsonl")
