"""A seal by each kind of key, from file and token: openssl and the verifiers agree on it."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ivr.casework.key_proof import key_steps, own_trust
from ivr.errors import EvidenceError
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.keyring import Keyring
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.signing import open_signer
from ivr.evidence.verification import verify_here
from ivr.settings import EvidenceSettings
from tests.fakes.authority import Authority, pem_file
from tests.fakes.evidence_site import Site, SteppingClock
from tests.fakes.soft_token import EC, ED25519, RSA, forget_sessions, openssl

PAGE = Path(__file__).parents[3] / "docs" / "keys.md"
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
FILES = {"Ed25519": ED25519, "ES256": EC, "RS256": RSA}


def by_hand(case):
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", COMMANDS], cwd=case, capture_output=True, text=True
    )


def sealed_by(root, evidence):
    """A case of a site with these settings, with a custody entry; and the site."""
    site = Site(root, evidence=evidence)
    case = site.sealed().path
    append_custody(case, CustodyAction.VIEWED, site.custodian, actor="Hạnh", reason="")
    return site, case


def holds(site, case):
    key = site.root / "keys" / "first.pub.pem"
    ring = site.root / "keys" / "keyring.jsonl"
    steps = (
        *verify_here(case, key, site.log_path, ring),
        *key_steps(case, 1, own_trust(site.root)),
    )
    assert [step for step in steps if not step.ok] == []
    done = by_hand(case)
    assert done.returncode == 0, done.stderr
    assert "erifi" in done.stdout


@pytest.fixture(scope="module")
def private_keys():
    return {algorithm: openssl("genpkey", *kind) for algorithm, kind in FILES.items()}


@pytest.fixture
def key_file(tmp_path, private_keys):
    def make(algorithm):
        path = tmp_path / "own.pem"
        path.write_bytes(private_keys[algorithm])
        path.chmod(0o600)
        return path

    return make


@pytest.mark.parametrize("algorithm", FILES)
def test_a_seal_by_a_key_in_a_file(quick_disk, key_file, algorithm):
    evidence = EvidenceSettings(site="dak-lak", key_file=key_file(algorithm))
    site, case = sealed_by(quick_disk / "data", evidence)
    assert site.signer.algorithm == algorithm
    holds(site, case)


@pytest.mark.parametrize("label", ["ec", "rsa"])
def test_a_seal_by_a_key_on_a_token(quick_disk, token, label):
    evidence = EvidenceSettings(site="dak-lak", **token.settings(label))
    holds(*sealed_by(quick_disk / "data", evidence))


@pytest.mark.parametrize("algorithm", FILES)
def test_with_a_real_chain_in_every_header(quick_disk, key_file, algorithm):
    """Seal, custody head, site head and keyring line each carry three certificates."""
    path = key_file(algorithm)
    evidence = EvidenceSettings(site="dak-lak", key_file=path)
    root = Authority("Root CA quốc gia")
    ca = Authority("CA được cấp phép", root)
    key = open_signer(evidence, quick_disk / "data").public_key
    chain = pem_file(quick_disk / "chain.pem", ca.issue(key), ca.certificate, root.certificate)
    evidence = EvidenceSettings(site="dak-lak", key_file=path, certificate_file=chain)
    site, case = sealed_by(quick_disk / "data", evidence)
    KeyRoom(evidence, site.root, SteppingClock()).rotate()
    ring = Keyring.of_site(site.root)
    assert ring is not None
    assert len(ring.endorsed) == 2
    holds(site, case)
    site.log.consistency((site.root / "site-log.head.jws").read_bytes())


@pytest.mark.parametrize("algorithm", FILES)
def test_a_changed_manifest_fails_by_hand(quick_disk, key_file, algorithm):
    evidence = EvidenceSettings(site="dak-lak", key_file=key_file(algorithm))
    _, case = sealed_by(quick_disk / "data", evidence)
    manifest = case / "manifest.json"
    manifest.chmod(0o600)
    manifest.write_bytes(manifest.read_bytes().replace(b'"score":0.93', b'"score":0.13'))
    assert by_hand(case).returncode != 0


@pytest.mark.parametrize("algorithm", FILES)
def test_the_same_bytes_give_the_same_signature(tmp_path, key_file, algorithm):
    evidence = EvidenceSettings(site="dak-lak", key_file=key_file(algorithm))
    signer = open_signer(evidence, tmp_path / "data")
    assert signer.sign(b"facts", "ivr-test") == signer.sign(b"facts", "ivr-test")


def test_while_the_token_does_not_sign_the_case_stays_whole_and_is_sealed_later(
    quick_disk, token, tmp_path
):
    pin = tmp_path / "pin"
    pin.write_bytes(token.pin_file.read_bytes())
    pin.chmod(0o600)
    held = {**token.settings("rsa"), "pkcs11_pin_file": pin}
    site = Site(quick_disk / "data", evidence=EvidenceSettings(site="dak-lak", **held))
    folder = site.open_case()
    materials = site.fill(folder)
    forget_sessions()
    pin.unlink()  # the token cannot be opened again
    with pytest.raises(EvidenceError, match="PIN cannot be read"):
        site.seal(folder, materials)
    assert not (folder.path / "manifest.jws").exists()
    pin.write_bytes(token.pin_file.read_bytes())
    pin.chmod(0o600)
    holds(site, site.seal(folder, materials).path)


def test_calls_that_end_at_once_are_sealed_by_one_token_in_threads(quick_disk, token):
    """As `ivr serve` does: each journey seals in a thread of its own, all with one session."""
    evidence = EvidenceSettings(site="dak-lak", **token.settings("ec"))
    site = Site(quick_disk / "data", evidence=evidence)
    folders = [site.open_case(f"01JDHZ000000000000000CALL{n}") for n in range(4)]
    filled = [(folder, site.fill(folder)) for folder in folders]
    with ThreadPoolExecutor(4) as threads:
        sealed = list(threads.map(lambda each: site.seal(*each), filled))
    for each in sealed:
        steps = verify_here(each.path, site.public_key, site.log_path)
        assert [step for step in steps if not step.ok] == []
