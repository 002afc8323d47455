"""Whose key sealed a case, and until when it could: rotation, theft, revocation."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from ivr.casework.exporting import export_bag
from ivr.casework.key_proof import KeyTrust, key_steps, own_trust
from ivr.casework.proof import prove_files
from ivr.cli.main import app
from ivr.evidence.bag_check import bagged_case
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.signer import FileSigner
from ivr.settings import EvidenceSettings
from tests.fakes.authority import Authority, pem_file
from tests.fakes.evidence_site import AT_SITE, Site, SteppingClock
from tests.fakes.judged_case import judged_case

EVIDENCE = EvidenceSettings(site="dak-lak")
AFTER = "01JDHZ0000000000000000AFTER"


def room(root):
    return KeyRoom(EVIDENCE, root, SteppingClock())


def judged(case, trust):
    (step,) = key_steps(case, 1, trust)
    return step.ok, step.detail


class Theft:
    """A site that sealed a case, whose key was then stolen, rotated and revoked; and the thief's
    own case, sealed with the stolen key on a copy of the data folder."""

    def __init__(self, root):
        self.site = Site(root)
        self.before = judged_case(self.site)
        self.thief_root = root.parent / "thief"
        shutil.copytree(root, self.thief_root)
        self.stolen = self.site.signer.key_sha256
        done = room(root).rotate()
        self.former = done.kept
        room(root).revoke(self.stolen, "máy chủ bị xâm nhập")
        thief = Site(self.thief_root)
        self.forged = thief.sealed(AFTER).path
        self.after = Site(root).sealed(AFTER).path
        self.own = own_trust(root)


@pytest.fixture(scope="module")
def theft(tmp_path_factory):
    return Theft(tmp_path_factory.mktemp("theft") / "ivr-data")


def test_a_case_of_the_new_key_is_led_to_from_the_first(theft):
    ok, said = judged(theft.after, theft.own)
    assert ok, said
    assert "endorsed by" in said


def test_a_case_from_before_the_theft_holds_when_the_log_shows_it(theft):
    ok, said = judged(theft.before, theft.own)
    assert ok, said
    assert "máy chủ bị xâm nhập" in said
    assert "sealed before, as line 1" in said


def test_without_log_and_proof_it_does_not(theft):
    ok, said = judged(theft.before, KeyTrust(theft.own.trusted, theft.own.keyring))
    assert not ok
    assert "nothing shows that the seal is older" in said


def test_a_case_that_the_thief_sealed_after_the_revocation_is_refused(theft):
    ok, said = judged(theft.forged, theft.own)
    assert not ok, said


def test_the_thief_s_own_log_and_head_do_not_help(theft):
    """Its head is signed by the stolen key, which the keyring knows as revoked."""
    trust = KeyTrust(theft.own.trusted, theft.own.keyring, theft.thief_root)
    ok, said = judged(theft.forged, trust)
    assert not ok
    assert "does not count here" in said


def test_with_the_thief_s_old_keyring_it_holds_so_the_newest_must_be_asked_for(theft):
    """What no signature can tell: a reader whose keyring is older than the theft."""
    ok, _ = judged(theft.forged, own_trust(theft.thief_root))
    assert ok


def test_every_step_of_verify_holds_for_both_and_not_for_the_thief_s(theft):
    log = theft.site.root / "site-log.jsonl"
    for case, is_good in ((theft.before, True), (theft.after, True), (theft.forged, False)):
        steps = prove_files(case, theft.own.trusted, log, keys=theft.own)
        wrong = [step for step in steps if not step.ok and not step.name.startswith("recordings ")]
        assert (not wrong) is is_good, wrong


@pytest.fixture(scope="module")
def bag(theft, tmp_path_factory):
    target = tmp_path_factory.mktemp("export") / "bag"
    custodian = Site(theft.site.root).custodian
    export_bag(theft.before, target, custodian, actor="Hạnh", reason="yêu cầu 12/2026")
    return target


def test_an_export_carries_what_shows_it_without_the_site(theft, bag):
    trusted = KeyTrust(theft.own.trusted)
    ok, said = judged(bagged_case(bag), trusted)
    assert ok, said
    assert "sealed before" in said
    wrong = [s for s in prove_files(bag, theft.own.trusted, None, keys=trusted) if not s.ok]
    assert [s.name for s in wrong if not s.name.startswith("recordings ")] == [], wrong


def test_an_export_with_another_keyring_than_the_reader_s_is_refused(theft, bag, tmp_path):
    stranger = Site(tmp_path / "stranger")
    trust = KeyTrust(None, stranger.root / "keys" / "keyring.jsonl")
    ok, said = judged(bagged_case(bag), trust)
    assert not ok
    assert "carries another one" in said


def test_trust_does_not_lead_backwards(theft):
    newest = theft.site.root / "keys" / "site.pub.pem"
    ok, said = judged(theft.before, KeyTrust(newest, theft.own.keyring, theft.site.root))
    assert not ok
    assert "does not lead" in said


def test_a_stranger_s_key_is_not_known(theft, site):
    ok, said = judged(site.sealed().path, KeyTrust(None, theft.own.keyring))
    assert not ok
    assert "does not know the key" in said


def test_without_a_keyring_the_key_itself_is_compared(site, tmp_path):
    case = shutil.copytree(site.sealed().path, tmp_path / "copy")
    assert judged(case, KeyTrust(site.public_key))[0]
    assert judged(case, KeyTrust())[0]
    other = tmp_path / "other.pub.pem"
    other.write_bytes(FileSigner.open(tmp_path / "other.pem").public_pem)
    ok, said = judged(case, KeyTrust(other))
    assert not ok
    assert "not the trusted key" in said


@pytest.mark.parametrize("name", ["signer.pem", "manifest.jws"])
def test_broken_input_is_an_answer_and_no_crash(copy_of_case, name):
    (copy_of_case / name).write_bytes(b"\xff")
    assert not all(step.ok for step in key_steps(copy_of_case, 1, KeyTrust()))


def verified(root, *arguments):
    """Exit code of `ivr verify`, and the names of the steps that do not hold."""
    line = ["--data", root, "verify", *arguments, "--json"]
    done = CliRunner(env=AT_SITE).invoke(app, [str(each) for each in line])
    assert done.exit_code in (0, 1), done.exception
    steps = json.loads(done.stdout)["steps"]
    return done.exit_code, {step["name"] for step in steps if not step["ok"]}


def test_the_command_knows_the_installation_s_own_keys(theft):
    assert verified(theft.site.root, theft.before) == (0, set())
    code, wrong = verified(theft.site.root, theft.forged)
    assert code == 1
    assert wrong >= {"key of the site", "signing key"}


def test_the_command_takes_key_and_keyring_of_another_site(theft, bag, tmp_path):
    here = tmp_path / "elsewhere"
    known = ("--key", theft.own.trusted)
    assert verified(here, bag, *known) == (0, set())
    assert verified(here, bag, *known, "--keyring", theft.own.keyring) == (0, set())
    code, wrong = verified(here, theft.before, *known, "--keyring", theft.own.keyring)
    assert code == 1  # a bare copy, without the log that shows its age
    assert wrong == {"key of the site", "signing key"}


def test_the_command_demands_a_certificate_when_an_authority_is_named(theft, bag, tmp_path):
    authority = pem_file(tmp_path / "ca.pem", Authority("CA").certificate)
    code, wrong = verified(tmp_path, bag, "--key", theft.own.trusted, "--key-ca", authority)
    assert (code, wrong) == (1, {"certificate"})
