"""What a killed process leaves is found, with what its journal says, and can be finished."""

import os
import shutil
import time

import pytest

from ivr.errors import EvidenceError
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.recovery import find_unsealed
from ivr.evidence.verification import verify_here
from tests.fakes.evidence_site import CLOSED


@pytest.fixture
def in_a_process_that_is_killed(forked):
    def run(work):
        _, status = os.waitpid(forked(work, is_killed=True), 0)
        assert os.WIFSIGNALED(status)

    return run


def only(found):
    assert found.unusable == ()
    (case,) = found.cases
    return case


def test_a_case_whose_process_was_killed_is_found_with_its_facts(site, in_a_process_that_is_killed):
    def work():
        folder = site.open_case()
        folder.record("announced", {"prompt": "notice"})
        folder.wire_path.write_bytes(b"half a block")

    in_a_process_that_is_killed(work)
    case = only(find_unsealed(site.vault, site.clock))
    assert case.folder.opened.caller.number == "+84912345678"
    assert case.closed is None
    assert case.notice_at is not None
    assert case.has_wire
    assert case.folder.journal.records[-1]["event"] == "resumed"
    case.folder.release()


def test_a_case_that_was_closed_but_not_sealed_says_how_it_ended(site, in_a_process_that_is_killed):
    in_a_process_that_is_killed(lambda: site.fill(site.open_case()))
    case = only(find_unsealed(site.vault, site.clock))
    assert case.closed == CLOSED
    assert [file.path for file in case.folder.derived] == [
        "derived/caller.wav",
        "derived/transcript.json",
        "derived/verdict.json",
    ]
    sealed = site.seal(case.folder, site.fill(case.folder))
    assert all(s.ok for s in verify_here(sealed.path, site.public_key, site.log_path))


def test_a_case_that_a_living_process_holds_is_left_alone(site):
    folder = site.open_case()
    assert find_unsealed(site.vault, site.clock).cases == ()
    folder.release()


def test_a_sealed_case_is_not_found(site):
    site.sealed()
    assert find_unsealed(site.vault, site.clock).cases == ()


def test_a_found_case_is_held_so_that_nobody_else_finishes_it(site):
    site.open_case().release()
    case = only(find_unsealed(site.vault, site.clock))
    assert find_unsealed(site.vault, site.clock).cases == ()
    case.folder.release()


def test_a_journal_line_cut_in_the_middle_is_dropped_and_its_digest_noted(site):
    folder = site.open_case()
    folder.record("announced")
    folder.release()
    with (folder.path / "journal.jsonl").open("ab") as file:
        file.write(b'{"at":"2026')
    case = only(find_unsealed(site.vault, site.clock))
    last = case.folder.journal.records[-1]
    assert last["event"] == "resumed"
    assert last["facts"]["torn_bytes"] == 11
    assert case.notice_at is not None
    sealed = site.seal(case.folder, site.fill(case.folder))
    assert all(s.ok for s in verify_here(sealed.path))


def test_half_written_derived_files_are_removed_and_it_is_noted(site):
    folder = site.open_case()
    folder.write_derived("hits.json", b"[]", "d" * 64, "application/json", "x")
    folder.derived_path("call.wav").write_bytes(b"RIFF half")
    folder.derived_path("hits.json").write_bytes(b"[")
    (folder.path / "derived/.transcript.json.tmp").write_bytes(b"{")
    folder.release()
    case = only(find_unsealed(site.vault, site.clock))
    assert list((case.folder.path / "derived").iterdir()) == []
    noted = [r["facts"]["path"] for r in case.folder.journal.records if r["event"] == "discarded"]
    assert noted == ["derived/.transcript.json.tmp", "derived/call.wav", "derived/hits.json"]
    case.folder.release()


def test_originals_are_never_removed(site):
    folder = site.open_case()
    (folder.path / "original/wire.tail.bin").write_bytes(b"torn")
    folder.release()
    case = only(find_unsealed(site.vault, site.clock))
    sealed = site.seal(case.folder, site.fill(case.folder))
    assert (sealed.path / "original/wire.tail.bin").read_bytes() == b"torn"
    assert all(s.ok for s in verify_here(sealed.path))


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"call":{}}', b"\xff"])
def test_one_damaged_case_does_not_hide_the_others(site, damage):
    broken, good = site.open_case("01BROKEN"), site.open_case("01GOOD")
    broken.release()
    good.release()
    (broken.path / "opened.json").unlink()
    (broken.path / "opened.json").write_bytes(damage)
    found = find_unsealed(site.vault, site.clock)
    assert [case.folder.case_id for case in found.cases] == ["01GOOD"]
    ((path, problem),) = found.unusable
    assert path == broken.path
    assert isinstance(problem, EvidenceError)
    found.cases[0].folder.release()
    find_unsealed(site.vault, site.clock).cases[0].folder.release()  # no lock was left behind


def test_a_journal_changed_while_nobody_held_the_case_is_not_continued(site):
    folder = site.open_case()
    folder.record("announced")
    folder.release()
    journal = folder.path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"announced", b"denounced"))
    ((_, problem),) = find_unsealed(site.vault, site.clock).unusable
    assert "line 2" in problem.why


def test_a_folder_that_never_got_its_name_is_cleared_away_when_it_is_old(
    site, in_a_process_that_is_killed
):
    in_a_process_that_is_killed(
        lambda: shutil.copytree(site.open_case().path, site.vault / ".01DRAFT.opening")
    )
    draft = site.vault / ".01DRAFT.opening"
    for case in find_unsealed(site.vault, site.clock).cases:
        case.folder.release()
    assert draft.exists()  # young: its process may be about to name it
    old = time.time() - 3600
    os.utime(draft, (old, old))
    for case in find_unsealed(site.vault, site.clock).cases:
        case.folder.release()
    assert not draft.exists()


def test_no_vault_means_nothing_to_recover(tmp_path, site):
    assert find_unsealed(tmp_path / "none", site.clock).cases == ()


def test_a_sealed_case_cannot_be_taken_over(site):
    path = site.sealed().path
    with pytest.raises(EvidenceError, match="it is sealed"):
        CaseFolder.resume(path, site.clock)


def test_an_end_in_words_of_another_version_counts_as_unknown(site):
    folder = site.open_case()
    folder.record("closed", {"how": "suddenly"})
    folder.release()
    case = only(find_unsealed(site.vault, site.clock))
    assert case.closed is None
    assert case.folder.journal.find("closed")["facts"] == {"how": "suddenly"}
    case.folder.release()


def test_a_child_that_outlives_the_killed_process_does_not_keep_the_case_locked(
    site, in_a_process_that_is_killed
):
    reader, writer = os.pipe()  # the child lives until this test lets go of its end

    def open_and_fork():
        site.open_case()
        if os.fork() == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)

    in_a_process_that_is_killed(open_and_fork)
    case = only(find_unsealed(site.vault, site.clock))
    case.folder.release()
    os.close(writer)
    os.close(reader)
