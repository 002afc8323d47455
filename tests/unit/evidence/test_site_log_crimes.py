"""Crimes against the log of the site: it stops the site, and what is there is not overwritten."""

import json
import shutil

import pytest

from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical
from ivr.evidence.chained import link
from ivr.evidence.heads import sign_head
from ivr.evidence.signer import CUSTODY_TYPE, FileSigner
from ivr.evidence.site_log import SiteLog
from tests.fakes.logged_site import (
    both_files,
    chained_anew,
    head_of,
    lines_of,
    note,
    put_back,
    records_of,
    resumed,
)


@pytest.mark.parametrize("loss", ["deleted", "emptied"])
def test_a_lost_log_is_not_started_anew_beside_sealed_cases(site, loss):
    site.sealed("01A")
    site.log_path.unlink()
    if loss == "emptied":
        site.log_path.touch()
    with pytest.raises(EvidenceError, match="missing or empty, but 1 sealed"):
        site.open_log()


def test_log_head_and_cases_deleted_together_leave_a_site_that_never_was(site):
    """Nothing on this disk can tell: heads that were given away do."""
    site.sealed("01A")
    for path in (site.log_path, site.root / "site-log.head.jws"):
        path.unlink()
    shutil.rmtree(site.vault)
    site.open_log()
    assert [r["event"] for r in records_of(site)] == ["begun"]


CRIMES = {
    "the last line taken off": lambda lines: lines[:-1],
    "a line taken out": lambda lines: [*lines[:2], *lines[3:]],
    "a line doubled": lambda lines: [*lines[:3], *lines[2:]],
    "two lines exchanged": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "all but the beginning taken off": lambda lines: lines[:1],
    "one letter of a line changed": lambda lines: [
        *lines[:2],
        lines[2].replace(b'"viewed"', b'"played"'),
        *lines[3:],
    ],
    "half of the last line": lambda lines: [*lines[:-1], lines[-1][:40]],
}


FAR_FROM_THE_END = {"two lines exchanged", "one letter of a line changed"}
WAYS = {
    "a start": lambda site: site.open_log(),
    "a running process": lambda site: site.log,
    "a command": lambda site: resumed(site),
}


@pytest.mark.parametrize(
    ("crime", "way"),
    [
        (crime, way)
        for crime in CRIMES
        for way in WAYS
        # lines long past are read again by the next start, and by `ivr verify`
        if way == "a start" or crime not in FAR_FROM_THE_END
    ],
)
def test_a_log_that_was_changed_stops_the_site(site, crime, way):
    path = site.sealed("01A").path
    note(site, path)
    site.sealed("01B")
    note(site, path)
    site.log_path.write_bytes(b"".join(CRIMES[crime](lines_of(site))))
    before = both_files(site)
    with pytest.raises(EvidenceError, match=r"was changed|not as it was signed"):
        note(site, path, WAYS[way](site))
    assert both_files(site) == before


@pytest.mark.parametrize("way", ["a start", "a command"])
def test_a_log_chained_anew_without_a_line_is_not_the_one_that_was_signed(site, way):
    path = site.sealed("01A").path
    for _ in range(3):
        note(site, path)
    lines = lines_of(site)
    added = json.loads(lines[-1])
    site.log_path.write_bytes(chained_anew(lines, lambda r: (r.pop(2), r.append({**added}))))
    with pytest.raises(EvidenceError, match="are not those that were signed"):
        note(site, path, WAYS[way](site))


def test_lines_that_somebody_added_are_not_signed_afterwards(site):
    path = site.sealed("01A").path
    lines = lines_of(site)
    more = [json.loads(lines[1]) | {"case_id": name} for name in ("01X", "01Y")]
    site.log_path.write_bytes(chained_anew(lines, lambda r: r.extend(more)))
    with pytest.raises(EvidenceError, match="nobody signed the last 2 lines"):
        site.open_log()
    with pytest.raises(EvidenceError, match="nobody signed the last 2 lines"):
        note(site, path, resumed(site))


@pytest.mark.parametrize("way", ["a start", "a command"])
def test_a_missing_head_stops_the_site(site, way):
    path = site.sealed("01A").path
    (site.root / "site-log.head.jws").unlink()
    with pytest.raises(EvidenceError, match="there are 2 lines and no site-log"):
        note(site, path, WAYS[way](site))


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\xff", b'{"payload":7,"signatures":[]}'])
def test_a_head_that_is_none_stops_the_site(site, text):
    path = site.sealed("01A").path
    (site.root / "site-log.head.jws").write_bytes(text)
    with pytest.raises(EvidenceError, match="no signed head"):
        note(site, path)


def test_a_head_signed_by_another_key_stops_the_site(site, tmp_path):
    path = site.sealed("01A").path
    stranger = type(site)(tmp_path / "other")
    stranger.sealed("01A")
    shutil.copy(stranger.root / "site-log.head.jws", site.root / "site-log.head.jws")
    with pytest.raises(EvidenceError, match="a key that does not count here"):
        note(site, path)


def test_a_seal_that_does_not_continue_the_log_stops_the_site(site):
    for name in ("01A", "01B"):
        site.sealed(name)
    older = both_files(site)
    for name in ("01C", "01D"):
        site.sealed(name)
    put_back(site, older)
    shutil.rmtree(site.vault / "01C")
    with pytest.raises(EvidenceError, match="01D is not in the log"):
        site.open_log()


def test_the_log_of_another_site_is_refused(site):
    with pytest.raises(EvidenceError, match="was changed"):
        SiteLog.open(site.root, "gia-lai", site.signer, site.clock)


def test_a_sealed_case_without_a_readable_manifest_stops_the_site_with_its_name(site):
    path = site.sealed("01A").path
    copy = shutil.copytree(path, site.vault / "01COPY")
    (copy / "manifest.json").chmod(0o600)
    (copy / "manifest.json").write_bytes(b"{}")
    with pytest.raises(EvidenceError, match="01COPY"):
        site.open_log()


def test_the_log_may_not_shrink_under_a_running_process(site):
    site.sealed("01A")
    site.log_path.write_bytes(site.log_path.read_bytes()[:50])
    folder = site.open_case("01B")
    with pytest.raises(EvidenceError, match="shorter than it was"):
        site.seal(folder)
    folder.release()


def test_a_case_that_no_key_of_the_site_sealed_is_never_told(site, tmp_path):
    """Somebody who may write into the data folder lays a case there that continues the log, and
    the line that would tell of it."""
    site.sealed("01A")
    stranger = type(site)(tmp_path / "stranger")
    for name in ("site-log.jsonl", "cases"):
        _replace(stranger.root / name, site.root / name)
    (stranger.root / "site-log.head.jws").write_bytes(_head_by(stranger, site))
    stranger.log = stranger.open_log()
    false = stranger.sealed("01FALSE").path
    pending = lines_of(stranger)[-1].rstrip(b"\n")
    shutil.copytree(false, site.vault / "01FALSE")
    (site.root / "site-log.pending.json").write_bytes(pending)
    before = both_files(site)
    note_fails = resumed(site)
    with note_fails.turn() as turn:
        assert turn.size == 2
    assert both_files(site) == before
    with pytest.raises(EvidenceError, match="its seal does not hold"):
        site.open_log()


def test_custody_that_no_key_of_the_site_signed_is_never_told(site, tmp_path):
    path = site.sealed("01A").path
    entry = link({"action": "viewed", "at": "2026-11-25T03:00:00.000000Z"}, 1, custody_head(path))
    other = FileSigner.open(tmp_path / "other.pem")
    with (path / "custody.jsonl").open("ab") as file:
        file.write(canonical(entry) + b"\n")
    forged = canonical(other.sign(canonical(entry), CUSTODY_TYPE))
    (path / "custody.head.jws").write_bytes(forged)
    before = both_files(site)
    ((case_id, problem),) = site.open_log().reconcile().unreadable
    assert case_id == "01A"
    assert "a key that does not count here" in problem.why
    assert both_files(site) == before


def custody_head(path):
    return json.loads((path / "custody.jsonl").read_bytes().splitlines()[-1])["chain"]


def _replace(target, source):
    if target.is_dir():
        shutil.rmtree(target)
    shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)


def _head_by(stranger, site):
    """The head of ``site``'s log, signed by the stranger."""
    head = head_of(site)
    told = (head["site"], head["size"], head["root"], head["chain"], head["at"])
    return sign_head(*told, stranger.signer)
