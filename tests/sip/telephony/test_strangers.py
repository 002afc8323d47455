"""Who knocks without being allowed to is listed by address, and costs next to nothing."""

import asyncio
import os
import socket
import time

import pytest

from ivr.clock import SystemClock
from ivr.settings import SipSettings
from ivr.telephony.kernel_drops import dropped_at
from ivr.telephony.pool import WorkerPool
from ivr.telephony.strangers import BUFFER_BYTES, Strangers


def flood(port: int, source: str, count: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((source, 0))
        for _ in range(count):
            line.sendto(b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\n\r\n", ("127.0.0.1", port))


@pytest.fixture
def strangers():
    watching = Strangers()
    yield watching
    watching.close()


async def test_strangers_at_our_port_are_listed_and_nobody_else(strangers):
    settings = SipSettings(port=0, allow_from=("127.0.0.2/32",))
    async with WorkerPool(settings, SystemClock()) as pool:
        ports = [port for _, port in pool.addresses]
        assert pool.friends == ("127.0.0.2/32",)
        strangers.look(ports, pool.friends)
        before = dropped_at(set(ports))
        flood(ports[0], "127.0.0.9", 30)
        flood(ports[0], "127.0.0.8", 10)
        flood(ports[0], "127.0.0.2", 5)  # a friend
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            flood(other.getsockname()[1], "127.0.0.7", 5)  # not our port
            await asyncio.sleep(0)
        strangers.look(ports, pool.friends)
        assert strangers.table.top(10) == {"127.0.0.9": 30, "127.0.0.8": 10}
        assert dropped_at(set(ports)) - before == 40


def test_a_flood_fills_its_buffer_and_costs_next_to_nothing(strangers):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        port = ours.getsockname()[1]
        strangers.look([port], [])
        flood(port, "127.0.0.9", 20_000)
        began = time.process_time()
        strangers.look([port], [])
        assert time.process_time() - began < 0.1
        (counted,) = strangers.table.top(10).values()
        assert 10 <= counted <= 2 * BUFFER_BYTES // 100


def test_without_the_right_to_listen_nothing_breaks(strangers):
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            strangers.look([5060], [])
            os._exit(0 if strangers.table.top(1) == {} else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
