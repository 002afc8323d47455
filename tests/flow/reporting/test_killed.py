"""kill -9 in mid-delivery, at every step: nothing is lost, nothing is sent twice."""

import asyncio
import multiprocessing
import runpy
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.facts.reports import Channel, DeliveryState
from ivr.reporting.couriers.smtp import SmtpCourier
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings, SmtpSettings
from ivr.storage.ledger import Ledger

S = DeliveryState
MORTAL = Path(__file__).with_name("mortal_dispatcher.py")


class TwoMinutesLater(SystemClock):
    """By then the lease of the dead has run out."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=2)


# Real processes; the fork server has imported the house already, so each starts at once.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["ivr.storage.ledger", "ivr.reporting.couriers.smtp", "ivr.reporting.dispatcher", "aiosqlite"]
)


async def die(path, port, point, kill_when=None):
    values = {"LEDGER": str(path), "PORT": port, "POINT": point}
    process = PROCESSES.Process(target=runpy.run_path, args=(str(MORTAL), values))
    process.start()
    if kill_when is not None:
        await kill_when.wait()
        process.kill()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL


async def revive(path, port):
    settings = SmtpSettings(host="127.0.0.1", port=port, security="none", timeout_s=5)
    courier = SmtpCourier(settings, lambda: datetime.now(UTC))
    async with await Ledger.open(path) as ledger:
        dispatcher = Dispatcher(
            ledger.outbox, {Channel.MAIL: courier}, ReportingSettings(), TwoMinutesLater()
        )
        await dispatcher.run_until_idle()
        return {delivery.report_id: delivery.state for delivery in await ledger.reports()}


@pytest.fixture
async def ledger_path(tmp_path, a_case, a_report):
    path = tmp_path / "ledger.db"
    async with await Ledger.open(path) as ledger:
        await ledger.record_sealed_case(a_case, [a_report(1), a_report(2)])
    return path


@pytest.mark.parametrize(
    ("point", "states", "mails"),
    [
        ("before lease", [S.SENT, S.SENT], 2),
        ("after lease", [S.SENT, S.SENT], 2),
        ("before commit", [S.SENT, S.SENT], 2),
        # Nothing had been sent yet, but the ledger cannot know: a person is asked, not guessed.
        ("after commit", [S.UNCERTAIN, S.SENT], 1),
        # It had been sent, and is not sent again.
        ("before settle_sent", [S.UNCERTAIN, S.SENT], 2),
        ("after settle_sent", [S.SENT, S.SENT], 2),
    ],
)
async def test_killed_at(open_post, ledger_path, a_report, point, states, mails):
    async with open_post() as post:
        await die(ledger_path, post.port, point)
        found = await revive(ledger_path, post.port)
    assert sorted(found) == sorted(a_report(n).report_id for n in (1, 2))
    assert sorted(found.values()) == sorted(states)
    assert len(post.taken) == mails
    assert len({tuple(recipients) for recipients in post.recipients}) == mails


async def test_killed_from_outside_while_the_server_has_the_content(open_post, ledger_path):
    """The server has the whole mail and has not answered yet."""
    async with open_post() as post:
        reached = asyncio.Event()

        async def reached_content():
            reached.set()

        post.on_content = reached_content
        post.stall_after_content = True
        await die(ledger_path, post.port, "never", kill_when=reached)
        post.stall_after_content, post.on_content = False, None
        post.released.set()
        found = await revive(ledger_path, post.port)
    assert sorted(found.values()) == [S.SENT, S.UNCERTAIN]
    assert len({tuple(recipients) for recipients in post.recipients}) == len(post.taken) == 2
