"""An agent's worker and a recording server that take anything, and who sends it to them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.settings import MirrorSettings, SipSettings
from ivr.siprec.facts import Negotiation
from ivr.siprec.line import MirrorLine
from ivr.siprec.server import RecordingServer
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk

PATIENCE_S = 10.0
AGAIN_S = 0.1


@dataclass(frozen=True)
class Nowhere:
    """An endpoint for media that nobody sends."""

    host: str = "127.0.0.1"
    port: int = 9


@dataclass
class Torturer:
    pool: WorkerPool
    recorder: RecordingServer


async def _follow(line: MirrorLine) -> None:
    async for fact in line.events():
        if isinstance(fact, Negotiation):
            fact.answer({stream.key: Nowhere() for stream in fact.streams if stream.is_open})


async def _record(server: RecordingServer) -> None:
    async with asyncio.TaskGroup() as calls:
        async for line in server.incoming():
            calls.create_task(_follow(line))


@pytest.fixture
async def torturer() -> AsyncIterator[Torturer]:
    mirror = MirrorSettings(
        enabled=True,
        lawful_basis="a test of nobody's calls",
        port=0,
        invites_per_s=10_000.0,
        max_sessions=10_000,
    )
    async with (
        WorkerPool(SipSettings(port=0, transaction_timeout_s=2.0), SystemClock()) as pool,
        RecordingServer(mirror, lambda name, _: name.upper() == "PCMA", farewell_s=0.05) as server,
    ):
        recording = asyncio.create_task(_record(server))
        yield Torturer(pool, server)
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)


async def busy_desk(desk: Desk, taken: list[SipLine]) -> None:
    """Refuse every call with 486."""
    while True:
        line = await desk.lines.get()
        taken.append(line)
        await line.refuse(486, "Busy Here")


async def answers_of(
    folder: Path, wanted: Mapping[str, str], address: tuple[str, int]
) -> dict[str, str]:
    """The final status of the answer to each message, "" for none; after each message the server
    must answer an OPTIONS of the same sender."""
    found = {}
    for name in wanted:
        raw = (folder / f"{name}.sip").read_bytes()
        found[name] = "503"
        while found[name] == "503":  # too many new calls for the agent's gate: once more
            found[name] = await _answer(raw, address, must_come=bool(wanted[name]))
            if found[name] == "503":
                await asyncio.sleep(AGAIN_S)
    return found


async def _answer(raw: bytes, address: tuple[str, int], *, must_come: bool) -> str:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.bind(("127.0.0.1", 0))
        port = sender.getsockname()[1]
        await loop.sock_sendto(sender, raw.replace(b"@PORT@", b"%d" % port), address)
        await loop.sock_sendto(sender, _options(port), address)
        final, is_alive = "", False
        async with asyncio.timeout(PATIENCE_S):
            while not is_alive or (must_come and not final):
                text = await loop.sock_recv(sender, 65_535)
                status = text[8:11].decode()
                if b"\r\nCall-ID: alive-" in text:
                    assert status == "200", text
                    is_alive = True
                elif text.startswith(b"SIP/2.0 ") and status >= "200":
                    final = status
    return final


def _options(port: int) -> bytes:
    return (
        f"OPTIONS sip:an@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKalive{port}\r\n"
        f"From: <sip:t@127.0.0.1>;tag=alive\r\nTo: <sip:an@127.0.0.1>\r\n"
        f"Call-ID: alive-{port}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()
