"""Certificates of the signing key: in every seal, leaf first, and judged as at the seal's time."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ivr.casework.key_proof import KeyTrust, key_steps
from ivr.errors import SettingsError
from ivr.evidence.algorithms import b64url, header_of
from ivr.evidence.canonical import canonical
from ivr.evidence.certificates import chain_fault, read_certificates
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.signer import FileSigner
from ivr.evidence.signing import open_signer
from ivr.settings import EvidenceSettings
from tests.fakes.authority import BEGIN, END, Authority, pem_file, usage
from tests.fakes.evidence_site import Site, SteppingClock
from tests.fakes.soft_token import openssl

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(scope="module")
def root():
    return Authority("Root CA quốc gia", path_length=1)


@pytest.fixture(scope="module")
def ca(root):
    return Authority("CA được cấp phép", root, path_length=0)


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def fault(chain, *roots, at=NOW):
    return chain_fault(chain, [each.certificate for each in roots], at)


def test_a_chain_leads_from_the_leaf_over_the_authority_to_the_root(root, ca, key):
    assert fault([ca.issue(key), ca.certificate], root) is None
    assert fault([ca.issue(key)], ca, root) is None
    assert fault([ca.issue(key)], ca) is None  # whoever is trusted need not be self-signed


def test_openssl_says_the_same(root, ca, key, tmp_path):
    leaf = pem_file(tmp_path / "leaf.pem", ca.issue(key))
    between = pem_file(tmp_path / "ca.pem", ca.certificate)
    trusted = pem_file(tmp_path / "root.pem", root.certificate)
    openssl("verify", "-CAfile", trusted, "-untrusted", between, leaf)


@pytest.mark.parametrize("at", [BEGIN - timedelta(days=1), END + timedelta(days=1)])
def test_a_chain_that_was_not_valid_at_that_time_is_refused(root, ca, key, at):
    assert "was not valid at" in fault([ca.issue(key), ca.certificate], root, at=at)


def test_an_expired_leaf_holds_for_a_seal_from_before(root, ca, key):
    leaf = ca.issue(key, end=datetime(2026, 6, 1, tzinfo=UTC))
    assert fault([leaf, ca.certificate], root, at=datetime(2026, 5, 1, tzinfo=UTC)) is None
    assert "was not valid" in fault([leaf, ca.certificate], root)


def test_a_stranger_s_authority_of_the_same_name_is_refused(root, ca, key):
    twin = Authority("CA được cấp phép")
    assert "is issued by none" in fault([twin.issue(key), ca.certificate], root)
    assert "is issued by none" in fault([ca.issue(key)], root)
    assert "is issued by none" in fault([ca.issue(key), ca.certificate], twin)


def test_who_is_no_authority_issues_nothing(root, ca, key):
    thief = Authority("kẻ gian", ca, is_ca=False)
    assert "is issued by none" in fault([thief.issue(key), thief.certificate, ca.certificate], root)


def test_a_path_that_is_longer_than_its_authority_allows_is_refused(root, ca, key):
    below = Authority("dưới CA", ca)
    chain = [below.issue(key), below.certificate, ca.certificate]
    assert "is issued by none" in fault(chain, root)


def test_a_certificate_for_encryption_alone_does_not_sign(root, ca, key):
    leaf = ca.issue(key, key_usage=usage(key_encipherment=True))
    assert "key usage" in fault([leaf, ca.certificate], root)


def certified(site, *certificates, file=None):
    """The site, opened again with a certificate."""
    file = file or site.root / "chain.pem"
    pem_file(file, *certificates)
    evidence = EvidenceSettings(site="dak-lak", certificate_file=file)
    site.signer = open_signer(evidence, site.root)
    site.log = site.open_log()
    return site


def steps(case, *authorities):
    trust = KeyTrust(authorities=tuple(each.certificate for each in authorities))
    return {step.name: step for step in key_steps(case, 1, trust)}


def test_every_seal_carries_the_chain_and_names_its_holder(site, root, ca):
    leaf = ca.issue(site.signer.public_key)
    case = certified(site, leaf, ca.certificate).sealed().path
    header = header_of(json.loads((case / "manifest.jws").read_bytes()))
    assert len(header["x5c"]) == 2
    step = steps(case, root)["certificate"]
    assert step.ok, step.detail
    assert "Công ty Viễn thông Đắk Lắk" in step.detail
    step = steps(case)["certificate"]
    assert step.ok
    assert "not compared" in step.detail


def test_a_seal_under_another_authority_or_none_fails_when_one_is_demanded(site, root, ca):
    bare = site.sealed("01JDHZ0000000000000000BARE").path
    assert "demands one" in steps(bare, root)["certificate"].detail
    assert not steps(bare, root)["certificate"].ok
    assert "certificate" not in steps(bare)
    leaf = ca.issue(site.signer.public_key)
    case = certified(site, leaf, ca.certificate).sealed().path
    assert not steps(case, Authority("khác"))["certificate"].ok


def test_a_certificate_of_another_key_is_a_mistake_in_the_settings(site, ca, key):
    with pytest.raises(SettingsError, match="is of another key"):
        certified(site, ca.issue(key))


def test_that_of_a_former_key_is_left_out(site, ca):
    leaf = ca.issue(site.signer.public_key)
    KeyRoom(EvidenceSettings(site="dak-lak"), site.root, SteppingClock()).rotate()
    case = certified(Site(site.root), leaf).sealed().path
    assert "x5c" not in header_of(json.loads((case / "manifest.jws").read_bytes()))


def test_a_certificate_of_another_key_put_into_a_seal_fails(site, ca, key):
    site.signer.certificates = (ca.issue(key),)
    case = site.sealed().path
    step = steps(case)["certificate"]
    assert not step.ok
    assert "another key" in step.detail


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_file_without_certificates_is_told(tmp_path, content):
    file = tmp_path / "chain.pem"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be used"):
        read_certificates(file, "[evidence] certificate_file")


def test_the_subject_of_a_request_comes_back_in_the_certificate(site, ca):
    from ivr.evidence.certificate_request import Subject, certificate_request

    subject = Subject("Tổng đài chặn lọc", organisation="Công ty", tax_code="0101234567")
    request = x509.load_pem_x509_csr(certificate_request(site.signer, subject))
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == (
        "UID=MST:0101234567,CN=Tổng đài chặn lọc,O=Công ty,C=VN"
    )
    assert site.signer.public_key == request.public_key()


class Odd(FileSigner):
    """Signs rightly over a header that holds what no authority issues."""

    x5c: object = None

    def sign(self, payload, purpose):
        header = {"alg": self.algorithm, "kid": self.key_sha256, "typ": purpose, "x5c": self.x5c}
        protected, text = b64url(canonical(header)), b64url(payload)
        signature = b64url(self.sign_bytes(f"{protected}.{text}".encode()))
        return {"payload": text, "signatures": [{"protected": protected, "signature": signature}]}


@pytest.mark.parametrize(
    "x5c", ["text", {"a": 1}, None, 7, [1], ["!!"], ["AAAA"], ["AAAA"] * 9, [""], [[]]], ids=repr
)
def test_what_is_no_chain_fails_the_step_and_crashes_nothing(site, root, x5c):
    odd = Odd.open(site.root / "keys" / "site.pem")
    odd.x5c = x5c
    site.signer = odd
    site.log = site.open_log()
    case = site.sealed().path
    assert not steps(case, root)["certificate"].ok
    assert not steps(case)["certificate"].ok
