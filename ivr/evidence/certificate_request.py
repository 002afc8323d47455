"""A request for a certificate (PKCS #10, RFC 2986), signed by whatever holds the key."""

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ivr.evidence.algorithms import ED25519, ES256, RS256, PublicKey
from ivr.evidence.signer import SiteSigner


@dataclass(frozen=True, slots=True)
class Subject:
    """Who the certificate is to name. Empty members are left out.

    Args:
        name: commonName, e.g. the organisation or the service.
        organisation, unit, locality, province: as in the registration, with their accents.
        country: two letters.
        tax_code: becomes UID ``MST:…``, where Vietnamese authorities put it.
    """

    name: str
    organisation: str = ""
    unit: str = ""
    locality: str = ""
    province: str = ""
    country: str = "VN"
    tax_code: str = ""

    @property
    def x509_name(self) -> x509.Name:
        members = (
            (NameOID.COUNTRY_NAME, self.country.upper()),
            (NameOID.STATE_OR_PROVINCE_NAME, self.province),
            (NameOID.LOCALITY_NAME, self.locality),
            (NameOID.ORGANIZATION_NAME, self.organisation),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, self.unit),
            (NameOID.COMMON_NAME, self.name),
            (NameOID.USER_ID, f"MST:{self.tax_code}" if self.tax_code else ""),
        )
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in members if text])


def certificate_request(signer: SiteSigner, subject: Subject) -> bytes:
    """The request as PEM, for signatures only (digitalSignature, nonRepudiation).

    Raises:
        ValueError: the subject is not what a name can hold (a country of three letters, say).
        EvidenceError: the token did not sign.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.x509_name)
    builder = builder.add_extension(for_signatures(), critical=True)
    digest = None if signer.algorithm == ED25519 else SHA256()
    return builder.sign(lent_key(signer), digest).public_bytes(Encoding.PEM)


def for_signatures() -> x509.KeyUsage:
    """digitalSignature and nonRepudiation, nothing else."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def lent_key(signer: SiteSigner) -> Any:
    """Stands for the private key in a builder of `cryptography`, wherever that key lies."""
    return _LENT[signer.algorithm](signer)  # one of the kinds that the builders know


class _Lent:
    """A private key that is not here, for the builder: it asks for the public half and for a
    signature, nothing else."""

    def __init__(self, signer: SiteSigner) -> None:
        self._signer = signer

    def public_key(self) -> PublicKey:
        return self._signer.public_key

    def sign(self, data: bytes, *_: object) -> bytes:
        signature = self._signer.sign_bytes(data)
        if self._signer.algorithm != ES256:
            return signature
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        return encode_dss_signature(r, s)  # X.509 has the two numbers in DER


class _LentEd25519(_Lent):
    """Counts as an `Ed25519PrivateKey`."""


class _LentEC(_Lent):
    """Counts as an `EllipticCurvePrivateKey`."""


class _LentRSA(_Lent):
    """Counts as an `RSAPrivateKey`."""


Ed25519PrivateKey.register(_LentEd25519)
EllipticCurvePrivateKey.register(_LentEC)
RSAPrivateKey.register(_LentRSA)
_LENT: dict[str, type[_Lent]] = {ED25519: _LentEd25519, ES256: _LentEC, RS256: _LentRSA}
