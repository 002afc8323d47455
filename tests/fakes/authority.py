"""A certificate authority as in Vietnam: a national root, a licensed authority under it, leaves."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

BEGIN, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)


def named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def usage(**allowed: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


@dataclass
class Authority:
    """Issues; ``issuer`` None: a root."""

    name: str
    issuer: "Authority | None" = None
    path_length: int | None = None
    is_ca: bool = True
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        by = self.issuer or self
        limits = x509.BasicConstraints(self.is_ca, self.path_length if self.is_ca else None)
        builder = by._builder(self.name, self.key.public_key(), BEGIN, END)
        builder = builder.add_extension(limits, critical=True)
        builder = builder.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        self.certificate = builder.sign(by.key, SHA256())

    def issue(
        self,
        public_key: Any,
        name: str = "Công ty Viễn thông Đắk Lắk",
        begin: datetime = BEGIN,
        end: datetime = END,
        key_usage: x509.KeyUsage | None = None,
    ) -> x509.Certificate:
        allowed = key_usage or usage(digital_signature=True, content_commitment=True)
        builder = self._builder(name, public_key, begin, end)
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        return builder.add_extension(allowed, critical=True).sign(self.key, SHA256())

    def _builder(
        self, name: str, public_key: Any, begin: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(self.name))
        builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
        return builder.not_valid_before(begin).not_valid_after(end)


def pem_file(path: Path, *certificates: x509.Certificate) -> Path:
    path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    return path


def days(n: int) -> timedelta:
    return timedelta(days=n)
