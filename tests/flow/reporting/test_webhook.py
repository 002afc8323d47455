"""Webhooks to a real HTTPS server: signed, whole, and once from the receiver's point of view."""

import base64
import hashlib
import hmac
import json
import socket
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trustme

from ivr.clock import SystemClock
from ivr.errors import DeliveryError, SettingsError
from ivr.facts.reports import Channel, DeliveryState
from ivr.reporting.couriers.webhook import WebhookCourier, read_secrets
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings, WebhookSettings
from ivr.storage.ledger import Ledger
from tests.fakes.http_receiver import answer, receiving

OLD, NEW = b"o" * 32, b"n" * 32
NOW = datetime(2026, 11, 24, 2, 12, tzinfo=UTC)


@pytest.fixture
def secrets(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    lines = [f"whsec_{base64.b64encode(each).decode()}" for each in (NEW, OLD)]
    (folder / "recipient-1.secret").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def courier(secrets, ca_file):
    def build(**changes):
        values = {"secrets_dir": secrets, "ca_file": ca_file, "timeout_s": 5.0}
        return WebhookCourier(WebhookSettings(**{**values, **changes}), lambda: NOW)

    return build


@pytest.fixture
def to(a_report):
    def build(port, scheme="https"):
        return replace(
            a_report(1),
            channel=Channel.WEBHOOK,
            address=f"{scheme}://127.0.0.1:{port}/ivr",
            body=json.dumps({"statement_vi": "có dấu hiệu lừa đảo"}, ensure_ascii=False),
            attachments=(),
        )

    return build


async def commit():
    return None


async def refused(sending):
    with pytest.raises(DeliveryError) as caught:
        await sending
    return caught.value


async def test_a_report_arrives_signed_with_every_secret_and_its_id(
    courier, to, tls_for, authority, case_path
):
    async with receiving(tls_for(authority)) as receiver:
        report = to(receiver.port)
        reference = await courier().deliver(report, case_path, commit)
    (headers,), (body,) = receiver.headers, receiver.bodies
    assert body == report.body.encode()
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == headers["webhook-id"] == report.report_id
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    signed = f"{report.report_id}.{headers['webhook-timestamp']}.".encode() + body
    wanted = [
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for key in (NEW, OLD)
    ]
    assert headers["webhook-signature"].split() == wanted
    assert reference == "HTTP 202 id 4711"


@pytest.mark.parametrize(
    ("status", "is_retryable", "is_ambiguous"),
    [
        (400, False, False),
        (404, False, False),
        (413, False, False),
        (422, False, False),
        (301, False, False),
        (401, True, False),
        (429, True, False),
        (503, True, False),
        (500, False, True),
        (504, False, True),
    ],
)
async def test_each_answer_is_certain_or_honestly_not(
    courier, to, case_path, status, is_retryable, is_ambiguous
):
    async with receiving() as receiver:
        elsewhere = f"Location: http://127.0.0.1:{receiver.port}/other"
        receiver.answers = [answer(status, b"so said", elsewhere)]
        problem = await refused(courier().deliver(to(receiver.port, "http"), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (is_retryable, is_ambiguous)
    assert f"HTTP {status} so said" in problem.why
    assert len(receiver.bodies) == 1  # no redirect was followed


async def test_a_connection_that_ends_without_an_answer_is_ambiguous(courier, to, case_path):
    async with receiving() as receiver:
        receiver.hangs_up = 1
        problem = await refused(courier().deliver(to(receiver.port, "http"), case_path, commit))
    assert problem.is_ambiguous


async def test_a_receiver_that_never_answers_is_ambiguous(courier, to, case_path):
    async with receiving() as receiver:
        receiver.stalls = True
        sender = courier(timeout_s=0.4)
        problem = await refused(sender.deliver(to(receiver.port, "http"), case_path, commit))
    assert problem.is_ambiguous
    assert len(receiver.bodies) == 1


async def test_nobody_listening_is_certain_and_tried_again(courier, to, case_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        report = to(closed.getsockname()[1], "http")
        problem = await refused(courier().deliver(report, case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (True, False)


@pytest.mark.parametrize("whose", ["unknown authority", "other host"])
async def test_a_certificate_that_does_not_hold_gets_nothing(
    courier, to, tls_for, authority, case_path, whose
):
    tls = tls_for(trustme.CA()) if whose == "unknown authority" else tls_for(authority, "o.example")
    async with receiving(tls) as receiver:
        problem = await refused(courier().deliver(to(receiver.port), case_path, commit))
    assert (problem.is_retryable, problem.is_ambiguous) == (True, False)
    assert "certificate" in problem.remedy
    assert receiver.bodies == []


async def test_nothing_goes_in_the_clear_to_another_machine(courier, to, case_path):
    report = replace(to(1), address="http://op.example.vn/ivr")
    problem = await refused(courier().deliver(report, case_path, commit))
    assert not problem.is_retryable
    assert "clear" in problem.what


async def test_an_endless_answer_is_cut(courier, to, case_path):
    async with receiving() as receiver:
        receiver.answers = [answer(200, b"x" * 300_000)]
        reference = await courier().deliver(to(receiver.port, "http"), case_path, commit)
    assert len(reference) < 2100


async def test_a_missing_secret_waits_for_the_administrator(courier, to, secrets, case_path):
    (secrets / "recipient-1.secret").unlink()
    problem = await refused(courier().deliver(to(1, "http"), case_path, commit))
    assert problem.is_retryable
    assert "openssl rand" in problem.remedy


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "empty"), ("whsec_!!", "Error"), ("whsec_YWJj", "fewer than 24"), ("bí mật", "Unicode")],
)
def test_a_secret_that_protects_nothing_is_refused(tmp_path, text, why):
    file = tmp_path / "op.secret"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_secrets(file)
    assert why in caught.value.why
    assert text == "" or text not in str(caught.value)


@pytest.mark.parametrize(
    ("is_idempotent", "state", "posts"),
    [(True, DeliveryState.SENT, 2), (False, DeliveryState.UNCERTAIN, 1)],
)
async def test_an_unclear_delivery_is_repeated_only_where_the_receiver_takes_it_once(
    courier, to, a_case, tmp_path, is_idempotent, state, posts
):
    settings = ReportingSettings(retry_first_s=0.01, retry_longest_s=0.01, parallel=1)
    async with (
        receiving() as receiver,
        await Ledger.open(tmp_path / "ledger.sqlite3", SystemClock()) as ledger,
    ):
        receiver.hangs_up = 1
        await ledger.record_sealed_case(a_case, [to(receiver.port, "http")])
        sender = {Channel.WEBHOOK: courier(receivers_are_idempotent=is_idempotent)}
        dispatcher = Dispatcher(ledger.outbox, sender, settings, SystemClock())
        for _ in range(200):
            await dispatcher.run_until_idle()
            (delivery,) = await ledger.reports()
            if delivery.state is not DeliveryState.RETRY:
                break
    assert (delivery.state, len(receiver.bodies)) == (state, posts)
    assert len({headers["idempotency-key"] for headers in receiver.headers}) == 1
    assert len(set(receiver.bodies)) == 1
