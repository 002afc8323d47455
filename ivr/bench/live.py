"""Live calls, measured end to end: real SIP and RTP from processes of their own.

Delay is counted from the end of a spoken phrase, as the final word times and the RTP clock place
it in wall time, to the moment its hit is on the live board. Processor time is that of the house
alone (agent, SIP workers, recognisers), read from the kernel's counters.
"""

import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import soundfile

from ivr.app import open_house, serve
from ivr.bench.processes import cpu_seconds
from ivr.board import Watcher
from ivr.casefile import SealedCase, read_case
from ivr.clock import SystemClock
from ivr.facts.cases import CaseSealed
from ivr.facts.judgement import PhraseHit, Stage
from ivr.house import House
from ivr.settings import PROJECT_ROOT, Settings
from ivr.telephony.caller_process import start_caller
from ivr.telephony.pool import CALLS_PER_WORKER, WorkerPool

AUDIO = PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac"
ACCESS = "bench"
NEAR_S = 2.0  # a provisional hit's times may be so far from the final ones
LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What one run showed.

    Args:
        calls: calls at once.
        sealed: cases that were sealed.
        delay_median_s / delay_p95_s: end of a phrase to its hit on the board.
        hits: number of phrases behind these two.
        lost_packets: RTP packets that the house itself did not keep.
        unheard_s: seconds of sound that live recognition dropped, over all calls.
        cpu_per_call: share of one core that one running call costs, all processes of the house.
        cpu_by_part: the same by process: agent, sip, recognition.
    """

    calls: int
    sealed: int
    talk_s: float
    hits: int
    delay_median_s: float | None
    delay_p95_s: float | None
    lost_packets: int
    unheard_s: float
    cpu_per_call: float
    cpu_by_part: dict[str, float]


async def measure_live(calls: int) -> LiveFigures:
    """Place ``calls`` calls at once against a house made for this run.

    Raises:
        IvrError: a part could not start.
    """
    with tempfile.TemporaryDirectory(prefix="ivr-bench-") as folder:
        settings = house_settings(Path(folder), calls)
        async with open_house(settings) as house, WorkerPool(settings.sip, SystemClock()) as pool:
            until = asyncio.Event()
            serving = asyncio.create_task(serve(house, pool, until))
            try:
                async with asyncio.timeout(LONGEST_S):
                    return await _run(calls, house, pool, Path(folder))
            finally:
                until.set()
                await serving


def house_settings(folder: Path, calls: int) -> Settings:
    recipients = folder / "recipients.toml"
    recipients.write_text("", encoding="utf-8")
    return Settings(
        _env_prefix="IVR_BENCH_",
        subscribers=({"access": ACCESS, "number": "+84900000001", "mode": "listen"},),
        sip={"port": 0, "workers": -(-calls // CALLS_PER_WORKER)},
        reporting={"recipients": recipients},
        storage={"root": folder / "data"},
    )


async def _run(calls: int, house: House, pool: WorkerPool, folder: Path) -> LiveFigures:
    wav = folder / "caller.wav"
    samples, rate_hz = await asyncio.to_thread(soundfile.read, AUDIO, dtype="int16")
    await asyncio.to_thread(soundfile.write, wav, samples, rate_hz, "PCM_16")
    talk_s = len(samples) / rate_hz
    seen: list[tuple[float, str, PhraseHit]] = []
    with house.board.watch() as board:
        watching = asyncio.create_task(watch_hits(board, seen, calls))
        before = cpu_seconds(pool.pids)
        callers = [await _start_caller(pool, n, wav) for n in range(calls)]
        for caller in callers:
            await caller.wait()
        after = cpu_seconds(pool.pids)
        sealed = await watching
    cases = [await asyncio.to_thread(read_case, path) for path in sealed]
    delays = sorted(delay for case in cases for delay in delays_of(case, seen))
    used = {part: after[part] - before[part] for part in after}
    per_call = {part: round(seconds / calls / talk_s, 4) for part, seconds in used.items()}
    return LiveFigures(
        calls=calls,
        sealed=len(cases),
        talk_s=round(talk_s, 2),
        hits=len(delays),
        delay_median_s=quantile(delays, 0.5),
        delay_p95_s=quantile(delays, 0.95),
        lost_packets=sum(_lost(case) for case in cases),
        unheard_s=round(sum(case.recognition.unheard_s for case in cases), 2),
        cpu_per_call=round(sum(per_call.values()), 4),
        cpu_by_part=per_call,
    )


async def watch_hits(
    board: Watcher, seen: list[tuple[float, str, PhraseHit]], calls: int
) -> list[Path]:
    """Note every hit with the moment it was shown; ends when every call is sealed."""
    sealed: list[Path] = []
    async for call_id, fact in board:
        if isinstance(fact, PhraseHit):
            seen.append((time.time(), call_id, fact))
        elif isinstance(fact, CaseSealed):
            sealed.append(fact.path)
            if len(sealed) == calls:
                break
    return sealed


async def _start_caller(pool: WorkerPool, n: int, wav: Path) -> asyncio.subprocess.Process:
    host, port = pool.addresses[n // CALLS_PER_WORKER]
    uri = f"sip:{ACCESS}@{host}:{port}"
    return await start_caller(uri, "--from", f"09876{n:05d}", "--wav", str(wav), "--linger", "1.5")


def delays_of(case: SealedCase, seen: list[tuple[float, str, PhraseHit]]) -> list[float]:
    """One delay for each final hit: the first time its concept was shown about there."""
    manifest: dict[str, Any] = json.loads((case.sealed.path / "manifest.json").read_bytes())
    first = datetime.fromisoformat(manifest["wire"]["first_packet_at"]).timestamp()
    leg_start = {leg["leg"]: first + leg["start_s"] for leg in manifest["legs"]}
    found = []
    for hit in case.hits:
        if hit.stage in {Stage.COUNTER, Stage.ADVERT}:
            continue
        shown = [
            at
            for at, call_id, earlier in seen
            if call_id == case.sealed.case_id
            and earlier.concept == hit.concept
            and abs(earlier.end_s - hit.end_s) <= NEAR_S
        ]
        if shown:
            found.append(min(shown) - (leg_start[hit.leg] + hit.end_s))
    return found


def _lost(case: SealedCase) -> int:
    manifest: dict[str, Any] = json.loads((case.sealed.path / "manifest.json").read_bytes())
    return sum(leg["stats"]["lost"] for leg in manifest["legs"])


def quantile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
