"""The key in a file: made once, kept from others, never silently replaced."""

import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jws
from joserfc.jwk import OKPKey

from ivr.errors import EvidenceError
from ivr.evidence.signer import FileSigner, public_path


def test_the_first_use_makes_a_key_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "keys" / "site.pem"
    signer = FileSigner.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_path(path).read_bytes() == signer.public_pem
    assert sorted(p.name for p in path.parent.iterdir()) == ["site.pem", "site.pub.pem"]


def test_the_second_use_is_the_same_key(tmp_path):
    path = tmp_path / "site.pem"
    assert FileSigner.open(path).key_sha256 == FileSigner.open(path).key_sha256


def test_any_jose_library_accepts_the_signature(tmp_path):
    signer = FileSigner.open(tmp_path / "site.pem")
    key = OKPKey.import_key(signer.public_pem)
    signed = jws.deserialize_json(signer.sign(b"facts", "ivr-test"), key, algorithms=["Ed25519"])
    assert signed.payload == b"facts"
    assert signed.members[0].protected == {
        "alg": "Ed25519",
        "kid": signer.key_sha256,
        "typ": "ivr-test",
    }


def test_a_key_that_others_may_read_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "site.pem"
    FileSigner.open(path)
    path.chmod(0o640)
    with pytest.raises(EvidenceError, match="others may read it") as caught:
        FileSigner.open(path)
    assert caught.value.remedy == f"chmod 600 {path}"


def private_file(path, key, encryption=None):
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    )
    path.chmod(0o600)
    return path


def test_a_key_of_another_kind_is_refused(tmp_path):
    path = private_file(tmp_path / "x.pem", X25519PrivateKey.generate())
    with pytest.raises(EvidenceError, match="is not Ed25519, EC on P-256, or RSA"):
        FileSigner.open(path)


def test_an_encrypted_key_is_refused_and_kept(tmp_path):
    key = Ed25519PrivateKey.generate()
    path = private_file(tmp_path / "x.pem", key, BestAvailableEncryption(b"secret"))
    before = path.read_bytes()
    with pytest.raises(EvidenceError, match="cannot be used"):
        FileSigner.open(path)
    assert path.read_bytes() == before


def test_an_empty_or_broken_key_file_is_not_replaced_by_a_new_key(tmp_path):
    for content in (b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        path = tmp_path / "site.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(EvidenceError, match="cannot be used"):
            FileSigner.open(path)
        assert path.read_bytes() == content


def test_processes_that_start_at_once_use_one_key(tmp_path, forked):
    for attempt in range(8):
        path = tmp_path / str(attempt) / "site.pem"
        children = [forked(lambda path=path: FileSigner.open(path)) for _ in range(4)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
        assert sorted(p.name for p in path.parent.iterdir()) == ["site.pem", "site.pub.pem"]
    assert public_path(path).read_bytes() == FileSigner.open(path).public_pem
