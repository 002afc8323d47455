"""`ivr log`, and `ivr verify` of a data folder."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import IvrError
from tests.fakes.evidence_site import AT_SITE
from tests.fakes.logged_site import (
    both_files,
    lines_of,
    put_back,
    viewed,
)


def ivr(site, *words):
    return CliRunner().invoke(app, ["--data", str(site.root), *words], env=AT_SITE)


def test_the_log_is_shown_line_by_line(once):
    shown = ivr(once, "log", "show", "--json", "--limit", "0")
    assert shown.exit_code == 0
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert lines == [json.loads(line) for line in lines_of(once)]
    of_one = ivr(once, "log", "show", "--case", "01A").stdout
    assert of_one.count("01A") == of_one.count("\n") == 3


def test_a_head_is_handed_out_and_held_against_the_log_later(crime_scene, tmp_path):
    kept = tmp_path / "kept.jws"
    assert ivr(crime_scene, "log", "head", "--out", str(kept)).exit_code == 0
    older = both_files(crime_scene)
    viewed(crime_scene)
    shown = json.loads(ivr(crime_scene, "log", "head", "--json").stdout)
    assert (shown["size"], shown["site"]) == (8, "dak-lak")
    assert ivr(crime_scene, "log", "verify", "--head", str(kept)).exit_code == 0
    proof = tmp_path / "consistency.json"
    assert ivr(crime_scene, "log", "consistency", str(kept), "--out", str(proof)).exit_code == 0
    checked = ivr(crime_scene, "log", "verify", str(proof), "--json")
    assert json.loads(checked.stdout)["first"]["size"] == 7
    newer = tmp_path / "newer.jws"
    ivr(crime_scene, "log", "head", "--out", str(newer))
    put_back(crime_scene, older)
    answer = ivr(crime_scene, "log", "verify", "--head", str(newer))
    assert answer.exit_code == 1
    assert "cut or put back" in answer.stdout


def test_a_case_is_proven_to_somebody_who_has_the_key_alone(once, tmp_path):
    file = tmp_path / "inclusion.json"
    assert ivr(once, "log", "prove", "01A", "--out", str(file)).exit_code == 0
    key = once.root / "keys" / "first.pub.pem"
    elsewhere = ["--data", str(tmp_path / "none"), "log", "verify", str(file), "--key", str(key)]
    checked = CliRunner().invoke(app, elsewhere)
    assert checked.exit_code == 0, checked.output
    assert "custody 01A viewed" in checked.stdout
    assert ivr(once, "log", "prove", "01A").stdout == file.read_text() + "\n"


@pytest.mark.parametrize("words", [("prove", "01"), ("prove", "02"), ("consistency", "none.jws")])
def test_what_cannot_be_proven_is_told_with_what_to_do(once, words):
    answer = ivr(once, "log", *words)
    assert isinstance(answer.exception, IvrError)
    assert answer.exception.remedy


def test_a_data_folder_is_verified_by_the_same_command_as_a_case(crime_scene, tmp_path):
    good = ivr(crime_scene, "verify", str(crime_scene.root), "--json")
    answer = json.loads(good.stdout)
    assert good.exit_code == 0
    assert answer["ok"]
    assert [step["name"] for step in answer["steps"]][:3] == ["site log", "signed head", "keys"]
    shutil.rmtree(crime_scene.vault / "01B")
    bad = ivr(crime_scene, "verify", str(crime_scene.root))
    assert bad.exit_code == 1
    assert "01B is missing" in bad.stdout
    assert "NOT as the log tells" in bad.stdout


def test_a_deep_verification_runs_every_step_of_every_case(crime_scene):
    answer = ivr(crime_scene, "verify", str(crime_scene.root), "--deep", "--json")
    steps = {step["name"]: step for step in json.loads(answer.stdout)["steps"]}
    assert "3 of 3 cases verified" in answer.stderr
    changed = crime_scene.vault / "01B" / "derived" / "transcript.json"
    changed.chmod(0o600)
    changed.write_bytes(b"[]")
    again = ivr(crime_scene, "verify", str(crime_scene.root), "--deep", "--json")
    after = {step["name"]: step for step in json.loads(again.stdout)["steps"]}
    assert steps["each case whole"]["detail"] != after["each case whole"]["detail"]
    assert "01B: files" in after["each case whole"]["detail"]
