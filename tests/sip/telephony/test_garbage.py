"""Malformed messages, each a file with a name: no crash, no stuck call, and the next call works."""

import asyncio
import random
from pathlib import Path

import pytest

from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, eventually
from tests.fakes.raw_caller import RawCaller

FIXTURES = sorted((Path(__file__).parents[2] / "assets" / "sip").glob("*.sip"))


async def take_and_drop(desk: Desk) -> None:
    while True:
        line = await desk.lines.get()
        await line.refuse(486, "Busy Here")


async def test_every_malformed_message_is_survived(pool: WorkerPool, desk: Desk) -> None:
    assert len(FIXTURES) >= 30
    pids = pool.pids
    dropping = asyncio.create_task(take_and_drop(desk))
    async with RawCaller(*pool.addresses[0]) as caller:
        for fixture in FIXTURES:
            caller.send(fixture.read_bytes())
            assert (await caller.ask("OPTIONS")).status == 200, fixture.stem
    await eventually(lambda: pool.slots_in_use == 0, within_s=15)
    dropping.cancel()
    assert pool.pids == pids


@pytest.mark.parametrize("seed", [1, 2])
async def test_mutated_messages_are_survived(pool: WorkerPool, desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    pids = pool.pids
    dropping = asyncio.create_task(take_and_drop(desk))
    async with RawCaller(*pool.addresses[0]) as caller:
        for number in range(600):
            data = bytearray(chance.choice(FIXTURES).read_bytes())
            for _ in range(chance.randrange(1, 12)):
                position = chance.randrange(len(data))
                match chance.randrange(3):
                    case 0:
                        data[position] = chance.randrange(256)
                    case 1:
                        del data[position : position + chance.randrange(1, 40)]
                    case _:
                        data[position:position] = data[: chance.randrange(60)]
                if not data:
                    break
            caller.send(bytes(data) or b"x")
            if number % 50 == 49:
                assert (await caller.ask("OPTIONS")).status == 200
    await eventually(lambda: pool.slots_in_use == 0, within_s=15)
    async with RawCaller(*pool.addresses[0]) as caller:
        while (await caller.call()).status == 503:  # noqa: ASYNC110 - the gate's bucket fills
            await asyncio.sleep(0.05)
        assert caller.responses[-1].status == 486
    dropping.cancel()
    assert pool.pids == pids
