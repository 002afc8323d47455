"""What a running house does with its cases by itself: finish deletions, delete what is due."""

import asyncio
from dataclasses import dataclass

from ivr.casework import retention
from ivr.casework.places import Places
from ivr.casework.purging import Purged, Purger
from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.evidence.custody import Custodian
from ivr.settings import Settings
from ivr.storage.ledger import Ledger
from ivr.telemetry import logger

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps the cases of one installation by its rules."""

    settings: Settings
    ledger: Ledger
    custodian: Custodian

    @property
    def clock(self) -> Clock:
        return self.custodian.clock

    @property
    def purger(self) -> Purger:
        """For deletions by hand."""
        return Purger(Places.of(self.settings), self.ledger, self.custodian)

    async def finish(self) -> tuple[Purged, ...]:
        """What an earlier process began and did not end.

        Raises:
            EvidenceError, StorageError: a disk refused.
        """
        return await self.purger.finish()

    async def sweep(self) -> tuple[Purged, ...]:
        """One round: what was begun, then what is due.

        Raises:
            EvidenceError, StorageError: a disk refused.
        """
        done = await self.finish()
        due = await retention.run(self.settings, self.ledger, self.purger, self.clock)
        return (*done, *due)

    async def run(self) -> None:
        """Rounds until cancelled. A disk that refuses is told: it ends no calls."""
        while True:
            try:
                await self.sweep()
            except (IvrError, OSError) as problem:
                _log.error("cases.not_swept", why=str(problem))
            await asyncio.sleep(self.settings.retention.sweep_every_s)
