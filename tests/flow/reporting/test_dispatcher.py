"""Lease → deliver → settle, with a real ledger, a real mail server and a real folder."""

import asyncio
import email
import io
import json
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest

from ivr import telemetry
from ivr.clock import SystemClock
from ivr.demo.mailhost import MailHost
from ivr.errors import DeliveryError, StorageError
from ivr.facts.reports import Channel, DeliveryState
from ivr.reporting.couriers.folder import FolderCourier
from ivr.reporting.couriers.smtp import SmtpCourier
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings, SmtpSettings
from ivr.storage.ledger import Ledger

S = DeliveryState


class ForwardClock(SystemClock):
    """The machine's clock, set forward by a test."""

    def __init__(self):
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock():
    return ForwardClock()


@pytest.fixture
async def ledger(tmp_path, clock):
    async with await Ledger.open(tmp_path / "ledger.db", clock) as opened:
        yield opened


def mail_to(port, **settings):
    values = {"host": "127.0.0.1", "port": port, "security": "none", "timeout_s": 5}
    return SmtpCourier(SmtpSettings(**{**values, **settings}), lambda: datetime.now(UTC))


def dispatcher(ledger, clock, courier, channel=Channel.MAIL, **settings):
    values = {"retry_first_s": 10.0, "poll_s": 30.0}
    return Dispatcher(
        ledger.outbox, {channel: courier}, ReportingSettings(**{**values, **settings}), clock
    )


async def until(ledger, count, state, deadline_s=10.0):
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if len(await ledger.reports(state=state)) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not {count} {state}: {await ledger.reports()}")


async def test_message_to_the_folder_and_mail_to_the_host_of_the_demonstration(
    ledger, clock, a_case, a_report, tmp_path
):
    await ledger.record_sealed_case(a_case, [a_report(1), a_report(2, Channel.SMS)])
    async with MailHost(tmp_path / "mail") as host:
        couriers = {
            Channel.MAIL: mail_to(host.port),
            Channel.SMS: FolderCourier(tmp_path / "outbox", "ivr@localhost", clock.now),
        }
        work = Dispatcher(ledger.outbox, couriers, ReportingSettings(), clock)
        done = await work.run_until_idle()
        (message,) = await asyncio.to_thread(host.messages)
        assert len(host.files()) == 1
    assert {delivery.channel: delivery.state for delivery in done} == {
        Channel.MAIL: S.SENT,
        Channel.SMS: S.READY,
    }
    assert message["X-IVR-Report-Id"].strip() == a_report(1).report_id
    assert await work.run_until_idle() == []


async def test_greylisted_then_taken(ledger, clock, open_post, a_case, a_report):
    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        post.answers = ["451 4.7.1 try again later"]
        work = dispatcher(ledger, clock, mail_to(post.port))
        (first,) = await work.run_until_idle()
        assert (first.state, first.attempts) == (S.RETRY, 1)
        assert "451" in first.last_error
        assert await work.run_until_idle() == []  # not before it is due
        clock.ahead += timedelta(seconds=10)
        (second,) = await work.run_until_idle()
    assert (second.state, second.attempts, second.last_error) == (S.SENT, 2, None)
    assert len(post.taken) == 1


async def test_a_refusal_for_good_waits_for_a_person(ledger, clock, open_post, a_case, a_report):
    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        post.answers = ["554 5.7.1 content refused"]
        work = dispatcher(ledger, clock, mail_to(post.port))
        (delivery,) = await work.run_until_idle()
        assert delivery.state is S.FAILED
        clock.ahead += timedelta(days=2)
        assert await work.run_until_idle() == []
        await ledger.desk.retry(delivery.report_id)
        (delivery,) = await work.run_until_idle()
    assert delivery.state is S.SENT


async def test_attempts_are_limited_then_a_person_must_look(ledger, clock, a_case, a_report):
    class Unreachable:
        is_repeatable = False
        settles_as = S.SENT

        async def deliver(self, report, case_path, commit):
            raise DeliveryError("no", why="-", remedy="-", is_retryable=True)

    await ledger.record_sealed_case(a_case, [a_report()])
    work = dispatcher(ledger, clock, Unreachable(), attempts=3)
    states = []
    for _ in range(4):
        states += [delivery.state for delivery in await work.run_until_idle()]
        clock.ahead += timedelta(hours=2)
    assert states == [S.RETRY, S.RETRY, S.FAILED]


async def test_a_report_whose_delivery_kills_its_process_every_time_is_given_up(
    ledger, clock, open_post, a_case, a_report
):
    await ledger.record_sealed_case(a_case, [a_report()])
    for _ in range(3):  # three processes took it and died before the hand-over
        await ledger.outbox.lease("dead", clock.now(), 60.0, {Channel.MAIL}, ())
        clock.ahead += timedelta(seconds=61)
    async with open_post() as post:
        work = dispatcher(ledger, clock, mail_to(post.port), attempts=3)
        (delivery,) = await work.run_until_idle()
    assert delivery.state is S.FAILED
    assert "cut off" in delivery.last_error
    assert post.taken == []


async def test_a_cut_after_the_content_is_uncertain_and_not_sent_again(
    ledger, clock, open_post, a_case, a_report
):
    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        post.cut_after_content = True
        work = dispatcher(ledger, clock, mail_to(post.port))
        (delivery,) = await work.run_until_idle()
        assert delivery.state is S.UNCERTAIN
        clock.ahead += timedelta(days=2)
        assert await work.run_until_idle() == []
    assert len(post.taken) == 1


async def test_dispatchers_side_by_side_send_each_report_once(
    ledger, clock, open_post, a_case, a_report, tmp_path
):
    await ledger.record_sealed_case(a_case, [a_report(n) for n in range(1, 25)])
    async with open_post() as post, await Ledger.open(tmp_path / "ledger.db", clock) as second:
        work = [dispatcher(each, clock, mail_to(post.port)) for each in (ledger, second)]
        await asyncio.gather(*(each.run_until_idle() for each in work))
    assert len(post.taken) == 24
    assert len({tuple(recipients) for recipients in post.recipients}) == 24
    assert len(await ledger.reports(state=S.SENT)) == 24


async def test_a_stalled_dispatcher_sends_nothing_after_another_took_over(
    ledger, clock, open_post, a_case, a_report
):
    """The first one reaches the commit point only after its lease ran out."""
    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        inner = mail_to(post.port)
        arrived, go_on = asyncio.Event(), asyncio.Event()

        class Stalled:
            is_repeatable = False
            settles_as = S.SENT

            async def deliver(self, report, case_path, commit):
                async def late():
                    arrived.set()
                    await go_on.wait()
                    await commit()

                return await inner.deliver(report, case_path, late)

        slow = asyncio.create_task(dispatcher(ledger, clock, Stalled()).run_until_idle())
        await arrived.wait()
        clock.ahead += timedelta(seconds=61)
        (taken_over,) = await dispatcher(ledger, clock, inner).run_until_idle()
        go_on.set()
        assert await slow == []
    assert taken_over.state is S.SENT
    assert len(post.taken) == 1


async def test_running_it_wakes_on_notice_and_stops_cleanly(
    ledger, clock, open_post, a_case, a_report
):
    async with open_post() as post:
        work = dispatcher(ledger, clock, mail_to(post.port))  # polls only every 30 s
        running = asyncio.create_task(work.run())
        for n in (1, 2, 3):
            # Other recipients of the same case; each is noticed at once.
            await ledger.record_sealed_case(a_case, [a_report(n)])
            work.notify()
            await until(ledger, n, S.SENT)
        work.stop()
        await asyncio.wait_for(running, 5)
    assert len(post.taken) == 3


async def test_running_it_retries_by_itself_when_due(ledger, clock, open_post, a_case, a_report):
    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        post.answers = ["451 later"] * 2
        work = dispatcher(ledger, clock, mail_to(post.port), retry_first_s=0.05)
        running = asyncio.create_task(work.run())
        await until(ledger, 1, S.SENT)
        work.stop()
        await running
    assert len(post.taken) == 1


async def test_stopping_waits_for_the_delivery_under_way(
    ledger, clock, open_post, a_case, a_report
):
    await ledger.record_sealed_case(a_case, [a_report(1), a_report(2)])
    async with open_post() as post:
        reached = asyncio.Event()

        async def on_content():
            reached.set()
            await post.released.wait()

        post.on_content = on_content
        work = dispatcher(ledger, clock, mail_to(post.port), parallel=1)
        running = asyncio.create_task(work.run())
        await reached.wait()
        work.stop()
        post.released.set()
        await asyncio.wait_for(running, 5)
    assert [d.state for d in await ledger.reports(state=S.SENT)] == [S.SENT]
    assert len(await ledger.reports(state=S.PENDING)) == 1


async def test_no_more_deliveries_at_once_than_allowed(ledger, clock, a_case, a_report):
    class Counting:
        is_repeatable = True
        settles_as = S.SENT
        now = most = 0

        async def deliver(self, report, case_path, commit):
            self.now += 1
            self.most = max(self.most, self.now)
            await commit()
            self.now -= 1
            return "ok"

    await ledger.record_sealed_case(a_case, [a_report(n) for n in range(1, 13)])
    courier = Counting()
    await dispatcher(ledger, clock, courier, parallel=3).run_until_idle()
    assert 1 <= courier.most <= 3
    assert len(await ledger.reports(state=S.SENT)) == 12


@pytest.mark.parametrize(
    ("commits", "state"), [(False, S.RETRY), (True, S.UNCERTAIN)], ids=["before", "after"]
)
async def test_a_couriers_own_mistake_stops_nobody(ledger, clock, a_case, a_report, commits, state):
    class Broken:
        is_repeatable = False
        settles_as = S.SENT

        async def deliver(self, report, case_path, commit):
            if commits:
                await commit()
            raise KeyError("mistake")

    await ledger.record_sealed_case(a_case, [a_report(1), a_report(2)])
    done = await dispatcher(ledger, clock, Broken()).run_until_idle()
    assert [delivery.state for delivery in done] == [state, state]
    assert "KeyError" in done[0].last_error


async def test_a_courier_that_hangs_is_cut_off_with_its_lease(ledger, clock, a_case, a_report):
    class Hanging:
        is_repeatable = False
        settles_as = S.SENT

        async def deliver(self, report, case_path, commit):
            await asyncio.Event().wait()

    await ledger.record_sealed_case(a_case, [a_report()])
    (delivery,) = await dispatcher(ledger, clock, Hanging(), lease_s=0.2).run_until_idle()
    assert delivery.state is S.RETRY


async def test_nothing_is_sent_when_the_ledger_cannot_note_the_hand_over(
    ledger, clock, open_post, a_case, a_report
):
    """A full disk at the worst moment: the commit fails, so the mail stays here."""

    class FullDisk:
        def __getattr__(self, name):
            return getattr(ledger.outbox, name)

        async def commit(self, lease, now):
            raise StorageError("full", why="disk", remedy="free space")

    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        couriers = {Channel.MAIL: mail_to(post.port)}
        work = Dispatcher(FullDisk(), couriers, ReportingSettings(), clock)
        (delivery,) = await work.run_until_idle()
    assert delivery.state is S.RETRY
    assert post.taken == []


async def test_a_ledger_that_fails_for_a_while_does_not_end_the_service(
    ledger, clock, open_post, a_case, a_report
):
    class Shaky:
        failures = 3

        def __getattr__(self, name):
            return getattr(ledger.outbox, name)

        async def lease(self, *args):
            if self.failures:
                self.failures -= 1
                raise StorageError("locked", why="-", remedy="-")
            return await ledger.outbox.lease(*args)

    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        couriers = {Channel.MAIL: mail_to(post.port)}
        work = Dispatcher(Shaky(), couriers, ReportingSettings(poll_s=0.05, parallel=1), clock)
        running = asyncio.create_task(work.run())
        await until(ledger, 1, S.SENT)
        work.stop()
        await running


async def test_a_settlement_that_fails_is_tried_again_and_the_mail_is_not(
    ledger, clock, open_post, a_case, a_report
):
    class Shaky:
        failures = 2

        def __getattr__(self, name):
            return getattr(ledger.outbox, name)

        async def settle_sent(self, *args):
            if self.failures:
                self.failures -= 1
                raise StorageError("locked", why="-", remedy="-")
            return await ledger.outbox.settle_sent(*args)

    await ledger.record_sealed_case(a_case, [a_report()])
    async with open_post() as post:
        couriers = {Channel.MAIL: mail_to(post.port)}
        work = Dispatcher(Shaky(), couriers, ReportingSettings(), clock)
        (delivery,) = await work.run_until_idle()
    assert delivery.state is S.SENT
    assert len(post.taken) == 1


async def test_logs_name_the_report_but_no_address_number_or_text(
    ledger, clock, open_post, a_case, a_report, monkeypatch
):
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    lines = io.StringIO()
    monkeypatch.setattr("sys.stderr", lines)
    telemetry.configure("info", "json")
    try:
        await ledger.record_sealed_case(a_case, [a_report()])
        async with open_post() as post:
            post.answers = ["550 <office1@example.vn> unknown"]
            await dispatcher(ledger, clock, mail_to(post.port)).run_until_idle()
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    (line,) = [json.loads(each) for each in lines.getvalue().splitlines()]
    assert (line["event"], line["state"]) == ("report_settled", "failed")
    assert line["report_id"] == a_report().report_id[:16]
    for private in ("office1", "0987654321", "chuyển tiền"):
        assert private not in lines.getvalue()


async def test_the_mail_host_keeps_its_mail_after_it_is_gone(tmp_path, a_report, case_path):
    async def commit():
        pass

    async with MailHost(tmp_path / "mail") as host:
        await mail_to(host.port).deliver(a_report(), case_path, commit)
    (file,) = host.files()
    content = await asyncio.to_thread(file.read_bytes)
    assert email.message_from_bytes(content)["To"] == "office1@example.vn"
    with pytest.raises(RuntimeError, match="not running"):
        _ = host.port
