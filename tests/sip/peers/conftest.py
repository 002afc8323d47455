"""A worker, a desk and a real RTP door for peers that are no code of ours."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.facts.audio import Recording
from ivr.media.door import CallDoor
from ivr.media.recordings import write_recordings
from ivr.settings import MediaSettings, SipSettings
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, eventually


@dataclass
class Answered:
    """A call that was answered through a real door."""

    line: SipLine
    door: CallDoor
    facts: Ledger
    folder: Path

    async def recorded(self) -> dict[str, Recording]:
        """Close the wire log; recordings by leg."""
        found = write_recordings(await self.door.close(), self.folder)
        return {recording.leg.value: recording for recording in found}


@dataclass
class Answering:
    """One worker, and who takes its calls."""

    pool: WorkerPool
    desk: Desk
    folder: Path

    @property
    def target(self) -> str:
        host, port = self.pool.addresses[0]
        return f"{host}:{port}"

    async def until_free(self) -> None:
        """Every slot of the worker is free again."""
        await eventually(lambda: self.pool.slots_in_use == 0, within_s=15)

    async def answer(self) -> Answered:
        """Take the next call, ring and answer it."""
        line = await self.desk.next_line()
        folder = self.folder / f"case-{line.serial}"
        folder.mkdir()
        door = await CallDoor.open(folder, MediaSettings(block_s=0.25), call_id="peer")
        facts = Ledger(line, door)
        await line.ring()
        await line.answer(door.endpoint)
        return Answered(line, door, facts, folder)


@pytest.fixture
async def answering(tmp_path: Path) -> AsyncIterator[Answering]:
    async with WorkerPool(SipSettings(port=0), SystemClock()) as pool:
        desk = Desk(pool)
        yield Answering(pool, desk, tmp_path)
        await desk.close()
