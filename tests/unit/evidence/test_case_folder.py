"""An open case: what is written is there, chained, with its parents; originals are not touched."""

import dataclasses
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.layout import open_cases, read_opened
from ivr.facts.call import Mode

PARENT = "d" * 64


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(site):
    folder = site.open_case()
    yield folder
    folder.release()


def test_a_new_case_knows_its_call_before_the_first_packet(folder):
    record = read_opened(folder.path)
    assert record.call == folder.opened
    assert record.site == "dak-lak"
    assert (folder.path / "original/invite.sip").read_bytes().startswith(b"INVITE")
    assert folder.journal.records[0]["event"] == "opened"


def test_only_its_owner_can_enter_a_case_and_originals_are_read_only(folder):
    assert mode_of(folder.path) == 0o700
    assert mode_of(folder.path / "original/invite.sip") == 0o444
    assert mode_of(folder.path / "opened.json") == 0o444


def test_the_paths_for_the_rtp_door_are_inside_the_originals(folder):
    assert folder.wire_path == folder.path / "original" / "wire.pcapng"
    assert folder.wire_chain_path == folder.path / "original" / "wire.chain.jsonl"


def test_the_same_call_cannot_be_opened_twice(site, folder):
    with pytest.raises(EvidenceError, match="could not be kept"):
        site.open_case()
    assert sorted(p.name for p in site.vault.iterdir()) == [folder.case_id]


@pytest.mark.parametrize("call_id", ["", "..", "a/b", "x" * 65, "a\0b", ".hidden"])
def test_a_call_id_that_is_no_file_name_is_refused(site, call_id):
    with pytest.raises(EvidenceError, match="no usable identifier"):
        site.open_case(call_id)


def test_a_header_that_is_no_utf8_does_not_keep_a_case_from_being_opened(site, folder):
    broken = dataclasses.replace(folder.opened, call_id="01X", access="h\udcffn")
    other = CaseFolder.create(
        site.vault, broken, raw_invite=b"INVITE h\xffn", site="s", clock=site.clock
    )
    assert read_opened(other.path).call.access == "h\\udcffn"
    other.release()


def test_a_derived_file_names_its_parents_and_is_remembered(folder):
    digest = folder.write_derived("hits.json", b"[]", (PARENT, "e" * 64), "application/json", "x")
    (entry,) = folder.derived
    assert entry.path == "derived/hits.json"
    assert entry.sha256 == digest == sha256_hex(b"[]")
    assert entry.parent_sha256 == (PARENT, "e" * 64)
    assert folder.journal.records[-1]["facts"]["file"]["sha256"] == digest


def test_a_derived_file_made_again_replaces_the_first(folder):
    folder.write_derived("hits.json", b"[1]", PARENT, "application/json", "x")
    folder.write_derived("hits.json", b"[2]", PARENT, "application/json", "x")
    (entry,) = folder.derived
    assert entry.sha256 == sha256_hex(b"[2]")


@pytest.mark.parametrize("name", ["../opened.json", "a/b", "", ".x", "a\0"])
def test_a_derived_file_cannot_leave_its_folder(folder, name):
    with pytest.raises(EvidenceError, match="no usable name"):
        folder.write_derived(name, b"", PARENT, "text/plain", "x")


@pytest.mark.parametrize("parent", ["", (), ("",), "ABC", PARENT.upper()])
def test_a_derived_file_without_a_parent_is_refused(folder, parent):
    with pytest.raises(EvidenceError, match="names no parent"):
        folder.write_derived("x.json", b"", parent, "text/plain", "x")


def test_a_file_that_was_never_written_cannot_be_registered(folder):
    with pytest.raises(EvidenceError, match="could not be kept"):
        folder.register_derived("none.wav", PARENT, "audio/wav", "x")


def test_an_upload_is_kept_byte_for_byte_and_once(site, tmp_path):
    source = tmp_path / "Ghi âm cuộc gọi.M4A"
    source.write_bytes(os.urandom(3_000_000))
    opened = dataclasses.replace(site.open_case("01A").opened, call_id="01B", mode=Mode.UPLOAD)
    folder = CaseFolder.create(site.vault, opened, raw_invite=None, site="s", clock=site.clock)
    digest = folder.keep_upload(source)
    kept = folder.path / "original" / "upload.m4a"
    assert kept.read_bytes() == source.read_bytes()
    assert digest == sha256_hex(source.read_bytes())
    assert mode_of(kept) == 0o444
    with pytest.raises(EvidenceError, match="could not be kept"):
        folder.keep_upload(source)
    folder.release()


def test_the_journal_is_written_whole_from_many_threads(folder):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: folder.record("dtmf", {"digit": str(n)}), range(80)))
    reread = (folder.path / "journal.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["n"] for line in reread] == list(range(81))
    folder.release()
    again = CaseFolder.resume(folder.path, _clock_of(folder))  # checks every link
    assert again.journal.count == 82
    again.release()


def test_a_fact_that_has_no_json_form_is_refused_and_leaves_the_journal_as_it_was(folder):
    before = (folder.path / "journal.jsonl").read_bytes()
    for fact in (b"bytes", float("nan"), 2**60, object()):
        with pytest.raises(EvidenceError, match="cannot be written"):
            folder.record("odd", {"fact": fact})
    assert (folder.path / "journal.jsonl").read_bytes() == before
    folder.record("even")


def test_a_clock_that_was_set_during_the_call_shows(site, folder):
    folder.record("announced")
    assert folder.journal.largest_clock_step_us() == 0
    site.clock.set_by = timedelta(seconds=-90)
    folder.record("dtmf", {"digit": "1"})
    site.clock.set_by = timedelta(0)
    assert folder.journal.largest_clock_step_us() == -90_000_000


def test_after_the_release_nothing_is_written(folder):
    folder.release()
    with pytest.raises(EvidenceError, match="sealed or released"):
        folder.record("late")


def test_a_held_case_is_not_open_for_recovery(site, folder):
    assert open_cases(site.vault) == ()
    with pytest.raises(EvidenceError, match="a living process holds it"):
        CaseFolder.resume(folder.path, site.clock)
    folder.release()
    assert open_cases(site.vault) == (folder.path,)


def test_a_vault_that_does_not_exist_has_no_open_cases(tmp_path):
    assert open_cases(tmp_path / "none") == ()


def test_the_same_facts_are_the_same_bytes(folder):
    assert canonical(folder.opened) == canonical(dataclasses.replace(folder.opened))
    assert canonical({"b": 1, "a": "ợ"}) == '{"a":"ợ","b":1}'.encode()


def _clock_of(folder):
    return folder.journal._clock
