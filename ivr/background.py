"""What a serving house does beside its calls: deliveries, time-stamps, heads for outsiders."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ivr.casework.keeping import Keeper
from ivr.evidence.publishing import Publisher
from ivr.evidence.stamping import Stamper
from ivr.house import House


class Background:
    """Loops that never end by themselves and never end a call.

    Raises:
        SettingsError: the certificates of the time-stamping authority cannot be read.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.settings
        wanted = settings.timestamp
        self._stamper = Stamper(house.vault, wanted) if wanted.url else None
        self._publisher = Publisher(house.site_log, settings.evidence)
        self.keeper = Keeper(settings, house.ledger, house.custodian)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the end of the block; deliveries that have begun are then seen through."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._house.dispatcher.run(), name="dispatcher")
            loops = [tasks.create_task(self._publisher.run(), name="heads")]
            loops.append(tasks.create_task(self.keeper.run(), name="keeping"))
            if self._stamper is not None:
                loops.append(tasks.create_task(self._stamper.run(), name="stamping"))
            try:
                yield
            finally:
                self._house.dispatcher.stop()
                for loop in loops:
                    loop.cancel()
