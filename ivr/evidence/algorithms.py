"""Which signature goes with which key (RFC 7518, RFC 9864), and checking one.

Ed25519 for keys in files; ES256 (P-256) and RS256 (RSA of 2048 bits and more) also for tokens: the
USB tokens that Vietnamese authorities hand out hold RSA keys.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical

ED25519, ES256, RS256 = "Ed25519", "ES256", "RS256"
LEAST_RSA_BITS = 2048
KINDS = "Ed25519, EC on P-256, or RSA of 2048 bits and more"

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


class _Roomy(jws.JWSRegistry):
    """The library's own limits (512 bytes of header) have no room for a chain of certificates,
    nor for the sound in a vCon; whoever reads a file limits its size."""

    max_header_length = 1 << 16
    max_payload_length = 1 << 30


def algorithm_of(key: object) -> str | None:
    """The JWS algorithm of a public key; None for a key that this site does not sign with."""
    if isinstance(key, Ed25519PublicKey):
        return ED25519
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return ES256
    if isinstance(key, RSAPublicKey) and key.key_size >= LEAST_RSA_BITS:
        return RS256
    return None


def pem_of(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint_of(key: PublicKey) -> str:
    """SHA-256 (hex) of SubjectPublicKeyInfo in DER."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def read_public(pem: bytes, what: str) -> PublicKey:
    """A public key of a kind that may sign here.

    Raises:
        EvidenceError: no PEM of a public key, or of another kind.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise _unreadable(what, f"no public key in PEM form: {problem}") from problem
    if algorithm_of(key) is None:
        raise _unreadable(what, f"it is not {KINDS}")
    assert isinstance(key, PublicKey)
    return key


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    """Raises ValueError for anything but the one spelling of some bytes."""
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(data) != text:
        raise ValueError("not in base64url, or not in its one spelling")
    return data


def header_of(signed: Mapping[str, Any]) -> dict[str, Any]:
    """Protected header of a JWS with one signature, not yet checked.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    (only,) = signed["signatures"]
    raw = from_b64url(only["protected"])
    header = json.loads(raw)
    if not isinstance(header, dict) or canonical(header) != raw:
        raise ValueError("the header is no canonical JSON object")
    return header


def verified_payload(signed: Mapping[str, Any], key: PublicKey, purpose: str) -> bytes:
    """Payload of a JWS (General JSON, one signature, payload included) that ``key`` signed.

    Raises:
        ValueError: changed, by another key, for another purpose, or no such JWS; says which.
    """
    try:
        header = header_of(signed)
        expected = {"alg": algorithm_of(key), "kid": fingerprint_of(key), "typ": purpose}
        if {name: header[name] for name in header if name != "x5c"} != expected:
            raise ValueError(f"it is no {purpose} signature by that key")
        (only,) = signed["signatures"]
        if set(signed) != {"payload", "signatures"} or set(only) != {"protected", "signature"}:
            raise ValueError("it has members that no signature covers")
        from_b64url(only["signature"])
        foreign: Any = dict(signed)  # the library's type is one shape of JSON; this may be any
        registry = _Roomy(algorithms=[str(expected["alg"])])
        checked = jws.deserialize_json(foreign, _jwk(key), registry=registry)
    except (JoseError, KeyError, TypeError, RecursionError) as problem:
        raise ValueError(f"it does not match: {type(problem).__name__} {problem}") from problem
    return bytes(checked.payload)


def signed_payload(signed: Mapping[str, Any], key: PublicKey) -> bytes:
    """Payload of a JWS (General JSON, one signature) that ``key`` signed, whatever its headers say
    besides the algorithm: they are the caller's to judge.

    Raises:
        ValueError: the signature is not by that key over this payload.
    """
    try:
        (only,) = signed["signatures"]
        bare: Any = {
            "payload": signed["payload"],
            "signatures": [{name: only[name] for name in ("protected", "signature")}],
        }
        from_b64url(only["signature"])
        registry = _Roomy(algorithms=[str(algorithm_of(key))])
        checked = jws.deserialize_json(bare, _jwk(key), registry=registry)
    except (JoseError, KeyError, TypeError, RecursionError) as problem:
        raise ValueError(f"it does not match: {type(problem).__name__} {problem}") from problem
    return bytes(checked.payload)


def _jwk(key: PublicKey) -> OKPKey | ECKey | RSAKey:
    pem = pem_of(key)
    if isinstance(key, Ed25519PublicKey):
        return OKPKey.import_key(pem)
    return RSAKey.import_key(pem) if isinstance(key, RSAPublicKey) else ECKey.import_key(pem)


def _unreadable(what: str, why: str) -> EvidenceError:
    return EvidenceError(
        f"{what} cannot be used.", why=why, remedy=f"Give a public key in PEM form: {KINDS}."
    )
