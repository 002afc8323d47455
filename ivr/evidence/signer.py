"""Who signs: a key behind a protocol, so a hardware token can take the file's place.

Signatures are JWS (RFC 7515) in General JSON form with the algorithm ``Ed25519`` (RFC 9864).
The protected header holds ``kid``, the SHA-256 of the public key (SubjectPublicKeyInfo, DER), and
``typ``, so that a signature made for one purpose never passes for another.
"""

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc import jws
from joserfc.jwk import OKPKey

from ivr.errors import EvidenceError
from ivr.evidence.durable import SEALED, sync_folder, write_atomic

MANIFEST_TYPE = "ivr-manifest"
CUSTODY_TYPE = "ivr-custody"


class Signer(Protocol):
    """Signs for one site."""

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM (SubjectPublicKeyInfo), as it is put into every case."""

    @property
    def key_sha256(self) -> str:
        """Fingerprint: SHA-256 (hex) of the public key's DER form."""

    def sign(self, payload: bytes, purpose: str) -> dict[str, object]:
        """JWS General JSON of ``payload`` with ``typ`` = ``purpose``, payload included."""


class FileSigner:
    """An Ed25519 key in a PEM file that only its owner may read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        public = key.public_key()
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_sha256 = hashlib.sha256(der).hexdigest()
        self._key = OKPKey.import_key(_pem(key))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the key; make it first if there is none, with ``<name>.pub.pem`` beside it.

        Raises:
            EvidenceError: unreadable, readable to others, encrypted, or not an Ed25519 key.
        """
        try:
            if not path.exists():
                _create(path)
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise _unusable(path, "others may read it", f"chmod 600 {path}")
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as problem:
            raise _unusable(path, str(problem), "Check the path and its permissions.") from problem
        except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
            raise _unusable(path, str(problem), "Put the site's key back from its copy.") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(path, "it is not an Ed25519 key", "Name the site's Ed25519 key.")
        signer = cls(key)
        _publish(public_path(path), signer.public_pem)
        return signer

    def sign(self, payload: bytes, purpose: str) -> dict[str, object]:
        """See `Signer.sign`."""
        header = {"alg": "Ed25519", "kid": self.key_sha256, "typ": purpose}
        signed = jws.serialize_json(
            [{"protected": header}], payload, self._key, algorithms=["Ed25519"]
        )
        return cast("dict[str, object]", signed)


def public_path(key_path: Path) -> Path:
    """The public key beside ``key_path``: what to hand to whoever will verify."""
    return key_path.with_name(f"{key_path.stem}.pub.pem")


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _create(path: Path) -> None:
    """Write a new key under a private name and link it: of two processes that do so at once
    one wins, and both then read the same key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    write_atomic(draft, _pem(Ed25519PrivateKey.generate()), 0o600)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    sync_folder(path.parent)


def _publish(path: Path, pem: bytes) -> None:
    """The public key beside the private one, put right if it is another; any process may."""
    if not path.exists() or path.read_bytes() != pem:
        with_pid = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        write_atomic(path, pem, SEALED, draft=with_pid)


def _unusable(path: Path, why: str, remedy: str) -> EvidenceError:
    return EvidenceError(f"The signing key {path} cannot be used.", why=why, remedy=remedy)
