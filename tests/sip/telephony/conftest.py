"""Real worker processes and real sockets for every test in this folder."""

import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.settings import SipSettings
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor
from tests.fakes.raw_caller import SAMPLE_RATE_HZ, tone


@pytest.fixture
def settings() -> SipSettings:
    return SipSettings(port=0, transaction_timeout_s=2.0)


@pytest.fixture
async def pool(settings: SipSettings) -> AsyncIterator[WorkerPool]:
    async with WorkerPool(settings, SystemClock()) as running:
        yield running


@pytest.fixture
async def desk(pool: WorkerPool) -> AsyncIterator[Desk]:
    running = Desk(pool)
    yield running
    await running.close()


@pytest.fixture
async def door() -> AsyncIterator[UdpDoor]:
    opened = await UdpDoor().open()
    yield opened
    opened.close()


@pytest.fixture
def make_wav(tmp_path: Path) -> Callable[..., Path]:
    def make(hertz: float, seconds: float, rate: int = SAMPLE_RATE_HZ) -> Path:
        path = tmp_path / f"{hertz:.0f}-{rate}.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rate)
            sound.writeframes(tone(hertz, seconds).astype("<i2").tobytes())
        return path

    return make


Answer = Callable[[], Awaitable[tuple[SipLine, Ledger]]]


@pytest.fixture
def answer(desk: Desk, door: UdpDoor) -> Answer:
    """Answer the next call with the door."""

    async def take() -> tuple[SipLine, Ledger]:
        line = await desk.next_line()
        facts = Ledger(line, door)
        await line.answer(door)
        return line, facts

    return take


_TIMERS: "list[subprocess.Popen[str]]" = []


def pytest_collection_finish(session: pytest.Session) -> None:
    """Session timers take more than a minute: begin with them, if they are to be tested."""
    if any("session_timers" in getattr(item, "fixturenames", ()) for item in session.items):
        program = (sys.executable, "-m", "tests.fakes.session_timers")
        _TIMERS.append(subprocess.Popen(program, stdout=subprocess.PIPE, text=True))


def pytest_unconfigure() -> None:
    """Nothing outlives the tests."""
    for process in _TIMERS:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def session_timers() -> "subprocess.Popen[str]":
    """The program ``tests.fakes.session_timers``, begun when the tests were collected."""
    return _TIMERS[0]
