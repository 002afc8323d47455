"""A recording server on real sockets, and a recorder of the barest kind behind it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ivr.facts.call import CallClosed
from ivr.settings import MirrorSettings
from ivr.siprec.facts import Fact, Negotiation
from ivr.siprec.line import MirrorLine
from ivr.siprec.server import RecordingServer
from ivr.siprec.transactions import Timing

BASIS = "a test of nobody's calls"


@dataclass(frozen=True)
class Ear:
    """Where a stream is taken: the endpoint of ``ivr.ports``."""

    sock: socket.socket

    @property
    def host(self) -> str:
        return str(self.sock.getsockname()[0])

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def heard(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.sock.recv(2048))
            except BlockingIOError:
                return found


@dataclass
class Recorder:
    """Answers every offer with a socket of its own for each open stream; keeps every fact."""

    server: RecordingServer
    lines: list[MirrorLine] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    ears: dict[str, Ear] = field(default_factory=dict)
    answers: Callable[[MirrorLine, Negotiation], bool] = lambda line, offer: True
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        async for line in self.server.incoming():
            self.lines.append(line)
            task = asyncio.create_task(self.follow(line))
            self.tasks.add(task)

    async def follow(self, line: MirrorLine) -> None:
        async for fact in line.events():
            self.facts.append(fact)
            if isinstance(fact, Negotiation) and self.answers(line, fact):
                for stream in fact.streams:
                    if stream.is_open and stream.key not in self.ears:
                        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        sock.setblocking(False)
                        sock.bind(("127.0.0.1", 0))
                        self.ears[stream.key] = Ear(sock)
                fact.answer(self.ears)

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def ends(self) -> list[CallClosed]:
        return self.of(CallClosed)

    @property
    def port(self) -> int:
        return self.server.address[1]


def knows(name: str, rate_hz: int) -> bool:
    return (name.upper(), rate_hz) in {("PCMA", 8000), ("PCMU", 8000), ("G722", 8000)}


@pytest.fixture
def recording() -> Callable[..., Any]:
    """``async with recording(max_sessions=1) as recorder``: settings by name."""

    @asynccontextmanager
    async def start(
        t1_s: float = 0.5, server: dict[str, Any] | None = None, **changes: Any
    ) -> AsyncIterator[Recorder]:
        settings = MirrorSettings(enabled=True, lawful_basis=BASIS, port=0, **changes)
        options = {"farewell_s": 0.05, **(server or {})}
        timing = Timing(t1_s=t1_s, t2_s=8 * t1_s)
        async with RecordingServer(settings, knows, timing=timing, **options) as running_server:
            recorder = Recorder(running_server)
            running = asyncio.create_task(recorder.run())
            yield recorder
        for task in (running, *recorder.tasks):
            task.cancel()
        await asyncio.gather(running, *recorder.tasks, return_exceptions=True)
        for ear in recorder.ears.values():
            ear.sock.close()

    return start
