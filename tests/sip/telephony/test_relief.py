"""A worker that served many calls is relieved on its port, and no call is lost by it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.settings import SipSettings
from ivr.telephony.pool import WorkerPool
from ivr.telephony.soak import BRIDGED_EVERY, soak
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor, eventually
from tests.fakes.raw_caller import RawCaller

T1_S = 0.5  # RFC 3261: after which a request over UDP is sent again


async def call_as_the_rfc_says(pool: WorkerPool) -> int:
    """The final answer to an INVITE that is sent again until somebody answers."""
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite()
        for _ in range(8):
            with suppress(TimeoutError):
                await eventually(lambda: bool(caller.responses), within_s=T1_S)
                break
            caller.send(caller.last_invite)
        status = (await caller.final()).status
        caller.ack()
        return status


async def refuse_all(desk: Desk) -> None:
    while True:
        await (await desk.lines.get()).refuse(486, "Busy Here")


@pytest.mark.parametrize("limits", [{"recycle_after_calls": 5}, {"recycle_above_mb": 1}])
async def test_calls_go_on_while_workers_come_and_go(limits: dict[str, int]) -> None:
    settings = SipSettings.model_validate({"port": 0, "transaction_timeout_s": 2.0, **limits})
    async with WorkerPool(settings, SystemClock()) as pool:
        desk, address, pids = Desk(pool), pool.addresses, set(pool.pids)
        refusing = asyncio.create_task(refuse_all(desk))
        statuses = set()
        async with asyncio.timeout(20):
            while pool.relieved < 2:
                statuses.add(await call_as_the_rfc_says(pool))
                await asyncio.sleep(0.1)
                pids |= set(pool.pids)
        assert statuses == {486}
        assert pool.addresses == address
        assert len(pids) >= 2
        refusing.cancel()
        await desk.close()


async def test_a_worker_with_a_call_is_not_relieved_before_the_call_is_over() -> None:
    settings = SipSettings(port=0, transaction_timeout_s=2.0, recycle_after_calls=1)
    async with WorkerPool(settings, SystemClock()) as pool:
        desk, pids = Desk(pool), pool.pids
        door = await UdpDoor().open()
        async with RawCaller(*pool.addresses[0]) as caller:
            calling = asyncio.create_task(caller.call())
            line = await desk.next_line()
            facts = Ledger(line, door)
            await line.answer(door)
            await calling
            await asyncio.sleep(2.5)  # the worker has said twice that its limit is reached
            assert pool.pids == pids
            assert facts.closed is None
            assert (await caller.bye()).status == 200
            await eventually(lambda: pool.relieved == 1, within_s=10)
            assert pool.pids != pids
        door.close()
        await desk.close()


async def test_sixty_calls_in_a_row_some_bridged_leave_slots_and_memory_as_they_were(
    make_wav: Callable[..., Path],
) -> None:
    """The long form is ``python -m ivr.telephony.bench --soak 1000``."""
    steps = await soak(60, make_wav(440, 0.06), lambda _: None)
    assert [step.calls for step in steps] == [6 * n for n in range(1, 11)]
    assert steps[-1].bridged == 60 // BRIDGED_EVERY
    warm = steps[2]
    assert steps[-1].resident_mb - warm.resident_mb < 8
    assert steps[-1].descriptors <= warm.descriptors + 8  # closed sockets rest half a second
