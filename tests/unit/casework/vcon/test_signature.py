"""Whose key and certificate a vCon carries."""

import hashlib
import json
from base64 import b64decode, urlsafe_b64decode
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ivr.evidence.canonical import canonical
from ivr.evidence.rotation import KeyRoom
from ivr.settings import EvidenceSettings
from tests.fakes.evidence_site import Site
from tests.fakes.exported_vcon import (
    export,
    failed,
    jws_of,
    steps_of,
)
from tests.fakes.judged_case import judged_case


def test_the_certificate_is_of_the_key_in_the_unprotected_header(house, whole):
    (signature,) = jws_of(whole.path)["signatures"]
    protected = json.loads(urlsafe_b64decode(signature["protected"] + "=="))
    assert protected.keys().isdisjoint(signature["header"])  # RFC 7515, 7.2.1
    assert protected["kid"] == house[0].signer.key_sha256
    (stated,) = signature["header"]["x5c"]
    leaf = x509.load_der_x509_certificate(b64decode(stated))
    assert leaf.public_key() == house[0].signer.public_key
    assert leaf.subject == leaf.issuer
    assert whole.is_self_signed
    leaf.verify_directly_issued_by(leaf)


def test_the_file_is_canonical_json(whole):
    assert canonical(jws_of(whole.path)) == whole.path.read_bytes()


def test_the_own_certificate_is_the_same_each_time(house, whole, tmp_path):
    again = export(house, tmp_path / "again")
    assert again.certificate == whole.certificate


def test_the_own_certificate_is_no_authoritys(house, whole):
    authority, _ = certified(house[0])
    assert failed(whole.path, house[0], authorities=(authority,)).keys() >= {"vcon certificate"}


def certified(site: Site) -> tuple[x509.Certificate, x509.Certificate]:
    """An authority, and its certificate for the site's key."""
    key = ed25519.Ed25519PrivateKey.generate()

    def made(name: str, public: object, host: str, *, is_ca: bool) -> x509.Certificate:
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        return (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(root)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(key, None)
        )

    root = made("Test CA", key.public_key(), "ca.example", is_ca=True)
    return root, made("Đắk Lắk", site.signer.public_key, "ivr.daklak.example", is_ca=False)


def test_a_site_with_a_certificate_uses_it_and_its_host_makes_the_uuid(tmp_path):
    site = Site(tmp_path / "ivr-data")
    path = judged_case(site)
    root, leaf = certified(site)
    site.signer.certificates = (leaf, root)
    done = export((site, path), tmp_path / "out")
    maker = int.from_bytes(hashlib.sha1(b"ivr.daklak.example").digest()[:8]) >> 2
    assert not done.is_self_signed
    assert UUID(done.uuid).int & (2**62 - 1) == maker
    told = {step.name: step for step in steps_of(done.path, site, authorities=(root,))}
    assert told["vcon certificate"].ok, told["vcon certificate"].detail
    stranger, _ = certified(site)
    assert "issued by none" in failed(done.path, site, authorities=(stranger,))["vcon certificate"]


def test_a_site_with_an_rsa_key_signs_rs256(tmp_path):
    keys = tmp_path / "ivr-data" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (keys / "site.pem").write_bytes(pem)
    (keys / "site.pem").chmod(0o600)
    site = Site(tmp_path / "ivr-data")
    done = export((site, judged_case(site)), tmp_path / "out")
    told = {step.name: step for step in steps_of(done.path, site)}
    assert told["vcon signature"].detail.startswith("RS256")
    assert all(step.ok for step in told.values()), told


def test_a_new_key_is_led_to_and_a_revoked_one_signs_no_more(tmp_path):
    site = Site(tmp_path / "ivr-data")
    path = judged_case(site)
    old = export((site, path), tmp_path / "old")
    former = site.signer.key_sha256
    room = KeyRoom(EvidenceSettings(site="dak-lak"), site.root, site.clock)
    room.rotate()
    assert failed(old.path, site) == {}
    later = Site(site.root, site.clock)
    new = export((later, path), tmp_path / "new")
    told = {step.name: step for step in steps_of(new.path, site)}
    assert all(step.ok for step in told.values()), told
    assert f"leads from the trusted key {former}" in told["vcon signing key"].detail
    room.revoke(former, "bị lấy cắp")
    assert "ask for a new one" in failed(old.path, site)["vcon signing key"]
    assert failed(new.path, site) == {}  # the seal in it is older than the revocation
