"""A certificate that the site's key makes for itself: a form that carries the public key where a
certificate is demanded. It proves nothing about who the site is; an authority's does."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from ivr.evidence.algorithms import ED25519
from ivr.evidence.certificate_request import for_signatures, lent_key
from ivr.evidence.signer import SiteSigner

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280, 4.1.2.5: no end that anybody could state."""


def self_signed(signer: SiteSigner, site: str, since: datetime) -> x509.Certificate:
    """The certificate, named after the site; serial number from the key's fingerprint. The same
    each time, but for ES256 on a token, whose signatures have a random part.

    Args:
        since: when the key began to count.

    Raises:
        EvidenceError: the token did not sign.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, site[:64])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key)
        .serial_number(int(signer.key_sha256[:38], 16) | 1)
        .not_valid_before(since.astimezone(UTC).replace(microsecond=0))
        .not_valid_after(NEVER)
        .add_extension(for_signatures(), critical=True)
    )
    digest = None if signer.algorithm == ED25519 else SHA256()
    return builder.sign(lent_key(signer), digest)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether it names itself as issuer."""
    return certificate.issuer == certificate.subject
