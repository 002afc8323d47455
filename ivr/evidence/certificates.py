"""Certificates of the signing key (X.509): who it belongs to, in the words of an authority."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ivr.errors import SettingsError
from ivr.evidence.algorithms import PublicKey, fingerprint_of

MOST_CERTIFICATES = 8  # an authority's chain has two to four


def read_certificates(file: Path, setting: str) -> tuple[x509.Certificate, ...]:
    """Certificates of a PEM file, in its order.

    Args:
        setting: what named the file, for the remedy.

    Raises:
        SettingsError: it cannot be read, holds none, or more than any chain has.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(file.read_bytes()))
        if len(found) > MOST_CERTIFICATES:
            raise ValueError(f"it holds {len(found)} certificates")
    except (OSError, ValueError) as problem:
        raise SettingsError(
            f"The certificates of {file} cannot be used.",
            why=str(problem),
            remedy=f"Put a PEM file there ({setting}); the certificate of the key comes first.",
        ) from problem
    return found


def is_of(certificate: x509.Certificate, key_sha256: str) -> bool:
    """Whether the certificate is that of the key with this fingerprint."""
    public = certificate.public_key()
    return isinstance(public, PublicKey) and fingerprint_of(public) == key_sha256


def name_of(certificate: x509.Certificate) -> str:
    """Subject, serial number and issuer, for people."""
    issuer = certificate.issuer.rfc4514_string()
    return f"{certificate.subject.rfc4514_string()} ({certificate.serial_number:x}, by {issuer})"


def chain_fault(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime
) -> str | None:
    """Why ``chain``, leaf first, does not lead to one of ``roots`` at the time ``at``; None when
    it does. Offline: names, signatures, validity, and that issuers are authorities.

    Own code, because `cryptography.x509.verification` demands the subject alternative names of
    web servers and mail addresses, which a signing certificate has not.
    """
    leaf = chain[0]
    if not _may_sign(leaf):
        return f"{name_of(leaf)} is not for signatures (key usage)"
    pool = [*chain[1:], *roots]
    at_hand, path = leaf, [leaf]
    while True:
        if not at_hand.not_valid_before_utc <= at <= at_hand.not_valid_after_utc:
            return f"{name_of(at_hand)} was not valid at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if at_hand in roots:
            return None
        if len(path) > MOST_CERTIFICATES:
            return "the chain does not end"
        issuer = next((c for c in pool if c not in path and _issued(c, at_hand, len(path))), None)
        if issuer is None:
            return f"{name_of(at_hand)} is issued by none of the authorities that were given"
        at_hand = issuer
        path.append(issuer)


def _may_sign(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.content_commitment


def _issued(issuer: x509.Certificate, child: x509.Certificate, below: int) -> bool:
    """Whether ``issuer`` is an authority and signed ``child``; ``below``: certificates under it,
    the leaf counted."""
    try:
        limits = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        child.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        may_issue = usage.key_cert_sign
    except x509.ExtensionNotFound:
        may_issue = True
    is_deep_enough = limits.path_length is None or below - 1 <= limits.path_length
    return limits.ca and may_issue and is_deep_enough
