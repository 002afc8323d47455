"""A dispatcher in a process of its own that kills itself (SIGKILL) at a named point.

Run with the globals ``LEDGER`` (path), ``PORT`` (of the server) and ``POINT`` set; ``SMPP`` or
``WEBHOOK`` with the settings of that courier, else it is mail. ``LISTEN``: take what comes back
instead of delivering, from the centre or, when it names one, from a Maildir.
"""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from ivr.clock import SystemClock
from ivr.facts.reports import Channel
from ivr.ports import Courier
from ivr.reporting.couriers.maildir import MaildirReader
from ivr.reporting.couriers.smpp import SmppCourier
from ivr.reporting.couriers.smtp import SmtpCourier
from ivr.reporting.couriers.webhook import WebhookCourier
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings, SmppSettings, SmtpSettings, WebhookSettings
from ivr.storage.ledger import Ledger

GIVEN = globals()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def now() -> datetime:
    return datetime.now(UTC)


class MortalOutbox:
    """The real outbox, or box of replies; dies before or after the named step is on disk."""

    def __init__(self, outbox, point: str) -> None:
        self._outbox = outbox
        self._point = point

    def __getattr__(self, name: str):
        real = getattr(self._outbox, name)

        async def step(*args, **values):
            if self._point == f"before {name}":
                die()
            outcome = await real(*args, **values)
            if self._point == f"after {name}":
                die()
            return outcome

        return step


def courier_of(keep) -> tuple[Channel, Courier]:
    if "SMPP" in GIVEN:
        return Channel.SMS, SmppCourier(SmppSettings(**GIVEN["SMPP"]), keep, now)
    if "WEBHOOK" in GIVEN:
        return Channel.WEBHOOK, WebhookCourier(WebhookSettings(**GIVEN["WEBHOOK"]), now)
    settings = SmtpSettings(host="127.0.0.1", port=GIVEN["PORT"], security="none", timeout_s=20)
    return Channel.MAIL, SmtpCourier(settings, now)


async def main() -> None:
    async with await Ledger.open(GIVEN["LEDGER"]) as ledger:
        keep = MortalOutbox(ledger.replies, GIVEN["POINT"]).keep
        if isinstance(GIVEN.get("LISTEN"), str):
            await MaildirReader(Path(GIVEN["LISTEN"]), keep, now).listen()
        channel, courier = courier_of(keep)
        if "LISTEN" in GIVEN:
            await courier.listen()
        reporting = ReportingSettings(parallel=1, lease_s=60.0, sms_a_number_a_day=9)
        outbox = MortalOutbox(ledger.outbox, GIVEN["POINT"])
        dispatcher = Dispatcher(outbox, {channel: courier}, reporting, SystemClock())
        await dispatcher.run_until_idle()


asyncio.run(main())
