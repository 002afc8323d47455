"""A new key, an old one withdrawn: usable after a kill at any moment, and told in log and ring."""

import json
import shutil
import stat

import pytest

from ivr.casework.site_proof import prove_site
from ivr.casework.site_state import SiteTrust
from ivr.errors import EvidenceError, IvrError, UsageError
from ivr.evidence.keyring import Keyring, keyring_path
from ivr.evidence.rotation import KeyRoom, kept_path
from ivr.evidence.signer import FileSigner, public_path
from ivr.evidence.signing import open_signer, public_file
from ivr.evidence.site_log import SiteLog
from ivr.settings import EvidenceSettings
from tests.fakes.evidence_site import Site, SteppingClock, dies_in
from tests.fakes.soft_token import EC, RSA, openssl

EVIDENCE = EvidenceSettings(site="dak-lak")


def room(root, by=None, **settings):
    return KeyRoom(EvidenceSettings(site="dak-lak", **settings), root, SteppingClock(), by)


def ring_of(root):
    ring = Keyring.of_site(root)
    assert ring is not None
    return ring


def events_of(root):
    lines = (root / "site-log.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def root(site):
    return site.root


def test_the_new_key_is_endorsed_by_the_old_one_which_is_kept_aside(root):
    old = open_signer(EVIDENCE, root)
    done = room(root).rotate()
    new = open_signer(EVIDENCE, root)
    assert (done.former, done.present.key_sha256) == (old.key_sha256, new.key_sha256)
    assert ring_of(root).newest.signed_by == old.key_sha256
    assert done.kept == root / "keys" / f"site-{old.key_sha256[:8]}.pem"
    assert FileSigner.read(done.kept).key_sha256 == old.key_sha256
    assert stat.S_IMODE(done.kept.stat().st_mode) == 0o600
    assert public_path(done.kept).read_bytes() == old.public_pem
    assert public_file(EVIDENCE, root).read_bytes() == new.public_pem
    assert (root / "keys" / "first.pub.pem").read_bytes() == old.public_pem


def test_the_site_log_tells_of_it(root):
    done = room(root).rotate()
    told = events_of(root)[-1]
    assert told["event"] == "key_endorsed"
    assert told["key_sha256"] == done.present.key_sha256
    assert told["keyring_sha256"] == ring_of(root).lines[-1].sha256
    assert ring_of(root).lines[-1].log_size == told["n"]


def test_a_seal_after_it_is_by_the_new_key_and_the_log_goes_on(site):
    site.sealed("01JDHZ0000000000000000ONE1")
    room(site.root).rotate()
    after = Site(site.root)
    path = after.sealed("01JDHZ0000000000000000TWO2").path
    assert (path / "signer.pem").read_bytes() == after.signer.public_pem
    assert after.signer.key_sha256 == ring_of(site.root).newest.key_sha256
    assert all(step.ok for step in prove_site(site.root, SiteTrust()))


@pytest.mark.parametrize(("kind", "algorithm"), [(EC, "ES256"), (RSA, "RS256")])
def test_a_key_that_is_given_is_taken(root, tmp_path, kind, algorithm):
    given = tmp_path / "new.pem"
    given.write_bytes(openssl("genpkey", *kind))
    given.chmod(0o600)
    room(root).rotate(given)
    signer = open_signer(EVIDENCE, root)
    assert signer.algorithm == algorithm
    assert signer.key_sha256 == FileSigner.read(given).key_sha256


def test_a_key_that_others_may_read_is_not_taken(root, tmp_path):
    given = tmp_path / "new.pem"
    given.write_bytes(openssl("genpkey", *EC))
    given.chmod(0o644)
    before = keyring_path(root).read_bytes()
    with pytest.raises(EvidenceError, match="others may read it"):
        room(root).rotate(given)
    assert keyring_path(root).read_bytes() == before


def test_a_former_key_is_never_taken_again(root):
    done = room(root).rotate()
    with pytest.raises(EvidenceError, match="is or was a key of this site"):
        room(root).rotate(done.kept)
    assert open_signer(EVIDENCE, root).key_sha256 == done.present.key_sha256


def test_from_a_file_onto_a_token_and_back(root, token):
    held = token.settings("rsa")
    file = open_signer(EVIDENCE, root)
    assert open_signer(EvidenceSettings(site="dak-lak", **held), root).key_sha256 == file.key_sha256
    onto = room(root, **held).rotate(onto_token=True)
    assert "token site" in onto.place
    assert not (root / "keys" / "site.pem").exists()
    assert FileSigner.read(onto.kept).key_sha256 == file.key_sha256
    back = room(root, **held).rotate()
    assert back.kept is None
    assert back.former == onto.present.key_sha256
    assert open_signer(EVIDENCE, root).key_sha256 == back.present.key_sha256


def test_from_one_key_of_a_token_to_another(root, token):
    room(root, **token.settings("rsa")).rotate(onto_token=True)
    done = room(root, **token.settings("ec")).rotate(onto_token=True)
    signer = open_signer(EvidenceSettings(site="dak-lak", **token.settings("rsa")), root)
    assert signer.key_sha256 == done.present.key_sha256  # found whatever the label says


def test_a_token_that_is_not_set_is_no_place_to_rotate_to(root):
    with pytest.raises(UsageError, match="no token"):
        room(root).rotate(onto_token=True)


def test_a_site_on_a_token_needs_no_key_file(tmp_path, token):
    evidence = EvidenceSettings(site="dak-lak", **token.settings("ec"))
    signer = open_signer(evidence, tmp_path)
    assert signer.algorithm == "ES256"
    assert not (tmp_path / "keys" / "site.pem").exists()
    assert public_file(evidence, tmp_path).read_bytes() == signer.public_pem


def test_a_key_file_that_was_exchanged_by_hand_is_refused(root):
    path = root / "keys" / "site.pem"
    path.unlink()
    stranger = FileSigner.open(path)
    with pytest.raises(EvidenceError, match="not there") as caught:
        open_signer(EVIDENCE, root)
    assert stranger.key_sha256 in caught.value.why


def test_a_lost_key_is_replaced_by_the_word_of_a_former_one(root):
    first = room(root).rotate()
    (root / "keys" / "site.pem").unlink()
    with pytest.raises(EvidenceError, match="not there"):
        room(root).rotate()
    by = first.kept
    done = room(root, by=by).rotate()
    assert open_signer(EVIDENCE, root).key_sha256 == done.present.key_sha256
    assert ring_of(root).newest.signed_by == FileSigner.read(by).key_sha256
    room(root).revoke(first.present.key_sha256, "mất khóa")
    assert not ring_of(root).counts(first.present.key_sha256)


def test_a_revoked_key_has_no_word(root):
    first = room(root).rotate()
    room(root).revoke(first.former, "bị lấy cắp")
    with pytest.raises(EvidenceError, match="was revoked"):
        room(root, by=first.kept).rotate()


def test_a_revocation_stands_in_ring_and_log(root):
    done = room(root).rotate()
    size = len(events_of(root))
    line = room(root).revoke(done.former[:8], " bị lấy cắp ")
    assert (line.reason, line.log_size) == ("bị lấy cắp", size)
    told = events_of(root)[-1]
    assert (told["event"], told["key_sha256"]) == ("key_revoked", done.former)
    assert told["keyring_sha256"] == ring_of(root).lines[-1].sha256
    SiteLog.open(root, "dak-lak", open_signer(EVIDENCE, root), SteppingClock())


def test_the_key_in_use_is_not_revoked_nor_one_twice_nor_without_reason(root):
    done = room(root).rotate()
    before = keyring_path(root).read_bytes()
    for key, why, error in (
        (done.present.key_sha256, "x", EvidenceError),
        (done.former, " ", UsageError),
        ("0" * 64, "x", EvidenceError),
    ):
        with pytest.raises(error):
            room(root).revoke(key, why)
    assert keyring_path(root).read_bytes() == before
    room(root).revoke(done.former, "x")
    with pytest.raises(EvidenceError, match="revoked before"):
        room(root).revoke(done.former, "x")


def test_another_site_s_name_is_refused(root):
    with pytest.raises(EvidenceError, match="of the site 'dak-lak'"):
        KeyRoom(EvidenceSettings(site="gia-lai"), root, SteppingClock()).rotate()


def killed(forked, quick_disk, template, work):
    """A copy of ``template`` for each file operation of ``work`` at which it was killed."""

    def die(name, at):
        copy = quick_disk / str(name)
        shutil.copytree(template, copy)
        return copy, dies_in(forked, lambda: None, lambda _: work(copy), at)

    _, operations = die("whole", 0)
    assert operations > 20
    for at in range(1, operations + 1):
        yield at, die(at, at)[0]


def test_killed_at_any_moment_of_a_rotation_the_site_signs_and_the_next_one_succeeds(
    site, quick_disk, forked
):
    old = site.signer.key_sha256
    outcomes = set()
    for at, copy in killed(forked, quick_disk, site.root, lambda copy: room(copy).rotate()):
        after = Site(copy)  # as a restart does: opens signer and log
        ring = ring_of(copy)
        outcomes.add(len(ring.lines))
        assert after.signer.key_sha256 == ring.newest.key_sha256, at
        told = {e["keyring_sha256"] for e in events_of(copy) if e["event"] == "key_endorsed"}
        assert told == {line.sha256 for line in ring.lines[1:]}, at
        after.sealed()
        done = room(copy).rotate()
        assert open_signer(EVIDENCE, copy).key_sha256 == done.present.key_sha256
        assert FileSigner.read(kept_path(copy / "keys" / "site.pem", old)).key_sha256 == old, at
        hidden = [p.name for p in (copy / "keys").iterdir() if ".next" in p.name]
        assert hidden == [], at
    assert outcomes == {1, 2}  # kills came before and after the commit


def test_a_rotation_that_was_cut_off_behind_its_commit_is_finished_and_said(
    site, quick_disk, forked
):
    said = set()
    for at, copy in killed(forked, quick_disk, site.root, lambda copy: room(copy).rotate()):
        before = len(ring_of(copy).lines)
        done = room(copy).rotate()
        said.add(done.was_interrupted)
        if done.was_interrupted:
            assert len(ring_of(copy).lines) == before == 2, at
            assert open_signer(EVIDENCE, copy).key_sha256 == done.present.key_sha256
    assert said == {True, False}


def test_killed_at_any_moment_of_a_revocation_it_is_whole_or_not_there(site, quick_disk, forked):
    old = room(site.root).rotate().former
    outcomes = set()
    for at, copy in killed(
        forked, quick_disk, site.root, lambda copy: room(copy).revoke(old, "bị lấy cắp")
    ):
        after = Site(copy)
        is_revoked = not ring_of(copy).counts(old)
        outcomes.add(is_revoked)
        told = [e for e in events_of(copy) if e["event"] == "key_revoked"]
        assert len(told) == is_revoked, at
        after.sealed()
    assert outcomes == {True, False}


def test_every_trouble_is_a_typed_error(root):
    keyring_path(root).chmod(0o600)
    keyring_path(root).write_bytes(b"{}\n")
    with pytest.raises(IvrError, match="does not hold"):
        room(root).rotate()
