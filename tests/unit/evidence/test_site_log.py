"""The log of the site: it survives restarts and crashes, and nobody changes it unseen."""

import json
import os
import shutil
import signal
import sys

import pytest

from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.algorithms import from_b64url
from ivr.evidence.canonical import canonical
from ivr.evidence.chained import link
from ivr.evidence.custody import Custodian, CustodyAction, append_custody
from ivr.evidence.heads import sign_head
from ivr.evidence.merkle import leaf_hash, root_of
from ivr.evidence.signer import CUSTODY_TYPE, FileSigner
from ivr.evidence.site_log import SiteLog
from ivr.evidence.verification import verify_here

NOBODY = {"actor": "Nguyễn An", "reason": "YC 12/2026"}


def lines_of(site):
    return site.log_path.read_bytes().splitlines(keepends=True)


def records_of(site):
    return [json.loads(line) for line in lines_of(site)]


def head_of(site):
    signed = json.loads((site.root / "site-log.head.jws").read_bytes())
    return json.loads(from_b64url(signed["payload"]))


def note(site, path, log=None):
    custodian = Custodian(site.signer, site.clock, log or site.log)
    return append_custody(path, CustodyAction.VIEWED, custodian, **NOBODY)


def both_files(site):
    return {
        name: (site.root / name).read_bytes() for name in ("site-log.jsonl", "site-log.head.jws")
    }


def put_back(site, files):
    for name, data in files.items():
        (site.root / name).write_bytes(data)


def told(log):
    done = log.reconcile()
    return done.entered, done.unreadable


def is_right(site):
    """The head is signed over what stands in the log, to the last line."""
    head, lines = head_of(site), lines_of(site)
    assert head["size"] == len(lines)
    assert head["root"] == root_of(leaf_hash(line[:-1]) for line in lines).hex()
    assert head["chain"] == json.loads(lines[-1])["chain"]
    return True


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
    note(site, path, SiteLog.resume(site.root, "dak-lak", site.signer, site.clock))
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
    note(site, path, SiteLog.resume(site.root, "dak-lak", site.signer, site.clock))
    assert is_right(site)
    assert [r["event"] for r in records_of(site)] == ["begun", "sealed", "sealed", "custody"]
    site.open_log()


def test_what_other_processes_add_is_seen_at_the_next_turn(site):
    path = site.sealed("01A").path
    note(site, path, SiteLog.resume(site.root, "dak-lak", site.signer, site.clock))
    site.sealed("01B")
    note(site, path, SiteLog.resume(site.root, "dak-lak", site.signer, site.clock))
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
    note(site, path, SiteLog.resume(site.root, "dak-lak", site.signer, site.clock))
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


# --- what is refused ------------------------------------------------------------------------------


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
    "a command": lambda site: SiteLog.resume(site.root, "dak-lak", site.signer, site.clock),
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


def chained_anew(lines, change):
    """Lines after ``change``, numbered and chained again: no key is needed for that."""
    records = [json.loads(line) for line in lines]
    previous = records[0]["previous"]
    change(records)
    anew = []
    for n, record in enumerate(records):
        fields = {k: v for k, v in record.items() if k not in {"n", "previous", "chain"}}
        anew.append(link(fields, n, previous))
        previous = anew[-1]["chain"]
    return b"".join(canonical(record) + b"\n" for record in anew)


@pytest.mark.parametrize("way", ["open", "resume"])
def test_a_log_chained_anew_without_a_line_is_not_the_one_that_was_signed(site, way):
    path = site.sealed("01A").path
    for _ in range(3):
        note(site, path)
    lines = lines_of(site)
    added = json.loads(lines[-1])
    site.log_path.write_bytes(chained_anew(lines, lambda r: (r.pop(2), r.append({**added}))))
    with pytest.raises(EvidenceError, match="are not those that were signed"):
        note(site, path, getattr(SiteLog, way)(site.root, "dak-lak", site.signer, site.clock))


def test_lines_that_somebody_added_are_not_signed_afterwards(site):
    path = site.sealed("01A").path
    lines = lines_of(site)
    more = [json.loads(lines[1]) | {"case_id": name} for name in ("01X", "01Y")]
    site.log_path.write_bytes(chained_anew(lines, lambda r: r.extend(more)))
    with pytest.raises(EvidenceError, match="nobody signed the last 2 lines"):
        site.open_log()
    with pytest.raises(EvidenceError, match="nobody signed the last 2 lines"):
        note(site, path, SiteLog.resume(site.root, "dak-lak", site.signer, site.clock))


@pytest.mark.parametrize("way", ["open", "resume"])
def test_a_missing_head_stops_the_site(site, way):
    path = site.sealed("01A").path
    (site.root / "site-log.head.jws").unlink()
    with pytest.raises(EvidenceError, match="there are 2 lines and no site-log"):
        note(site, path, getattr(SiteLog, way)(site.root, "dak-lak", site.signer, site.clock))


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
    note_fails = SiteLog.resume(site.root, "dak-lak", site.signer, site.clock)
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
