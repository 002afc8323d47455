"""DKIM signatures (RFC 6376, rsa-sha256) for mail that our own domain answers for."""

from pathlib import Path

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ivr.errors import SettingsError

_LEAST_BITS = 2048  # RFC 8301: verifiers may ignore less than 1024; mailbox providers want 2048
# From twice: a second one cannot be added on the way without breaking the signature.
_SIGNED = (
    *(b"from", b"from", b"to", b"subject", b"date", b"message-id", b"auto-submitted"),
    *(b"mime-version", b"content-type"),
)


class DkimSigner:
    """Signs with one key, whose public half stands in the DNS under
    ``<selector>._domainkey.<domain>``."""

    def __init__(self, domain: str, selector: str, key_file: Path) -> None:
        """
        Raises:
            SettingsError: the key cannot be read, is encrypted, no RSA key, or too short.
        """
        self._domain, self._selector = domain.encode("ascii"), selector.encode("ascii")
        self._key = _pkcs1(key_file)

    def signed(self, content: bytes) -> bytes:
        """The message (CRLF lines) with its DKIM-Signature header in front."""
        header: bytes = dkim.sign(
            content,
            self._selector,
            self._domain,
            self._key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=list(_SIGNED),
        )
        return header + content


def _pkcs1(file: Path) -> bytes:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise _unusable(file, f"{type(problem).__name__}: {problem}") from problem
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _unusable(file, "it is no RSA key, the one kind that all receivers check")
    if key.key_size < _LEAST_BITS:
        raise _unusable(file, f"it has {key.key_size} bits, fewer than {_LEAST_BITS}")
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _unusable(file: Path, why: str) -> SettingsError:
    return SettingsError(
        "Mail cannot be signed with this DKIM key.",
        why=f"smtp.dkim_key_file {file}: {why}",
        remedy="Make one: openssl genrsa -out dkim.pem 2048; chmod 600 dkim.pem.",
    )
