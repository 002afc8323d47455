"""Mail to a real server: encrypted, whole, and certain or honestly uncertain."""

import asyncio
import email
import socket
from dataclasses import replace
from datetime import UTC, datetime
from email import policy

import pytest
import trustme

from ivr.errors import DeliveryError, SettingsError
from ivr.facts.reports import Attachment
from ivr.reporting.couriers.smtp import SmtpCourier
from ivr.settings import SmtpSettings


def courier(post, **settings):
    values = {"host": "127.0.0.1", "port": post.port, "security": "none", "timeout_s": 5.0}
    return SmtpCourier(SmtpSettings(**{**values, **settings}), lambda: datetime.now(UTC))


class Commits:
    def __init__(self):
        self.count = 0

    async def __call__(self):
        self.count += 1


@pytest.fixture
def commit():
    return Commits()


async def refused(sending):
    with pytest.raises(DeliveryError) as caught:
        await sending
    return caught.value


async def test_over_starttls_with_login_the_mail_arrives_whole(
    open_post, tls_for, authority, ca_file, tmp_path, a_report, case_path, commit
):
    secret = tmp_path / "password"
    secret.write_text("quá bí mật\n")
    async with open_post(starttls=tls_for(authority)) as post:
        sender = courier(
            post,
            security="starttls",
            ca_file=ca_file,
            username="ivr",
            password_file=secret,
            sender="bao-cao@ivr.example.vn",
        )
        reference = await sender.deliver(a_report(), case_path, commit)
    assert reference == "250 2.0.0 queued as 4711"
    assert (post.logins, commit.count) == (["ivr"], 1)
    assert max(len(line) for line in post.taken[0].split(b"\r\n")) <= 78  # RFC 5322
    assert b"\n" not in post.taken[0].replace(b"\r\n", b"")
    message = email.message_from_bytes(post.taken[0], policy=policy.default)
    assert message["To"] == "office1@example.vn"
    assert message["Subject"] == "Báo cáo cuộc gọi có dấu hiệu lừa đảo"
    assert message["X-IVR-Report-Id"].strip() == a_report().report_id
    assert message["Message-ID"] == f"<{a_report().report_id[:40]}@ivr.example.vn>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_body().get_content().replace("\r\n", "\n") == a_report().body
    attached = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
    assert attached["call.wav"] == (case_path / "derived" / "call.wav").read_bytes()
    assert attached["manifest.json"] == b'{"a":1}'


async def test_over_tls_from_the_first_byte(
    open_post, tls_for, authority, ca_file, a_report, case_path, commit
):
    async with open_post(tls=tls_for(authority)) as post:
        sender = courier(post, security="tls", ca_file=ca_file)
        await sender.deliver(a_report(), case_path, commit)
    assert len(post.taken) == 1


async def test_every_attempt_carries_the_same_message_id(open_post, a_report, case_path, commit):
    async with open_post() as post:
        post.answers = ["451 4.7.1 greylisted, try again"]
        problem = await refused(courier(post).deliver(a_report(), case_path, commit))
        assert (problem.is_retryable, problem.is_ambiguous) == (True, False)
        assert "451" in problem.what
        await courier(post).deliver(a_report(), case_path, commit)
        await courier(post).deliver(a_report(), case_path, commit)
    ids = {email.message_from_bytes(content)["Message-ID"] for content in post.taken}
    assert len(post.taken) == 2
    assert len(ids) == 1


async def test_a_mail_too_large_is_refused_for_good_before_it_is_sent(
    open_post, a_report, case_path, commit
):
    async with open_post(data_size_limit=2000) as post:
        problem = await refused(courier(post).deliver(a_report(), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (False, False)
    assert "552" in problem.what
    assert commit.count == 0


@pytest.mark.parametrize(
    ("reply", "is_retryable"), [("550 5.1.1 no such user", False), ("450 4.2.1 busy", True)]
)
async def test_an_answer_about_the_recipient_is_certain(
    open_post, a_report, case_path, commit, reply, is_retryable
):
    async with open_post() as post:
        post.recipient_answers = [reply]
        problem = await refused(courier(post).deliver(a_report(), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (is_retryable, False)
    assert commit.count == 0


async def test_a_connection_cut_after_the_content_is_ambiguous(
    open_post, a_report, case_path, commit
):
    async with open_post() as post:
        post.cut_after_content = True
        problem = await refused(courier(post).deliver(a_report(), case_path, commit))
    assert problem.is_ambiguous
    assert not problem.is_retryable
    assert len(post.taken) == 1


async def test_a_server_that_never_answers_the_content_is_ambiguous(
    open_post, a_report, case_path, commit
):
    async with open_post() as post:
        post.stall_after_content = True
        problem = await refused(courier(post, timeout_s=0.5).deliver(a_report(), case_path, commit))
    assert problem.is_ambiguous


async def test_a_nonsense_answer_to_the_content_is_ambiguous(
    open_post, a_report, case_path, commit
):
    async with open_post() as post:
        post.answers = ["399 perhaps"]
        problem = await refused(courier(post).deliver(a_report(), case_path, commit))
    assert problem.is_ambiguous


async def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_said(
    open_post, tls_for, a_report, case_path, commit
):
    for way in ("starttls", "tls"):
        async with open_post(**{way: tls_for(trustme.CA())}) as post:
            problem = await refused(
                courier(post, security=way).deliver(a_report(), case_path, commit)
            )
        assert problem.is_retryable
        assert "certificate" in problem.remedy
        assert post.taken == []
    assert commit.count == 0


async def test_a_certificate_for_another_host_is_refused(
    open_post, tls_for, authority, ca_file, a_report, case_path, commit
):
    async with open_post(starttls=tls_for(authority, "mail.other.example")) as post:
        sender = courier(post, security="starttls", ca_file=ca_file)
        problem = await refused(sender.deliver(a_report(), case_path, commit))
    assert problem.is_retryable
    assert post.taken == []


async def test_a_server_without_starttls_gets_nothing(open_post, a_report, case_path, commit):
    async with open_post() as post:
        sender = courier(post, security="starttls")
        problem = await refused(sender.deliver(a_report(), case_path, commit))
    assert problem.is_retryable
    assert post.taken == []


async def test_a_refused_login_waits_for_the_administrator(
    open_post, tls_for, authority, ca_file, tmp_path, a_report, case_path, commit
):
    secret = tmp_path / "password"
    secret.write_text("sai")
    async with open_post(starttls=tls_for(authority)) as post:
        sender = courier(
            post, security="starttls", ca_file=ca_file, username="ivr", password_file=secret
        )
        problem = await refused(sender.deliver(a_report(), case_path, commit))
        secret.unlink()
        missing = await refused(sender.deliver(a_report(), case_path, commit))
    assert problem.is_retryable
    assert "535" in problem.what
    assert "sai" not in str(problem)
    assert missing.is_retryable
    assert "password" in missing.what


async def test_nobody_listening_is_retried(a_report, case_path, commit):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = SmtpSettings(
            host="127.0.0.1", port=closed.getsockname()[1], security="none", timeout_s=2
        )
        sender = SmtpCourier(settings, lambda: datetime.now(UTC))
        problem = await refused(sender.deliver(a_report(), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (True, False)


async def test_a_server_that_never_greets_is_retried_after_the_timeout(a_report, case_path, commit):
    gone = asyncio.Event()

    async def silent(reader, writer):
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        settings = SmtpSettings(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            security="none",
            timeout_s=0.3,
        )
        sender = SmtpCourier(settings, lambda: datetime.now(UTC))
        problem = await refused(sender.deliver(a_report(), case_path, commit))
        await gone.wait()
    assert (problem.is_retryable, problem.is_ambiguous) == (True, False)


async def test_when_the_lease_is_lost_nothing_is_sent(open_post, a_report, case_path):
    class Lost(Exception):
        pass

    async def lost():
        raise Lost

    async with open_post() as post:
        with pytest.raises(Lost):
            await courier(post).deliver(a_report(), case_path, lost)
    assert post.taken == []


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (Attachment("derived/call.wav", "audio/wav", "0" * 64), "not the sealed one"),
        (Attachment("derived/gone.wav", "audio/wav", "0" * 64), "No such file"),
        (Attachment("../../../etc/passwd", "text/plain", "0" * 64), "outside the case"),
        (Attachment("/etc/passwd", "text/plain", "0" * 64), "outside the case"),
    ],
)
async def test_a_file_that_is_not_what_was_sealed_is_never_sent(
    open_post, a_report, case_path, commit, attachment, why
):
    async with open_post() as post:
        report = replace(a_report(), attachments=(attachment,))
        problem = await refused(courier(post).deliver(report, case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (False, False)
    assert why in problem.why
    assert post.taken == []


async def test_a_line_break_in_a_header_goes_nowhere(open_post, a_report, case_path, commit):
    async with open_post() as post:
        report = replace(a_report(), subject="x\r\nBcc: everybody@example.vn")
        problem = await refused(courier(post).deliver(report, case_path, commit))
    assert not problem.is_retryable
    assert post.taken == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"host": ""}, "empty"),
        ({"host": "mail.example.vn", "security": "none"}, "not this machine"),
        ({"host": "mail.example.vn", "ca_file": "/nowhere.pem"}, "ca_file"),
    ],
)
def test_settings_that_would_send_in_the_clear_or_nowhere_are_refused(settings, why):
    with pytest.raises(SettingsError) as caught:
        SmtpCourier(SmtpSettings(**settings), lambda: datetime.now(UTC))
    assert why in caught.value.why
