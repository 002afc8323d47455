"""Damaged datagrams by the thousand: ``python -m ivr.bench.fuzz [datagrams] [--seed N]``.

The same seeded stream goes to a SIP worker (pjsua2, a process of its own) and to the recording
server (this process), 1500 a second. After every twenty-five an honest OPTIONS must be answered.
Prints one line of JSON for each: what was answered, whether anything died, what it held in memory
before and after, and whether every place for a call is free at the end. Exit status 1 when
something is not as it should be.
"""

import argparse
import asyncio
import json
import os
import random
import re
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Final

from ivr.bench import mutations
from ivr.clock import SystemClock
from ivr.errors import TelephonyError
from ivr.settings import MirrorSettings, SipSettings
from ivr.siprec.facts import Negotiation
from ivr.siprec.line import MirrorLine
from ivr.siprec.server import RecordingServer
from ivr.telemetry import configure
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool
from ivr.telephony.soak import Endpoint, resident_mb

HERE: Final = "127.0.0.1"
CHECK_EVERY: Final = 25
"""So few that none is lost in the kernel's buffer: what is lost tests nothing."""
PER_S: Final = 1500
"""Slow enough that the agent's limit of new calls a second lets hundreds of damaged ones in."""
CHECK_S: Final = 5.0
QUIET_S: Final = 20.0
ANSWERED_EVERY: Final = 8
_POLL_S: Final = 0.05
_TO = re.compile(rb"^To:[^\r\n]*?(;tag=[^\s;]+)", re.MULTILINE)
_CALL = re.compile(rb"^Call-ID: fuzz-(\d+)", re.MULTILINE)


@dataclass
class FuzzFigures:
    """What a stream of damaged datagrams did.

    Args:
        answers: responses to damaged messages.
        calls: damaged INVITEs that became calls.
        unanswered_checks: honest OPTIONS without an answer within 5 s.
        died: processes that ended, or exceptions that reached the server's last resort.
        calls_left: calls that still hold a place 20 s after the last datagram.
    """

    target: str
    datagrams: int
    seed: int
    seconds: float
    answers: int
    calls: int
    checks: int
    unanswered_checks: int
    died: int
    calls_left: int
    resident_mb_before: float
    resident_mb_after: float

    @property
    def is_good(self) -> bool:
        return not (self.unanswered_checks or self.died or self.calls_left)


class _Sender(asyncio.DatagramProtocol):
    """Sends; of what comes back it learns tags, so that it can disturb calls that exist."""

    def __init__(self, to: tuple[str, int], seed: int, seeds: tuple[str, ...]) -> None:
        self.answers = self.checks = self.unanswered = 0
        self._to, self._chance, self._seeds = to, random.Random(seed), seeds  # noqa: S311 - damage, no secret
        self._number, self._call, self._tag = 0, 0, ""
        self._checked = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # typeshed names the wider type
        self._transport = transport
        self._port = int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's own signature
        if b"\r\nCall-ID: honest-" in data:
            self._checked.set()
            return
        self.answers += data.startswith(b"SIP/2.0 ")
        tag, call = _TO.search(data), _CALL.search(data)
        if tag and call and data.startswith(b"SIP/2.0 200"):
            self._call, self._tag = int(call[1]), tag[1].decode("utf-8", "replace")

    def send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(data, self._to)

    def _written(self, text: str, *, is_within: bool) -> bytes:
        values = {
            "port": str(self._port),
            "n": str(self._number),
            "call": str(self._call if is_within else self._number),
            "tag": self._tag if is_within else "",
            "cseq": str(2 + self._number % 5 if is_within else 1),
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text.encode("utf-8", "replace")

    async def run(self, datagrams: int) -> None:
        began_s = time.monotonic()
        for count in range(1, datagrams + 1):
            if self._chance.random() > 0.1:  # else it looks like a retransmission
                self._number += 1
            seeds = [self._written(text, is_within=False) for text in self._seeds]
            seeds += [self._written(text, is_within=True) for text in mutations.WITHIN]
            self.send(mutations.mutated(self._chance, seeds))
            if count % CHECK_EVERY == 0:
                await self.check()
                await asyncio.sleep(began_s + count / PER_S - time.monotonic())
        await self.check()

    async def check(self) -> None:
        """An honest OPTIONS; repeated as RFC 3261 would, because a datagram may be lost."""
        self._checked.clear()
        self.checks += 1
        text = self._written(
            mutations.BEGINNINGS[3].replace("fuzz-", "honest-").replace("{n}", f"h{self.checks}"),
            is_within=False,
        )
        for wait_s in (0.5, 1.0, CHECK_S - 1.5):
            self.send(text)
            try:
                async with asyncio.timeout(wait_s):
                    await self._checked.wait()
            except TimeoutError:
                continue
            return
        self.unanswered += 1


async def fuzz_agent(datagrams: int, seed: int = 1) -> FuzzFigures:
    """A worker of its own, whose desk is busy and answers only every eighth call."""
    settings = SipSettings(port=0, transaction_timeout_s=2.0)
    async with WorkerPool(settings, SystemClock()) as pool:
        pids, calls = pool.pids, [0]
        taking = asyncio.create_task(_take_calls(pool, calls))
        before = resident_mb(pids[0])
        sender, seconds = await _send(pool.addresses[0], datagrams, seed, mutations.BEGINNINGS)
        await _quiet(lambda: pool.slots_in_use == 0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return FuzzFigures(
            *("agent", datagrams, seed, seconds, sender.answers, calls[0]),
            *(sender.checks, sender.unanswered, int(pool.pids != pids), pool.slots_in_use),
            *(before, resident_mb(pool.pids[0])),
        )


async def _take_calls(pool: WorkerPool, calls: list[int]) -> None:
    async with asyncio.TaskGroup() as running:
        async for line in pool.incoming():
            calls[0] += 1
            is_answered = calls[0] % ANSWERED_EVERY == 0
            running.create_task(_take_call(line, is_answered=is_answered))


async def _take_call(line: SipLine, *, is_answered: bool) -> None:
    if not is_answered:
        await line.refuse(486, "Busy Here")
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind((HERE, 0))
        try:
            await line.answer(Endpoint(*sink.getsockname()))
        except TelephonyError:  # what they described cannot be answered; the worker refused it
            return
        async for _ in line.events():
            await line.hang_up("enough")


async def fuzz_recorder(datagrams: int, seed: int = 1) -> FuzzFigures:
    """A recording server that answers every call."""
    settings = MirrorSettings(
        enabled=True,
        lawful_basis="a measurement of nobody's calls",
        port=0,
        invites_per_s=100_000.0,
        max_sessions=256,
        no_media_s=5.0,
    )
    async with RecordingServer(settings, lambda *_: True) as server:
        taking = asyncio.create_task(_take_mirrored(server))
        before = _own_resident_mb()
        seeds = mutations.BEGINNINGS + 3 * mutations.RECORDINGS
        sender, seconds = await _send(server.address, datagrams, seed, seeds)
        await _quiet(lambda: server.living == 0)
        figures = server.figures
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return FuzzFigures(
            *("recorder", datagrams, seed, seconds, sender.answers, figures["calls"]),
            *(sender.checks, sender.unanswered, figures["faults"], server.living),
            *(before, _own_resident_mb()),
        )


async def _take_mirrored(server: RecordingServer) -> None:
    async with asyncio.TaskGroup() as running:
        async for line in server.incoming():
            running.create_task(_record(line))


async def _record(line: MirrorLine) -> None:
    """Nobody sends sound here: what is answered is ended at once, as the house would later."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind((HERE, 0))
        async for fact in line.events():
            if isinstance(fact, Negotiation):
                endpoint = Endpoint(*sink.getsockname())
                fact.answer({stream.key: endpoint for stream in fact.streams if stream.is_open})
                asyncio.get_running_loop().call_later(0.5, line.hang_up, "enough")


async def _send(
    to: tuple[str, int], datagrams: int, seed: int, seeds: tuple[str, ...]
) -> tuple[_Sender, float]:
    loop = asyncio.get_running_loop()
    transport, sender = await loop.create_datagram_endpoint(
        lambda: _Sender((to[0], to[1]), seed, seeds), (HERE, 0)
    )
    began = time.monotonic()
    await sender.run(datagrams)
    transport.close()
    return sender, round(time.monotonic() - began, 1)


async def _quiet(is_quiet: Callable[[], bool]) -> None:
    until = time.monotonic() + QUIET_S
    while not is_quiet() and time.monotonic() < until:  # noqa: ASYNC110 - others' processes
        await asyncio.sleep(_POLL_S)


def _own_resident_mb() -> float:
    return resident_mb(os.getpid())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ivr.bench.fuzz", description=__doc__)
    parser.add_argument("datagrams", type=int, nargs="?", default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    configure("error")
    runs: tuple[Callable[[int, int], Coroutine[None, None, FuzzFigures]], ...] = (
        fuzz_agent,
        fuzz_recorder,
    )
    is_good = True
    for run in runs:
        figures = asyncio.run(run(wanted.datagrams, wanted.seed))
        sys.stdout.write(json.dumps(asdict(figures)) + "\n")
        sys.stdout.flush()
        is_good &= figures.is_good
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
