"""Breaches of personal data: when each was detected, what was found out, when it was told."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.clock import Clock
from ivr.errors import UsageError
from ivr.facts.rights import Breach, BreachField, BreachNote
from ivr.storage.engine import Database
from ivr.storage.request_desk import find_one, next_reference
from ivr.storage.rights_tables import breach_notes, breaches


class BreachDesk:
    """Open, note, close. Notes are added, never changed: together they are the record that the law
    asks for.

    Every method raises InputError when no single breach is named so, UsageError when its state
    does not allow the act, StorageError when the ledger cannot be written.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def open(self, detected_at: datetime, what: str, who: str) -> Breach:
        """Enter a breach.

        Raises:
            UsageError: it would have been detected in the future.
        """
        now = self._clock.now()
        if detected_at > now:
            raise UsageError(
                "A breach cannot have been detected in the future.",
                why=f"it is said to have been detected at {detected_at.isoformat()}",
                remedy="Give the time at which somebody noticed it: --detected 2026-11-25T09:30.",
            )
        async with self._database.writing("enter a breach") as connection:
            reference = await next_reference(connection, "SC", now, breaches.c.reference)
            values = {"reference": reference, "detected_at": detected_at, "opened_at": now}
            await connection.execute(sa.insert(breaches).values(values))
            await self._note(connection, reference, who, BreachField.WHAT, what)
            return _to_breach(await self._find(connection, reference))

    async def breaches(self, *, is_open_only: bool = False) -> list[Breach]:
        """Breaches, oldest first."""
        query = sa.select(breaches).order_by(breaches.c.detected_at, breaches.c.reference)
        if is_open_only:
            query = query.where(breaches.c.closed_at.is_(None))
        async with self._database.reading("list its breaches") as connection:
            return [_to_breach(row) for row in await connection.execute(query)]

    async def breach(self, reference: str) -> tuple[Breach, list[BreachNote]]:
        """One breach and its notes, oldest first."""
        async with self._database.reading("look up a breach") as connection:
            row = await self._find(connection, reference)
            notes = await connection.execute(
                sa.select(breach_notes)
                .where(breach_notes.c.reference == row.reference)
                .order_by(breach_notes.c.n)
            )
            return _to_breach(row), [
                BreachNote(n.at, n.who, BreachField(n.about), n.text) for n in notes
            ]

    async def note(
        self,
        reference: str,
        about: BreachField,
        text: str,
        who: str,
        notified_at: datetime | None = None,
    ) -> Breach:
        """Add a note; one about ``NOTIFIED`` stops the clock.

        Args:
            notified_at: when the authority was told; None: now. The first telling counts.

        Raises:
            UsageError: it would have been told in the future, or before the breach was detected.
        """
        async with self._database.writing("note a breach") as connection:
            row = await self._find(connection, reference)
            if row.closed_at is not None:
                raise _closed(row.reference)
            if about is BreachField.NOTIFIED and row.notified_at is None:
                now = self._clock.now()
                told_at = notified_at or now
                if not row.detected_at <= told_at <= now:
                    raise UsageError(
                        f"The authority cannot have been told of {row.reference} at that time.",
                        why="it lies before the breach was detected, or in the future",
                        remedy="Give the time at which it was told: --at 2026-11-25T09:30.",
                    )
                await self._set(connection, row.reference, notified_at=told_at)
            await self._note(connection, row.reference, who, about, text)
            return _to_breach(await self._find(connection, row.reference))

    async def close(self, reference: str, why: str, who: str, *, is_untold: bool = False) -> Breach:
        """Close a breach.

        Args:
            is_untold: the authority was not told, and need not be: ``why`` says on what ground.

        Raises:
            UsageError: the authority was not told and ``is_untold`` does not say so.
        """
        async with self._database.writing("close a breach") as connection:
            row = await self._find(connection, reference)
            if row.closed_at is not None:
                raise _closed(row.reference)
            if row.notified_at is None and not is_untold:
                raise UsageError(
                    f"Breach {row.reference} cannot be closed.",
                    why="nobody has noted that the authority was told",
                    remedy="`ivr rights breach note … --about notified`; or --not-notifiable with "
                    "the ground in --why.",
                )
            await self._note(connection, row.reference, who, BreachField.OTHER, why)
            await self._set(connection, row.reference, closed_at=self._clock.now())
            return _to_breach(await self._find(connection, row.reference))

    async def _set(self, connection: AsyncConnection, reference: str, **values: datetime) -> None:
        await connection.execute(
            sa.update(breaches).where(breaches.c.reference == reference).values(values)
        )

    async def _note(
        self, connection: AsyncConnection, reference: str, who: str, about: BreachField, text: str
    ) -> None:
        count = sa.select(sa.func.count()).where(breach_notes.c.reference == reference)
        n = (await connection.execute(count)).scalar_one()
        values = {"reference": reference, "n": n, "at": self._clock.now()}
        values |= {"who": who, "about": about.value, "text": text}
        await connection.execute(sa.insert(breach_notes).values(values))

    async def _find(self, connection: AsyncConnection, reference: str) -> sa.Row[Any]:
        return await find_one(connection, breaches, reference, "breach")


def _closed(reference: str) -> UsageError:
    return UsageError(
        f"Breach {reference} takes no more notes.",
        why="it is closed",
        remedy="Open another with `ivr rights breach open`.",
    )


def _to_breach(row: sa.Row[Any]) -> Breach:
    return Breach(**row._mapping)
