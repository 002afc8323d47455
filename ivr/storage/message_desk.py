"""Short messages that somebody reports, with their reports in the same outbox as those of calls."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from ivr.clock import Clock
from ivr.errors import InputError
from ivr.facts.replies import ReportedMessage
from ivr.facts.reports import Report
from ivr.storage.engine import Database
from ivr.storage.erasure import SETTLED
from ivr.storage.reply_tables import replies
from ivr.storage.rows import report_values
from ivr.storage.schema import attempts, decisions, messages, reports


class MessageDesk:
    """Every method raises StorageError when the ledger cannot be read or written."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def enter(
        self, message: ReportedMessage, filed: Sequence[Report], *, is_held: bool = False
    ) -> tuple[str, ...]:
        """Keep a message and queue its reports, in one transaction. The same message again queues
        nothing, whatever a later template would say.

        Args:
            is_held: all of them wait for a person; else those that say so.

        Returns:
            The ids of the reports that were queued now.
        """
        now = self._clock.now()
        async with self._database.writing("enter a reported message") as connection:
            known = sa.select(messages).where(messages.c.message_id == message.message_id)
            if (await connection.execute(known)).one_or_none() is not None:
                return ()
            values = {
                "message_id": message.message_id,
                "keyword": message.keyword,
                "sender": message.sender,
                "number": message.number,
                "text": message.text,
                "received_at": message.received_at,
                "entered_by": message.entered_by,
                "entered_at": now,
            }
            await connection.execute(sa.insert(messages).values(values))
            for report in filed:
                queued = report_values(report, now, is_held=is_held)
                await connection.execute(sa.insert(reports).values(queued))
        return tuple(report.report_id for report in filed)

    async def message(self, message_id: str) -> ReportedMessage:
        """Raises InputError: it is not here."""
        query = sa.select(messages).where(messages.c.message_id == message_id)
        async with self._database.reading("look up a reported message") as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise InputError(
                f"No reported message is called {message_id!r}.",
                why="it was never entered, or has been erased",
                remedy="`ivr reports list` shows what was filed.",
            )
        return ReportedMessage(
            message_id=row.message_id,
            keyword=row.keyword,
            sender=row.sender,
            number=row.number,
            text=row.text,
            received_at=row.received_at,
            entered_by=row.entered_by,
        )

    async def erase_messages(self, before: datetime) -> int:
        """Delete messages entered before then whose reports are all settled, with those reports
        and what came back about them, to the last byte; returns how many."""
        is_open = reports.c.state.not_in(sorted(state.value for state in SETTLED))
        busy = sa.select(reports.c.message_id).where(is_open, reports.c.message_id.is_not(None))
        old = sa.select(messages.c.message_id).where(
            messages.c.entered_at < before, messages.c.message_id.not_in(busy)
        )
        async with self._database.writing("erase old messages") as connection:
            ids = [row.message_id for row in await connection.execute(old)]
            if not ids:
                return 0
            own = sa.select(reports.c.report_id).where(reports.c.message_id.in_(ids))
            for table in (replies, attempts, decisions, reports):
                await connection.execute(sa.delete(table).where(table.c.report_id.in_(own)))
            await connection.execute(sa.delete(messages).where(messages.c.message_id.in_(ids)))
        await self._database.scrub()
        return len(ids)
