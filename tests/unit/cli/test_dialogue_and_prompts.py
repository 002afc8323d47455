"""`ivr dialogue` and `ivr prompts` as people use them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from ivr.cli.main import app
from ivr.errors import InputError
from ivr.settings import PROJECT_ROOT
from tests.fakes.raw_caller import tone

SCRIPTS = PROJECT_ROOT / "tests/unit/dialogue/scripts"


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=text)


@pytest.fixture
def own_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "prompts"
    shutil.copytree(PROJECT_ROOT / "prompts", folder)
    monkeypatch.setenv("IVR_CALL__PROMPTS", str(folder))
    return folder


def test_the_shipped_dialogue_is_in_order():
    result = run("dialogue", "check", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["ok"]


def test_a_mistake_is_told_by_its_line_and_the_exit_code_says_no():
    result = run("dialogue", "check", "--dialogue", str(SCRIPTS / "unknown_state.yaml"))
    assert result.exit_code == 1
    assert "line 21" in result.stdout
    assert "did you mean 'talk'?" in result.stdout


def test_one_can_play_the_caller_and_the_agent_answers_to_what_is_said():
    typed = "a lô tôi là cán bộ công an tỉnh đây\nanh phải chuyển tiền vào tài khoản này\n\n\n\n\n"
    result = run("dialogue", "show", "--json", text=typed)
    assert result.exit_code == 0
    steps = [json.loads(line) for line in result.stdout.splitlines()]
    said = [[each["prompt"] for each in step["said"]] for step in steps]
    assert said[0] == ["announcement", "question"]
    assert said[1] == ["ask_office"]
    assert said[2] == ["ask_amount"]
    assert steps[-1]["hung_up"] == "dialogue finished"
    assert said[-1][0] in {"closing", "closing_handover"}


def test_a_caller_who_says_nothing_is_let_go():
    result = run("dialogue", "show", text="\n" * 10)
    assert result.exit_code == 0
    assert "Cơ quan nhà nước làm việc bằng giấy mời" in result.stdout


def test_prompts_are_listed_and_verified(own_prompts):
    listed = [json.loads(line) for line in run("prompts", "list", "--json").stdout.splitlines()]
    assert {entry["language"] for entry in listed} == {"vi", "en"}
    assert run("prompts", "verify").exit_code == 0
    path = own_prompts / "vi/closing.wav"
    path.write_bytes(path.read_bytes()[:3000])
    result = run("prompts", "verify", "--json")
    assert result.exit_code == 1
    (wrong,) = json.loads(result.stdout)["wrong"]
    assert wrong["id"] == "closing"
    assert "not the listed recording" in "; ".join(wrong["faults"])


@pytest.mark.parametrize("form", ["flac", "mp3", "wav"])
def test_a_studio_recording_of_any_form_takes_a_prompts_place(own_prompts, tmp_path, form):
    stereo = np.stack([tone(300, 2.0, 6000), tone(300, 2.0, 6000)], axis=1).astype("int16")
    file = tmp_path / f"studio.{form}"
    soundfile.write(file, np.repeat(stereo, 4, axis=0), 32000)
    result = run("prompts", "record", "ask_name", str(file), "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["voice"], shown["language"]) == ("recorded", "vi")
    assert run("prompts", "verify").exit_code == 0
    assert (own_prompts / "vi/ask_name.wav.bak").exists()


def test_what_is_no_recording_is_refused_and_nothing_is_changed(own_prompts, tmp_path):
    file = tmp_path / "studio.wav"
    file.write_text("this is a text")
    result = run("prompts", "record", "ask_name", str(file))
    assert isinstance(result.exception, InputError)
    assert run("prompts", "verify").exit_code == 0
