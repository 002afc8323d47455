"""Reading a voiced set, and naming what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from ivr.bench.hearing_tables import PRETEXT_GROUPS, group_of
from ivr.bench.verdict import read_dialogues
from ivr.bench.voiced import read_voiced
from ivr.errors import InputError
from ivr.facts.call import LegName
from ivr.settings import PROJECT_ROOT

DIALOGUE = {
    "id": "one",
    "label": "scam",
    "pretext": "otp",
    "region": "south",
    "hard": False,
    "turns": [
        {"who": "caller", "text": "đọc mã ô tê pê, nhanh"},
        {"who": "callee", "text": "dạ 30"},
    ],
    "first_demand_turn": 0,
}


def described(**changes: Any) -> dict[str, Any]:
    legs = {
        role: {"speaker": {"voice": f"vi+{voice}"}, "noise": "loud"}
        for role, voice in (("caller", "f2"), ("callee", "m3"))
    }
    whole = {
        "id": "one",
        "file": "one.flac",
        "seconds": 6.0,
        "speech": "synthetic (espeak-ng)",
        "codec": "ALAW",
        "loss": 0.01,
        "legs": legs,
        "turns": [{"start_s": 1.0, "end_s": 2.2}, {"start_s": 3.0, "end_s": 3.8}],
    }
    return whole | changes


def write(folder: Path, *calls: dict[str, Any], dialogues: int = 1) -> Path:
    lines = [json.dumps(call) for call in calls]
    (folder / "calls.jsonl").write_text("\n".join(lines), encoding="utf-8")
    lines = [json.dumps(DIALOGUE)] * dialogues
    (folder / "dialogues.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_a_call_knows_its_text_and_when_it_is_spoken(tmp_path: Path) -> None:
    (call,) = read_voiced(write(tmp_path, described()))
    assert call.audio == tmp_path / "one.flac"
    assert call.legs[LegName.CALLER].variant == "f2"
    assert call.said(LegName.CALLER) == ["đọc", "mã", "ô", "tê", "pê", "nhanh"]
    assert call.said(LegName.CALLEE) == ["dạ", "ba", "mươi"]
    assert call.talk_s == pytest.approx(2.0)
    assert call.demand == (1.0, 2.2)


def test_words_of_the_text_run_evenly_through_their_turn(tmp_path: Path) -> None:
    (call,) = read_voiced(write(tmp_path, described()))
    caller, callee = call.as_spoken()
    assert [word.start_s for word in caller.words] == pytest.approx([1.0, 1.2, 1.4, 1.6, 1.8, 2.0])
    assert caller.words[-1].end_s == pytest.approx(2.2)
    # the number is two syllables long
    assert callee.words[1].end_s - callee.words[1].start_s == pytest.approx(0.8 * 2 / 3, abs=0.01)


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    folder = write(tmp_path, described(), described(), dialogues=2)
    assert len(read_voiced(folder)) == 2
    assert len(read_voiced(folder, 1)) == 1


def test_no_set_is_an_input_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_voiced(tmp_path / "none")
    assert "make_voiced_set" in caught.value.remedy


def test_lists_of_unlike_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not complete"):
        read_voiced(write(tmp_path, described(), dialogues=2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": "two"}, "two stands where one"),
        ({"turns": []}, "missing"),
        ({"legs": {}}, "missing"),
        ({"legs": {"bank": {"speaker": {"voice": "vi+f2"}, "noise": "none"}}}, "bank"),
        ({"loss": 3}, "loss"),
        ({"seconds": "long"}, "seconds"),
    ],
    ids=["other id", "no turns", "no legs", "unknown leg", "loss", "seconds"],
)
def test_a_bad_description_is_named_by_line(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_voiced(write(tmp_path, described(**changes)))
    assert ":1 describes no call" in caught.value.what
    assert says in caught.value.why


def test_every_pretext_of_the_set_has_a_group() -> None:
    for part in ("tuning", "test"):
        dialogues = read_dialogues(PROJECT_ROOT / f"data/dialogues/{part}.jsonl")
        for dialogue in dialogues:
            if dialogue.label == "scam":
                assert group_of(dialogue.pretext) in PRETEXT_GROUPS
    assert group_of("of tomorrow") == "other"
