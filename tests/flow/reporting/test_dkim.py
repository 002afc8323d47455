"""Mail signed with DKIM, as the library's own verifier sees it after a real SMTP server took it."""

import base64
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ivr.clock import SystemClock
from ivr.errors import SettingsError
from ivr.facts.reports import Channel
from ivr.reporting.couriers import chosen
from ivr.settings import Settings, SmtpSettings

PEM, PKCS8 = Encoding.PEM, PrivateFormat.PKCS8


async def unkept(_):
    raise AssertionError("nothing comes back here")


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def key_file(key, tmp_path):
    file = tmp_path / "dkim.pem"
    file.write_bytes(key.private_bytes(PEM, PKCS8, NoEncryption()))
    return file


@pytest.fixture
def dns(key):
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    asked = []

    def answer(name, timeout=5):
        asked.append(name)
        return record if name == b"nov26._domainkey.ivr.example.vn." else None

    answer.asked = asked
    return answer


async def commit():
    pass


@pytest.fixture
async def arrived(open_post, key_file, a_report, case_path, tmp_path):
    async with open_post() as post:
        smtp = SmtpSettings(
            host="127.0.0.1",
            port=post.port,
            security="none",
            sender="bao-cao@ivr.example.vn",
            dkim_key_file=key_file,
            dkim_selector="nov26",
        )
        found = chosen.couriers(
            Settings(smtp=smtp), tmp_path / "outbox", lambda: datetime.now(UTC), unkept
        )
        await found[Channel.MAIL].deliver(a_report(), case_path, commit)
    (content,) = post.taken
    return content


async def test_what_arrives_is_signed_for_the_senders_domain(arrived, dns):
    assert arrived.startswith(b"DKIM-Signature: ")
    assert dkim.verify(arrived, dnsfunc=dns)
    assert dns.asked == [b"nov26._domainkey.ivr.example.vn."]
    assert b"\n" not in arrived.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "change",
    [
        lambda mail: mail.replace(b"To: office1@", b"To: office2@", 1),
        lambda mail: mail.replace(b"call.wav", b"call.WAV", 1),
        lambda mail: mail.replace(b"\r\nTo:", b"\r\nFrom: other@example.vn\r\nTo:", 1),
        lambda mail: mail[:-40] + b"A" + mail[-39:],
        lambda mail: mail.replace(b"Subject: =", b"Subject: x=", 1),
    ],
    ids=["recipient", "file name", "second sender", "content", "subject"],
)
async def test_a_change_on_the_way_shows(arrived, dns, change):
    changed = change(arrived)
    assert changed != arrived
    assert not dkim.verify(changed, dnsfunc=dns)


def test_a_key_that_cannot_sign_is_refused_at_the_start(tmp_path, key):
    keys = {
        "short": rsa.generate_private_key(65537, 1024).private_bytes(PEM, PKCS8, NoEncryption()),
        "other kind": ed25519.Ed25519PrivateKey.generate().private_bytes(
            PEM, PKCS8, NoEncryption()
        ),
        "locked": key.private_bytes(PEM, PKCS8, BestAvailableEncryption(b"x")),
        "nonsense": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    }
    for name, content in keys.items():
        file = tmp_path / f"{name}.pem"
        file.write_bytes(content)
        smtp = SmtpSettings(host="127.0.0.1", security="none", dkim_key_file=file)
        with pytest.raises(SettingsError, match="DKIM key"):
            chosen.couriers(Settings(smtp=smtp), tmp_path, SystemClock().now, unkept)
