"""The queue of what people asked about their own data.

It holds the number and the contact that an answer needs, and nothing more; both are erased when
the request has been closed for a while. The steps stay: they prove that it was answered in time.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from ivr.clock import VIETNAM, Clock
from ivr.errors import InputError, UsageError
from ivr.facts.cases import CaseSummary
from ivr.facts.rights import RequestKind, RequestState, Step, SubjectRequest
from ivr.storage.engine import Database
from ivr.storage.rights_tables import request_steps, subject_requests
from ivr.storage.rows import to_summary
from ivr.storage.schema import UtcMoment, cases, messages

_ERASED = {"number": "", "name": "", "contact": "", "identity": "", "details": "", "answer": ""}


class RequestDesk:
    """Add, acknowledge, extend, answer, erase. References may be shortened to a unique end or
    beginning.

    Every method raises InputError when no single request is named so, UsageError when its state
    does not allow the act, StorageError when the ledger cannot be written.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def add(self, wanted: SubjectRequest, who: str) -> SubjectRequest:
        """Enter a request; its ``reference`` is given here, whatever ``wanted`` says.

        Raises:
            UsageError: it would have come in the future.
        """
        now = self._clock.now()
        if wanted.received_at > now:
            raise UsageError(
                "A request cannot have come in the future.",
                why=f"it is said to have come at {wanted.received_at.isoformat()}",
                remedy="Give the time at which it reached you: --received 2026-11-25T09:30.",
            )
        async with self._database.writing("enter a request") as connection:
            reference = await next_reference(connection, "YC", now, subject_requests.c.reference)
            values = {
                "reference": reference,
                "kind": wanted.kind.value,
                "state": RequestState.OPEN.value,
                "received_at": wanted.received_at,
                "number": wanted.number,
                "name": wanted.name,
                "contact": wanted.contact,
                "identity": wanted.identity,
                "details": wanted.details,
                "has_third_party": wanted.has_third_party,
                "answer": "",
            }
            await connection.execute(sa.insert(subject_requests).values(values))
            await self._step(connection, reference, "received", who, wanted.kind.value)
            return _to_request(await self._find(connection, reference))

    async def requests(self, *, is_open_only: bool = False) -> list[SubjectRequest]:
        """Requests, oldest first."""
        query = sa.select(subject_requests).order_by(
            subject_requests.c.received_at, subject_requests.c.reference
        )
        if is_open_only:
            query = query.where(subject_requests.c.state == RequestState.OPEN.value)
        async with self._database.reading("list its requests") as connection:
            return [_to_request(row) for row in await connection.execute(query)]

    async def request(self, reference: str) -> tuple[SubjectRequest, list[Step]]:
        """One request and what was done about it, oldest first."""
        async with self._database.reading("look up a request") as connection:
            row = await self._find(connection, reference)
            steps = await connection.execute(
                sa.select(request_steps)
                .where(request_steps.c.reference == row.reference)
                .order_by(request_steps.c.n)
            )
            return _to_request(row), [Step(s.at, s.act, s.who, s.detail) for s in steps]

    async def acknowledge(
        self, reference: str, who: str, *, has_third_party: bool = False
    ) -> SubjectRequest:
        """The person was told that their request came, and how it goes on."""
        now = sa.literal(self._clock.now(), UtcMoment)  # the first time counts
        first = sa.func.coalesce(subject_requests.c.acknowledged_at, now)
        changes: dict[str, Any] = {"acknowledged_at": first}
        if has_third_party:
            changes["has_third_party"] = True
        return await self._change(reference, "acknowledged", who, "", changes)

    async def extend(self, reference: str, who: str, why: str) -> SubjectRequest:
        """Take the one extension that the law allows."""
        return await self._change(
            reference,
            "extended",
            who,
            why,
            {"extended_at": self._clock.now()},
            refuse=lambda row: "it was extended before" if row.extended_at else "",
        )

    async def answer(
        self, reference: str, state: RequestState, who: str, text: str
    ) -> SubjectRequest:
        """Close it with an answer."""
        now = self._clock.now()
        changes = {"state": state.value, "closed_at": now, "answer": text}
        return await self._change(reference, "answered", who, state.value, changes)

    async def note(self, reference: str, act: str, who: str, detail: str) -> None:
        """Something was done for a request, e.g. a list of data handed over."""
        async with self._database.writing("note a step of a request") as connection:
            row = await self._find(connection, reference)
            await self._step(connection, row.reference, act, who, detail)

    async def erase_closed(self, before: datetime) -> int:
        """Erase the personal data of requests closed before a moment; returns how many."""
        now = self._clock.now()
        due = sa.select(subject_requests.c.reference).where(
            subject_requests.c.closed_at < before, subject_requests.c.erased_at.is_(None)
        )
        async with self._database.reading("look for requests to erase") as connection:
            if not (await connection.execute(due.limit(1))).all():  # no write lock for nothing
                return 0
        async with self._database.writing("erase closed requests") as connection:
            references = [row.reference for row in await connection.execute(due)]
            for reference in references:
                await connection.execute(
                    sa.update(subject_requests)
                    .where(subject_requests.c.reference == reference)
                    .values(**_ERASED, erased_at=now)
                )
                await self._step(connection, reference, "erased", "ivr", "")
        await self._database.scrub()
        return len(references)

    async def cases_of(self, number: str) -> list[CaseSummary]:
        """Cases in which a number (E.164) called or was called, newest first."""
        query = (
            sa.select(cases)
            .where(sa.or_(cases.c.caller == number, cases.c.subscriber == number))
            .order_by(cases.c.opened_at.desc())
        )
        async with self._database.reading("look for a person's cases") as connection:
            return [to_summary(row) for row in await connection.execute(query)]

    async def messages_of(self, number: str) -> list[tuple[str, str, datetime]]:
        """Reported messages that a number (E.164) sent: id, keyword, when; newest first."""
        query = (
            sa.select(messages)
            .where(messages.c.number == number)
            .order_by(messages.c.received_at.desc())
        )
        async with self._database.reading("look for a person's messages") as connection:
            rows = await connection.execute(query)
            return [(row.message_id, row.keyword, row.received_at) for row in rows]

    async def _change(
        self,
        reference: str,
        act: str,
        who: str,
        detail: str,
        changes: dict[str, Any],
        refuse: Any = lambda _row: "",
    ) -> SubjectRequest:
        async with self._database.writing("change a request") as connection:
            row = await self._find(connection, reference)
            why = refuse(row) or ("" if row.state == RequestState.OPEN else f"it is {row.state}")
            if why:
                raise UsageError(
                    f"Request {row.reference} cannot be {act}.",
                    why=why,
                    remedy=f"`ivr rights request show {row.reference}` shows what was done.",
                )
            await connection.execute(
                sa.update(subject_requests)
                .where(subject_requests.c.reference == row.reference)
                .values(changes)
            )
            await self._step(connection, row.reference, act, who, detail)
            return _to_request(await self._find(connection, row.reference))

    async def _step(
        self, connection: AsyncConnection, reference: str, act: str, who: str, detail: str
    ) -> None:
        count = sa.select(sa.func.count()).where(request_steps.c.reference == reference)
        n = (await connection.execute(count)).scalar_one()
        values = {"reference": reference, "n": n, "at": self._clock.now()}
        values |= {"act": act, "who": who, "detail": detail}
        await connection.execute(sa.insert(request_steps).values(values))

    async def _find(self, connection: AsyncConnection, reference: str) -> sa.Row[Any]:
        return await find_one(connection, subject_requests, reference, "request")


async def next_reference(
    connection: AsyncConnection, prefix: str, now: datetime, column: sa.Column[Any]
) -> str:
    """``YC-2026-0001``: counted in the year of Vietnam; rows are never taken away."""
    begin = f"{prefix}-{now.astimezone(VIETNAM).year}-"
    query = sa.select(sa.func.count()).where(column.startswith(begin, autoescape=True))
    return f"{begin}{(await connection.execute(query)).scalar_one() + 1:04d}"


async def find_one(
    connection: AsyncConnection, table: sa.Table, reference: str, kind: str
) -> sa.Row[Any]:
    """The one row of that reference, or whose reference ends so.

    Raises:
        InputError: none, or several.
    """
    column = table.c.reference
    query = sa.select(table).where(
        sa.or_(column == reference, column.endswith(f"-{reference}", autoescape=True))
    )
    rows = (await connection.execute(query.limit(2))).all()
    if len(rows) != 1 or not reference:
        listed = "request list --all" if kind == "request" else "breach list"
        raise InputError(
            f"No single {kind} is called {reference!r}.",
            why="several are" if rows else "there is none",
            remedy=f"`ivr rights {listed}` shows the references.",
        )
    return rows[0]


def _to_request(row: sa.Row[Any]) -> SubjectRequest:
    values = dict(row._mapping)
    kind, state = RequestKind(values.pop("kind")), RequestState(values.pop("state"))
    return SubjectRequest(kind=kind, state=state, **values)
