"""Hold, release, purge and the plan of retention, as a person types them."""

import hashlib
import json
import wave

import pytest
from typer.testing import CliRunner

from ivr.casework.keeping import Keeper
from ivr.casework.searching import Query
from ivr.cli import playing
from ivr.cli.main import app
from ivr.errors import IvrError
from ivr.evidence.custody import read_custody
from ivr.evidence.layout import seal_digest
from ivr.evidence.locked import is_locked
from ivr.facts.call import Mode
from ivr.facts.cases import CaseSummary
from ivr.facts.reports import Channel, DeliveryState
from ivr.settings import as_toml
from tests.fakes.evidence_site import AT_SITE
from tests.fakes.kept_site import KeptSite

CASE = "01JDHZ0000000000000JUDGED"


@pytest.fixture
def site(tmp_path) -> KeptSite:
    return KeptSite(tmp_path / "ivr-data")


def ivr(site: KeptSite, *arguments: str, answer: str | None = None):
    given = ["--data", str(site.root), *arguments]
    return CliRunner().invoke(app, given, input=answer, env=AT_SITE)


def lines(result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_hold_and_release_say_what_stands_and_custody_says_who_and_why(site):
    path = site.case()
    held = ivr(site, "cases", "hold", CASE, "--who", "CQĐT", "--why", "QĐ 7", "--json")
    assert held.exit_code == 0, held.output
    (shape,) = lines(held)
    assert [(h["actor"], h["reason"], h["until"]) for h in shape["holds"]] == [
        ("CQĐT", "QĐ 7", None)
    ]
    released = ivr(site, "cases", "release", CASE, "--why", "đình chỉ", "--json")
    assert lines(released)[0]["holds"] == []
    last = read_custody(path)[-1]
    assert (last["action"], last["reason"]) == ("released", "đình chỉ")
    assert last["seal_sha256"] == shape["entry"]["seal_sha256"]


def test_purge_asks_first(site):
    path = site.case()
    assert ivr(site, "cases", "purge", CASE, "--why", "hết hạn", answer="n\n").exit_code == 1
    assert path.exists()
    done = ivr(site, "cases", "purge", CASE, "--why", "hết hạn", answer="y\n")
    assert done.exit_code == 0, done.output
    assert not path.exists()


def test_purge_as_json_deletes_and_names_the_tombstone(site):
    path = site.case()
    assert ivr(site, "cases", "purge", CASE, "--why", "x", "--json").exit_code == 2
    done = ivr(site, "cases", "purge", CASE, "--why", "hết hạn", "--yes", "--json")
    (shape,) = lines(done)
    assert shape["case_id"] == CASE
    assert shape["tombstone"].endswith(f"tombstones/{CASE}.jws.json")
    assert not path.exists()
    gone = ivr(site, "cases", "show", CASE, "--json")
    assert isinstance(gone.exception, IvrError)
    assert "was deleted" in gone.exception.what


def test_purge_of_a_held_case_ends_with_one_and_says_why(site):
    path = site.case()
    ivr(site, "cases", "hold", CASE, "--why", "QĐ 7")
    done = ivr(site, "cases", "purge", CASE, "--why", "hết hạn", "--yes", "--json")
    assert done.exit_code == 1
    assert "is held" in lines(done)[0]["error"]["what"]
    assert path.exists()


def test_a_reason_that_names_the_number_is_refused(site):
    path = site.case()
    done = ivr(site, "cases", "purge", CASE, "--why", "khách 0912.345.678 xin xóa", "--yes")
    assert "names a number" in done.exception.what
    assert path.exists()


def test_the_plan_deletes_nothing_and_says_what_keeps_a_case(site):
    path = site.case()
    site.file(path, Channel.SMS, state=DeliveryState.PENDING)
    shown = ivr(site, "retention", "plan", "--all", "--json")
    (shape,) = lines(shown)
    assert (shape["label"], shape["due_at"], shape["goes"]) == ("scam", None, False)
    assert "pending" in shape["obstacles"][0]
    assert "only by hand" in ivr(site, "retention", "plan").output
    assert ivr(site, "retention", "run").exit_code == 0
    assert path.exists()


@pytest.fixture
def hidden(tmp_path) -> KeptSite:
    """A site with one case, encrypted; the settings lie in a file, as a person has them."""
    site = KeptSite.encrypting(tmp_path / "ivr-data")
    site.case()
    site.run(Keeper.lock)
    return site


def encrypting(site: KeptSite) -> list[str]:
    file = site.root.parent / "ivr.toml"
    file.write_text(as_toml(site.settings), encoding="utf-8")
    return ["--settings", str(file)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["cases", "show", CASE, "--json"], "ma túy"),
        (["cases", "search", "ma tuy", "--json"], "ma túy"),
        (["reports", "receipt", CASE, "--json"], "912345678"),
        (["export", CASE, "--to", "bag", "--who", "A", "--why", "1", "--no-papers"], "bagit"),
        (["export", CASE, "--to", "v", "--who", "A", "--why", "1", "--format", "vcon"], "uuid"),
    ],
    ids=["show", "search", "receipt", "bag", "vcon"],
)
def test_commands_read_an_encrypted_case_and_leave_it_encrypted(
    hidden, monkeypatch, line, expected
):
    monkeypatch.chdir(hidden.root.parent)
    before = len(read_custody(hidden.vault / CASE))
    done = run_with(hidden, *line)
    assert done.exit_code == 0, (done.output, done.exception)
    assert expected in done.output
    assert len(read_custody(hidden.vault / CASE)) == before + 1
    assert is_locked(hidden.vault / CASE)
    assert list((hidden.root.parent / "work").iterdir()) == []


def run_with(site: KeptSite, *arguments: str):
    return CliRunner().invoke(app, [*encrypting(site), *arguments])


def test_an_exported_copy_of_an_encrypted_case_is_readable_and_whole(hidden, monkeypatch):
    monkeypatch.chdir(hidden.root.parent)
    line = ["export", CASE, "--to", "bag", "--who", "A", "--why", "1", "--no-papers"]
    assert run_with(hidden, *line).exit_code == 0
    verified = run_with(hidden, "verify", "bag", "--json")
    (shape,) = lines(verified)
    assert [step for step in shape["steps"] if not step["ok"]] == []
    assert (hidden.root.parent / "bag" / "data" / CASE / "manifest.json").exists()


def test_verify_of_an_encrypted_case_with_and_without_the_identity(hidden, tmp_path):
    path = str(hidden.vault / CASE)
    assert run_with(hidden, "verify", path).exit_code == 0
    assert run_with(hidden, "verify", "--deep", str(hidden.root)).exit_code == 0
    hidden.settings = KeptSite.encrypting(hidden.root, identity_file=None).settings
    told = run_with(hidden, "verify", path, "--json")
    assert told.exit_code == 1
    assert "not done" in lines(told)[0]["steps"][-1]["detail"]
    assert run_with(hidden, "verify", "--deep", str(hidden.root)).exit_code == 1


def test_search_tells_custody_its_digest_and_not_its_words(hidden):
    shown = run_with(hidden, "cases", "search", "tạm giữ", "--who", "An", "--json")
    (shape,) = lines(shown)
    entry = read_custody(hidden.vault / CASE)[-1]
    assert (entry["action"], entry["actor"]) == ("viewed", "An")
    assert entry["facts"] == {"search_sha256": shape["search_sha256"]}
    assert Query.of("tạm giữ").digest("An", shape["at"]) == shape["search_sha256"]
    assert [hit["start_s"] for hit in shape["hits"]] == [21.5]
    before = len(read_custody(hidden.vault / CASE))
    assert run_with(hidden, "cases", "search", "bảo hiểm").exit_code == 1
    assert len(read_custody(hidden.vault / CASE)) == before


def test_unlock_and_lock_by_hand(hidden):
    path = hidden.vault / CASE
    unlocked = run_with(hidden, "cases", "unlock", CASE, "--why", "replay --keep", "--json")
    assert lines(unlocked) == [{"case_id": CASE, "is_encrypted": False, "was_encrypted": True}]
    assert not is_locked(path)
    assert lines(run_with(hidden, "cases", "lock", "--json")) == [
        {"case_id": CASE, "is_encrypted": True}
    ]
    assert [str(e["action"]) for e in read_custody(path)][-2:] == ["unlocked", "locked"]


@pytest.fixture
def player(tmp_path, monkeypatch):
    """A program that plays nothing and keeps what it was given."""
    heard = tmp_path / "heard.wav"
    program = tmp_path / "bin" / "aplay"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncp "$2" "{heard}"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    monkeypatch.setattr(playing, "PLAYERS", (("aplay", "-q"),))
    return heard


def test_play_gives_the_player_the_span_and_custody_the_same_span(site, player):
    folder = site.open_case("01JDHZ0000000000000SOUND0")
    materials = site.fill(folder)
    sound = folder.path / "derived" / "call.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\1\0\2\0" * 80_000)
    folder.register_derived("call.wav", materials.wire.sha256, "audio/wav", "ivr")
    path = site.seal(folder, materials).path
    summary = judged_summary(site, path)
    site.run(lambda keeper: keeper.ledger.record_sealed_case(summary))
    played = ivr(site, "cases", "play", path.name, "--at", "2.5", "--until", "4", "--who", "An")
    assert played.exit_code == 0, (played.output, played.exception)
    with wave.open(str(player), "rb") as file:
        assert (file.getnframes(), file.getnchannels()) == (12_000, 2)
    entry = read_custody(path)[-1]
    assert (entry["action"], entry["actor"]) == ("played", "An")
    facts = entry["facts"]
    assert (facts["start_s"], facts["end_s"], facts["file"]) == (2.5, 4.0, "derived/call.wav")
    assert facts["file_sha256"] == hashlib.sha256(sound.read_bytes()).hexdigest()
    nothing = ivr(site, "cases", "play", path.name, "--at", "11")
    assert "nothing to play" in nothing.exception.what
    assert read_custody(path)[-1] == entry


def judged_summary(site: KeptSite, path) -> CaseSummary:
    seal = seal_digest(path)
    return CaseSummary(
        path.name, Mode.ANSWER, None, site.clock.now(), 10.0, "spam", 0.5, True, seal, str(path)
    )


def test_what_is_left_of_deleted_cases_is_listed_on_request(site):
    site.case()
    ivr(site, "cases", "purge", CASE, "--why", "hết hạn", "--yes")
    assert lines(ivr(site, "cases", "list", "--json")) == []
    (shape,) = lines(ivr(site, "cases", "list", "--deleted", "--json"))
    assert (shape["case_id"], shape["caller"], shape["label"]) == (CASE, None, "scam")
    assert shape["purged_at"]


def test_a_case_whose_time_stamp_is_awaited_goes_only_when_that_is_said(site, monkeypatch):
    path = site.case()
    monkeypatch.setenv("IVR_TIMESTAMP__URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("IVR_TIMESTAMP__CA_FILE", "ca.pem")
    line = ["cases", "purge", CASE, "--why", "hết hạn", "--yes"]
    assert "time-stamp" in ivr(site, *line).exception.what
    assert path.exists()
    assert ivr(site, *line, "--unstamped").exit_code == 0
    assert not path.exists()
