"""What a running house does with its cases by itself: delete what is due, encrypt what is filed."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ivr.casework import retention
from ivr.casework.locking import lock_case, tidy
from ivr.casework.places import Places
from ivr.casework.purging import Purged, Purger
from ivr.casework.unlocking import clean_work
from ivr.clock import Clock
from ivr.errors import InputError, IvrError
from ivr.evidence.custody import Custodian
from ivr.evidence.layout import case_folders, is_sealed
from ivr.evidence.locked import changing, is_locked
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
    def places(self) -> Places:
        return Places.of(self.settings)

    @property
    def actor(self) -> str:
        """Who does what nobody asked for by hand."""
        return f"ivr at {self.settings.evidence.site}"

    @property
    def purger(self) -> Purger:
        """For deletions by hand."""
        return Purger(self.places, self.ledger, self.custodian)

    async def finish(self) -> tuple[Purged, ...]:
        """What earlier processes began and did not end.

        Raises:
            EvidenceError, StorageError: a disk refused.
        """
        await asyncio.to_thread(self._tidy)
        return await self.purger.finish()

    async def sweep(self) -> tuple[Purged, ...]:
        """One round: deletions that were begun, what is due, old requests and messages, then
        encryption.

        Raises:
            EvidenceError, StorageError: a disk refused.
        """
        begun = await self.purger.finish()
        due = await retention.run(self.settings, self.ledger, self.purger, self.clock)
        await self._forget_requests()
        await self._forget_messages()
        await self.lock()
        return (*begun, *due)

    async def _forget_requests(self) -> None:
        """Names and numbers of people whose requests were answered long ago."""
        days = self.settings.rights.erase_after_days
        before = self.clock.now() - timedelta(days=days)
        await self.ledger.requests_of_people.erase_closed(before)

    async def _forget_messages(self) -> None:
        """Junk messages that somebody reported, after the days of a call that advertises."""
        days = self.settings.retention.spam_days
        if days:
            await self.ledger.messages.erase_messages(self.clock.now() - timedelta(days=days))

    async def lock(self) -> tuple[str, ...]:
        """Encrypt every case whose reports are settled and whose time-stamp has come, if the
        settings name recipients. One that cannot be encrypted does not keep the others; returns
        the ids of those that were.

        Raises:
            StorageError: the ledger cannot be read.
        """
        recipients = self.settings.encryption.recipients_file
        if recipients is None:
            return ()
        candidates = await asyncio.to_thread(self._readable)
        waiting = await self.ledger.erasure.open_reports() if candidates else {}
        done = []
        for path in candidates:
            if path.name in waiting or not await self._is_filed(path.name):
                continue
            try:
                if await self._lock(path, recipients):
                    done.append(path.name)
            except IvrError as problem:
                _log.error("case.not_encrypted", case_id=path.name, **problem.as_dict())
        return tuple(done)

    async def run(self) -> None:
        """Rounds until cancelled. A disk that refuses is told: it ends no calls."""
        while True:
            try:
                await self.sweep()
            except (IvrError, OSError) as problem:
                _log.error("cases.not_swept", why=str(problem))
            await asyncio.sleep(self.settings.retention.sweep_every_s)

    def _readable(self) -> list[Path]:
        """Sealed cases that are not encrypted and wait for no time-stamp."""
        return [
            path
            for path in case_folders(self.places.vault)
            if not is_locked(path)
            and is_sealed(path)
            and not retention.stamp_waits(path, self.settings)
        ]

    async def _is_filed(self, case_id: str) -> bool:
        """A case is composed into reports from readable files, then it is in the ledger."""
        try:
            await self.ledger.case(case_id)
        except InputError:
            return False
        return True

    async def _lock(self, path: Path, recipients: Path) -> bool:
        """Not while the case is being deleted: its key would outlive it."""
        async with self.purger.alone():
            return await asyncio.to_thread(
                lock_case, path, self.places, self.custodian, recipients, actor=self.actor
            )

    def _tidy(self) -> None:
        """Opened copies, and cases between readable and encrypted, that a killed process left."""
        places = self.places
        clean_work(places.work)
        for path in case_folders(places.vault):
            if not is_sealed(path):
                continue
            try:
                with changing(path) as is_free:
                    if is_free and tidy(path, places):
                        _log.info("case.tidied", case_id=path.name, is_encrypted=is_locked(path))
            except (IvrError, OSError) as problem:  # the others are tidied all the same
                _log.error("case.not_tidied", case_id=path.name, why=str(problem))
