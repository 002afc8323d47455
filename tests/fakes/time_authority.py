"""A time-stamping authority of its own: `openssl ts` behind a real HTTP server on loopback."""

import datetime
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

POLICY = "1.3.6.1.4.1.99999.1"
CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = {policy}
digests = {digests}
accuracy = millisecs:500
ess_cert_id_alg = sha256
"""


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    days: tuple[int, int],
    extensions: tuple[x509.ExtensionType, ...],
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)


@dataclass
class TimeAuthority:
    """``days``: validity of the signer's certificate, from today. ``canned``: answered in place of
    a fresh token. ``status``: of HTTP. ``sends_chain``: the root comes with each token, too, in the
    order of the files and not of DER."""

    folder: Path
    days: tuple[int, int] = (-30, 30)
    policy: str = POLICY
    digests: str = "sha256"
    canned: bytes | None = None
    status: int = 200
    sends_chain: bool = False
    port: int = 0
    answers: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        root, signer = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca = x509.BasicConstraints(ca=True, path_length=None)
        stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        self.ca_file = self.folder / "ca.pem"
        self.ca_file.write_bytes(
            _certificate("Test root", "Test root", root, root, (-3650, 3650), (ca,))
        )
        issued = _certificate("Giờ chuẩn", "Test root", signer, root, self.days, (stamping,))
        (self.folder / "signer.pem").write_bytes(issued)
        key = signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "signer.key").write_bytes(key)
        (self.folder / "serial").write_text("01\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tsr"

    def answer(self, query: bytes) -> bytes:
        """What `openssl ts -reply` says to a request."""
        config = CONFIG.format(folder=self.folder, policy=self.policy, digests=self.digests)
        if self.sends_chain:
            config += f"certs = {self.ca_file}\n"
        (self.folder / "tsa.cnf").write_text(config)
        (self.folder / "query").write_bytes(query)
        subprocess.run(
            [
                *("openssl", "ts", "-reply", "-config", self.folder / "tsa.cnf"),
                *("-queryfile", self.folder / "query", "-out", self.folder / "reply"),
            ],
            check=True,
            capture_output=True,
            timeout=20,
        )
        return (self.folder / "reply").read_bytes()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer on ``port`` (0: a free one, kept for the next time) within the block."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/timestamp-query"
                query = self.rfile.read(int(self.headers["Content-Length"]))
                answer = authority.canned or authority.answer(query)
                authority.answers.append(answer)
                self.send_response(authority.status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        with HTTPServer(("127.0.0.1", self.port), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
