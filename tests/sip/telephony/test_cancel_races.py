"""A CANCEL that crosses whatever we are doing: no stuck slot, no call that one side alone has."""

import asyncio

import pytest

from ivr.errors import TelephonyError
from ivr.facts.call import Blame
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor, eventually
from tests.fakes.raw_caller import RawCaller


async def test_a_cancel_in_the_same_breath_as_the_invite(pool: WorkerPool, desk: Desk) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite()
        caller.cancel()
        await eventually(lambda: {487, 200} <= {item.status for item in caller.responses})
        caller.ack()
        await eventually(lambda: pool.slots_in_use == 0)
        while not desk.lines.empty():  # whether the house has heard of it or not
            assert (await Ledger(desk.lines.get_nowait()).end()).blame is Blame.CALLER


async def test_a_cancel_that_crosses_our_answer(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    """The 200 has left: by RFC 3261 the CANCEL does nothing, and the caller says BYE."""
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite()
        line = await desk.next_line()
        facts = Ledger(line, door)
        answering = asyncio.create_task(line.answer(door))
        answer = await caller.final()
        assert answer.status == 200
        caller.cancel()
        crossed = await caller.final()
        assert (crossed.header("CSeq") or "").endswith("CANCEL")
        assert facts.closed is None
        caller.ack()
        await answering
        assert (await caller.bye()).status == 200
        assert (await facts.end()).blame is Blame.CALLER
    await eventually(lambda: pool.slots_in_use == 0)


async def test_an_answer_decided_after_the_cancel_is_not_sent(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite()
        line = await desk.next_line()
        caller.cancel()
        with pytest.raises(TelephonyError, match="before it was answered"):
            await line.answer(door)
        await eventually(lambda: 487 in {item.status for item in caller.responses})
        caller.ack()
        finals = [item.header("CSeq") for item in caller.responses if item.status == 200]
        assert all(each and each.endswith("CANCEL") for each in finals)
    await eventually(lambda: pool.slots_in_use == 0)
