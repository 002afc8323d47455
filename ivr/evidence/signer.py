"""Who signs: a key behind a protocol, in a file here or on a token (`token_signer`).

Signatures are JWS (RFC 7515) in General JSON form with the algorithm of the key (`algorithms`).
The protected header holds ``kid``, the SHA-256 of the public key (SubjectPublicKeyInfo, DER),
``typ``, so that a signature made for one purpose never passes for another, and ``x5c`` when the
site has a certificate. The signing input is put together here and not by a JOSE library, which
cannot sign with a key it does not hold.
"""

import os
import stat
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ivr.errors import EvidenceError
from ivr.evidence.algorithms import (
    KINDS,
    PublicKey,
    algorithm_of,
    b64url,
    fingerprint_of,
    pem_of,
)
from ivr.evidence.canonical import canonical
from ivr.evidence.durable import SEALED, sync_folder, write_atomic

MANIFEST_TYPE = "ivr-manifest"
CUSTODY_TYPE = "ivr-custody"

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey


class Signer(Protocol):
    """Signs for one site."""

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM (SubjectPublicKeyInfo), as it is put into every case."""

    @property
    def key_sha256(self) -> str:
        """Fingerprint: SHA-256 (hex) of the public key's DER form."""

    @property
    def algorithm(self) -> str:
        """``Ed25519``, ``ES256`` or ``RS256``: as in every header and in the manifest."""

    def sign(self, payload: bytes, purpose: str) -> dict[str, object]:
        """JWS General JSON of ``payload`` with ``typ`` = ``purpose``, payload included.

        Raises:
            EvidenceError: the token did not sign.
        """


class SiteSigner(ABC):
    """A signer, whatever holds its key.

    Args:
        public: of a kind in `algorithms`.

    ``certificates``: the leaf for this key and those it leads to, or empty; `signing` sets them.
    """

    def __init__(self, public: PublicKey) -> None:
        algorithm = algorithm_of(public)
        assert algorithm is not None
        self.public_key = public
        self.algorithm: str = algorithm
        self.public_pem = pem_of(public)
        self.key_sha256 = fingerprint_of(public)
        self.certificates: Sequence[x509.Certificate] = ()

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the private key is, for people."""

    @abstractmethod
    def sign_bytes(self, data: bytes) -> bytes:
        """Signature of ``data`` as JWS has it: for ES256 r and s of 32 bytes each."""

    def sign(self, payload: bytes, purpose: str) -> dict[str, object]:
        """See `Signer.sign`."""
        header: dict[str, object] = {"alg": self.algorithm, "kid": self.key_sha256, "typ": purpose}
        if self.certificates:
            chain = [b64encode(c.public_bytes(Encoding.DER)).decode() for c in self.certificates]
            header["x5c"] = chain
        protected, text = b64url(canonical(header)), b64url(payload)
        signature = b64url(self.sign_bytes(f"{protected}.{text}".encode()))
        return {"payload": text, "signatures": [{"protected": protected, "signature": signature}]}


class FileSigner(SiteSigner):
    """A key in a PEM file that only its owner may read."""

    def __init__(self, key: PrivateKey, path: Path) -> None:
        super().__init__(key.public_key())
        self._key, self.path = key, path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the key; make it (Ed25519) first if there is none, with ``<name>.pub.pem`` beside.

        Raises:
            EvidenceError: unreadable, readable to others, encrypted, or of another kind.
        """
        try:
            if not path.exists():
                _create(path)
            signer = cls.read(path)
            _publish(public_path(path), signer.public_pem)
        except OSError as problem:
            raise _unusable(path, str(problem), "Check the path and its permissions.") from problem
        return signer

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a key that is there; writes nothing.

        Raises:
            EvidenceError: as `open`; or there is none.
        """
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise _unusable(path, "others may read it", f"chmod 600 {path}")
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as problem:
            raise _unusable(path, str(problem), "Check the path and its permissions.") from problem
        except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
            raise _unusable(path, str(problem), "Put the site's key back from its copy.") from None
        if not isinstance(key, PrivateKey) or algorithm_of(key.public_key()) is None:
            raise _unusable(path, f"it is not {KINDS}", "Name the site's own key.")
        return cls(key, path)

    @property
    def place(self) -> str:
        """See `SiteSigner.place`."""
        return str(self.path)

    def sign_bytes(self, data: bytes) -> bytes:
        """See `SiteSigner.sign_bytes`. The same bytes give the same signature, also with ES256
        (RFC 6979): an export made twice stays the same byte for byte."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(data)
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), SHA256())
        der = self._key.sign(data, ECDSA(SHA256(), deterministic_signing=True))
        return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))


def public_path(key_path: Path) -> Path:
    """The public key beside ``key_path``: what to hand to whoever will verify."""
    return key_path.with_name(f"{key_path.stem}.pub.pem")


def new_key_pem() -> bytes:
    """A fresh Ed25519 private key, PKCS #8 PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def publish(path: Path, pem: bytes) -> None:
    """Write a public key where people look for it, unless it is there; any process may.

    Raises:
        EvidenceError: the disk refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _publish(path, pem)
    except OSError as problem:
        raise _unusable(path, str(problem), "Check the path and its permissions.") from problem


def _create(path: Path) -> None:
    """Write a new key under a private name and link it: of two processes that do so at once
    one wins, and both then read the same key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    write_atomic(draft, new_key_pem(), 0o600)
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
