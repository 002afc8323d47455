"""kill -9 while a message or a webhook goes out: none is lost, none arrives twice."""

import asyncio
import base64
import multiprocessing
import runpy
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.facts.reports import Channel, DeliveryState
from ivr.reporting.couriers.maildir import MaildirReader
from ivr.reporting.couriers.smpp import SmppCourier
from ivr.reporting.couriers.webhook import WebhookCourier
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings, SmppSettings, WebhookSettings
from ivr.storage.ledger import Ledger
from tests.fakes.http_receiver import receiving
from tests.fakes.smsc import message_centre

S = DeliveryState
BOUNCE = Path(__file__).parents[2] / "assets/mail/bounce-unknown-user.eml"
MORTAL = Path(__file__).with_name("mortal_dispatcher.py")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["ivr.storage.ledger", "ivr.reporting.couriers.smpp", "ivr.reporting.couriers.webhook"]
)


class TwoMinutesLater(SystemClock):
    """By then the lease of the dead has run out."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=2)


async def die(values):
    process = PROCESSES.Process(target=runpy.run_path, args=(str(MORTAL), values))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL


async def revive(path, channel, courier):
    settings = ReportingSettings(sms_a_number_a_day=9)
    async with await Ledger.open(path) as ledger:
        dispatcher = Dispatcher(ledger.outbox, {channel: courier}, settings, TwoMinutesLater())
        await dispatcher.run_until_idle()
        return sorted(delivery.state for delivery in await ledger.reports())


async def enter(path, a_case, reports):
    async with await Ledger.open(path) as ledger:
        await ledger.record_sealed_case(a_case, reports)


@pytest.mark.parametrize(
    ("point", "states", "count"),
    [
        ("before commit", [S.SENT, S.SENT], 2),
        # Nothing had been sent yet, but the ledger cannot know: a person is asked, not guessed.
        ("after commit", [S.SENT, S.UNCERTAIN], 1),
        ("before settle_sent", [S.SENT, S.UNCERTAIN], 2),
        ("after settle_sent", [S.SENT, S.SENT], 2),
    ],
)
async def test_a_message_is_never_sent_twice(tmp_path, a_case, a_report, point, states, count):
    path = tmp_path / "ledger.db"
    await enter(path, a_case, [a_report(n, Channel.SMS) for n in (1, 2)])
    async with message_centre() as centre:
        centre.password = ""
        smpp = {"host": "127.0.0.1", "port": centre.port, "security": "none"}
        await die({"LEDGER": str(path), "POINT": point, "SMPP": smpp})
        async with await Ledger.open(path) as ledger:
            courier = SmppCourier(SmppSettings(**smpp), ledger.replies.keep, SystemClock().now)
            found = await revive(path, Channel.SMS, courier)
            await courier.close()
    assert found == sorted(states)
    assert len(centre.taken) == count


@pytest.mark.parametrize("point", ["before commit", "after commit", "before settle_sent"])
async def test_a_webhook_is_repeated_under_its_id_until_it_is_known_to_have_arrived(
    tmp_path, a_case, a_report, point
):
    path = tmp_path / "ledger.db"
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for n in (1, 2):
        secret = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
        (secrets / f"recipient-{n}.secret").write_text(secret)
    async with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        reports = [
            replace(
                a_report(n, Channel.SMS), channel=Channel.WEBHOOK, address=url, body=f'{{"n":{n}}}'
            )
            for n in (1, 2)
        ]
        await enter(path, a_case, reports)
        webhook = {"secrets_dir": str(secrets)}
        await die({"LEDGER": str(path), "POINT": point, "WEBHOOK": webhook})
        courier = WebhookCourier(WebhookSettings(**webhook), lambda: datetime.now(UTC))
        found = await revive(path, Channel.WEBHOOK, courier)
    assert found == [S.SENT, S.SENT]
    taken = {
        h["idempotency-key"]: b for h, b in zip(receiver.headers, receiver.bodies, strict=True)
    }
    assert taken == {report.report_id: report.body.encode() for report in reports}
    assert len(receiver.bodies) == (3 if point == "before settle_sent" else 2)


async def called_sent(path, a_case, report, reference):
    async with await Ledger.open(path) as ledger:
        await ledger.record_sealed_case(a_case, [report])
        lease = await ledger.outbox.lease("me", datetime.now(UTC), 60, {report.channel}, ())
        await ledger.outbox.settle_sent(lease, datetime.now(UTC), reference, S.SENT)


async def until(is_so):
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - it polls what another process does
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("point", ["before keep", "after keep"])
async def test_a_late_receipt_is_neither_lost_nor_taken_twice(tmp_path, a_case, a_report, point):
    path = tmp_path / "ledger.db"
    report = a_report(1, Channel.SMS)
    await called_sent(path, a_case, report, "SMPP 00000A1B no receipt yet")
    async with message_centre() as centre:
        centre.password = ""
        smpp = {"host": "127.0.0.1", "port": centre.port, "security": "none"}
        values = {"LEDGER": str(path), "POINT": point, "SMPP": smpp, "LISTEN": True}
        dying = asyncio.create_task(die(values))
        await until(lambda: centre.binds)
        first = centre.deliver(b"id:A1B stat:UNDELIV", esm_class=0x04)
        await dying
        assert first not in centre.acknowledged
        async with await Ledger.open(path) as ledger:
            courier = SmppCourier(SmppSettings(**smpp), ledger.replies.keep, SystemClock().now)
            listening = asyncio.create_task(courier.listen())
            await until(lambda: centre.binds == 2)
            again = centre.deliver(b"id:A1B stat:UNDELIV", esm_class=0x04)
            await until(lambda: again in centre.acknowledged)
            listening.cancel()
            await courier.close()
            (kept,) = await ledger.replies.kept()
            (delivery,) = await ledger.reports()
    assert (kept.report_id, kept.effect) == (report.report_id, "sent → failed")
    assert (delivery.state, delivery.provider_reference) == (S.FAILED, "SMPP 00000A1B UNDELIV")


@pytest.mark.parametrize("point", ["before keep", "after keep"])
async def test_a_bounce_is_neither_lost_nor_taken_twice(tmp_path, a_case, a_report, point):
    path, maildir = tmp_path / "ledger.db", tmp_path / "Maildir"
    report = a_report(1)
    await called_sent(path, a_case, report, "250 queued")
    (maildir / "new").mkdir(parents=True)
    bounce = BOUNCE.read_bytes().replace(b"REPORT-ID", report.report_id[:40].encode())
    (maildir / "new" / "1.host").write_bytes(bounce)
    await die({"LEDGER": str(path), "POINT": point, "LISTEN": str(maildir)})
    assert (maildir / "new" / "1.host").exists()
    async with await Ledger.open(path) as ledger:
        reader = MaildirReader(maildir, ledger.replies.keep, SystemClock().now)
        assert await reader.read_new() == 1
        (kept,) = await ledger.replies.kept()
        (delivery,) = await ledger.reports()
    assert (kept.report_id, kept.reply.raw) == (report.report_id, bounce)
    assert (delivery.state, delivery.last_error) == (S.FAILED, "not delivered: failed 5.1.1")
    assert [each.name for each in (maildir / "cur").iterdir()] == ["1.host:2,S"]
