"""What lies on a token: private keys, and the public half of each."""

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from ivr.errors import EvidenceError
from ivr.evidence.algorithms import KINDS, PublicKey, algorithm_of, fingerprint_of

if TYPE_CHECKING:
    from pkcs11 import PrivateKey, Session

_P256 = bytes.fromhex("06082a8648ce3d030107")  # DER of the curve's object identifier


def private_keys(session: "Session", label: str) -> "list[PrivateKey]":
    """Those with the label, or all."""
    from pkcs11 import Attribute, ObjectClass

    wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    if label:
        wanted[Attribute.LABEL] = label
    found: list[Any] = list(session.get_objects(wanted))
    return found


def fingerprint_on(session: "Session", key: "PrivateKey") -> str | None:
    try:
        return fingerprint_of(public_key(session, key))
    except EvidenceError:  # a key of another kind lies on the token, too: not the one sought
        return None


def public_key(session: "Session", key: "PrivateKey") -> PublicKey:
    """From the private object (RSA), the public one beside it, or the certificate."""
    from pkcs11 import Attribute, KeyType
    from pkcs11.exceptions import PKCS11Error

    public: object = None
    try:
        if key.key_type == KeyType.RSA:
            n, e = key[Attribute.MODULUS], key[Attribute.PUBLIC_EXPONENT]
            public = RSAPublicNumbers(
                int.from_bytes(e, "big"), int.from_bytes(n, "big")
            ).public_key()
        elif key.key_type == KeyType.EC and key[Attribute.EC_PARAMS] == _P256:
            public = _point(session, key) or _of_certificate(session, key)
    except (PKCS11Error, ValueError) as problem:
        raise _unfit(key.label, f"its public half cannot be read: {problem!r}") from problem
    if algorithm_of(public) is None:
        raise _unfit(key.label, f"it is not {KINDS}, or has no public key beside it")
    assert isinstance(public, PublicKey)
    return public


def _point(session: "Session", key: "PrivateKey") -> PublicKey | None:
    from pkcs11 import Attribute, ObjectClass

    for each in session.get_objects(
        {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key.id}
    ):
        raw = bytes(each[Attribute.EC_POINT])
        point = raw[2:] if raw[:2] == b"\x04\x41" else raw  # an OCTET STRING, or bare
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    return None


def _of_certificate(session: "Session", key: "PrivateKey") -> object:
    from pkcs11 import Attribute, ObjectClass

    for each in session.get_objects(
        {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.ID: key.id}
    ):
        return x509.load_der_x509_certificate(bytes(each[Attribute.VALUE])).public_key()
    return None


def _unfit(label: str, why: str) -> EvidenceError:
    return EvidenceError(
        f"The key {label!r} on the token cannot sign for the site.",
        why=why,
        remedy="Name another with [evidence] pkcs11_key.",
    )
