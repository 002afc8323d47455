"""A dispatcher in a process of its own that kills itself (SIGKILL) at a named point.

Run with the globals ``LEDGER`` (path), ``PORT`` (of the mail server) and ``POINT`` set.
"""

import asyncio
import os
import signal
from datetime import UTC, datetime

from ivr.clock import SystemClock
from ivr.facts.reports import Channel
from ivr.reporting.couriers.smtp import SmtpCourier
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings, SmtpSettings
from ivr.storage.ledger import Ledger

GIVEN = globals()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalOutbox:
    """The real outbox; dies before or after the named step is on disk."""

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


async def main() -> None:
    settings = SmtpSettings(host="127.0.0.1", port=GIVEN["PORT"], security="none", timeout_s=20)
    courier = SmtpCourier(settings, lambda: datetime.now(UTC))
    async with await Ledger.open(GIVEN["LEDGER"]) as ledger:
        reporting = ReportingSettings(parallel=1, lease_s=60.0)
        outbox = MortalOutbox(ledger.outbox, GIVEN["POINT"])
        dispatcher = Dispatcher(outbox, {Channel.MAIL: courier}, reporting, SystemClock())
        await dispatcher.run_until_idle()


asyncio.run(main())
