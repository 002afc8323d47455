"""The command line as people and programs meet it."""

import json
import re
import shlex

import click
import pytest
import typer
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import InputError
from ivr.settings import PROJECT_ROOT

ROOT = typer.main.get_command(app)
SCAM = """caller: tôi là thiếu tá công an tỉnh đây
callee: dạ có chuyện gì ạ
caller: anh liên quan đến đường dây ma túy số thuê bao của anh sẽ bị thu hồi
caller: tuyệt đối không được nói với ai
caller: anh chuyển tiền vào tài khoản tạm giữ ngay không thì bị bắt
"""


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> dict[tuple[str, ...], click.Command]:
    found: dict[tuple[str, ...], click.Command] = {}
    for name, command in group.commands.items():
        found[(*path, name)] = command
        if hasattr(command, "commands"):
            found |= commands(command, (*path, name))
    return found


COMMANDS = commands(ROOT)


def run(*arguments: str, text: str | None = None):
    return CliRunner().invoke(app, arguments, input=text)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(path):
    command = COMMANDS[path]
    assert command.help or command.short_help, path
    for parameter in command.params:
        if parameter.name not in {"help"}:
            assert getattr(parameter, "help", "x") or parameter.param_type_name == "argument"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_that_answers_has_json(path):
    command = COMMANDS[path]
    if hasattr(command, "commands") or path == ("serve",):
        return
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options


def documented() -> list[str]:
    """Every `ivr …` command line in README and docs."""
    lines: list[str] = []
    for page in [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        lines += re.findall(r"^ +(?:\.venv/bin/)?ivr ([^#\n]+)", text, re.MULTILINE)
        lines += re.findall(r"`(?:\.venv/bin/)?ivr ([^`]+)`", text)
    return sorted(set(lines))


@pytest.mark.parametrize("line", documented())
def test_every_command_in_the_documents_exists(line):
    words = [word for word in shlex.split(line) if word not in {"…", "..."}]
    while words and words[0].startswith("-"):  # options of the program itself
        option = words.pop(0)
        if option in {"--settings", "--data"}:
            words.pop(0)
    command: click.Command = ROOT
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if not (words or hasattr(command, "commands")) or command is not ROOT:
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {option for parameter in command.params for option in parameter.secondary_opts}
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        assert used - {"--help"} <= known, f"{line}: {used - known}"
        return
    names = {alternative for word in words[:1] for alternative in word.split("|")}
    assert not words or names <= set(ROOT.commands) | {"--help"}, line


def test_links_in_the_documents_lead_somewhere():
    for page in [PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_a_transcript_is_judged_in_the_published_shape(tmp_path):
    file = tmp_path / "talk.txt"
    file.write_text(SCAM, encoding="utf-8")
    result = run("assess", str(file), "--json")
    assert result.exit_code == 0, result.output
    shape = json.loads(result.stdout)
    assert shape["verdict"]["label"] == "scam"
    assert "start_s" not in shape["hits"][0]
    assert {"phrase_id", "concept", "stage", "heard", "channel", "score", "negated"} <= set(
        shape["hits"][0]
    )
    assert {"code", "text_vi", "text_en", "hits"} <= set(shape["verdict"]["reasons"][0])
    assert set(shape["rulebook"]) == {"version", "sha256"}


def test_the_same_transcript_gives_the_same_bytes_in_every_form(tmp_path):
    import unicodedata

    turns = [line.split(": ", 1) for line in SCAM.splitlines()]
    as_json = "\n".join(json.dumps({"who": who, "text": text}) for who, text in turns)
    forms = [SCAM, as_json, unicodedata.normalize("NFD", SCAM), SCAM.replace("caller", "Người gọi")]
    shapes = []
    for form in forms:
        shape = json.loads(run("assess", "-", "--json", text=form).stdout)
        shapes.append((shape["verdict"], shape["hits"]))
    assert all(shape == shapes[0] for shape in shapes)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no words"),
        (b"   \n\n", "no words"),
        (b"\x00\x01\x02RIFF\x00", "not a text"),
        (b'{"who": "caller"}', "Line 1"),
        (b'{"who": "boss", "text": "a"}', "Line 1"),
        (b'{"who": "caller", "text": "a"}\n{', "Line 2"),
    ],
)
def test_a_transcript_that_cannot_be_used_says_why(tmp_path, data, said):
    file = tmp_path / "talk.txt"
    file.write_bytes(data)
    result = run("assess", str(file), "--json")
    assert isinstance(result.exception, InputError)
    assert said in result.exception.what
    assert result.exception.remedy


def test_a_missing_transcript_says_which():
    result = run("assess", "nowhere.txt")
    assert isinstance(result.exception, InputError)
    assert "nowhere.txt" in result.exception.what


def test_recordings_are_judged_in_the_published_shape_and_a_bad_one_stops_no_other():
    assets = PROJECT_ROOT / "tests/assets"
    files = ["audio/text_named.wav", "speech/cong-an-alaw.flac", "audio/empty.wav"]
    result = run("screen", *(str(assets / file) for file in files), "--json")
    assert result.exit_code == 3
    first, shape, last = (json.loads(line) for line in result.stdout.splitlines())
    assert first["file"].endswith("text_named.wav")
    assert {"what", "why", "remedy"} <= set(first["error"])
    assert last["error"]
    assert {"file", "sha256", "duration_s", "rate_hz", "transcript", "hits", "verdict"} <= set(
        shape
    )
    assert {"model", "rulebook", "recognition"} <= set(shape)
    assert {"name", "sha256"} <= set(shape["model"])
    assert {"seconds", "real_time_factor"} <= set(shape["recognition"])
    assert {"live_at_s", "filing_at_s"} <= set(shape["verdict"])
    assert any(hit["concept"] == "cong_an" for hit in shape["hits"])
    said = shape["transcript"][0]
    assert {"channel", "start_s", "end_s", "text", "confidence", "words"} <= set(said)


def test_rules_are_in_order_and_their_examples_hold():
    assert json.loads(run("rules", "check", "--json").stdout)["ok"]
    result = json.loads(run("rules", "test", "--json").stdout)
    assert result["ok"], result["failed"]
    assert result["examples"] > 100


def test_a_broken_rulebook_is_explained_by_line(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("version: 1\nconcepts: 5\n", encoding="utf-8")
    result = run("rules", "check", "--rulebook", str(file), "--json")
    assert result.exit_code == 1
    assert any("rules.yaml:" in mistake for mistake in json.loads(result.stdout)["mistakes"])


def test_explain_shows_the_phrase_that_matched():
    result = run("rules", "explain", "tôi là công ang tỉnh")
    assert result.exit_code == 0
    assert "cong_an" in result.stdout


def test_config_shows_defaults_as_the_file_in_the_repository():
    shown = run("config", "show", "--defaults").stdout
    assert shown == (PROJECT_ROOT / "config/ivr.toml").read_text(encoding="utf-8")


def test_wrong_usage_is_exit_code_2():
    assert run("screen").exit_code == 2
    assert run("cases", "list", "--limit", "0").exit_code == 2
    assert run("no-such-command").exit_code == 2
