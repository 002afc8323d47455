"""Limits of a day: an authority must not be flooded, whoever rings us how often."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.facts.reports import DeliveryState, Quota
from ivr.storage.schema import attempts, cases, messages, reports

# What has reached the recipient, or may have.
_ARRIVED = (DeliveryState.SENT.value, DeliveryState.READY.value, DeliveryState.UNCERTAIN.value)
offender = sa.func.coalesce(cases.c.caller, messages.c.number, messages.c.sender)
"""Whom a report is about; of reports joined with both tables."""
_WAITING = (DeliveryState.PENDING.value, DeliveryState.RETRY.value)


async def is_held_back(
    connection: AsyncConnection, row: sa.Row[Any], quota: Quota, now: datetime
) -> bool:
    """Whether the report in ``row`` (with ``offender`` as its ``caller``) must wait for the next
    day. Then it, and all that wait for the same reason, are put off, and say why."""
    if await _handed_over(connection, row, quota.since) >= quota.a_day:
        why = f"put off: {quota.a_day} reports a day to this recipient"
        same: sa.ColumnElement[bool] = sa.true()
    elif (
        quota.a_number is not None
        and row.caller is not None
        and await _handed_over(connection, row, quota.since, row.caller) >= quota.a_number
    ):
        why = f"put off: {quota.a_number} a day to this recipient about one number"
        same = reports.c.report_id.in_(
            sa.select(reports.c.report_id).select_from(_about()).where(offender == row.caller)
        )
    else:
        return False
    await connection.execute(
        sa.update(reports)
        .where(
            reports.c.recipient_id == row.recipient_id,
            reports.c.channel == row.channel,
            reports.c.state.in_(_WAITING),
            reports.c.not_before_at < quota.until,
            same,
        )
        .values(not_before_at=quota.until, last_error=why, updated_at=now)
    )
    return True


async def _handed_over(
    connection: AsyncConnection, row: sa.Row[Any], since: datetime, caller: str | None = None
) -> int:
    """Other reports to the same recipient that are under way, or were handed over since then."""
    arrived = sa.and_(
        attempts.c.committed_at >= since,
        sa.or_(attempts.c.outcome.is_(None), attempts.c.outcome.in_(_ARRIVED)),
    )
    query = (
        sa.select(sa.func.count(sa.distinct(reports.c.report_id)))
        .select_from(reports.join(attempts))
        .where(
            reports.c.recipient_id == row.recipient_id,
            reports.c.channel == row.channel,
            reports.c.report_id != row.report_id,
            sa.or_(reports.c.state == DeliveryState.SENDING.value, arrived),
        )
    )
    if caller is not None:
        query = query.where(
            reports.c.report_id.in_(
                sa.select(reports.c.report_id).select_from(_about()).where(offender == caller)
            )
        )
    return int(await connection.scalar(query) or 0)


def _about() -> sa.Join:
    """Reports with the case or message each is about."""
    with_case = reports.outerjoin(cases, cases.c.case_id == reports.c.case_id)
    return with_case.outerjoin(messages, messages.c.message_id == reports.c.message_id)
