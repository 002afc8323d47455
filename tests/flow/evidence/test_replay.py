"""A call that was heard, judged and sealed for true is replayed: the same, or what differs."""

import asyncio
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import soundfile
from typer.testing import CliRunner

from ivr import settings as settings_module
from ivr.app import open_house
from ivr.casefile import FIRST
from ivr.casework.proof import prove_files
from ivr.casework.replay_bench import Heard as Listener
from ivr.casework.replay_bench import find_model
from ivr.cli.main import app
from ivr.errors import RecognitionError
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.custody import read_custody
from ivr.facts.call import LegName
from ivr.house import House
from ivr.journeys.closing import Heard, close_case
from ivr.recognition import engines
from ivr.settings import PROJECT_ROOT
from ivr.spotting.tokens import utterances_from_turns
from tests.fakes.evidence_site import CLOSED, INVITE, call
from tests.fakes.rtp_sender import on_time, packets, silence
from tests.fakes.virtual_call import run_call

SECONDS = 14
ONE, TWO = "01JDHZ000000000000000ALONE", "01JDHZ0000000000000000BOTH"

NOBODY_LIVE = Heard((), None)


class Sealed(NamedTuple):
    """A data folder with two cases of the same sound: one engine heard the first, two the other."""

    data: Path
    settings: Path

    def case(self, case_id: str) -> Path:
        return self.data / "cases" / case_id


def settings_file(folder: Path, data: Path, rulebook: Path | None = None) -> Path:
    text = f'[storage]\nroot = "{data}"\n[recognition]\nsecond_pass = "off"\nprocesses = 1\n'
    if rulebook is not None:
        text += f'[spotting]\nrulebook = "{rulebook}"\n'
    path = folder / "ivr.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def seal_a_call(house: House, case_id: str, heard: Heard = NOBODY_LIVE) -> None:
    folder = CaseFolder.create(
        house.vault,
        call(case_id),
        raw_invite=INVITE,
        site=house.settings.evidence.site,
        clock=house.clock,
    )
    sound, rate_hz = soundfile.read(PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac", dtype="int16")
    spoken = on_time(packets(sound[: SECONDS * rate_hz]))
    ours = on_time(packets(silence(SECONDS)))
    arrived = {LegName.CALLER: spoken, LegName.AGENT: ours}
    wire = run_call(folder.path / "original", arrived, {8: ("PCMA", 8000)}, keep_frames=False).wire
    await close_case(folder, wire, CLOSED, heard, house)


async def seal_both(settings: Path) -> None:
    async with open_house(settings_module.load(settings)) as house:
        await seal_a_call(house, ONE)
        mind = replace(house.mind, second=house.mind.recognition)
        live = utterances_from_turns([(LegName.CALLER, "alo tôi nghe đây anh gọi có việc gì")])
        await seal_a_call(replace(house, mind=mind), TWO, Heard(live, ()))


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    root = tmp_path_factory.mktemp("replay")
    found = Sealed(root / "data", settings_file(root, root / "data"))
    asyncio.run(seal_both(found.settings))
    return found


def replayed(settings: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(
        app, ["--settings", str(settings), "replay", *arguments, "--json"], catch_exceptions=False
    )
    assert done.exit_code == code, done.output
    return json.loads(done.stdout.splitlines()[-1])


def digests(case: Path) -> dict[str, str]:
    """Of what the seal covers."""
    listed = json.loads((case / "manifest.json").read_bytes())["files"]
    names = [entry["path"] for entry in listed] + ["manifest.json", "manifest.jws"]
    return {name: hashlib.sha256((case / name).read_bytes()).hexdigest() for name in names}


def outcomes(shape: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in shape["checks"]}


def failed(path: Path) -> list[str]:
    return [step.name for step in prove_files(path, None, None) if not step.ok]


def test_with_the_same_versions_everything_is_the_same_and_a_new_exhibit_says_so(sealed):
    case = sealed.case(ONE)
    before = digests(case)
    shape = replayed(
        sealed.settings, ONE, "--who", "An, điều tra viên", "--why", "12/2026", "--keep"
    )

    assert shape["is_same"]
    assert shape["has_same_versions"], shape["versions"]
    assert set(outcomes(shape).values()) == {"same"}
    assert len(outcomes(shape)) == 5
    assert shape["hits"] == shape["hits_again"] == {"gained": [], "lost": []}
    assert shape["verdict"]["then"] == shape["verdict"]["heard_again"]
    assert digests(case) == before
    assert failed(case) == []

    entry = read_custody(case)[-1]
    assert (entry["action"], entry["actor"]) == ("replayed", "An, điều tra viên")
    assert entry["reason"] == "12/2026"
    exhibit = Path(shape["exhibit"])
    result = (exhibit / "replay.json").read_bytes()
    assert hashlib.sha256(result).hexdigest() == entry["facts"]["result_sha256"]
    sealed_files = set(before.values())
    made = {file["sha256"] for file in json.loads(result)["files"]}
    for file in json.loads(result)["files"]:
        content = (exhibit / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert set(file["parent_sha256"]) <= sealed_files | made
    copy = exhibit / "sealed-words/hits.json"
    assert copy.read_bytes() == (case / "derived/hits.json").read_bytes()
    assert len(json.loads(copy.read_bytes())) > 2


def test_two_engines_are_put_together_again_and_other_words_are_shown_but_no_failure(sealed):
    """Of the second case live recognition heard quite other words than its sound holds."""
    shape = replayed(sealed.settings, TWO)
    names = {"hits", "hits-2", "verdict-1", "verdict-2", "verdict"}
    found = outcomes(shape)
    assert {found[f"{name}.json from the sealed words"] for name in names} == {"same"}
    first, second = (c for c in shape["checks"] if c["name"].startswith("words heard again"))
    assert (first["outcome"], second["outcome"]) == ("different", "same")
    assert "0% of neighbouring syllables in common" in first["detail"]
    assert shape["is_same"]
    assert not shape["exhibit"]


def test_another_rulebook_shows_what_it_changes(sealed, tmp_path):
    rulebook = tmp_path / "vi.yaml"
    text = (PROJECT_ROOT / "config/rulebook/vi.yaml").read_text(encoding="utf-8")
    rulebook.write_text(text.replace("thu hồi", "tịch thu"), encoding="utf-8")
    other = settings_file(tmp_path, sealed.data, rulebook)
    shape = replayed(other, ONE, "--no-listen", code=1)
    assert not shape["is_same"]
    changed = {pin["name"] for pin in shape["versions"] if not pin["is_same"]}
    assert changed == {"settings", "rulebook"}
    assert outcomes(shape)["hits.json from the sealed words"] == "different"
    assert shape["hits"]["lost"]
    assert shape["verdict"]["now"]["score"] <= shape["verdict"]["then"]["score"]


def test_the_model_of_the_case_is_found_by_its_digest_wherever_it_is_installed(sealed, tmp_path):
    settings = settings_module.load(sealed.settings)
    record = json.loads((sealed.case(ONE) / "derived/recognition.json").read_bytes())
    known = Listener(FIRST, engines.VOSK, record["model_name"], record["model_sha256"], True)
    unknown = known._replace(sha256="0" * 64)
    assert find_model(unknown, settings).sha256 == known.sha256  # the one in use, for want of it
    moved = settings.recognition.model_copy(update={"model": tmp_path / "another"})
    settings = settings.model_copy(update={"recognition": moved})
    assert find_model(known, settings).sha256 == known.sha256
    with pytest.raises(RecognitionError):
        find_model(unknown, settings)


def test_a_court_folder_is_replayed_and_left_as_it_is(sealed, tmp_path):
    bag = tmp_path / "bag"
    given = ["--settings", str(sealed.settings), "export", ONE, "--to", str(bag), "--no-papers"]
    assert CliRunner().invoke(app, [*given, "--who", "An", "--why", "1"]).exit_code == 0
    shape = replayed(sealed.settings, str(bag), "--no-listen")
    assert shape["is_same"]
    assert not shape["in_custody"]
    assert failed(bag) == []
    assert (
        CliRunner()
        .invoke(app, ["--settings", str(sealed.settings), "replay", str(bag), "--keep"])
        .exit_code
        != 0
    )


def test_a_case_that_was_changed_is_not_replayed(sealed, tmp_path):
    copy = shutil.copytree(sealed.case(ONE), tmp_path / ONE)
    words = copy / "derived/transcript.json"
    words.chmod(0o600)
    words.write_bytes(words.read_bytes() + b" ")
    done = CliRunner().invoke(
        app, ["--settings", str(sealed.settings), "replay", str(copy), "--no-listen"]
    )
    assert "not as it was sealed" in str(done.exception)
