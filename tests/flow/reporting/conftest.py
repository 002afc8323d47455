"""Real parts: a ledger file, sealed case folders, a real SMTP server with a real certificate."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from ivr.facts.call import Mode
from ivr.facts.cases import CaseSummary
from ivr.facts.reports import Attachment, Channel, Report

CASE_ID = "01KAS0000000000000000000A1"
SOUND = b"RIFF" + bytes(range(256)) * 40


@pytest.fixture
def case_path(tmp_path: Path) -> Path:
    folder = tmp_path / "cases" / CASE_ID
    (folder / "derived").mkdir(parents=True)
    (folder / "derived" / "call.wav").write_bytes(SOUND)
    (folder / "manifest.json").write_bytes(b'{"a":1}')
    return folder


@pytest.fixture
def a_case(case_path: Path) -> CaseSummary:
    return CaseSummary(
        case_id=CASE_ID,
        mode=Mode.ANSWER,
        caller="+84987654321",
        opened_at=datetime(2026, 11, 24, 2, 12, tzinfo=UTC),
        duration_s=61.25,
        label="scam",
        score=0.93,
        is_complete=True,
        seal_sha256="5" * 64,
        path=str(case_path),
    )


@pytest.fixture
def a_report(case_path: Path) -> Callable[..., Report]:
    def build(n: int = 1, channel: Channel = Channel.MAIL) -> Report:
        is_mail = channel is Channel.MAIL
        return Report(
            report_id=f"{n:064x}"[::-1],
            case_id=CASE_ID,
            channel=channel,
            recipient_id=f"recipient-{n}",
            address=f"office{n}@example.vn" if is_mail else "156",
            subject="Báo cáo cuộc gọi có dấu hiệu lừa đảo" if is_mail else "",
            body="Kính gửi:\n.\n..đòi chuyển tiền\n"
            if is_mail
            else "LD (0987654321) (Mao danh cong an, 09:12 24/11/2026, co ghi am)",
            attachments=(
                Attachment("derived/call.wav", "audio/wav", hashlib.sha256(SOUND).hexdigest()),
                Attachment(
                    "manifest.json",
                    "application/json",
                    hashlib.sha256(b'{"a":1}').hexdigest(),
                ),
            )
            if is_mail
            else (),
            template_sha256="e" * 64,
        )

    return build


@dataclass
class Post:
    """A mail server's counter: what it took, and how it is to answer next."""

    taken: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)  # to the content, one each; then 250
    recipient_answers: list[str] = field(default_factory=list)
    cut_after_content: bool = False
    stall_after_content: bool = False
    on_content: Callable[[], Awaitable[None]] | None = None
    port: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.on_content is not None:
            await self.on_content()
        answer = self.answers.pop(0) if self.answers else "250 2.0.0 queued as 4711"
        if answer.startswith("2"):
            self.taken.append(envelope.original_content)
            self.recipients.append(envelope.rcpt_tos)
        if self.stall_after_content:
            await self.released.wait()
        if self.cut_after_content:
            server.transport.abort()
        return answer

    def authenticate(self, server, session, envelope, mechanism, data):
        known = isinstance(data, LoginPassword) and data.password == "quá bí mật".encode()
        if known:
            self.logins.append(data.login.decode())
        return AuthResult(success=known, handled=known)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def _end(sessions: list[SMTP]) -> None:
    """Connections that a test left open must not outlive it."""
    for session in sessions:
        for transport in (session.transport, session._original_transport):
            if transport is not None:
                transport.abort()
    tasks = [each._handler_coroutine for each in sessions if each._handler_coroutine]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)  # lets the loop say connection_lost to the aborted transports


@asynccontextmanager
async def post_office(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, **options
) -> AsyncIterator[Post]:
    """A real aiosmtpd server on loopback; the caller steers it through the `Post`."""
    post = Post()

    sessions: list[SMTP] = []

    def session() -> SMTP:
        made = SMTP(
            post,
            hostname="mail.example.vn",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=post.authenticate,
            auth_require_tls=starttls is not None,
            loop=asyncio.get_running_loop(),
            **options,
        )
        sessions.append(made)
        return made

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        post.released.set()
        server.close()
        await server.wait_closed()
        await _end(sessions)


@pytest.fixture
def open_post():
    return post_office


@pytest.fixture
def tls_for():
    return server_tls
