"""The log of seals: its head survives restarts and an empty file is never a fresh start."""

import json
import os
import shutil

import pytest

from ivr.errors import EvidenceError
from ivr.evidence.site_log import SiteLog
from ivr.evidence.verify import verify_case


def test_the_head_survives_a_restart(site):
    site.sealed("01A")
    head = site.log.head
    assert site.open_log().head == head


@pytest.mark.parametrize("loss", ["deleted", "emptied"])
def test_a_lost_log_is_not_started_anew_beside_sealed_cases(site, loss):
    site.sealed("01A")
    site.log_path.unlink()
    if loss == "emptied":
        site.log_path.touch()
    with pytest.raises(EvidenceError, match="missing or empty, but 1 sealed"):
        site.open_log()


def test_a_first_start_that_was_cut_off_can_be_repeated(site):
    site.log_path.write_bytes(b'{"at":"20')
    assert site.open_log().missing_cases() == ()
    assert all(s.ok for s in verify_case(site_sealed_path(site), None, site.log_path))


def site_sealed_path(site):
    site.log = site.open_log()
    return site.sealed("01A").path


def test_a_seal_that_a_crash_kept_out_of_the_log_is_added_at_the_next_start(site):
    site.sealed("01A")
    second = site.sealed("01B")
    lines = site.log_path.read_bytes().splitlines(keepends=True)
    site.log_path.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    site.open_log()
    assert site.log_path.read_bytes().splitlines(keepends=True) == lines
    assert all(s.ok for s in verify_case(second.path, None, site.log_path))


def test_a_seal_that_does_not_continue_the_log_stops_the_site(site):
    for name in ("01A", "01B", "01C"):
        site.sealed(name)
    lines = site.log_path.read_bytes().splitlines(keepends=True)
    site.log_path.write_bytes(b"".join(lines[:-2]))
    shutil.rmtree(site.vault / "01B")
    with pytest.raises(EvidenceError, match="01C is not in the log"):
        site.open_log()


def test_a_changed_line_stops_the_site(site):
    site.sealed("01A")
    site.log_path.write_bytes(site.log_path.read_bytes().replace(b"01A", b"01Z"))
    with pytest.raises(EvidenceError, match="was changed"):
        site.open_log()


def test_the_log_of_another_site_is_refused(site):
    with pytest.raises(EvidenceError, match="was changed"):
        SiteLog.open(site.log_path, site.vault, "gia-lai", site.clock)


def test_a_case_taken_out_of_the_vault_is_missed(site):
    site.sealed("01A")
    site.sealed("01B")
    shutil.rmtree(site.vault / "01A")
    assert site.open_log().missing_cases() == ("01A",)


def test_a_sealed_case_without_a_readable_manifest_stops_the_site_with_its_name(site):
    path = site.sealed("01A").path
    copy = shutil.copytree(path, site.vault / "01COPY")
    (copy / "manifest.json").chmod(0o600)
    (copy / "manifest.json").write_bytes(b"{}")
    with pytest.raises(EvidenceError, match="01COPY"):
        site.open_log()


def test_two_processes_seal_in_turn_into_one_log(site, forked):
    """Two real processes, five seals each: one chain, no number twice."""
    make_site, root = type(site), site.root

    def seal_five(who):
        own = make_site(root)
        for n in range(5):
            own.sealed(f"01{who}{n}")

    children = [forked(lambda who=who: seal_five(who)) for who in "AB"]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    site.open_log()
    entries = [json.loads(line) for line in site.log_path.read_bytes().splitlines()]
    assert [e["n"] for e in entries] == list(range(11))
    assert len({e["case_id"] for e in entries[1:]}) == 10
    for path in site.vault.iterdir():
        assert all(s.ok for s in verify_case(path, site.public_key, site.log_path))


def test_the_log_may_not_shrink_under_a_running_process(site):
    site.sealed("01A")
    site.log_path.write_bytes(site.log_path.read_bytes()[:50])
    folder = site.open_case("01B")
    with pytest.raises(EvidenceError, match="shorter than it was"):
        site.seal(folder)
    folder.release()
