"""Custody after the seal: who, what, when, why; appended, chained, signed."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from ivr.errors import EvidenceError
from ivr.evidence.custody import CustodyAction, append_custody, read_custody
from ivr.evidence.verification import verification_steps, verify_here


def note(site, path, action=CustodyAction.VIEWED, actor="Nguyễn An", reason="YC 12/2026"):
    return append_custody(path, action, site.custodian, actor=actor, reason=reason)


def is_intact(path):
    return all(step.ok for step in verify_here(path))


def test_the_seal_is_the_first_entry(site):
    sealed = site.sealed()
    (entry,) = read_custody(sealed.path)
    assert entry["action"] == "sealed"
    assert entry["seal_sha256"] == entry["previous"] == sealed.seal_sha256


def test_an_entry_says_who_what_when_why_and_the_state_before(site):
    sealed = site.sealed()
    entry = note(site, sealed.path, CustodyAction.EXPORTED)
    assert read_custody(sealed.path)[-1] == entry
    assert (entry["actor"], entry["action"], entry["reason"]) == (
        "Nguyễn An",
        "exported",
        "YC 12/2026",
    )
    assert entry["at"].endswith("Z")
    assert entry["seal_sha256"] == sealed.seal_sha256
    assert is_intact(sealed.path)


def test_entries_of_many_threads_are_all_kept_in_one_chain(site):
    path = site.sealed().path
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda n: note(site, path, actor=f"user {n}"), range(24)))
    entries = read_custody(path)
    assert {e["actor"] for e in entries[1:]} == {f"user {n}" for n in range(24)}
    assert is_intact(path)


def test_a_line_lost_in_a_crash_comes_back_from_the_signed_head(site):
    path = site.sealed().path
    note(site, path, actor="one")
    note(site, path, actor="two")
    log = path / "custody.jsonl"
    log.write_bytes(log.read_bytes()[:-20])  # the disk kept the head and half of the line
    assert not is_intact(path)
    note(site, path, actor="three")
    assert [e.get("actor") for e in read_custody(path)[1:]] == ["one", "two", "three"]
    assert is_intact(path)


def test_more_than_a_crash_can_lose_is_refused(site):
    path = site.sealed().path
    for actor in ("one", "two"):
        note(site, path, actor=actor)
    log = path / "custody.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(EvidenceError, match="does not end where it was signed"):
        note(site, path)
    assert len(log.read_bytes().splitlines()) == 1


def test_nothing_is_added_to_a_changed_log(site):
    path = site.sealed().path
    log = path / "custody.jsonl"
    log.write_bytes(log.read_bytes().replace(b"the call is over", b"the call is long"))
    with pytest.raises(EvidenceError, match="was changed"):
        note(site, path)


def test_nothing_is_added_once_the_manifest_was_changed(site):
    path = site.sealed().path
    (path / "manifest.json").chmod(0o600)
    (path / "manifest.json").write_bytes((path / "manifest.json").read_bytes() + b" ")
    with pytest.raises(EvidenceError, match="was changed"):
        note(site, path)


@pytest.mark.parametrize("head", [b"", b"{}", b'{"payload":7}', b'{"payload":"!"}', b"\xff"])
def test_a_head_that_is_none_is_an_answer(site, head):
    path = site.sealed().path
    (path / "custody.head.jws").write_bytes(head)
    with pytest.raises(EvidenceError):
        note(site, path)


def test_an_open_case_has_no_custody_log(site):
    folder = site.open_case()
    with pytest.raises(EvidenceError, match="not a sealed case"):
        note(site, folder.path)
    folder.release()


def test_nothing_is_entered_into_the_custody_of_a_copy(site, tmp_path):
    """Two custody logs of one case would both be signed, and one of them wrong."""
    copy = shutil.copytree(site.sealed().path, tmp_path / "copy")
    with pytest.raises(EvidenceError, match="it is a copy"):
        note(site, copy)
    assert is_intact(copy)


def test_every_entry_is_told_to_the_log_of_the_site(site):
    path = site.sealed().path
    entries = [note(site, path), note(site, path, CustodyAction.EXPORTED)]
    told = [json.loads(line) for line in site.log_path.read_bytes().splitlines()][2:]
    assert [
        (t["event"], t["case_id"], t["entry"], t["custody_chain"], t["action"]) for t in told
    ] == [("custody", path.name, e["n"], e["chain"], e["action"]) for e in entries]
    assert "Nguyễn An" not in site.log_path.read_text()


def test_verifying_while_others_note_what_they_do_never_raises_a_false_alarm(site):
    path = site.sealed().path
    with ThreadPoolExecutor(3) as threads:
        notes = [threads.submit(note, site, path) for _ in range(20)]
        while not all(n.done() for n in notes):
            assert [s for s in verify_here(path, site.public_key) if not s.ok] == []
    assert verification_steps(path / "none")[0].detail == "not a folder"
