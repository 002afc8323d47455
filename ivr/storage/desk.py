"""What a person may do to a report; each decision is kept with its reason."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.clock import Clock
from ivr.errors import InputError, UsageError
from ivr.facts.reports import Delivery, DeliveryState
from ivr.storage.engine import Database
from ivr.storage.rows import to_delivery
from ivr.storage.schema import cases, decisions, reports

_S = DeliveryState


class Desk:
    """Release, retry, confirm, withdraw. Report ids may be shortened to a unique beginning.

    Every method raises InputError when no single report begins so, UsageError when the report's
    state does not allow the act, StorageError when the ledger cannot be written.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def release(self, report_id: str, why: str = "released") -> Delivery:
        """Let a held report go out."""
        return await self._decide(report_id, "release", why, {_S.HELD}, _S.PENDING)

    async def retry(self, report_id: str, why: str = "sent again by hand") -> Delivery:
        """Queue a report again, now, with a full allowance of attempts.

        From UNCERTAIN this may reach the recipient a second time: it is the person's decision.
        """
        allowed = {_S.RETRY, _S.FAILED, _S.UNCERTAIN, _S.WITHDRAWN}
        return await self._decide(report_id, "retry", why, allowed, _S.PENDING)

    async def confirm(self, report_id: str, why: str) -> Delivery:
        """A person knows that it arrived, or has handed it over."""
        return await self._decide(report_id, "confirm", why, {_S.UNCERTAIN, _S.READY}, _S.SENT)

    async def withdraw(self, report_id: str, why: str) -> Delivery:
        """It is not to be sent. What has been handed over cannot be called back."""
        allowed = {_S.HELD, _S.PENDING, _S.RETRY, _S.FAILED, _S.UNCERTAIN, _S.READY}
        return await self._decide(report_id, "withdraw", why, allowed, _S.WITHDRAWN)

    async def find(self, connection: AsyncConnection, report_id: str) -> sa.Row[Any]:
        """The one report that begins with ``report_id``, locked when in a writing transaction."""
        query = (
            sa.select(reports)
            .where(reports.c.report_id.startswith(report_id, autoescape=True))
            .order_by(reports.c.report_id)
            .limit(2)
        )
        rows = (await connection.execute(query)).all()
        if len(rows) != 1 or not report_id:
            raise InputError(
                f"No single report begins with {report_id!r}.",
                why="several do" if rows else "there is none",
                remedy="`ivr reports list` shows the ids.",
            )
        return rows[0]

    async def _decide(
        self,
        report_id: str,
        act: str,
        why: str,
        allowed: Collection[DeliveryState],
        state: DeliveryState,
    ) -> Delivery:
        now = self._clock.now()
        async with self._database.writing(f"{act} a report") as connection:
            row = await self.find(connection, report_id)
            await _must_not_be_deleted(connection, row.case_id)
            changed = await connection.execute(
                sa.update(reports)
                .where(
                    reports.c.report_id == row.report_id,
                    reports.c.state.in_(sorted(each.value for each in allowed)),
                )
                .values(
                    state=state.value,
                    tries=0,
                    not_before_at=now,
                    lease_until_at=None,
                    updated_at=now,
                )
            )
            if changed.rowcount != 1:
                raise UsageError(
                    f"Report {row.report_id[:16]} cannot be changed so ({act}).",
                    why=f"it is {row.state}",
                    remedy=f"{act} works from: {', '.join(sorted(s.value for s in allowed))}.",
                )
            await connection.execute(
                sa.insert(decisions).values(
                    report_id=row.report_id, act=act, why=why, decided_at=now
                )
            )
            query = sa.select(reports).where(reports.c.report_id == row.report_id)
            return to_delivery((await connection.execute(query)).one())


async def _must_not_be_deleted(connection: AsyncConnection, case_id: str) -> None:
    query = sa.select(cases.c.purged_at).where(cases.c.case_id == case_id)
    if await connection.scalar(query) is not None:
        raise UsageError(
            "The report cannot be changed any more.",
            why=f"its case {case_id} was deleted",
            remedy="Nothing to do: what was sent is kept as a state, without the words.",
        )
