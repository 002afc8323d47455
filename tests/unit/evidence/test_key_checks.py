"""What `ivr doctor` says about keys, keyring and certificate."""

from datetime import UTC, datetime, timedelta

import pytest

from ivr import key_checks
from ivr.checks import Level
from ivr.errors import IvrError
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.signer import FileSigner
from ivr.evidence.signing import open_signer
from ivr.settings import EvidenceSettings, Settings, StorageSettings
from tests.fakes.authority import Authority, pem_file
from tests.fakes.evidence_site import SteppingClock


def settings(root, **evidence):
    return Settings.model_construct(
        evidence=EvidenceSettings(site="dak-lak", **evidence), storage=StorageSettings(root=root)
    )


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def root(site):
    return site.root


def test_before_the_first_case_all_is_well_and_nothing_is_made(tmp_path):
    said = settings(tmp_path)
    for probe in (key_checks.signing_key, key_checks.keyring, key_checks.certificate):
        assert probe(said).level is Level.OK
    assert names(tmp_path) == []


def test_a_key_that_is_in_use_is_named_and_nothing_is_written(root):
    before = names(root)
    check = key_checks.signing_key(settings(root))
    assert check.level is Level.OK
    assert "Ed25519" in check.detail
    assert "1 keys, 0 revoked" in key_checks.keyring(settings(root)).detail
    assert names(root) == before


def test_a_key_that_was_exchanged_or_lost_fails(root):
    (root / "keys" / "site.pem").unlink()
    with pytest.raises(IvrError, match="not there"):
        key_checks.signing_key(settings(root))
    FileSigner.open(root / "keys" / "site.pem")
    with pytest.raises(IvrError, match="not there"):
        key_checks.signing_key(settings(root))


def test_a_token_that_can_be_reached_is_named(tmp_path, token):
    said = settings(tmp_path, **token.settings("rsa"))
    open_signer(said.evidence, tmp_path)
    check = key_checks.signing_key(said)
    assert check.level is Level.OK
    assert "RS256" in check.detail
    assert "token site" in check.detail


def test_a_token_that_is_away_fails(tmp_path, token):
    said = settings(tmp_path, **{**token.settings("rsa"), "pkcs11_token": "away"})
    with pytest.raises(IvrError, match="not plugged in"):
        key_checks.signing_key(said)


def test_a_token_that_is_set_and_not_in_use_is_a_warning(root, token):
    check = key_checks.signing_key(settings(root, **token.settings("rsa")))
    assert check.level is Level.WARNING
    assert "rotate --to pkcs11" in check.remedy


def test_a_broken_keyring_fails(root):
    ring = root / "keys" / "keyring.jsonl"
    ring.chmod(0o600)
    ring.write_bytes(ring.read_bytes()[:-2] + b"}}\n")
    with pytest.raises(IvrError, match="keyring does not hold"):
        key_checks.keyring(settings(root))


def test_a_first_key_that_is_not_the_keyring_s_is_a_warning(root):
    first = root / "keys" / "first.pub.pem"
    first.chmod(0o600)
    first.write_bytes(FileSigner.open(root.parent / "other.pem").public_pem)
    assert key_checks.keyring(settings(root)).level is Level.WARNING


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [(365, Level.OK, "until"), (20, Level.WARNING, "ends soon"), (-1, Level.WARNING, "not valid")],
)
def test_a_certificate_that_ends_is_a_warning(site, tmp_path, days, level, words):
    end = datetime.now(UTC) + timedelta(days=days)
    leaf = Authority("CA").issue(site.signer.public_key, end=end)
    said = settings(site.root, certificate_file=pem_file(tmp_path / "chain.pem", leaf))
    check = key_checks.certificate(said)
    assert (check.level, words in check.detail) == (level, True)


def test_a_certificate_of_a_former_key_is_a_warning_and_of_a_stranger_s_fails(site, tmp_path):
    ca = Authority("CA")
    leaf = ca.issue(site.signer.public_key)
    said = settings(site.root, certificate_file=pem_file(tmp_path / "chain.pem", leaf))
    KeyRoom(settings(site.root).evidence, site.root, SteppingClock()).rotate()
    check = key_checks.certificate(said)
    assert check.level is Level.WARNING
    assert "former key" in check.detail
    stranger = ca.issue(FileSigner.open(tmp_path / "other.pem").public_key)
    said = settings(site.root, certificate_file=pem_file(tmp_path / "other-chain.pem", stranger))
    assert key_checks.certificate(said).level is Level.FAILED
