"""The signed form of a vCon (draft-ietf-vcon-vcon-core-04, 5.2), and the values that go into it.

A JWS in General JSON form. Protected are ``alg``, ``kid``, ``typ`` and ``x5t#S256``, the digest of
the certificate; ``x5c`` and ``uuid`` stand in the unprotected header, where the draft wants them.
RFC 7515 forbids a name in both, so ``alg`` is not repeated there, as the draft's example does.
"""

import hashlib
import json
import zlib
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ivr.evidence.algorithms import (
    PublicKey,
    algorithm_of,
    b64url,
    fingerprint_of,
    from_b64url,
    signed_payload,
)
from ivr.evidence.canonical import canonical
from ivr.evidence.certificates import MOST_CERTIFICATES
from ivr.evidence.signer import SiteSigner
from ivr.evidence.vcon import VCon

VCON_TYPE: Final = "ivr-vcon"
SUFFIX: Final = ".vcon.json"
LARGEST: Final = 640 << 20
"""Bytes of a file that is read; base64url twice makes 16/9 of what is inline."""
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class SignedVcon:
    """A vCon whose signature holds.

    Args:
        payload: the unsigned form.
        key: that signed, taken from the certificate; whose it is, is not said here.
        chain: certificates, leaf first.
        header: both headers.
    """

    payload: bytes
    key: PublicKey
    chain: tuple[x509.Certificate, ...]
    header: dict[str, Any]

    @property
    def key_sha256(self) -> str:
        return fingerprint_of(self.key)

    @property
    def is_ours(self) -> bool:
        """Whether ivr made it; then it carries a sealed case, or what a redaction left of one."""
        return bool(self.header.get("typ") == VCON_TYPE)


def sign_vcon(
    unsigned: bytes, uuid: str, signer: SiteSigner, chain: Sequence[x509.Certificate]
) -> bytes:
    """The signed form as canonical JSON.

    Args:
        chain: of the signer's key, leaf first.

    Raises:
        EvidenceError: the token did not sign.
    """
    ders = [certificate.public_bytes(Encoding.DER) for certificate in chain]
    protected = b64url(
        canonical(
            {
                "alg": signer.algorithm,
                "kid": signer.key_sha256,
                "typ": VCON_TYPE,
                "x5t#S256": b64url(hashlib.sha256(ders[0]).digest()),
            }
        )
    )
    payload = urlsafe_b64encode(unsigned).rstrip(b"=")
    signature = b64url(signer.sign_bytes(b"%b.%b" % (protected.encode(), payload)))
    header = {"uuid": uuid, "x5c": [b64encode(der).decode() for der in ders]}
    signed = {"header": header, "protected": protected, "signature": signature}
    # put in afterwards: base64url needs no escaping, and it may be hundreds of megabytes
    around = canonical({"payload": "", "signatures": [signed]}).split(b'"payload":""', 1)
    return b"".join((around[0], b'"payload":"', payload, b'"', around[1]))


def read_signed(data: bytes) -> SignedVcon:
    """Read a signed vCon, of any program, and check its signature with the key of its own
    certificate.

    Raises:
        ValueError: no signed vCon, or its signature does not hold; says why.
    """
    signed = parse(data)
    protected, header = _headers(signed)
    both = {**header, **protected}
    chain = _chain(both)
    key = chain[0].public_key()
    algorithm = algorithm_of(key)
    if algorithm is None or protected.get("alg") != algorithm:
        raise ValueError(f"alg {protected.get('alg')!r} does not go with the certificate's key")
    assert isinstance(key, PublicKey)
    if protected.get("kid", fingerprint_of(key)) != fingerprint_of(key):
        raise ValueError("kid names another key than the certificate has")
    leaf = hashlib.sha256(chain[0].public_bytes(Encoding.DER)).digest()
    if protected.get("x5t#S256", b64url(leaf)) != b64url(leaf):
        raise ValueError("x5t#S256 names another certificate than x5c holds first")
    return SignedVcon(_plain(signed_payload(signed, key)), key, chain, both)


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object in which no member comes twice.

    Raises:
        ValueError: it is none.
    """
    try:
        value = json.loads(data, object_pairs_hook=_once)
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def content_hash(digest: bytes) -> str:
    """``sha512-…`` of a SHA-512 digest (2.2, ContentHash)."""
    return f"sha512-{b64url(digest)}"


def inline(content: bytes) -> dict[str, Any]:
    """``body`` and ``encoding`` of a file: text as it is, other bytes in base64url; in both the
    bytes come back as they were."""
    try:
        return {"body": content.decode("utf-8"), "encoding": "none"}
    except UnicodeDecodeError:
        body = urlsafe_b64encode(content).rstrip(b"=").decode()
        return {"body": body, "encoding": "base64url"}


def date_of(at: str) -> str:
    """A time of ours as the draft's Date (RFC 8620, 1.4): a fraction that is zero is left out."""
    return at.replace(".000000Z", "Z")


def unsigned_bytes(vcon: VCon) -> bytes:
    """The unsigned form as canonical JSON; what is None is left out.

    Raises:
        EvidenceError: a value has no JSON form.
    """
    return canonical(vcon.model_dump(by_alias=True, exclude_none=True))


def uuid8(at: datetime, salt: bytes, name: str) -> str:
    """A UUID of version 8 as 4.1.2 wants it: 48 bits of milliseconds and 12 bits of ``salt`` as in
    version 7, then the high 62 bits of SHA-1 over the name of who made it.

    Args:
        salt: tells apart what the same maker made in one millisecond.
        name: host name of the maker.
    """
    few = int.from_bytes(hashlib.sha256(salt).digest()[:2]) >> 4
    maker = int.from_bytes(hashlib.sha1(name.encode(), usedforsecurity=False).digest()[:8]) >> 2
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    return str(UUID(int=milliseconds << 80 | 0x8 << 76 | few << 64 | 0b10 << 62 | maker))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member comes twice")
    return found


def _headers(signed: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Protected and unprotected header."""
    if "ciphertext" in signed:
        raise ValueError("it is encrypted (JWE); decrypt it first")
    if "signatures" not in signed and signed.keys() & {"parties", "dialog", "uuid"}:
        raise ValueError("it is in the unsigned form: nobody vouches for it")
    if signed.keys() != {"payload", "signatures"}:
        raise ValueError("it has not the two members payload and signatures, and no others")
    signatures = signed["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise ValueError("it has not exactly one signature")
    only = signatures[0]
    if not isinstance(only, dict) or only.keys() != {"header", "protected", "signature"}:
        raise ValueError("its signature has not the members header, protected and signature")
    texts = (signed["payload"], only["protected"], only["signature"])
    if not all(isinstance(text, str) for text in texts) or not isinstance(only["header"], dict):
        raise ValueError("a member of the JWS has the wrong type")
    protected, header = parse(from_b64url(only["protected"])), only["header"]
    for name in protected.keys() & header.keys():
        if protected[name] != header[name]:
            raise ValueError(f"{name} stands in both headers and differs")
    if "crit" in protected or "crit" in header:
        raise ValueError("its header has critical parameters that are not known here")
    return protected, header


def _chain(header: dict[str, Any]) -> tuple[x509.Certificate, ...]:
    stated = header.get("x5c")
    if stated is None:
        raise ValueError("it carries no certificate (x5c); addresses (x5u) are not fetched")
    if not isinstance(stated, list) or not 0 < len(stated) <= MOST_CERTIFICATES:
        raise ValueError("x5c is no chain of certificates")
    if not all(isinstance(each, str) for each in stated):
        raise ValueError("x5c is no chain of certificates")
    return tuple(x509.load_der_x509_certificate(b64decode(each, validate=True)) for each in stated)


def _plain(payload: bytes) -> bytes:
    """Unzipped if it is zipped (5.2), up to `LARGEST`."""
    if not payload.startswith(_GZIP):
        return payload
    unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = unzip.decompress(payload, LARGEST)
    except zlib.error as problem:
        raise ValueError(f"its payload cannot be unzipped: {problem}") from problem
    if not unzip.eof:
        raise ValueError("its payload is cut short, or larger than any call")
    return plain
