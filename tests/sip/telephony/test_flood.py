"""A scanner's flood while four real calls run: the calls lose nothing, a message costs little."""

import asyncio
import os
from pathlib import Path

from ivr.clock import SystemClock
from ivr.facts.audio import Recording
from ivr.media.door import CallDoor
from ivr.media.recordings import write_recordings
from ivr.settings import MediaSettings, SipSettings
from ivr.telephony.pool import CALLS_PER_WORKER, WorkerPool
from tests.fakes.answering_desk import Desk, Ledger
from tests.fakes.raw_caller import RawCaller, encode_alaw, tone

TALK_S = 4.0
PACKETS = round(TALK_S / 0.02)
SCANNER, FRIEND = "127.0.0.66", "127.0.0.1/32"
MESSAGES = 3000
DEAREST_US = 1000
"""Far above what a refused message costs, far below what would disturb four calls."""


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def flood(scanner: RawCaller) -> None:
    """OPTIONS, REGISTER and INVITE as scanners send them, as fast as four calls' talk is long."""
    for number in range(MESSAGES):
        method = ("OPTIONS", "REGISTER", "INVITE")[number % 3]
        scanner.call_id, scanner.to_tag = f"scan-{number}", ""
        scanner.send(scanner.request(method, extra="User-Agent: friendly-scanner\r\n"))
        if number % 10 == 9:
            await asyncio.sleep(10 * TALK_S / MESSAGES)


async def talk(caller: RawCaller, hertz: float) -> None:
    await caller.play(encode_alaw(tone(hertz, TALK_S)))


async def run(folder: Path, scanner_at: str) -> tuple[list[Recording], float, RawCaller]:
    """Four calls and a scanner; recordings of the callers, microseconds a message, the scanner."""
    settings = SipSettings(port=0, allow_from=(FRIEND,))
    async with WorkerPool(settings, SystemClock()) as pool:
        desk, (pid,) = Desk(pool), pool.pids
        callers = [RawCaller(*pool.addresses[0]) for _ in range(CALLS_PER_WORKER)]
        doors: list[CallDoor] = []
        for number, caller in enumerate(callers):
            await caller.__aenter__()
            case = folder / str(number)
            case.mkdir()
            doors.append(await CallDoor.open(case, MediaSettings(), call_id=str(number)))
            calling = asyncio.create_task(caller.call())
            line = await desk.next_line()
            Ledger(line, doors[-1])
            await line.answer(doors[-1].endpoint)
            await calling
        before = cpu_s(pid)
        talks = [talk(caller, 400.0 + 100 * n) for n, caller in enumerate(callers)]
        async with RawCaller(*pool.addresses[0], local=scanner_at) as scanner:
            await asyncio.gather(*talks, flood(scanner))
        each_us = 1e6 * (cpu_s(pid) - before) / MESSAGES
        assert pool.pids == (pid,)
        assert desk.lines.empty()
        for caller in callers:
            assert (await caller.bye()).status == 200
            await caller.__aexit__()
        recorded = []
        for number, door in enumerate(doors):
            legs = write_recordings(await door.close(), folder / str(number))
            recorded += [one for one in legs if one.leg == "caller"]
        await desk.close()
    return recorded, each_us, scanner


def nothing_is_missing(recorded: list[Recording]) -> None:
    assert [one.stats.accepted for one in recorded] == [PACKETS] * CALLS_PER_WORKER
    assert [one.stats.lost for one in recorded] == [0] * CALLS_PER_WORKER
    assert [one.stats.foreign for one in recorded] == [0] * CALLS_PER_WORKER
    assert all(one.is_complete for one in recorded)


async def test_strangers_disturb_no_call_and_hear_nothing(tmp_path: Path) -> None:
    recorded, each_us, scanner = await run(tmp_path, SCANNER)
    nothing_is_missing(recorded)
    assert not scanner.responses
    assert each_us < DEAREST_US


async def test_a_friend_gone_mad_disturbs_no_call(tmp_path: Path) -> None:
    """A flood from an address that is allowed: INVITEs are refused, the calls go on."""
    recorded, each_us, scanner = await run(tmp_path, "127.0.0.1")
    nothing_is_missing(recorded)
    assert {one.status for one in scanner.responses} == {200, 503}
    assert each_us < DEAREST_US
