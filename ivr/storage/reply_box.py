"""What came back about reports, word for word, and what it changes.

Keeping a reply and applying it is one transaction: after a crash it is there with its effect, or
it is not there, and its sender, whom we had not yet told that we have it, sends it again.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.clock import Clock
from ivr.facts.replies import Bearing, KeptReply, Reply, ReplyKind, SmppReference, same_id
from ivr.facts.reports import Channel, DeliveryState
from ivr.storage.engine import Database
from ivr.storage.reply_tables import replies
from ivr.storage.schema import reports

_S = DeliveryState
_CANDIDATES: Final = 20
# A bounce takes back what was called sent; never what a person or another attempt decides now.
_REFUSABLE: Final = (_S.SENT.value, _S.UNCERTAIN.value)
# What has arrived is not sent again, even where a person had already asked for that.
_ARRIVABLE: Final = (_S.UNCERTAIN.value, _S.FAILED.value, _S.RETRY.value, _S.PENDING.value)


class ReplyBox:
    """Replies of short message centres, modems and mail systems. Raises StorageError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def keep(self, reply: Reply) -> None:
        """On disk, with its effect, when this returns. The same reply again changes nothing."""
        now = self._clock.now()
        async with self._database.writing("keep a reply") as connection:
            known = sa.select(replies.c.reply_id).where(replies.c.reply_id == reply.reply_id)
            if (await connection.execute(known)).one_or_none() is not None:
                return
            await connection.execute(sa.insert(replies).values(_values(reply)))
            row = await _report_of(connection, reply)
            if row is not None:
                await _apply(connection, reply, row, now)

    async def kept(
        self, limit: int = 100, *, report_id: str | None = None, case_id: str | None = None
    ) -> list[KeptReply]:
        """Replies, newest first; ``case_id``: those to reports of a case or message."""
        query = sa.select(replies).order_by(replies.c.received_at.desc(), replies.c.reply_id)
        if report_id is not None:
            query = query.where(replies.c.report_id == report_id)
        if case_id is not None:
            about = sa.or_(reports.c.case_id == case_id, reports.c.message_id == case_id)
            own = sa.select(reports.c.report_id).where(about)
            query = query.where(replies.c.report_id.in_(own))
        async with self._database.reading("list the replies") as connection:
            return [_to_kept(row) for row in await connection.execute(query.limit(limit))]


async def apply_waiting(
    connection: AsyncConnection, report_id: str, reference: str, now: datetime
) -> None:
    """Receipts that came before the report's message ids were known: between the courier's last
    look and this settlement, or while the ledger was busy."""
    told = SmppReference.read(reference)
    if told is None:
        return
    keys = [same_id(each) for each, _ in told.parts]
    query = sa.select(replies).where(
        replies.c.provider_key.in_(keys), replies.c.report_id.is_(None)
    )
    for waiting in (await connection.execute(query.order_by(replies.c.received_at))).all():
        row = await _row(connection, report_id)
        await _apply(connection, _to_kept(waiting).reply, row, now)


def history_lines(rows: list[KeptReply]) -> list[tuple[datetime, str]]:
    """For a report's history."""
    return [
        (kept.reply.received_at, f"{kept.reply.kind}: {kept.reply.word or 'words'}, {kept.effect}")
        for kept in rows
    ]


async def _report_of(connection: AsyncConnection, reply: Reply) -> sa.Row[Any] | None:
    if reply.report_prefix:
        query = sa.select(reports).where(
            reports.c.report_id.startswith(reply.report_prefix, autoescape=True),
            reports.c.channel == reply.channel.value,
        )
        found = (await connection.execute(query.limit(2))).all()
        return found[0] if len(found) == 1 else None
    key = same_id(reply.provider_id)
    if not key:
        return None
    # The letters of the id narrow it down, the reference read as one decides. Ids may come round
    # again after a long time: the latest report is meant.
    query = (
        sa.select(reports)
        .where(
            reports.c.channel == reply.channel.value,
            sa.func.lower(reports.c.provider_reference).contains(key, autoescape=True),
        )
        .order_by(reports.c.updated_at.desc())
        .limit(_CANDIDATES)
    )
    for row in (await connection.execute(query)).all():
        told = SmppReference.read(row.provider_reference)
        if told is not None and told.names(reply.provider_id):
            return row
    return None


async def _apply(
    connection: AsyncConnection, reply: Reply, row: sa.Row[Any], now: datetime
) -> None:
    """Note what the reply says in the report, and change its state where it decides that."""
    told = SmppReference.read(row.provider_reference)
    bearing, reference = reply.bearing, row.provider_reference
    if told is not None and reply.provider_id:
        told = told.told(reply.provider_id, reply.word)
        bearing, reference = told.bearing, str(told)
    state, error = row.state, row.last_error
    if bearing is Bearing.REFUSED and row.state in _REFUSABLE:
        state, error = _S.FAILED.value, f"not delivered: {reply.word}"
    elif bearing is Bearing.ARRIVED and row.state in _ARRIVABLE:
        state, error = _S.SENT.value, None
    effect = "noted" if state == row.state else f"{row.state} → {state}"
    if (state, reference) != (row.state, row.provider_reference):
        values = {"state": state, "last_error": error, "provider_reference": reference}
        await connection.execute(
            sa.update(reports)
            .where(reports.c.report_id == row.report_id)
            .values(**values, updated_at=now)
        )
    await connection.execute(
        sa.update(replies)
        .where(replies.c.reply_id == reply.reply_id)
        .values(report_id=row.report_id, effect=effect)
    )


async def _row(connection: AsyncConnection, report_id: str) -> sa.Row[Any]:
    query = sa.select(reports).where(reports.c.report_id == report_id)
    return (await connection.execute(query)).one()


def _values(reply: Reply) -> dict[str, Any]:
    return {
        "reply_id": reply.reply_id,
        "channel": reply.channel.value,
        "kind": reply.kind.value,
        "sender": reply.sender,
        "received_at": reply.received_at,
        "raw": reply.raw,
        "coding": reply.coding,
        "provider_id": reply.provider_id,
        "provider_key": same_id(reply.provider_id),
        "report_prefix": reply.report_prefix,
        "word": reply.word,
        "bearing": reply.bearing.value,
        "report_id": None,
        "effect": "kept",
    }


def _to_kept(row: sa.Row[Any]) -> KeptReply:
    reply = Reply(
        reply_id=row.reply_id,
        channel=Channel(row.channel),
        kind=ReplyKind(row.kind),
        sender=row.sender,
        received_at=row.received_at,
        raw=row.raw,
        coding=row.coding,
        provider_id=row.provider_id,
        report_prefix=row.report_prefix,
        word=row.word,
        bearing=Bearing(row.bearing),
    )
    return KeptReply(reply, row.report_id, row.effect)
