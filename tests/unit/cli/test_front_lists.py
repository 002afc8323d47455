"""`ivr config kamailio`: the front's lists, written whole or not at all."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import EnvironmentProblem, SettingsError

SETTINGS = """
[[trunks]]
name = "nha-mang"
networks = ["198.51.100.0/28"]

[sip]
port = 5070
workers = 2
"""


def run(settings: Path, *arguments: str):
    return CliRunner().invoke(app, ["--settings", str(settings), "config", "kamailio", *arguments])


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "ivr.toml"
    file.write_text(SETTINGS)
    return file


def test_the_lists_are_written_and_named(settings, tmp_path):
    result = run(settings, str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    assert "198.51.100.0 28 0 nha-mang" in Path(written["address.list"]).read_text()
    assert "sip:127.0.0.1:5071" in Path(written["dispatcher.list"]).read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*written, "ivr.toml"])


def test_a_front_that_the_agent_does_not_know_is_remarked(settings, tmp_path):
    assert "sip.front_from is empty" in run(settings, str(tmp_path)).output
    settings.write_text(SETTINGS + 'front_from = ["192.0.2.10"]\n')
    assert "empty" not in run(settings, str(tmp_path)).output


def test_nothing_is_written_when_nobody_could_call(settings, tmp_path):
    settings.write_text("[sip]\nport = 5070\n")
    assert isinstance(run(settings, str(tmp_path)).exception, SettingsError)
    assert not list(tmp_path.glob("*.list"))


def test_a_folder_that_is_not_there_is_named(settings, tmp_path):
    problem = run(settings, str(tmp_path / "nowhere")).exception
    assert isinstance(problem, EnvironmentProblem)
    assert "nowhere" in problem.what


def test_as_many_workers_as_serve_is_told(settings, tmp_path):
    run(settings, str(tmp_path), "--workers", "5")
    told = (tmp_path / "dispatcher.list").read_text()
    assert [line.split()[1] for line in told.splitlines()[1:]] == [
        f"sip:127.0.0.1:{port}" for port in range(5070, 5075)
    ]
