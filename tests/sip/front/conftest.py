"""The front and two workers behind it, started once for all tests of this folder."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ivr.clock import SystemClock
from ivr.settings import Settings
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool
from ivr.telephony.trunks import Trunks
from tests.fakes.answering_desk import Desk
from tests.fakes.front import INSIDE, Front, free_ports, running_front

TRUNK, FLOODER, STRANGER = "127.0.0.30", "127.0.0.32", "127.0.0.66"


@dataclass
class Site:
    """Front, workers, and what the agent would make of their calls."""

    front: Front
    pool: WorkerPool
    desk: Desk
    trunks: Trunks

    def worker_of(self, line: SipLine) -> int:
        """Which worker a call went to: their serial numbers are in the pool's seats."""
        (found,) = (
            number
            for number, seat in enumerate(self.pool._seats)
            if line.serial in seat.lines and seat.lines[line.serial] is line
        )
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    settings = Settings(
        trunks=(
            {"name": "trunk", "networks": (f"{TRUNK}/32", "127.0.0.1/32")},
            {"name": "flooder", "networks": (f"{FLOODER}/32",)},
        ),
        sip={
            "port": free_ports(2),
            "workers": 2,
            "transaction_timeout_s": 2.0,
            "front_from": (f"{INSIDE}/32",),
            "trusted_from": (),
        },
    )
    folder: Path = tmp_path_factory.mktemp("front")
    async with WorkerPool(settings.answered_sip, SystemClock()) as pool:
        desk = Desk(pool)
        with running_front(folder, settings) as front:
            await front.until_workers("AP", "AP")
            yield Site(front, pool, desk, Trunks(settings.trunks, settings.sip))
        await desk.close()
