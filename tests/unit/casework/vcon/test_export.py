"""A case as a vCon: what it holds, and that it comes back byte for byte."""

import hashlib
import json
import wave
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from ivr import casefile
from ivr.casefile import RecognitionRecord
from ivr.cli.main import app
from ivr.errors import EvidenceError
from ivr.evidence.custody import read_custody
from ivr.evidence.manifest import SealMaterials
from tests.fakes.evidence_site import AT_SITE, CLOSED, VERDICT, Site
from tests.fakes.exported_vcon import (
    CASE,
    SCHEMA,
    WHO,
    WHY,
    bytes_of,
    export,
    failed,
    files_in,
    flip,
    jws_of,
    said_in,
    steps_of,
)
from tests.fakes.judged_case import judged_case
from tests.fakes.spoken_case import SAID


def test_every_step_holds_and_the_sound_is_made_again(house, whole):
    steps = steps_of(whole.path, house[0])
    assert [step for step in steps if not step.ok] == []
    assert [step.n for step in steps] == list(range(1, len(steps) + 1))
    told = {step.name: step.detail for step in steps}
    assert "2 listening copies are not carried" in told["files"]
    assert told["recordings match the packets"] == "1 recordings, every sample the same"


def test_it_is_a_vcon_by_the_schema_with_a_uuid_of_version_8(whole):
    said = said_in(whole.path)
    SCHEMA.validate(said)
    uuid = UUID(said["uuid"])
    maker = int.from_bytes(hashlib.sha1(b"dak-lak").digest()[:8]) >> 2
    made_at = datetime.fromisoformat(said["created_at"])
    assert (uuid.version, uuid.int & (2**62 - 1)) == (8, maker)
    assert uuid.int >> 80 == int(made_at.timestamp() * 1000)
    assert jws_of(whole.path)["signatures"][0]["header"]["uuid"] == said["uuid"] == whole.uuid


def test_the_dialog_is_the_stereo_recording_with_a_party_on_each_channel(house, whole):
    said = said_in(whole.path)
    (dialog,) = said["dialog"]
    with wave.open(str(house[1] / "derived/call.wav")) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    assert dialog["duration"] == pytest.approx(seconds, abs=1e-6)
    caller, agent = (said["parties"][place] for place in dialog["parties"])
    assert caller["tel"] == "tel:+84912345678"
    assert (agent["name"], agent["type"]) == ("ivr", "bot")
    assert bytes_of(dialog) == (house[1] / "derived/call.wav").read_bytes()
    assert dialog["mediatype"] == "audio/x-wav"


def test_the_callers_name_is_a_claim_and_says_so(whole):
    caller, callee, *_, keeper = said_in(whole.path)["parties"]
    assert (caller["name"], caller["sip"]) == ("Công an", "sip:+84912345678@x")
    assert "a claim of the signalling" in caller["validation"]
    assert callee == {"tel": "tel:+84987654321"}
    assert (keeper["org"], keeper["type"]) == ("dak-lak", "organization")


def test_each_file_comes_back_byte_for_byte(house, whole):
    _, path = house
    files = files_in(said_in(whole.path))
    listed = {entry["path"] for entry in json.loads((path / "manifest.json").read_bytes())["files"]}
    assert listed - files.keys() == {"derived/agent.wav", "derived/caller.wav"}
    for name in (*(listed & files.keys()), "manifest.json", "manifest.jws", "signer.pem"):
        assert bytes_of(files[name]) == (path / name).read_bytes(), name
    assert {"inclusion.json", "keyring.jsonl", "custody.jsonl"} <= files.keys()


def test_findings_are_analyses_with_vendor_product_and_schema(whole):
    analyses = {each["filename"]: each for each in said_in(whole.path)["analysis"]}
    transcript = analyses["derived/transcript.json"]
    assert transcript["type"] == "transcript"
    assert (transcript["vendor"], transcript["product"]) == ("vosk", "vosk-demo")
    assert (transcript["schema"], transcript["dialog"]) == ("ivr-transcript/1", [0])
    heard = json.loads(transcript["body"])
    assert " ".join(word["text"] for word in heard[0]["words"]) == SAID
    assert analyses["derived/verdict.json"]["schema"] == "ivr-verdict/1"


def test_custody_names_the_vcon_and_goes_along(house, tmp_path):
    done = export(house, tmp_path / "out")
    last = read_custody(house[1])[-1]
    assert (last["action"], last["actor"], last["reason"]) == ("exported", WHO, WHY)
    assert last["facts"] == {"format": "vcon", "is_full": True, "uuid": done.uuid}
    carried = bytes_of(files_in(said_in(done.path))["custody.jsonl"])
    assert json.loads(carried.splitlines()[-1]) == last


def test_a_later_vcon_of_the_whole_case_amends_the_one_before(house, tmp_path):
    first = export(house, tmp_path / "first")
    second = export(house, tmp_path / "second")
    assert said_in(second.path)["amended"] == {"uuid": first.uuid}


def test_a_vcon_made_before_later_entries_still_holds(house, whole, tmp_path):
    export(house, tmp_path / "later")
    assert failed(whole.path, house[0]) == {}


def test_a_call_of_which_nothing_was_heard_is_incomplete(tmp_path):
    site = Site(tmp_path / "ivr-data")
    path = silent_case(site)
    done = export((site, path), tmp_path / "out")
    said = said_in(done.path)
    (dialog,) = said["dialog"]
    assert (dialog["type"], dialog["disposition"]) == ("incomplete", "hung-up")
    SCHEMA.validate(said)
    assert failed(done.path, site) == {}


def silent_case(site: Site) -> Path:
    """The caller hung up before the first packet."""
    folder = site.open_case()
    opened = hashlib.sha256((folder.path / "opened.json").read_bytes()).hexdigest()
    record = RecognitionRecord("vosk-demo", "a" * 64, True, 0.0)
    contents = {
        casefile.RECOGNITION: casefile.RECOGNITION_FORM.dump_json(record),
        casefile.FIRST.transcript: b"[]",
        casefile.FIRST.hits: b"[]",
        casefile.VERDICT: casefile.VERDICT_FORM.dump_json(VERDICT),
    }
    for name, content in contents.items():
        folder.write_derived(name, content, (opened,), "application/json", "ivr")
    materials = SealMaterials(None, CLOSED, (), VERDICT, "a" * 64, "b" * 64, "c" * 64)
    return site.seal(folder, materials).path


def test_a_folder_with_something_in_it_is_refused_and_nothing_entered(house, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    before = read_custody(house[1])
    with pytest.raises(EvidenceError, match="cannot go to"):
        export(house, tmp_path)
    assert read_custody(house[1]) == before


def test_a_case_that_was_changed_does_not_leave_the_house(tmp_path):
    site = Site(tmp_path / "ivr-data")
    path = judged_case(site)
    (path / "derived/verdict.json").chmod(0o600)
    flip(path / "derived/verdict.json")
    with pytest.raises(EvidenceError, match="not as it was sealed"):
        export((site, path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_that_the_certificate_is_its_own_and_verify_accepts(house, tmp_path):
    site, path = house
    data = ["--data", str(site.root)]
    given = ["--format", "vcon", "--to", str(tmp_path / "out"), "--who", WHO, "--why", WHY]
    run = CliRunner(env=AT_SITE).invoke
    done = run(app, [*data, "export", path.name, *given])
    assert done.exit_code == 0, done.output
    assert "made by the key itself, no authority vouches for it" in done.output
    file = tmp_path / "out" / f"{CASE}.vcon.json"
    assert f"{file.stat().st_mode & 0o777:o}" == "600"
    key = ["--key", str(site.root / "keys/site.pub.pem")]
    for more in ([], key):
        done = run(app, [*data, "verify", str(file), "--json", *more])
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize("option", ["--external", "--no-callee", "--redacted=x"])
def test_options_of_a_vcon_are_refused_with_another_form(house, tmp_path, option):
    given = ["--to", str(tmp_path / "out"), "--who", WHO, "--why", WHY, option]
    done = CliRunner(env=AT_SITE).invoke(
        app, ["--data", str(house[0].root), "export", CASE, *given]
    )
    assert done.exit_code == 2
