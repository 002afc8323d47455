"""The outbox: who may deliver which report now, and what became of it.

A report moves PENDING → SENDING → SENT, and every step is on disk before the next is taken:
the lease before the courier acts, the commit before the courier's last step. So after a crash
the ledger knows which of three things is true: nothing was handed over (try again), it was
(done), or the crash fell between commit and settlement. Only the last is UNCERTAIN, and only
when the channel cannot take the same report twice.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.facts.reports import Channel, Delivery, DeliveryState, Lease, Quota
from ivr.ports import NO_QUOTAS
from ivr.storage.engine import Database
from ivr.storage.quota import is_held_back, offender
from ivr.storage.reply_box import apply_waiting
from ivr.storage.rows import to_delivery, to_lease
from ivr.storage.schema import attempts, cases, messages, reports

_WAITING = (DeliveryState.PENDING.value, DeliveryState.RETRY.value)
_CUT_OFF = "the delivery was cut off before anything was handed over"
_CUT_OFF_REPEATABLE = "the delivery was cut off; this channel takes the same report again"
_CUT_OFF_COMMITTED = "the delivery was cut off after the hand-over had begun; it may have arrived"


class ReportOutbox:
    """The ``Outbox`` port on the ledger's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(
        self,
        holder: str,
        now: datetime,
        lease_s: float,
        channels: Collection[Channel],
        repeatable: Collection[Channel],
        quotas: Mapping[Channel, Quota] = NO_QUOTAS,
    ) -> Lease | None:
        """Take the report that has been due longest; leases that ran out are settled first.

        Args:
            holder: who takes it, for the attempts table.
            lease_s: seconds the holder may keep it.
            channels: what the holder can deliver.
            repeatable: channels on which a second delivery has no second effect.
            quotas: limits of the day; a report beyond them is put off, and the next one looked at.
        """
        names = [channel.value for channel in channels]
        async with self._database.writing("lease a report") as connection:
            await _settle_expired(connection, now)
            row = await _next(connection, names, now)
            while row is not None and (quota := quotas.get(Channel(row.channel))) is not None:
                if not await is_held_back(connection, row, quota, now):
                    break
                row = await _next(connection, names, now)
            if row is None:
                return None
            lease = to_lease(row, holder, now + timedelta(seconds=lease_s))
            is_repeatable = lease.report.channel in repeatable
            await _mark_leased(connection, lease, now, is_repeatable)
        return lease

    async def commit(self, lease: Lease, now: datetime) -> bool:
        """Note that the hand-over begins. False when the lease is no longer the holder's: it
        ran out (even if nobody else took the report yet), and nothing may be sent."""
        async with self._database.writing("note the hand-over of a report") as connection:
            is_ours = (
                await connection.execute(
                    sa.select(reports.c.report_id)
                    .where(
                        reports.c.report_id == lease.report.report_id,
                        reports.c.state == DeliveryState.SENDING.value,
                        reports.c.attempts == lease.attempt,
                        reports.c.lease_until_at > now,
                    )
                    .with_for_update()
                )
            ).one_or_none() is not None
            if is_ours:
                await connection.execute(_attempt(lease).values(committed_at=now))
        return is_ours

    async def settle_sent(
        self, lease: Lease, now: datetime, reference: str, state: DeliveryState
    ) -> Delivery:
        """It was handed over. This is true however late it is told, so it always counts."""
        async with self._database.writing("settle a report as handed over") as connection:
            await _end_attempt(connection, lease, now, state, reference)
            await connection.execute(
                sa.update(reports)
                .where(
                    reports.c.report_id == lease.report.report_id,
                    reports.c.state != DeliveryState.SENT.value,
                )
                .values(
                    state=state.value,
                    provider_reference=reference,
                    last_error=None,
                    lease_until_at=None,
                    updated_at=now,
                )
            )
            await apply_waiting(connection, lease.report.report_id, reference, now)
            return await _delivery(connection, lease.report.report_id)

    async def settle_failed(
        self,
        lease: Lease,
        now: datetime,
        error: str,
        state: DeliveryState,
        not_before: datetime | None = None,
    ) -> Delivery:
        """It was not handed over (RETRY, FAILED), or nobody can tell (UNCERTAIN).

        A lease that ran out meanwhile no longer decides: another attempt, or a person, does. The
        one exception is UNCERTAIN left by this very attempt, which now knows better.
        """
        undecided = (DeliveryState.SENDING.value, DeliveryState.UNCERTAIN.value)
        async with self._database.writing("settle a failed report") as connection:
            await _end_attempt(connection, lease, now, state, error)
            await connection.execute(
                sa.update(reports)
                .where(
                    reports.c.report_id == lease.report.report_id,
                    reports.c.attempts == lease.attempt,
                    reports.c.state.in_(undecided),
                )
                .values(
                    state=state.value,
                    last_error=error,
                    not_before_at=not_before or now,
                    lease_until_at=None,
                    updated_at=now,
                )
            )
            return await _delivery(connection, lease.report.report_id)

    async def next_due(self, channels: Collection[Channel]) -> datetime | None:
        """When the next report is due, or the next lease runs out; None: nothing waits."""
        names = [channel.value for channel in channels]
        waiting = sa.select(sa.func.min(reports.c.not_before_at)).where(
            reports.c.state.in_(_WAITING), reports.c.channel.in_(names)
        )
        leased = sa.select(sa.func.min(reports.c.lease_until_at)).where(
            reports.c.state == DeliveryState.SENDING.value, reports.c.channel.in_(names)
        )
        async with self._database.reading("look for due reports") as connection:
            moments = [await connection.scalar(waiting), await connection.scalar(leased)]
        return min((moment for moment in moments if moment is not None), default=None)


async def _next(
    connection: AsyncConnection, channels: Collection[str], now: datetime
) -> sa.Row[Any] | None:
    """The report that has been due longest, with its case's path and whom it is about."""
    query = (
        sa.select(reports, cases.c.path, offender.label("caller"))
        .outerjoin(cases, cases.c.case_id == reports.c.case_id)
        .outerjoin(messages, messages.c.message_id == reports.c.message_id)
        .where(
            reports.c.state.in_(_WAITING),
            reports.c.channel.in_(channels),
            reports.c.not_before_at <= now,
        )
        .order_by(reports.c.not_before_at, reports.c.report_id)
        .limit(1)
        .with_for_update(skip_locked=True, of=reports)
    )
    return (await connection.execute(query)).one_or_none()


def _attempt(lease: Lease) -> sa.Update:
    return sa.update(attempts).where(
        attempts.c.report_id == lease.report.report_id, attempts.c.n == lease.attempt
    )


async def _mark_leased(
    connection: AsyncConnection, lease: Lease, now: datetime, is_repeatable: bool
) -> None:
    await connection.execute(
        sa.update(reports)
        .where(reports.c.report_id == lease.report.report_id)
        .values(
            state=DeliveryState.SENDING.value,
            attempts=lease.attempt,
            tries=lease.tries,
            lease_until_at=lease.expires_at,
            updated_at=now,
        )
    )
    await connection.execute(
        sa.insert(attempts).values(
            report_id=lease.report.report_id,
            n=lease.attempt,
            holder=lease.holder,
            is_repeatable=is_repeatable,
            started_at=now,
        )
    )


async def _end_attempt(
    connection: AsyncConnection, lease: Lease, now: datetime, state: DeliveryState, detail: str
) -> None:
    await connection.execute(
        _attempt(lease).values(ended_at=now, outcome=state.value, detail=detail)
    )


async def _settle_expired(connection: AsyncConnection, now: datetime) -> None:
    """What the last holder of a lease left behind when it died or stalled."""
    query = (
        sa.select(reports.c.report_id, attempts.c.n, attempts.c.is_repeatable)
        .add_columns(attempts.c.committed_at)
        .join(
            attempts,
            sa.and_(
                attempts.c.report_id == reports.c.report_id, attempts.c.n == reports.c.attempts
            ),
        )
        .where(reports.c.state == DeliveryState.SENDING.value, reports.c.lease_until_at <= now)
        .with_for_update(skip_locked=True, of=reports)
    )
    for row in (await connection.execute(query)).all():
        state, why = _verdict_on_expired(row)
        await connection.execute(
            sa.update(reports)
            .where(reports.c.report_id == row.report_id)
            .values(
                state=state.value,
                last_error=why,
                not_before_at=now,
                lease_until_at=None,
                updated_at=now,
            )
        )
        await connection.execute(
            sa.update(attempts)
            .where(attempts.c.report_id == row.report_id, attempts.c.n == row.n)
            .values(ended_at=now, outcome=state.value, detail=why)
        )


def _verdict_on_expired(row: sa.Row[Any]) -> tuple[DeliveryState, str]:
    if row.is_repeatable:
        return DeliveryState.RETRY, _CUT_OFF_REPEATABLE
    if row.committed_at is None:
        return DeliveryState.RETRY, _CUT_OFF
    return DeliveryState.UNCERTAIN, _CUT_OFF_COMMITTED


async def _delivery(connection: AsyncConnection, report_id: str) -> Delivery:
    query = sa.select(reports).where(reports.c.report_id == report_id)
    return to_delivery((await connection.execute(query)).one())
