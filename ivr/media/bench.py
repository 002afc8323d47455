"""How much the door costs: `python -m ivr.media.bench [calls] [seconds] [--mirror]`.

A child process plays both sides of each call (caller and pjsua2, 20 ms packets), or with
`--mirror` the two streams of each mirrored session; this process runs the doors. Prints one line
of JSON: processor time of this process per packet through the door, what that is in calls per
core, what was lost.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName, MediaAgreed
from ivr.media.door import CallDoor
from ivr.media.mirror_door import MirrorDoor
from ivr.media.rtp import RtpPacket, pack_rtp
from ivr.media.sockets import Port
from ivr.media.timeline import read_timelines
from ivr.media.wire_door import WireDoor
from ivr.settings import MediaSettings

FRAME_S: Final = 0.02
STREAMS: Final = (LegName.CALLER, LegName.CALLEE)
PACKETS_PER_CALL_S: Final = 2 / FRAME_S


class _Count:
    def __init__(self) -> None:
        self.frames = 0

    def __call__(self, _: AudioFrame) -> None:
        self.frames += 1


async def _open_calls(calls: int, root: Path) -> tuple[list[WireDoor], list[list[int]]]:
    """Doors of ordinary calls, and the ports that caller and pjsua2 send to."""
    doors: list[WireDoor] = []
    targets = []
    for number in range(calls):
        folder = root / str(number)
        await asyncio.to_thread(folder.mkdir)
        door = await CallDoor.open(folder, MediaSettings(), call_id=f"BENCH{number}")
        doors.append(door)
        targets.append([door.endpoint.port, door.inside[1]])
    return doors, targets


async def _open_sessions(sessions: int, root: Path) -> tuple[list[WireDoor], list[list[int]]]:
    """Doors of mirrored sessions, and the ports their two streams go to."""
    doors: list[WireDoor] = []
    targets = []
    for number in range(sessions):
        folder = root / str(number)
        await asyncio.to_thread(folder.mkdir)
        door = await MirrorDoor.open(folder, MediaSettings(), call_id=f"BENCH{number}")
        doors.append(door)
        targets.append([(await door.add_stream(leg)).port for leg in STREAMS])
    return doors, targets


def _agree(door: WireDoor, first: int, second: int) -> None:
    here = "127.0.0.1"
    payloads = {8: ("PCMA", 8000)}
    if isinstance(door, MirrorDoor):
        for leg, port in zip(STREAMS, (first, second), strict=True):
            door.agree(leg, MediaAgreed((here, port), here, (here, 0), payloads, "recvonly"))
    elif isinstance(door, CallDoor):
        door.agree(MediaAgreed((here, first), here, (here, second), payloads, "sendrecv"))


async def measure(calls: int, seconds: float, root: Path, *, mirror: bool) -> dict[str, Any]:
    """Run ``calls`` doors under load for ``seconds``."""
    doors, targets = await (_open_sessions if mirror else _open_calls)(calls, root)
    command = [sys.executable, "-m", "ivr.media.bench", "--load", str(seconds)]
    pipe = subprocess.PIPE
    load = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdin.write(json.dumps(targets).encode() + b"\n")
    heard = _Count()
    legs = STREAMS if mirror else (LegName.CALLER, LegName.AGENT)
    for door, ports in zip(doors, json.loads(await load.stdout.readline()), strict=True):
        for leg in legs:
            door.tap(leg, heard)
        _agree(door, *ports)
    load.stdin.write(b"go\n")
    busy, wall = time.process_time(), time.perf_counter()
    sent = json.loads(await load.stdout.readline())["sent"]
    busy, wall = time.process_time() - busy, time.perf_counter() - wall
    await load.wait()
    logs = [await door.close() for door in doors]
    passed = sum(stats.accepted for door in doors for stats in door.stats())
    started = time.process_time()
    lines = [line for log in logs for line in read_timelines(log.path).legs]
    decode_s = time.process_time() - started
    return {
        "mirrored" if mirror else "calls": calls,
        "seconds": round(wall, 2),
        "packets_sent": sent,
        "packets_lost": sent - passed,
        "frames_heard": heard.frames,
        "cpu_us_per_packet": round(busy / passed * 1e6, 1),
        "cpu_share": round(busy / wall, 3),
        "packets_per_core_s": round(passed / busy),
        "calls_per_core": round(passed / busy / PACKETS_PER_CALL_S),
        "trouble": sum(door.trouble is not None for door in doors),
        "decode_times_real_time": round(
            sum(len(line.samples) for line in lines) / 8000 / max(decode_s, 1e-9)
        ),
    }


def play(seconds: float) -> None:
    """The load process: reads targets from standard input, reports its ports, then sends."""
    targets = json.loads(sys.stdin.readline())
    legs = [Port("127.0.0.1", 0) for _ in range(2 * len(targets))]
    ports = [leg.address[1] for leg in legs]
    sys.stdout.write(json.dumps([ports[n : n + 2] for n in range(0, len(ports), 2)]) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    goals = [("127.0.0.1", port) for target in targets for port in target]
    start, sent = time.monotonic(), 0
    for number in range(round(seconds / FRAME_S)):
        time.sleep(max(start + number * FRAME_S - time.monotonic(), 0.0))
        packet = pack_rtp(RtpPacket(8, number % 0x10000, number * 160, 7, b"\x55" * 160))
        for leg, goal in zip(legs, goals, strict=True):
            sent += leg.send(packet, goal)
    sys.stdout.write(json.dumps({"sent": sent}) + "\n")
    sys.stdout.flush()
    for leg in legs:
        leg.close()


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--load"]:
        play(float(arguments[1]))
        return
    mirror = "--mirror" in arguments
    numbers = [argument for argument in arguments if argument != "--mirror"]
    calls = int(numbers[0]) if numbers else 4
    seconds = float(numbers[1]) if len(numbers) > 1 else 10.0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measure(calls, seconds, Path(folder), mirror=mirror))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
