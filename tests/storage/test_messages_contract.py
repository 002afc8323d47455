"""Reported short messages: once each, through the same outbox and the same limits as calls."""

import asyncio
import os
import signal
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from ivr.errors import InputError
from ivr.facts.replies import ReportedMessage
from ivr.facts.reports import Channel, DeliveryState, Quota
from ivr.storage import upgrade
from ivr.storage.ledger import Ledger
from tests.fakes.evidence_site import in_child

S = DeliveryState
SMS = {Channel.SMS}


@pytest.fixture
def a_message(clock):
    def build(sender="0987654321", text="Vay nhanh lãi thấp", number="+84987654321"):
        message_id = ReportedMessage.id_of(sender, text, clock.now())
        return ReportedMessage(message_id, "S", sender, number, text, clock.now(), "lan")

    return build


@pytest.fixture
def report_of(a_report):
    def build(message, letter="a", **changes):
        return a_report(
            letter * 64, case_id=message.message_id, channel=Channel.SMS, recipient_id="156",
            address="156", attachments=(), **changes,
        )  # fmt: skip

    return build


async def test_a_message_and_its_reports_come_back_as_they_were(ledger, a_message, report_of):
    message = a_message()
    assert await ledger.messages.enter(message, [report_of(message)]) == ("a" * 64,)
    assert await ledger.messages.message(message.message_id) == message
    report, delivery = await ledger.report("a")
    assert report == report_of(message)
    assert (delivery.state, delivery.case_id) == (S.PENDING, message.message_id)
    assert await ledger.reports(case_id=message.message_id) == [delivery]
    with pytest.raises(InputError):
        await ledger.messages.message("sms-0")


async def test_the_same_message_is_reported_once(ledger, a_message, report_of):
    message = a_message()
    await ledger.messages.enter(message, [report_of(message)])
    assert await ledger.messages.enter(message, [report_of(message, "b")]) == ()
    assert len(await ledger.reports()) == 1


async def test_it_waits_where_a_person_is_asked_first(ledger, a_message, report_of):
    first, second = a_message(), a_message(text="other")
    await ledger.messages.enter(first, [report_of(first)], is_held=True)
    await ledger.messages.enter(second, [report_of(second, "b", needs_release=True)])
    assert {each.state for each in await ledger.reports()} == {S.HELD}


async def test_it_is_leased_and_settled_like_any_report(ledger, clock, a_message, report_of):
    message = a_message()
    await ledger.messages.enter(message, [report_of(message)])
    lease = await ledger.outbox.lease("me", clock.now(), 60, SMS, ())
    assert lease.report == report_of(message)
    assert await ledger.outbox.commit(lease, clock.now())
    await ledger.outbox.settle_sent(lease, clock.now(), "modem 1", S.SENT)
    assert await ledger.outbox.lease("me", clock.now(), 60, SMS, ()) is None


async def test_calls_and_messages_of_one_number_share_the_limit_of_a_day(
    ledger, clock, a_case, a_report, a_message, report_of
):
    quota = Quota(500, 1, clock.now(), clock.now() + timedelta(days=1))
    call = a_report("c" * 64, channel=Channel.SMS, recipient_id="156", address="156")
    await ledger.record_sealed_case(a_case(), [call])
    lease = await ledger.outbox.lease("me", clock.now(), 60, SMS, (), {Channel.SMS: quota})
    await ledger.outbox.commit(lease, clock.now())
    await ledger.outbox.settle_sent(lease, clock.now(), "modem 1", S.SENT)
    same, brand = a_message(), a_message("VIB BANK", number=None)
    await ledger.messages.enter(same, [report_of(same)])
    await ledger.messages.enter(brand, [report_of(brand, "b")])
    lease = await ledger.outbox.lease("me", clock.now(), 60, SMS, (), {Channel.SMS: quota})
    assert lease.report.case_id == brand.message_id
    assert await ledger.outbox.lease("me", clock.now(), 60, SMS, (), {Channel.SMS: quota}) is None
    _, waiting = await ledger.report("a")
    assert "about one number" in waiting.last_error


async def test_old_messages_are_erased_when_nothing_of_them_waits(
    ledger, clock, tmp_path, a_message, report_of
):
    done, waiting = a_message(), replace(a_message(text="SECRET WAITING"))
    await ledger.messages.enter(done, [report_of(done, body="SECRET WORDS")])
    await ledger.messages.enter(waiting, [report_of(waiting, "b")])
    lease = await ledger.outbox.lease("me", clock.now(), 60, SMS, ())
    await ledger.outbox.settle_sent(lease, clock.now(), "modem 1", S.SENT)
    is_first = lease.report.case_id == done.message_id
    assert await ledger.messages.erase_messages(clock.now()) == 0
    assert await ledger.messages.erase_messages(clock.forward(1)) == 1
    (left,) = await ledger.reports()
    assert left.case_id == (waiting if is_first else done).message_id
    written = b"".join(each.read_bytes() for each in tmp_path.glob("ledger.db*"))
    assert (b"SECRET WORDS" in written, b"SECRET WAITING" in written) == (not is_first, is_first)


async def test_reports_of_an_earlier_version_are_kept_with_all_that_was_done(tmp_path):
    path = tmp_path / "ledger.db"
    old = sa.create_engine(f"sqlite:///{path}")
    with old.begin() as connection:
        config = upgrade.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "r0004")
        case = (
            "'01A', 'answer', NULL, '2026-11-24T02:12:00.000000Z', 6.0, 'scam', 0.9, 1, '5', '/c'"
        )
        moment = "'2026-11-24T02:12:00.000000Z'"
        values = f"'156', '156', '', 'LD', '[]', 'e', 'sent', 1, 1, {moment}, NULL, NULL, NULL"
        for statement in (
            f"INSERT INTO cases VALUES ({case}, NULL, NULL)",
            f"INSERT INTO reports VALUES ('{'a' * 64}', '01A', 'sms', {values}, {moment})",
            f"INSERT INTO attempts VALUES ('{'a' * 64}', 1, 'me', 0, {moment}, NULL, NULL, '', '')",
            f"INSERT INTO decisions VALUES (1, '{'a' * 64}', 'retry', 'asked', {moment})",
        ):
            connection.execute(sa.text(statement))
    old.dispose()
    async with await Ledger.open(path) as ledger:
        report, delivery = await ledger.report("a")
        assert (report.body, report.case_id, delivery.state) == ("LD", "01A", S.SENT)
        assert len(await ledger.history("a" * 64)) == 2
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA foreign_keys=ON")
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute("INSERT INTO decisions VALUES (2, 'nobody', 'retry', '', '')")


class Mortal:
    """The real desk's database; kills the process before or after its transaction is on disk."""

    def __init__(self, database, point):
        self._database, self._point = database, point

    @asynccontextmanager
    async def writing(self, action):
        async with self._database.writing(action) as connection:
            yield connection
            if self._point == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("point", "left"), [("before", 0), ("after", 1)])
def test_killed_while_a_message_is_entered_it_is_there_whole_or_not_and_never_twice(
    tmp_path, a_message, report_of, point, left
):
    message = a_message()

    async def enter(is_mortal):
        async with await Ledger.open(tmp_path / "ledger.db") as ledger:
            before = len(await ledger.reports())
            if is_mortal:
                ledger.messages._database = Mortal(ledger.messages._database, point)
            await ledger.messages.enter(message, [report_of(message)])
            return before, len(await ledger.reports())

    _, status = os.waitpid(in_child(lambda: asyncio.run(enter(True))), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert asyncio.run(enter(False)) == (left, 1)
