"""A door that records nothing: packets pass, strangers do not, no file appears."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.facts.call import LegName
from ivr.media.passing_door import PassingDoor
from ivr.media.rtp import pack_rtp
from ivr.settings import MediaSettings
from tests.fakes.rtp_calls import FakeAgent, agreed, received
from tests.fakes.rtp_sender import HERE, packets, tone, udp_socket

DATA = [pack_rtp(packet) for packet in packets(tone(440, 0.2))]


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the kernel sets no asyncio.Event
            await asyncio.sleep(0.005)


async def test_both_ways_pass_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    door = PassingDoor.open(MediaSettings(bind=HERE))
    side = door.add_side(LegName.CALLER, LegName.AGENT)
    with udp_socket() as caller, udp_socket("127.0.0.9") as stranger, udp_socket() as port:
        agent = FakeAgent(port)
        door.agree(LegName.CALLER, agreed(caller.getsockname(), agent.address))
        await agent.latch()
        to = (side.endpoint.host, side.endpoint.port)
        stranger.sendto(DATA[0], to)
        for data in DATA:
            caller.sendto(data, to)
        await until(lambda: agent.drain()[-1] == DATA[-1])
        port.sendto(DATA[0], side.inside)
        await until(lambda: received(caller) == [DATA[0]])
        assert [stats.foreign for stats in door.stats()] == [1, 0]
    await door.close()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib would block the loop no less
