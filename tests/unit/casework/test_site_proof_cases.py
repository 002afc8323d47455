"""`ivr verify` on a whole site: crimes against its cases that no single case can show."""

import shutil

import pytest

from ivr.evidence import events
from ivr.evidence.canonical import canonical
from ivr.evidence.signer import CUSTODY_TYPE
from tests.fakes.evidence_site import Site
from tests.fakes.logged_site import (
    CASES,
    both_files,
    chained_anew,
    failed,
    put_back,
    viewed,
)


def test_a_case_taken_away(crime_scene):
    shutil.rmtree(crime_scene.vault / "01B")
    assert failed(crime_scene) == {"cases in their place": "01B is missing"}


def test_two_cases_exchanged(crime_scene):
    (crime_scene.vault / "01A").rename(crime_scene.vault / "x")
    (crime_scene.vault / "01B").rename(crime_scene.vault / "01A")
    (crime_scene.vault / "x").rename(crime_scene.vault / "01B")
    found = failed(crime_scene)["cases in their place"]
    assert "01A is another case than the one that was sealed" in found
    assert "01B is another case" in found


def test_a_case_of_another_site_put_in(crime_scene, tmp_path):
    other = Site(tmp_path / "other")
    shutil.copytree(other.sealed("01Z").path, crime_scene.vault / "01Z")
    assert failed(crime_scene) == {"no other cases": "sealed, and not in the log: 01Z"}


def test_the_seal_of_a_case_broken(crime_scene):
    (crime_scene.vault / "01C" / "manifest.jws").unlink()
    found = failed(crime_scene)
    assert found == {"cases in their place": "01C has no seal any more"}


def test_a_case_that_is_not_sealed_yet_is_no_crime(crime_scene):
    folder = crime_scene.open_case("01OPEN")
    assert failed(crime_scene) == {}
    folder.release()


def test_custody_put_back_to_an_older_state_with_its_head(crime_scene):
    """The case alone verifies; only the log knows that there was more."""
    case = crime_scene.vault / "01A"
    older = {name: (case / name).read_bytes() for name in ("custody.jsonl", "custody.head.jws")}
    viewed(crime_scene)
    for name, data in older.items():
        (case / name).write_bytes(data)
    found = failed(crime_scene)
    assert found.keys() == {"custody"}
    assert "3 entries followed the seal, 2 are there" in found["custody"]


def custody_anew(site, case_id, change):
    """Custody changed, chained again and signed by the site's own key."""
    path = site.vault / case_id / "custody.jsonl"
    path.write_bytes(chained_anew(path.read_bytes().splitlines(), change))
    last = path.read_bytes().splitlines()[-1]
    head = canonical(site.signer.sign(last, CUSTODY_TYPE))
    path.with_name("custody.head.jws").write_bytes(head)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r[1].update(actor="nobody"), "another than the one that the log tells"),
        (lambda r: r.pop(1), "2 entries followed the seal, 1 are there"),
        (lambda r: r.append(r[-1] | {"actor": "nobody"}), "1 entries are not in the log"),
        (lambda r: r[2].update(at="2026-11-24T00:00:00.000000Z"), "another than the one"),
    ],
    ids=["a name changed", "an entry out", "an entry in", "a time changed"],
)
def test_custody_changed_and_signed_anew_by_the_same_key(crime_scene, change, said):
    custody_anew(crime_scene, "01A", change)
    found = failed(crime_scene)
    assert found.keys() == {"custody"}
    assert said in found["custody"]


def test_custody_cut_without_its_head(crime_scene):
    path = crime_scene.vault / "01A" / "custody.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert "custody does not end where it was signed" in failed(crime_scene)["custody"]


def test_an_entry_that_a_crash_kept_out_of_the_log_is_named_until_it_is_told(crime_scene):
    older = both_files(crime_scene)
    viewed(crime_scene, "01C")
    put_back(crime_scene, older)
    assert "01C: 1 entries are not in the log: `ivr recover`" in failed(crime_scene)["custody"]
    crime_scene.open_log().reconcile()
    assert failed(crime_scene) == {}


def test_what_was_left_half_done_is_named(crime_scene):
    with crime_scene.log.turn() as turn:
        turn.intend(events.custody("01A", 3, "a" * 64, "viewed", "2026-11-25T00:00:00.000000Z"))
    assert "ivr recover" in failed(crime_scene)["nothing half done"]
    crime_scene.open_log()
    assert failed(crime_scene) == {}


def test_a_deep_proof_looks_at_every_case(crime_scene):
    looked_at, told = [], []

    def whole_case(path):
        looked_at.append(path.name)
        return "files: derived/caller.wav was changed" if path.name == "01B" else ""

    found = failed(
        crime_scene, whole_case=whole_case, progress=lambda done, of: told.append((done, of))
    )
    assert found == {"each case whole": "01B: files: derived/caller.wav was changed"}
    assert looked_at == list(CASES)
    assert told == [(1, 3), (2, 3), (3, 3)]
