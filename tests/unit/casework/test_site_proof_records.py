"""`ivr verify` on a whole site: deletions and keys, each told in two places."""

import json
import shutil

import pytest

from ivr.casework.keeping import Keeper
from ivr.casework.purging import BY_HAND, Order
from ivr.casework.site_proof import prove_site
from ivr.casework.site_state import SiteTrust
from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.site_log import SiteLog
from ivr.settings import EvidenceSettings
from tests.fakes.evidence_site import Site
from tests.fakes.kept_site import KeptSite
from tests.fakes.logged_site import (
    both_files,
    failed,
    forge,
    lines_of,
    note,
    signed_anew,
)


@pytest.fixture
def purged(quick_disk):
    """A site with one case deleted on record and one that stays."""
    site = KeptSite(quick_disk / "purged")
    site.case("01GONE")
    site.case("01STAYS")
    backup = shutil.copytree(site.vault / "01GONE", quick_disk / "backup")
    order = Order("01GONE", "Hoa", "hết hạn lưu", BY_HAND, "scam")
    site.run(lambda keeper: keeper.purger.purge(order))
    return site, backup


def test_a_case_deleted_on_record_is_not_missing(purged):
    site, _ = purged
    assert failed(site) == {}
    steps = {step.name: step.detail for step in prove_site(site.root, SiteTrust())}
    assert steps["deletions"] == "1 cases deleted, each with its tombstone"
    assert steps["cases in their place"].startswith("1 cases")


def test_a_deleted_case_that_came_back(purged):
    site, backup = purged
    shutil.copytree(backup, site.vault / "01GONE")
    assert failed(site)["deletions"] == "01GONE was deleted, and is there again"


def test_a_deletion_that_a_crash_cut_off_is_named_and_no_crime(purged):
    site, backup = purged
    shutil.copytree(backup, site.vault / "01GONE")
    (site.root / "tombstones" / ".01GONE.purging").touch()
    assert failed(site) == {}
    steps = {step.name: step.detail for step in prove_site(site.root, SiteTrust())}
    assert steps["deletions"].endswith("still at work on 01GONE")


def test_a_tombstone_taken_away_or_changed(purged):
    site, _ = purged
    stone = site.root / "tombstones" / "01GONE.jws.json"
    whole = stone.read_bytes()
    stone.chmod(0o600)
    stone.write_bytes(whole.replace(b'"signature":"', b'"signature":"A', 1))
    assert "its tombstone does not count" in failed(site)["deletions"]
    stone.unlink()
    assert "its tombstone does not count" in failed(site)["deletions"]


def test_a_tombstone_of_which_the_log_does_not_tell(purged):
    """A case taken away, with a tombstone that the thief signed and did not tell the log."""
    site, _ = purged
    stones = site.root / "tombstones"
    shutil.copy(stones / "01GONE.jws.json", stones / "01STAYS.jws.json")
    shutil.rmtree(site.vault / "01STAYS")
    found = failed(site)
    assert found["cases in their place"] == "01STAYS is missing"
    assert "does not tell of the tombstone 01STAYS.jws.json" in found["deletions"]


@pytest.fixture
def rotated(crime_scene):
    """After a rotation and the revocation of the first key; the first key's file is the thief's."""
    room = KeyRoom(EvidenceSettings(site="dak-lak"), crime_scene.root, crime_scene.clock)
    stolen = crime_scene.signer
    done = room.rotate()
    room.revoke(done.former, "lost with a laptop")
    fresh = Site(crime_scene.root, clock=crime_scene.clock)
    fresh.stolen = stolen
    return fresh


def test_keys_that_followed_count_and_old_heads_of_a_revoked_one_too(rotated):
    rotated.sealed("01NEW")
    assert failed(rotated) == {}
    steps = {step.name: step.detail for step in prove_site(rotated.root, SiteTrust())}
    assert "keyring of 2 keys" in steps["keys"]
    assert "2 changes of keys are in the log" in steps["keys"]


def test_a_head_signed_with_a_revoked_key_after_its_revocation(rotated):
    rotated.sealed("01NEW")
    signed_anew(rotated, rotated.stolen)
    assert "a key that does not count here" in failed(rotated)["signed head"]


def test_a_process_that_still_has_the_revoked_key_signs_nothing_more(rotated):
    before = both_files(rotated)
    late = SiteLog.resume(rotated.root, "dak-lak", rotated.stolen, rotated.clock)
    with pytest.raises(EvidenceError, match="was revoked"):
        note(rotated, rotated.vault / "01A", late)
    assert both_files(rotated) == before
    assert failed(rotated) == {}


def test_a_change_of_keys_of_which_the_log_does_not_tell(rotated):
    forge(rotated, lambda records: records.pop())
    signed_anew(rotated)
    assert "the log does not tell that" in failed(rotated)["keys"]


def test_a_keyring_cut_short(rotated):
    ring = rotated.root / "keys" / "keyring.jsonl"
    ring.chmod(0o600)
    ring.write_bytes(b"".join(ring.read_bytes().splitlines(keepends=True)[:1]))
    assert "tells of a key that the keyring lacks" in failed(rotated)["keys"]


def test_the_digest_of_a_tombstone_is_that_of_the_file(purged):
    site, _ = purged
    told = json.loads(lines_of(site)[-1])
    stone = site.root / "tombstones" / "01GONE.jws.json"
    assert told["tombstone_sha256"] == sha256_hex(stone.read_bytes())


# --- encrypted cases ------------------------------------------------------------------------------


def test_an_encrypted_case_is_in_its_place_and_another_is_not(quick_disk):
    site = KeptSite.encrypting(quick_disk / "encrypted")
    path = site.case("01LOCKED")
    assert site.run(Keeper.lock) == ("01LOCKED",)
    assert failed(site) == {}
    stated = json.loads((path / "locked.json").read_bytes())
    (path / "locked.json").chmod(0o600)
    (path / "locked.json").write_bytes(canonical(stated | {"seal_sha256": "a" * 64}))
    assert "01LOCKED is another case" in failed(site)["cases in their place"]
