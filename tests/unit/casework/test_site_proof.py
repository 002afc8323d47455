"""`ivr verify` on a whole site: crimes against its log are found, and named."""

import shutil
import threading

import pytest

from ivr.casework.site_proof import prove_log, prove_site
from ivr.casework.site_state import SiteTrust
from ivr.errors import EvidenceError
from ivr.evidence.heads import publish
from tests.fakes.evidence_site import Site
from tests.fakes.logged_site import (
    CASES,
    both_files,
    failed,
    forge,
    lines_of,
    put_back,
    signed_anew,
    viewed,
)


def test_every_step_of_a_good_site_holds_and_says_what_was_looked_at(once):
    steps = {s.name: s for s in prove_site(once.root, SiteTrust(once.root / "keys/first.pub.pem"))}
    assert all(step.ok for step in steps.values())
    assert "7 lines of dak-lak, 3 seals" in steps["site log"].detail
    assert "over 7 lines" in steps["signed head"].detail
    assert "continues all 4" in steps["earlier heads"].detail
    assert "3 entries after the seals" in steps["custody"].detail


def test_without_a_key_it_says_that_no_key_was_compared(once):
    steps = {step.name: step for step in prove_log(once.root, SiteTrust())}
    assert all(step.ok for step in steps.values())
    assert "not compared with a key" in steps["keys"].detail


def test_a_folder_that_is_no_site_is_refused(tmp_path):
    with pytest.raises(EvidenceError, match="no data folder with a log"):
        prove_site(tmp_path, SiteTrust())


def test_a_house_that_goes_on_working_is_no_false_alarm(crime_scene):
    working, problems = threading.Event(), []

    def work():
        try:
            for n in range(12):
                crime_scene.sealed(f"01W{n}")
                viewed(crime_scene, "01C")
        except EvidenceError as problem:
            problems.append(problem)
        finally:
            working.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not working.is_set():
        assert failed(crime_scene) == {}
    worker.join()
    assert problems == []
    assert failed(crime_scene) == {}


UNSIGNED = {
    "the last line taken off": lambda lines: lines[:-1],
    "a line taken out": lambda lines: [*lines[:2], *lines[3:]],
    "a line doubled": lambda lines: [*lines[:3], *lines[2:]],
    "two lines exchanged": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "one letter changed": lambda lines: [lines[0].replace(b"dak-lak", b"dak-lam"), *lines[1:]],
    "half of the last line": lambda lines: [*lines[:-1], lines[-1][:40]],
    "all taken off": lambda lines: [],
}


@pytest.mark.parametrize("crime", UNSIGNED)
def test_the_log_changed(crime_scene, crime):
    crime_scene.log_path.write_bytes(b"".join(UNSIGNED[crime](lines_of(crime_scene))))
    assert failed(crime_scene).keys() & {"site log", "signed head"}


def test_any_bit_of_any_line_flipped(crime_scene):
    whole = crime_scene.log_path.read_bytes()
    for at in range(0, len(whole), 97):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        crime_scene.log_path.write_bytes(flipped)
        steps = prove_log(crime_scene.root, SiteTrust(crime_scene.root / "keys/first.pub.pem"))
        assert not all(step.ok for step in steps), f"byte {at}"


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records.pop(2),
        lambda records: records.insert(2, records[1] | {"case_id": "01X"}),
        lambda records: records.reverse(),
        lambda records: records.__setitem__(1, records[1] | {"seal_sha256": "a" * 64}),
        lambda records: records.pop(),
    ],
    ids=["a line out", "a line in", "turned round", "a seal exchanged", "the last line off"],
)
def test_the_log_changed_and_chained_anew_is_not_the_one_that_was_signed(crime_scene, change):
    def still_begun(records):
        change(records)
        records.sort(key=lambda record: record["event"] != "begun")

    forge(crime_scene, still_begun)
    assert "signed head" in failed(crime_scene)


def test_a_line_taken_out_and_the_head_signed_anew_by_the_same_key(crime_scene):
    """The thief has the key of the site; not the heads that were laid out before."""
    forge(crime_scene, lambda records: records.pop(2))
    signed_anew(crime_scene)
    found = failed(crime_scene)
    assert "signed head" not in found
    assert "not those that were signed" in found["earlier heads"]


def test_log_and_head_put_back_to_an_older_state_together(crime_scene):
    older = both_files(crime_scene)
    for _ in range(3):
        viewed(crime_scene)
    publish(crime_scene.root, crime_scene.root / "heads")
    put_back(crime_scene, older)
    found = failed(crime_scene)
    assert found["earlier heads"].startswith("10.jws: 10 lines were signed")
    assert "custody" in found


def test_a_whole_site_put_back_to_an_older_state_is_found_by_a_head_that_was_kept(
    crime_scene, tmp_path
):
    """Log, head, cases and laid out heads all come from the same backup: nothing in it is odd."""
    older = shutil.copytree(crime_scene.root, tmp_path / "backup")
    viewed(crime_scene)
    kept = shutil.copy(crime_scene.root / "site-log.head.jws", tmp_path / "kept.jws")
    back = Site(older)
    assert failed(back) == {}
    found = failed(back, held=[kept])
    assert found == {"heads that were kept": found["heads that were kept"]}
    assert "cut or put back" in found["heads that were kept"]


def test_an_older_head_put_in_place_of_the_present_one(crime_scene):
    shutil.copy(crime_scene.root / "heads" / "3.jws", crime_scene.root / "site-log.head.jws")
    assert "the last 4 lines are not signed" in failed(crime_scene)["signed head"]


def test_the_head_taken_away(crime_scene):
    (crime_scene.root / "site-log.head.jws").unlink()
    assert "is missing" in failed(crime_scene)["signed head"]


def test_a_head_among_the_earlier_ones_that_was_changed(crime_scene):
    file = crime_scene.root / "heads" / "3.jws"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b'"signature":"', b'"signature":"A', 1))
    assert failed(crime_scene).keys() == {"earlier heads"}


def test_a_head_of_another_site_held_against_it(crime_scene, tmp_path):
    other = Site(tmp_path / "other")
    found = failed(crime_scene, held=[other.root / "site-log.head.jws"])
    assert "a key that does not count here" in found["heads that were kept"]


def test_another_site_with_another_key_in_its_place(crime_scene, tmp_path):
    """All made anew by somebody who has not the key: complete, sound, and of another key."""
    other = Site(tmp_path / "other")
    for case_id in CASES:
        other.sealed(case_id)
    trust = SiteTrust(key=crime_scene.root / "keys" / "first.pub.pem")
    found = failed(other, trust=trust)
    assert {"signed head", "keys"} <= found.keys()
