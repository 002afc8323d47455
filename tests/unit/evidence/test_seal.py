"""Sealing: what the manifest states, what it refuses, and what a crash in its middle leaves."""

import dataclasses
import json
import stat
from pathlib import Path

import pytest

from ivr.errors import EvidenceError
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.clock_state import read_clock_state
from ivr.evidence.custody import CustodyAction, append_custody, read_custody
from ivr.evidence.layout import is_sealed
from ivr.evidence.manifest import SealMaterials
from ivr.evidence.recovery import find_unsealed
from ivr.evidence.verification import verify_here
from ivr.facts.call import Mode
from ivr.settings import Settings
from ivr.settings.record import settings_record
from tests.fakes.evidence_site import call, dies_in


def manifest_of(path):
    return json.loads((path / "manifest.json").read_bytes())


def test_a_sealed_case_verifies_and_names_its_digest(site):
    sealed = site.sealed()
    assert all(s.ok for s in verify_here(sealed.path, site.public_key, site.log_path))
    assert any(sealed.seal_sha256 in s.detail for s in verify_here(sealed.path))
    assert sealed.is_complete


def test_the_manifest_says_when_in_utc_and_in_vietnam_and_when_the_caller_was_told(site):
    times = manifest_of(site.sealed().path)["times"]
    assert times["opened_at"] == "2026-11-25T02:00:00.000000Z"
    assert times["opened_local"] == "2026-11-25T09:00:00+07:00"
    assert times["notice_at"] == "2026-11-25T02:00:05.000000Z"
    assert times["closed_at"] == "2026-11-25T02:01:02.000000Z"


def test_the_clock_is_as_right_as_the_kernel_says_and_no_more(site):
    clock = manifest_of(site.sealed().path)["clock"]
    state = read_clock_state()
    assert clock["at_sealing"]["is_synchronised"] == state.is_synchronised
    assert clock["at_opening"]["kept_by"] == state.kept_by
    assert clock["offset_to_utc"].startswith(
        "not measured: " if not state.is_synchronised else "est"
    )
    assert clock["largest_step_us"] == 0


def test_the_settings_in_force_are_in_the_case_and_others_that_judged_it_too(site):
    record = settings_record(Settings(_env_prefix="IVR_TEST_"))
    folder = site.open_case(settings=record)
    materials = dataclasses.replace(
        site.fill(folder), settings=record, settings_sha256=sha256_hex(record)
    )
    path = site.seal(folder, materials).path
    files = {f["path"]: f for f in manifest_of(path)["files"]}
    assert files["settings.json"]["sha256"] == manifest_of(path)["settings_sha256"]
    assert files["settings.json"]["role"] == "record"
    other = site.open_case("01OTHER", settings=b"older\n")
    path = site.seal(other, dataclasses.replace(site.fill(other), settings=record)).path
    assert (path / "settings.json").read_bytes() == b"older\n"
    assert (path / "settings.sealed.json").read_bytes() == record
    assert all(s.ok for s in verify_here(path, site.public_key, site.log_path))


def test_the_kept_settings_name_nobody_and_no_secret():
    settings = Settings(
        _env_prefix="IVR_TEST_",
        subscribers=[{"access": "hien", "number": "+84987654321", "allow": ["+84912345678"]}],
        mirror={"protected_numbers": ["+84900000001"]},
        storage={"ledger_url": "postgresql+asyncpg://ivr:geheim@db/ivr"},
    )
    record = settings_record(settings)
    for word in (b"hien", b"84987654321", b"84912345678", b"84900000001", b"geheim"):
        assert word not in record
    kept = json.loads(record)
    assert kept["subscribers"][0]["allow"] == {"left_out": 1}
    assert kept["subscribers"][0]["mode"] == "answer"
    assert kept["verdict"]["filing_threshold"] == settings.verdict.filing_threshold


def test_the_manifest_says_who_called_what_judged_and_which_program(site):
    manifest = manifest_of(site.sealed().path)
    assert manifest["call"]["caller"]["source_header"] == "From"
    assert manifest["call"]["subscriber"] == "+84987654321"
    assert manifest["verdict"] == {"label": "scam", "level": "filing", "score": 0.93}
    assert manifest["model_sha256"] == "a" * 64
    assert len(manifest["software"]["package_sha256"]) == 64
    assert manifest["legs"][0]["gaps"] == {"lost": {"count": 1, "samples": 320}}


def test_every_file_has_a_role_and_derived_ones_have_parents(site):
    files = {f["path"]: f for f in manifest_of(site.sealed().path)["files"]}
    assert files["original/wire.pcapng"]["role"] == "original"
    assert files["original/invite.sip"]["media_type"] == "message/sip"
    assert files["original/wire.chain.jsonl"]["role"] == "record"
    assert files["journal.jsonl"]["role"] == "record"
    assert files["derived/gaps.json"]["parent_sha256"] == [files["original/wire.pcapng"]["sha256"]]
    assert all(bool(f["parent_sha256"]) == (f["role"] == "derived") for f in files.values())


def test_sealed_files_are_read_only(site):
    path = site.sealed().path
    for entry in manifest_of(path)["files"]:
        assert stat.S_IMODE((path / entry["path"]).stat().st_mode) == 0o444


def test_a_seal_is_set_once(site):
    folder = site.open_case()
    materials = site.fill(folder)
    site.seal(folder, materials)
    with pytest.raises(EvidenceError, match="is sealed"):
        site.seal(folder, materials)


def test_an_incomplete_case_says_so_and_why(site):
    folder = site.open_case()
    materials = dataclasses.replace(
        site.fill(folder), closed=None, incomplete_reasons=("the recorder was killed",)
    )
    sealed = site.seal(folder, materials)
    assert not sealed.is_complete
    steps = verify_here(sealed.path)
    assert all(s.ok for s in steps)
    assert "INCOMPLETE: the recorder was killed" in steps[1].detail


def test_a_call_without_media_can_be_sealed(site):
    folder = site.open_case()
    materials = dataclasses.replace(
        site.fill(site.open_case("01OTHER")), wire=None, recordings=(), verdict=None
    )
    sealed = site.seal(folder, materials)
    assert all(s.ok for s in verify_here(sealed.path))


def refused(site, folder, materials, match):
    with pytest.raises(EvidenceError, match=match) as caught:
        site.seal(folder, materials)
    assert not is_sealed(folder.path)
    return caught.value.why


def test_a_wire_log_that_nobody_closed_is_not_sealed(site):
    folder = site.open_case()
    materials = dataclasses.replace(site.fill(folder), wire=None)
    assert "nobody closed it" in refused(site, folder, materials, "not whole")


def test_a_wire_log_whose_chain_ends_elsewhere_is_not_sealed(site):
    folder = site.open_case()
    materials = site.fill(folder)
    wire = dataclasses.replace(materials.wire, chain_head="0" * 64)
    refused(site, folder, dataclasses.replace(materials, wire=wire), "not whole")


def test_a_wire_log_that_grew_after_it_was_closed_is_not_sealed(site):
    folder = site.open_case()
    materials = site.fill(folder)
    with folder.wire_path.open("ab") as file:
        file.write(b"late")
    why = refused(site, folder, materials, "original/wire.pcapng")
    assert "not what the RTP door closed" in why


def test_a_derived_file_from_nowhere_is_not_sealed(site):
    folder = site.open_case()
    materials = site.fill(folder)
    folder.write_derived("odd.json", b"{}", "9" * 64, "application/json", "x")
    assert "not in the case" in refused(site, folder, materials, "derived/odd.json")


def test_two_derived_files_that_only_name_each_other_are_not_sealed(site):
    folder = site.open_case()
    materials = site.fill(folder)
    folder.write_derived("a.json", b"same", "9" * 64, "application/json", "x")
    digest = folder.derived[0].sha256
    folder.write_derived("a.json", b"same", digest, "application/json", "x")
    refused(site, folder, materials, "derived/a.json")


def test_a_derived_file_changed_after_it_was_registered_is_not_sealed(site):
    folder = site.open_case()
    materials = site.fill(folder)
    folder.derived_path("verdict.json").write_bytes(b"[]")
    assert "changed" in refused(site, folder, materials, "derived/verdict.json")


def test_a_derived_file_that_nobody_registered_is_not_sealed(site):
    folder = site.open_case()
    materials = site.fill(folder)
    folder.derived_path("stray.wav").write_bytes(b"x")
    assert "not registered" in refused(site, folder, materials, "derived/stray.wav")


def test_what_was_refused_can_be_sealed_once_it_is_mended(site):
    folder = site.open_case()
    materials = site.fill(folder)
    folder.derived_path("stray.wav").write_bytes(b"x")
    refused(site, folder, materials, "stray")
    folder.derived_path("stray.wav").unlink()
    assert all(s.ok for s in verify_here(site.seal(folder, materials).path))


def test_killed_at_any_moment_the_case_is_sealed_or_can_be_sealed(site, quick_disk, forked):
    make_site = type(site)

    def die(root: Path, at: int) -> int:
        def prepare():
            own = make_site(root)
            folder = own.open_case()
            return own, folder, own.fill(folder)

        def work(prepared):
            own, folder, materials = prepared
            own.seal(folder, materials)

        return dies_in(forked, prepare, work, at)

    operations = die(quick_disk / "whole", at=0)
    assert operations > 30
    outcomes = set()
    for at in range(1, operations + 1):
        root = quick_disk / str(at)
        die(root, at)
        after = make_site(root)  # opens the log of the site, as a restart does
        found = find_unsealed(after.vault, after.clock)
        assert found.unusable == ()
        outcomes.add(len(found.cases))
        for case in found.cases:
            after.seal(case.folder, after.fill(case.folder))
        (path,) = after.vault.iterdir()
        steps = verify_here(path, after.public_key, after.log_path)
        assert [s for s in steps if not s.ok] == [], f"killed at operation {at}"
    assert outcomes == {0, 1}  # kills came both before and after the commit


def test_killed_at_any_moment_of_a_custody_entry_the_next_one_finds_all_of_it(
    site, quick_disk, forked
):
    own = type(site)(quick_disk / "site")
    path = own.sealed().path

    def note(actor: str) -> None:
        append_custody(path, CustodyAction.VIEWED, own.custodian, actor=actor, reason="")

    operations = dies_in(forked, lambda: None, lambda _: note("whole"), at=0)
    assert operations > 5
    outcomes = set()
    for at in range(1, operations + 1):
        dies_in(forked, lambda: None, lambda _, at=at: note(f"killed {at}"), at)
        assert {s.name for s in verify_here(path) if not s.ok} <= {"custody"}
        note(f"after {at}")
        assert [s for s in verify_here(path, own.public_key) if not s.ok] == []
        actors = [entry["actor"] for entry in read_custody(path)]
        outcomes.add(f"killed {at}" in actors)
    assert outcomes == {True, False}
    told = [json.loads(line) for line in own.log_path.read_bytes().splitlines()][2:]
    kept = read_custody(path)[1:]
    assert [(t["entry"], t["custody_chain"]) for t in told] == [(e["n"], e["chain"]) for e in kept]


def test_an_uploaded_recording_is_the_original_of_its_case(site, tmp_path):
    source = tmp_path / "cuộc gọi.amr"
    source.write_bytes(b"#!AMR\n" + bytes(range(200)))
    opened = dataclasses.replace(call("01UPLOAD"), mode=Mode.UPLOAD, sip_call_id=None)
    folder = CaseFolder.create(
        site.vault, opened, raw_invite=None, site="dak-lak", clock=site.clock
    )
    digest = folder.keep_upload(source)
    folder.write_derived("channel_1.wav", b"RIFF", digest, "audio/wav", "ivr.media")
    materials = SealMaterials(None, None, (), None, None, None, None)
    sealed = site.seal(folder, materials)
    assert [s for s in verify_here(sealed.path, site.public_key, site.log_path) if not s.ok] == []
    files = {f["path"]: f for f in manifest_of(sealed.path)["files"]}
    assert files["original/upload.amr"]["role"] == "original"
    assert files["original/upload.amr"]["sha256"] == digest
