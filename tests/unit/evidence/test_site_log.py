"""The log of the site: what it tells, across restarts, processes and crashes."""

import json
import os
import signal
import sys

import pytest

from ivr.evidence import events
from ivr.evidence.verification import verify_here
from tests.fakes.logged_site import (
    both_files,
    is_right,
    lines_of,
    note,
    put_back,
    records_of,
    resumed,
)


def told(log):
    done = log.reconcile()
    return done.entered, done.unreadable


# --- what it tells --------------------------------------------------------------------------------


def test_it_tells_of_its_beginning_of_seals_and_of_custody(site):
    first = site.sealed("01A")
    entry = note(site, first.path)
    second = site.sealed("01B")
    begun, one, viewed, two = records_of(site)
    assert (begun["event"], begun["site"], begun["n"]) == ("begun", "dak-lak", 0)
    assert (one["event"], one["case_id"], one["seal_sha256"]) == (
        "sealed",
        "01A",
        first.seal_sha256,
    )
    assert one["key_sha256"] == site.signer.key_sha256
    assert (viewed["event"], viewed["entry"], viewed["action"]) == ("custody", 1, "viewed")
    assert (viewed["custody_chain"], viewed["at"]) == (entry["chain"], entry["at"])
    assert (two["case_id"], two["seal_sha256"]) == ("01B", second.seal_sha256)
    assert is_right(site)


def test_a_seal_names_its_line_the_line_before_and_the_seal_before(site):
    first = site.sealed("01A")
    note(site, first.path)
    second = site.sealed("01B").path
    link = json.loads((second / "manifest.json").read_bytes())["site_link"]
    assert link == {
        "n": 3,
        "previous_chain": records_of(site)[2]["chain"],
        "previous_case_id": "01A",
        "previous_seal_sha256": first.seal_sha256,
    }
    assert all(s.ok for s in verify_here(second, site.public_key, site.log_path))


def test_the_first_seal_names_none_before_it_whatever_line_it_is(site):
    with site.log.turn() as turn:
        turn.record(events.key_event("endorse", "a" * 64, "b" * 64, "2026-11-25T00:00:00.000000Z"))
    path = site.sealed("01A").path
    link = json.loads((path / "manifest.json").read_bytes())["site_link"]
    assert (link["n"], link["previous_case_id"], link["previous_seal_sha256"]) == (2, None, None)
    assert all(s.ok for s in verify_here(path, site.public_key, site.log_path))


def test_the_head_survives_a_restart(site):
    site.sealed("01A")
    head = site.log.head
    assert site.open_log().head == head


def test_a_command_adds_a_line_without_reading_the_others(site):
    """Every line but the last is made unreadable for it: what is not read cannot disturb."""
    path = site.sealed("01A").path
    site.sealed("01B")
    whole = lines_of(site)
    size = sum(map(len, whole[:-1]))
    site.log_path.write_bytes(b"\0" * (size - 1) + b"\n" + whole[-1])
    note(site, path, resumed(site))
    added = lines_of(site)[-1]
    site.log_path.write_bytes(b"".join([*whole, added]))
    assert is_right(site)
    site.open_log()


@pytest.mark.parametrize("cache", [None, b"", b"{}", b'{"nodes":7}', b"\xff", "of a shorter log"])
def test_without_its_cache_a_command_reads_the_log_whole(site, cache):
    file = site.root / "site-log.frontier.json"
    path = site.sealed("01A").path
    older = file.read_bytes()
    site.sealed("01B")
    if cache is None:
        file.unlink()
    else:
        file.write_bytes(older if cache == "of a shorter log" else cache)
    note(site, path, resumed(site))
    assert is_right(site)
    assert [r["event"] for r in records_of(site)] == ["begun", "sealed", "sealed", "custody"]
    site.open_log()


def test_what_other_processes_add_is_seen_at_the_next_turn(site):
    path = site.sealed("01A").path
    note(site, path, resumed(site))
    site.sealed("01B")
    note(site, path, resumed(site))
    site.sealed("01C")
    assert [r["n"] for r in records_of(site)] == list(range(6))
    assert is_right(site)
    site.open_log()


def test_two_processes_seal_in_turn_into_one_log(site, forked):
    """Two real processes, five seals each, a custody entry after each: one chain."""
    make_site, root = type(site), site.root

    def seal_five(who):
        own = make_site(root)
        for n in range(5):
            note(own, own.sealed(f"01{who}{n}").path)

    children = [forked(lambda who=who: seal_five(who)) for who in "AB"]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    site.open_log()
    entries = records_of(site)
    assert [e["n"] for e in entries] == list(range(21))
    assert len({e["case_id"] for e in entries if e["event"] == "sealed"}) == 10
    assert is_right(site)
    for path in site.vault.iterdir():
        assert all(s.ok for s in verify_here(path, site.public_key, site.log_path))


# --- after a crash --------------------------------------------------------------------------------


def test_a_first_start_that_was_cut_off_can_be_repeated(site):
    site.log_path.write_bytes(b'{"at":"20')
    (site.root / "site-log.head.jws").unlink()
    site.log = site.open_log()
    path = site.sealed("01A").path
    assert all(s.ok for s in verify_here(path, None, site.log_path))


def test_a_line_that_a_crash_left_unsigned_is_signed_at_the_next_turn(site):
    path = site.sealed("01A").path
    head = (site.root / "site-log.head.jws").read_bytes()
    note(site, path)
    (site.root / "site-log.head.jws").write_bytes(head)
    site.open_log()
    assert is_right(site)


def test_an_intention_of_which_nothing_was_done_is_forgotten(site):
    site.sealed("01A")
    with site.log.turn() as turn:
        turn.intend(events.sealed("01B", "a" * 64, "b" * 64, "2026-11-25T00:00:00.000000Z"))
    before = both_files(site)
    site.open_log()
    assert both_files(site) == before
    assert not (site.root / "site-log.pending.json").exists()


def killed_before_it_is_told(site, forked, work):
    """Do ``work`` in a process that is killed the moment it opens the log to add a line."""

    def child():
        own = type(site)(site.root)

        def strike(event, args):
            if (
                event == "open"
                and str(args[0]).endswith("site-log.jsonl")
                and args[2] & os.O_APPEND
            ):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(strike)
        work(own)

    assert os.WIFSIGNALED(os.waitpid(forked(child), 0)[1])


def test_a_seal_that_a_crash_kept_out_is_told_at_the_next_turn_of_any_command(site, forked):
    path = site.sealed("01A").path
    killed_before_it_is_told(site, forked, lambda own: own.sealed("01B"))
    assert [r.get("case_id") for r in records_of(site)] == [None, "01A"]
    note(site, path, resumed(site))
    assert [r["event"] for r in records_of(site)] == ["begun", "sealed", "sealed", "custody"]
    assert all(s.ok for s in verify_here(site.vault / "01B", site.public_key, site.log_path))


def test_a_custody_entry_that_a_crash_kept_out_is_told_at_the_next_turn(site, forked):
    path = site.sealed("01A").path
    killed_before_it_is_told(site, forked, lambda own: note(own, path))
    site.sealed("01B")
    events_told = [(r["event"], r.get("case_id")) for r in records_of(site)]
    assert events_told == [
        ("begun", None),
        ("sealed", "01A"),
        ("custody", "01A"),
        ("sealed", "01B"),
    ]


def test_an_intention_that_somebody_wrote_by_hand_is_not_told(site):
    """It would not be the next line, or nothing of it was done."""
    site.sealed("01A")
    before = both_files(site)
    for text in (b"", b"[]", b'{"event":"sealed"}', b'{"n":2}', b"\xff"):
        (site.root / "site-log.pending.json").write_bytes(text)
        site.open_log()
        assert both_files(site) == before


def test_log_and_head_put_back_from_an_older_copy_are_continued_from_the_cases(site):
    first = site.sealed("01A").path
    older = both_files(site)
    note(site, first)
    second = site.sealed("01B").path
    note(site, second)
    note(site, first)
    newest = lines_of(site)
    put_back(site, older)
    site.open_log()
    assert lines_of(site) == newest
    assert is_right(site)


def test_reconciling_tells_of_custody_that_the_log_does_not_know(site):
    path = site.sealed("01A").path
    older = both_files(site)
    note(site, path)
    put_back(site, older)
    log = site.open_log()
    entered, unreadable = told(log)
    assert [(r["event"], r["entry"]) for r in entered] == [("custody", 1)]
    assert unreadable == ()
    assert told(log) == ((), ())
    assert is_right(site)


def test_reconciling_passes_over_a_case_whose_custody_was_changed(site):
    for name in ("01A", "01B"):
        site.sealed(name)
    older = both_files(site)
    for name in ("01A", "01B"):
        note(site, site.vault / name)
    put_back(site, older)
    (site.vault / "01A" / "custody.jsonl").write_bytes(b"{}\n")
    entered, ((case_id, problem),) = told(site.open_log())
    assert [r["case_id"] for r in entered] == ["01B"]
    assert case_id == "01A"
    assert "was changed" in str(problem)
