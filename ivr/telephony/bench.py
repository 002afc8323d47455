"""Figures of the SIP agent on this machine. ``python -m ivr.telephony.bench`` prints JSON lines;
with ``--soak N`` what many calls in a row leave behind.

One worker, real processes, loopback; CPU is the worker process's own, as a share of one core.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from ivr.clock import SystemClock
from ivr.settings import SipSettings
from ivr.telephony.line import SipLine
from ivr.telephony.pool import CALLS_PER_WORKER, WorkerPool
from ivr.telephony.soak import HERE, Endpoint, resident_mb, soak
from ivr.telephony.wav import PROMPT_RATE_HZ

_IDLE_S = 3.0
_TALK_S = 8.0
_FLOOD = 3000
_TICKS = os.sysconf("SC_CLK_TCK")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _say(name: str, **figures: object) -> None:
    sys.stdout.write(json.dumps({"name": name, **figures}) + "\n")
    sys.stdout.flush()


def _write_silence(path: Path, seconds: float = _TALK_S + 4) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(PROMPT_RATE_HZ)
        sound.writeframes(bytes(2 * int(PROMPT_RATE_HZ * seconds)))


@asynccontextmanager
async def _calls(pool: WorkerPool, wav: Path) -> AsyncIterator[list[SipLine]]:
    """Four callers who play a WAV while we play one to them."""
    host, port = pool.addresses[0]
    command = (sys.executable, "-m", "ivr.telephony.caller", f"sip:ivr@{host}:{port}")
    callers = [
        await asyncio.create_subprocess_exec(
            *command, "--wav", str(wav), stdout=asyncio.subprocess.DEVNULL
        )
        for _ in range(CALLS_PER_WORKER)
    ]
    incoming, lines = pool.incoming(), list[SipLine]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        for _ in callers:
            line = await anext(incoming)
            await line.answer(Endpoint(*sink.getsockname()))
            lines.append(line)
        playing = [asyncio.create_task(line.play(wav)) for line in lines]
        try:
            yield lines
        finally:
            for line in lines:
                await line.hang_up("bench is over")
            await asyncio.gather(*playing)
            for caller in callers:
                await caller.wait()


def _invite(number: int, source: tuple[str, int]) -> bytes:
    where = f"{source[0]}:{source[1]}"
    return (
        f"INVITE sip:ivr@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {where};branch=z9hG4bK{number}\r\n"
        f"From: <sip:a@127.0.0.1>;tag={number}\r\nTo: <sip:ivr@127.0.0.1>\r\n"
        f"Call-ID: bench-{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{where}>\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def _flood(pool: WorkerPool, source: str, share_before: float) -> tuple[int, int]:
    """INVITEs at 1000 a second: how many were answered 503, and the worker's CPU microseconds for
    each, beyond the share of a core that it used before."""
    loop = asyncio.get_running_loop()
    began_s, began = time.monotonic(), _cpu_s(pool.pids[0])
    answered = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.setblocking(False)
        caller.bind((source, 0))
        for number in range(_FLOOD):
            await loop.sock_sendto(caller, _invite(number, caller.getsockname()), pool.addresses[0])
            await asyncio.sleep(0.001)
            answered += _read(caller)
        await asyncio.sleep(0.2)
        answered += _read(caller)
    used_s = _cpu_s(pool.pids[0]) - began - share_before * (time.monotonic() - began_s)
    return answered, max(0, round(1e6 * used_s / _FLOOD))


def _read(caller: socket.socket, start: bytes = b"SIP/2.0 503") -> int:
    count = 0
    while True:
        try:
            count += caller.recv(4096).startswith(start)
        except BlockingIOError:
            return count


async def _run() -> None:
    settings = SipSettings(port=0, allow_from=("127.0.0.1/32",))
    began = time.monotonic()
    async with WorkerPool(settings, SystemClock()) as pool:
        pid = pool.pids[0]
        _say("worker_start", seconds=round(time.monotonic() - began, 2))
        before = _cpu_s(pid)
        await asyncio.sleep(_IDLE_S)
        idle = 100 * (_cpu_s(pid) - before) / _IDLE_S
        _say("idle_worker", cpu_percent=round(idle, 1), resident_mb=resident_mb(pid))
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "silence.wav"
            await asyncio.to_thread(_write_silence, wav)
            async with _calls(pool, wav) as lines:
                before = _cpu_s(pid)
                await asyncio.sleep(_TALK_S)
                busy = 100 * (_cpu_s(pid) - before) / _TALK_S
                _say(
                    "four_calls_with_prompts",
                    calls=len(lines),
                    cpu_percent=round(busy, 1),
                    resident_mb=resident_mb(pid),
                )
                answered, each_us = await _flood(pool, "127.0.0.1", busy / 100)
                _say(
                    "flood_on_a_full_worker",
                    invites=_FLOOD,
                    answered_503=answered,
                    cpu_us_each=each_us,
                )
        answered, each_us = await _flood(pool, "127.0.0.9", idle / 100)
        _say(
            "flood_from_a_stranger",
            invites=_FLOOD,
            answered_503=answered,
            cpu_us_each=each_us,
        )
    await _relief()


async def _relief() -> None:
    """How long a port is unheard while its worker is relieved: the longest silence between two
    answers to OPTIONS, ten milliseconds apart."""
    settings = SipSettings(port=0, recycle_after_calls=1)
    loop = asyncio.get_running_loop()
    async with WorkerPool(settings, SystemClock()) as pool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.setblocking(False)
            peer.bind((HERE, 0))
            await loop.sock_sendto(peer, _invite(1, peer.getsockname()), pool.addresses[0])
            line = await anext(pool.incoming())
            await line.refuse(486, "Busy Here")
            heard_at, longest_s, number = time.monotonic(), 0.0, 1
            until = heard_at + _TALK_S
            while time.monotonic() < until:
                number += 1
                ping = _invite(number, peer.getsockname()).replace(b"INVITE", b"OPTIONS")
                await loop.sock_sendto(peer, ping, pool.addresses[0])
                await asyncio.sleep(0.01)
                if _read(peer, b"SIP/2.0 200"):
                    longest_s = max(longest_s, time.monotonic() - heard_at)
                    heard_at = time.monotonic()
        _say("relief", relieved=pool.relieved, unheard_s=round(longest_s, 2))


async def _soak(calls: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "silence.wav"
        await asyncio.to_thread(_write_silence, wav, 0.1)
        began = time.monotonic()
        await soak(calls, wav, lambda step: _say("soak", **asdict(step)))
        _say("soaked", calls=calls, seconds=round(time.monotonic() - began, 1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ivr.telephony.bench", description=__doc__)
    parser.add_argument(
        "--soak", type=int, metavar="N", help="N calls in a row, every fourth bridged, instead"
    )
    arguments = parser.parse_args()
    asyncio.run(_soak(arguments.soak) if arguments.soak else _run())


if __name__ == "__main__":
    main()
