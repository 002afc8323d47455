"""Erasing a deleted case from the ledger: the row stays, the people in it do not."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from ivr.facts.reports import Delivery, DeliveryState
from ivr.storage.engine import Database
from ivr.storage.reply_tables import replies
from ivr.storage.rows import to_delivery
from ivr.storage.schema import attempts, cases, decisions, reports

SETTLED: Final = frozenset({DeliveryState.SENT, DeliveryState.WITHDRAWN})
"""Every other report still waits for a courier or a person."""


class Erasure:
    """The ledger's part in the deletion of a case. Each step may be taken any number of times.

    Every method raises StorageError when the ledger cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_reports(self) -> dict[str, list[Delivery]]:
        """Reports that are not settled, by case."""
        found: dict[str, list[Delivery]] = {}
        query = (
            sa.select(reports)
            .where(_is_open(), reports.c.case_id.is_not(None))
            .order_by(reports.c.report_id)
        )
        async with self._database.reading("look for open reports") as connection:
            for row in await connection.execute(query):  # of cases; messages go by their age
                found.setdefault(row.case_id, []).append(to_delivery(row))
        return found

    async def reported(self) -> frozenset[str]:
        """Cases of which a report went out."""
        query = (
            sa.select(reports.c.case_id)
            .where(reports.c.state == DeliveryState.SENT.value, reports.c.case_id.is_not(None))
            .distinct()
        )
        async with self._database.reading("look for reported cases") as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def begin(self, case_id: str, now: datetime) -> list[Delivery]:
        """From here on no report of the case is queued or sent on its way; unless some are open:
        then these are returned and nothing is changed. A case that the ledger does not know has
        no reports."""
        async with self._database.writing("mark a case as going") as connection:
            waiting = sa.select(reports).where(reports.c.case_id == case_id, _is_open())
            found = [to_delivery(row) for row in await connection.execute(waiting)]
            if not found:
                await connection.execute(
                    sa.update(cases)
                    .where(cases.c.case_id == case_id, cases.c.purged_at.is_(None))
                    .values(purged_at=now)
                )
        return found

    async def undo(self, case_id: str) -> None:
        """It does not go after all."""
        async with self._database.writing("keep a case after all") as connection:
            await connection.execute(
                sa.update(cases).where(cases.c.case_id == case_id).values(purged_at=None)
            )

    async def finish(self, case_id: str) -> None:
        """Erase numbers, addresses and words; afterwards no byte of them is in the database or
        its write-ahead log. States, times, verdict and digests stay."""
        own = sa.select(reports.c.report_id).where(reports.c.case_id == case_id)
        async with self._database.writing("erase a deleted case") as connection:
            await connection.execute(
                sa.update(cases)
                .where(cases.c.case_id == case_id)
                .values(caller=None, subscriber=None)
            )
            await connection.execute(
                sa.update(attempts).where(attempts.c.report_id.in_(own)).values(detail=None)
            )
            await connection.execute(
                sa.update(decisions).where(decisions.c.report_id.in_(own)).values(why="")
            )
            await connection.execute(
                sa.update(replies)
                .where(replies.c.report_id.in_(own))
                .values(raw=b"", sender="", provider_id="", provider_key="")
            )
            await connection.execute(
                sa.update(reports)
                .where(reports.c.case_id == case_id)
                .values(
                    address="",
                    subject="",
                    body="",
                    attachments=[],
                    provider_reference=None,
                    last_error=None,
                )
            )
        await self._database.scrub()


def _is_open() -> sa.ColumnElement[bool]:
    return reports.c.state.not_in(sorted(state.value for state in SETTLED))
