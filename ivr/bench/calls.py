"""``ivr bench calls``: how many calls this machine carries, and what gives way first.

A process of its own places real calls (SIP and RTP on loopback, bare sockets, no pjsua2); here are
the workers, the doors, the wire logs, and in mode ``recognise`` the whole house. Figures are taken
while all calls of a step talk. A packet is lost when the sender sent it and the wire log does not
have it; drift is the recorded length of the worst call against the sound that was sent.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import soundfile

from ivr.app import open_house, serve
from ivr.bench.live import AUDIO, delays_of, house_settings, quantile, watch_hits
from ivr.bench.processes import Usage, usage
from ivr.casefile import read_case
from ivr.clock import SystemClock
from ivr.errors import TelephonyError
from ivr.facts.audio import GapKind, Recording
from ivr.facts.call import LegName, MediaAgreed
from ivr.facts.judgement import PhraseHit
from ivr.media.door import CallDoor
from ivr.media.recordings import write_recordings
from ivr.settings import MediaSettings, SipSettings
from ivr.telephony.line import SipLine
from ivr.telephony.pool import CALLS_PER_WORKER, WorkerPool

SEALING_S: Final = 300.0
SAMPLES_A_PACKET: Final = 160
SENDER_LATE_MS: Final = 200.0
DELAY_P95_S: Final = 2.0
"""Beyond it a warning comes too late to be one."""


class Mode(StrEnum):
    """What is done with the calls."""

    RECORD = "record"
    RECOGNISE = "recognise"


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one call's sound.

    Args:
        packets: of the caller, in the wire log.
        late: of these, packets that found their place on the time line taken.
        samples: recorded, without what was filled in after the last packet.
    """

    packets: int
    late: int
    samples: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class CallsFigures:
    """One step.

    Args:
        cpu_*: per cent of one core while all calls talk; ``machine`` is of all cores.
        pss_mb_*: proportional set size at the same time.
        broke: what first was not as it should be; empty: nothing.
    """

    mode: str
    calls: int
    answered: int
    packets: int
    lost: int
    late: int
    drift_ppm: float
    cpu_agent: float
    cpu_sip: float
    cpu_recognition: float
    cpu_machine: float
    pss_mb_agent: float
    pss_mb_sip: float
    pss_mb_recognition: float
    hits: int
    delay_p50_s: float | None
    delay_p95_s: float | None
    unheard_s: float
    sender_late_ms: float
    broke: str


@dataclass(frozen=True, slots=True)
class _Sent:
    """What the sender told, and what was used while it talked."""

    told: dict[str, Any]
    used: Usage


async def measure_calls(calls: int, mode: Mode, seconds: float) -> CallsFigures:
    """One step: so many calls at once for so long.

    Raises:
        IvrError: a part could not start.
    """
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as name:
        folder = Path(name)
        measure = _record if mode is Mode.RECORD else _recognise
        return await measure(calls, seconds, folder)


async def _record(calls: int, seconds: float, folder: Path) -> CallsFigures:
    settings = SipSettings(port=0, workers=-(-calls // CALLS_PER_WORKER))
    heard: dict[str, Heard] = {}
    async with WorkerPool(settings, SystemClock()) as pool, asyncio.TaskGroup() as recorders:
        taking = recorders.create_task(_take(pool, recorders, folder, heard))
        sent = await _send(pool, calls, seconds, folder)
        await _until(lambda: len(heard) >= len(sent.told["sent"]))
        taking.cancel()
    return _figures(Mode.RECORD, calls, sent, heard, [], 0.0)


async def _take(
    pool: WorkerPool, recorders: asyncio.TaskGroup, folder: Path, heard: dict[str, Heard]
) -> None:
    async for line in pool.incoming():
        recorders.create_task(_record_call(line, folder / line.offer.sip_call_id, heard))


async def _record_call(line: SipLine, folder: Path, heard: dict[str, Heard]) -> None:
    await asyncio.to_thread(folder.mkdir)
    door = await CallDoor.open(folder, MediaSettings(), call_id=line.offer.sip_call_id)
    answering = asyncio.create_task(line.answer(door.endpoint))
    async for fact in line.events():
        if isinstance(fact, MediaAgreed):
            door.agree(fact)
    with contextlib.suppress(TelephonyError):  # it ended before its ACK; the sender counts it
        await answering
    is_complete = not door.incomplete_reasons()
    log = await door.close()
    for recording in await asyncio.to_thread(write_recordings, log, folder):
        if recording.leg is LegName.CALLER:
            heard[line.offer.sip_call_id] = _heard(recording, is_complete=is_complete)


def _heard(recording: Recording, *, is_complete: bool) -> Heard:
    filled = sum(gap.samples for gap in recording.gaps if gap.kind is GapKind.STALLED)
    stats = recording.stats
    return Heard(stats.accepted + stats.late, stats.late, recording.samples - filled, is_complete)


async def _recognise(calls: int, seconds: float, folder: Path) -> CallsFigures:
    settings = house_settings(folder, calls)
    quiet = settings.recognition.model_copy(update={"second_pass": "off"})
    settings = settings.model_copy(update={"recognition": quiet})
    seen: list[tuple[float, str, PhraseHit]] = []
    until = asyncio.Event()
    async with open_house(settings) as house, WorkerPool(settings.sip, SystemClock()) as pool:
        serving = asyncio.create_task(serve(house, pool, until))
        try:
            with house.board.watch() as board:
                watching = asyncio.create_task(watch_hits(board, seen, calls))
                sent = await _send(pool, calls, seconds, folder)
                async with _ended(watching, len(sent.told["sent"]) == calls):
                    sealed = await watching
        finally:
            until.set()
            await serving
    cases = [await asyncio.to_thread(read_case, path) for path in sealed]
    manifests = [json.loads((case.sealed.path / "manifest.json").read_bytes()) for case in cases]
    heard = {one["call"]["sip_call_id"]: _heard_of(one) for one in manifests}
    delays = sorted(delay for case in cases for delay in delays_of(case, seen))
    unheard_s = sum(case.recognition.unheard_s for case in cases)
    return _figures(Mode.RECOGNISE, calls, sent, heard, delays, unheard_s)


@contextlib.asynccontextmanager
async def _ended(
    watching: "asyncio.Task[list[Path]]", are_all_answered: bool
) -> AsyncIterator[None]:
    """Not all answered: not all will be sealed, and nobody waits for what does not come."""
    if not are_all_answered:
        watching.cancel()
    async with asyncio.timeout(SEALING_S):
        yield


def _heard_of(manifest: dict[str, Any]) -> Heard:
    leg = manifest["legs"][0]
    filled = leg["gaps"].get(GapKind.STALLED.value, {}).get("samples", 0)
    stats = leg["stats"]
    packets = stats["accepted"] + stats["late"]
    return Heard(packets, stats["late"], leg["samples"] - filled, manifest["is_complete"])


async def _send(pool: WorkerPool, calls: int, seconds: float, folder: Path) -> _Sent:
    """Run the sender; look at the processes when all calls talk, and before they end."""
    sound = folder / "caller.al"
    await asyncio.to_thread(_write_alaw, sound)
    where = ",".join(f"{host}:{port}" for host, port in pool.addresses)
    command = (sys.executable, "-m", "ivr.bench.call_sender", where, str(calls), str(seconds))
    sender = await asyncio.create_subprocess_exec(
        *command, str(sound), stdout=asyncio.subprocess.PIPE
    )
    assert sender.stdout is not None
    try:
        await sender.stdout.readline()
        before = await asyncio.to_thread(usage, pool.pids)
        began = time.monotonic()
        await sender.stdout.readline()
        used = (await asyncio.to_thread(usage, pool.pids)).since(before, time.monotonic() - began)
        told = json.loads(await sender.stdout.readline())
        await sender.wait()
    finally:
        if sender.returncode is None:
            sender.kill()
            await sender.wait()
    return _Sent(told, used)


def _write_alaw(path: Path) -> None:
    samples, rate_hz = soundfile.read(AUDIO, dtype="int16")
    soundfile.write(path, samples, rate_hz, "ALAW", format="RAW")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SEALING_S):
        while not condition():  # noqa: ASYNC110 - it is true when other tasks have ended
            await asyncio.sleep(0.05)


def _figures(
    mode: Mode,
    calls: int,
    sent: _Sent,
    heard: dict[str, Heard],
    delays: list[float],
    unheard_s: float,
) -> CallsFigures:
    told, used = sent.told, sent.used
    packets: dict[str, int] = told["sent"]
    lost = sum(count - heard[call].packets for call, count in packets.items() if call in heard)
    drifts = [
        1e6 * (heard[call].samples / (SAMPLES_A_PACKET * count) - 1)
        for call, count in packets.items()
        if call in heard and count
    ]
    p95_s = quantile(delays, 0.95)
    missing = [
        (told["answered"] < calls, f"calls refused: {calls - told['answered']}"),
        (told["late_ms"] > SENDER_LATE_MS, "the sender itself was late"),
        (len(heard) < told["answered"], "calls without a recording"),
        (lost > 0, f"packets lost: {lost}"),
        (told["ended_early"] > 0, f"calls ended early: {told['ended_early']}"),
        (not all(one.is_complete for one in heard.values()), "a recording is incomplete"),
        (unheard_s > 0, f"live recognition skipped {unheard_s:.1f} s"),
        (p95_s is not None and p95_s > DELAY_P95_S, f"hits later than {DELAY_P95_S:.0f} s"),
    ]
    return CallsFigures(
        mode=mode.value,
        calls=calls,
        answered=told["answered"],
        packets=sum(packets.values()),
        lost=lost,
        late=sum(one.late for one in heard.values()),
        drift_ppm=round(_furthest(drifts), 2),
        **used.as_figures(),
        hits=len(delays),
        delay_p50_s=quantile(delays, 0.5),
        delay_p95_s=p95_s,
        unheard_s=round(unheard_s, 2),
        sender_late_ms=told["late_ms"],
        broke=next((what for is_so, what in missing if is_so), ""),
    )


def _furthest(values: list[float]) -> float:
    return max((*values, 0.0), key=lambda value: value if value > 0 else -value)
