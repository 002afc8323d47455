"""The ledger: which cases there are, and what was filed about them.

The sealed case folder is the truth about a case; the ledger is the truth about its reports.
A ledger that was lost can be filled again from the folders (``ivr recover``), except for what
was already delivered: that is why the database is worth a backup.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.clock import Clock, SystemClock
from ivr.errors import InputError, StorageError
from ivr.facts.cases import CaseSummary
from ivr.facts.reports import Delivery, DeliveryState, Report
from ivr.storage.breach_desk import BreachDesk
from ivr.storage.desk import Desk
from ivr.storage.engine import Database
from ivr.storage.erasure import Erasure
from ivr.storage.message_desk import MessageDesk
from ivr.storage.outbox import ReportOutbox
from ivr.storage.reply_box import ReplyBox, history_lines
from ivr.storage.request_desk import RequestDesk
from ivr.storage.rows import case_values, report_values, to_delivery, to_report, to_summary
from ivr.storage.schema import attempts as attempts_table
from ivr.storage.schema import cases, decisions, reports
from ivr.storage.upgrade import upgrade


class Ledger:
    """Cases and reports in one database.

    ``outbox`` is what a dispatcher takes reports from; ``desk`` is what a person does to them;
    ``erasure`` is the ledger's part in deleting a case.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.outbox = ReportOutbox(database)
        self.desk = Desk(database, clock)
        self.requests_of_people = RequestDesk(database, clock)
        self.breaches = BreachDesk(database, clock)
        self.erasure = Erasure(database)
        self.messages = MessageDesk(database, clock)
        self.replies = ReplyBox(database, clock)

    @classmethod
    async def open(cls, address: str | Path, clock: Clock | None = None) -> "Ledger":
        """Open, creating or upgrading the database as needed.

        Args:
            address: a path, or ``sqlite:///path``.

        Raises:
            StorageError: the database is newer than this code, is something else, or is not
                readable or writable; the remedy says which.
        """
        database = Database.at(address)
        try:
            await upgrade(database)
        except BaseException:  # whatever stopped us, the connections must not outlive it
            await database.close()
            raise
        return cls(database, clock or SystemClock())

    async def close(self) -> None:
        await self._database.close()

    async def __aenter__(self) -> "Ledger":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record_sealed_case(
        self, summary: CaseSummary, filed: Sequence[Report] = (), *, is_held: bool = False
    ) -> tuple[str, ...]:
        """Enter a sealed case and queue its reports, in one transaction.

        Entering the same case again changes nothing and queues nothing twice: a report whose
        case, recipient and channel are known is left as it is, even withdrawn, even if a newer
        template words it differently.

        Args:
            is_held: queue all of them as ``HELD``, for a person to release; those that say so
                themselves are held in any case.

        Returns:
            The ids of the reports that were queued now.

        Raises:
            StorageError: the ledger cannot be written, or holds this case under another seal.
        """
        _check_same_case(summary, filed)
        now = self._clock.now()
        async with self._database.writing(f"enter case {summary.case_id}") as connection:
            await self._enter_case(connection, summary)
            known = await connection.execute(
                sa.select(reports.c.recipient_id, reports.c.channel).where(
                    reports.c.case_id == summary.case_id
                )
            )
            taken = {(row.recipient_id, row.channel) for row in known}
            fresh = []
            for report in filed:
                key = (report.recipient_id, report.channel.value)
                if key not in taken:
                    taken.add(key)
                    fresh.append(report)
            if fresh:
                rows = [report_values(report, now, is_held=is_held) for report in fresh]
                await connection.execute(sa.insert(reports), rows)
        return tuple(report.report_id for report in fresh)

    async def _enter_case(self, connection: AsyncConnection, summary: CaseSummary) -> None:
        # The lock matters where writers are not serialised by the database file itself.
        row = (
            await connection.execute(
                sa.select(cases).where(cases.c.case_id == summary.case_id).with_for_update()
            )
        ).one_or_none()
        if row is None:
            await connection.execute(sa.insert(cases).values(case_values(summary)))
        elif row.seal_sha256 != summary.seal_sha256:
            raise StorageError(
                f"The ledger holds case {summary.case_id} under another seal.",
                why=f"entered {row.seal_sha256[:16]}…, now {summary.seal_sha256[:16]}…",
                remedy="Run `ivr verify` on the case folder: a sealed case must never change.",
            )
        elif row.purged_at is not None:
            raise _deleted(summary.case_id, row.purged_at)

    async def cases(
        self,
        limit: int = 50,
        *,
        label: str | None = None,
        since: datetime | None = None,
        caller: str | None = None,
        subscriber: str | None = None,
        before: datetime | None = None,
        with_purged: bool = False,
    ) -> list[CaseSummary]:
        """Cases, newest first; ``caller`` matches any part of the number, ``subscriber`` only the
        whole of it; ``before``: opened until then; ``with_purged``: also what is left of those
        that were deleted."""
        query = sa.select(cases).order_by(cases.c.opened_at.desc(), cases.c.case_id.desc())
        if not with_purged:
            query = query.where(cases.c.purged_at.is_(None))
        if label is not None:
            query = query.where(cases.c.label == label)
        if since is not None:
            query = query.where(cases.c.opened_at >= since)
        if before is not None:
            query = query.where(cases.c.opened_at <= before)
        if caller is not None:
            query = query.where(cases.c.caller.contains(caller, autoescape=True))
        if subscriber is not None:
            query = query.where(cases.c.subscriber == subscriber)
        async with self._database.reading("list its cases") as connection:
            return [to_summary(row) for row in await connection.execute(query.limit(limit))]

    async def case(self, case_id: str) -> CaseSummary:
        """One case by its id or the unambiguous beginning of it.

        Raises:
            InputError: no case, or more than one, begins so; or it was deleted.
        """
        query = (
            sa.select(cases)
            .where(cases.c.case_id.startswith(case_id, autoescape=True))
            .order_by(cases.c.case_id)
            .limit(2)
        )
        async with self._database.reading("look up a case") as connection:
            rows = (await connection.execute(query)).all()
        if rows and rows[0].case_id == case_id:  # the whole id, though others may begin with it
            rows = rows[:1]
        if len(rows) != 1:
            raise InputError(
                f"No single case begins with {case_id!r}.",
                why="several do" if rows else "there is none",
                remedy="`ivr cases list` shows the ids.",
            )
        if rows[0].purged_at is not None:
            raise _deleted(rows[0].case_id, rows[0].purged_at)
        return to_summary(rows[0])

    async def reports(
        self,
        *,
        case_id: str | None = None,
        state: DeliveryState | None = None,
        states: Collection[DeliveryState] = (),
        limit: int = 1000,
    ) -> list[Delivery]:
        """Reports and how far they are, latest change first.

        Args:
            case_id: of a case or of a reported message.
            state, states: only those in one of these.
        """
        states = {*states, state} if state is not None else states
        query = sa.select(reports).order_by(reports.c.updated_at.desc(), reports.c.report_id)
        if case_id is not None:
            query = query.where(
                sa.or_(reports.c.case_id == case_id, reports.c.message_id == case_id)
            )
        if states:
            query = query.where(reports.c.state.in_(sorted(state.value for state in states)))
        async with self._database.reading("list its reports") as connection:
            return [to_delivery(row) for row in await connection.execute(query.limit(limit))]

    async def report_states(self) -> dict[DeliveryState, int]:
        """How many reports there are in each state."""
        query = sa.select(reports.c.state, sa.func.count()).group_by(reports.c.state)
        async with self._database.reading("count its reports") as connection:
            return {DeliveryState(row[0]): row[1] for row in await connection.execute(query)}

    async def report(self, report_id: str) -> tuple[Report, Delivery]:
        """One report, as composed, and how far it is; an unambiguous beginning is enough.

        Raises:
            InputError: no report, or more than one, begins so.
        """
        async with self._database.reading("look up a report") as connection:
            row = await self.desk.find(connection, report_id)
        return to_report(row), to_delivery(row)

    async def history(self, report_id: str) -> list[str]:
        """What couriers, people and recipients did with a report, one line each, oldest first."""
        tries = sa.select(attempts_table).where(attempts_table.c.report_id == report_id)
        acts = sa.select(decisions).where(decisions.c.report_id == report_id)
        lines: list[tuple[datetime, str]] = []
        async with self._database.reading("read a report's history") as connection:
            for row in await connection.execute(tries):
                outcome = row.outcome or "under way"
                detail = f": {row.detail}" if row.detail else ""
                lines.append((row.started_at, f"attempt {row.n} {outcome}{detail}"))
            lines.extend(
                (row.decided_at, f"a person decided: {row.act}, {row.why}")
                for row in await connection.execute(acts)
            )
        lines += history_lines(await self.replies.kept(report_id=report_id))
        lines.sort(key=lambda line: line[0])
        return [f"{moment.isoformat(timespec='seconds')} {text}" for moment, text in lines]


def _deleted(case_id: str, purged_at: datetime) -> InputError:
    return InputError(
        f"The case {case_id} was deleted.",
        why=f"on {purged_at.isoformat(timespec='seconds')}",
        remedy=f"tombstones/{case_id}.jws.json in the data folder says by whom and why.",
    )


def _check_same_case(summary: CaseSummary, filed: Sequence[Report]) -> None:
    for report in filed:
        if report.case_id != summary.case_id:
            raise StorageError(
                "A report of another case was handed in with this case.",
                why=f"report {report.report_id[:16]} belongs to case {report.case_id}",
                remedy="This is a mistake in the program; please report it.",
            )
