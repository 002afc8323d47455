"""What mirrored calls cost: `python -m ivr.bench.mirror [sessions] [seconds]`.

A child process is the border controller: it sets up that many SIPREC sessions of two streams each
(multipart INVITE with metadata, UDP) and sends 20 ms packets of A-law in real time. This process
is the recorder: server, doors, wire logs on a real disk, every packet decoded for a tap; no
recognition. Prints one line of JSON: processor time of this process while all sessions run, as a
share of one core, and what was lost.
"""

import argparse
import asyncio
import json
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName
from ivr.journeys.mirroring import decodes
from ivr.media.mirror_door import MirrorDoor
from ivr.media.rtp import RtpPacket, pack_rtp
from ivr.media.side import Endpoint
from ivr.settings import MediaSettings, MirrorSettings
from ivr.siprec.facts import Negotiation
from ivr.siprec.line import MirrorLine
from ivr.siprec.server import RecordingServer

FRAME_S: Final = 0.02
LEGS: Final = (LegName.CALLER, LegName.CALLEE)

SETUP_PER_S: Final = 50

METADATA: Final = """<?xml version="1.0" encoding="UTF-8"?>\r
<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>\r
<session session_id="{call}"/>\r
<participant participant_id="p1"><nameID aor="sip:+84987654321@op.example"/></participant>\r
<participant participant_id="p2"><nameID aor="sip:+84900000001@op.example"/></participant>\r
<stream stream_id="s1" session_id="{call}"><label>1</label></stream>\r
<stream stream_id="s2" session_id="{call}"><label>2</label></stream>\r
<participantstreamassoc participant_id="p1"><send>s1</send></participantstreamassoc>\r
<participantstreamassoc participant_id="p2"><send>s2</send></participantstreamassoc>\r
</recording>\r
"""


@dataclass
class Recorder:
    """Doors behind the server; counts decoded samples."""

    root: Path
    doors: list[MirrorDoor] = field(default_factory=list)
    samples: int = 0

    def hear(self, frame: AudioFrame) -> None:
        self.samples += frame.samples

    async def record(self, line: MirrorLine) -> None:
        folder = self.root / str(line.serial)
        await asyncio.to_thread(folder.mkdir)
        door = await MirrorDoor.open(folder, MediaSettings(), call_id=f"BENCH{line.serial}")
        self.doors.append(door)
        async for fact in line.events():
            if isinstance(fact, Negotiation):
                await self._answer(door, fact)

    async def _answer(self, door: MirrorDoor, offer: Negotiation) -> None:
        endpoints: dict[str, Endpoint] = {}
        for stream, leg in zip(offer.streams, LEGS, strict=False):
            endpoints[stream.key] = await door.add_stream(leg)
            door.tap(leg, self.hear)
            if stream.media is not None:
                door.agree(leg, stream.media)
        offer.answer(endpoints)

    @property
    def recorded(self) -> int:
        return sum(stats.accepted for door in self.doors for stats in door.stats())


async def run(sessions: int, seconds: float) -> dict[str, object]:
    """One run; returns what is printed."""
    settings = MirrorSettings(
        enabled=True, lawful_basis="a measurement of nobody's calls", port=0, max_sessions=sessions
    )
    with tempfile.TemporaryDirectory() as folder:
        async with RecordingServer(settings, decodes) as server:
            recorder = Recorder(Path(folder))
            taking = asyncio.create_task(_take(server, recorder))
            command = (sys.executable, "-m", "ivr.bench.mirror", str(sessions), str(seconds))
            sender = await asyncio.create_subprocess_exec(
                *command, "--send-to", str(server.address[1]), stdout=subprocess.PIPE
            )
            assert sender.stdout is not None
            await sender.stdout.readline()  # all sessions are up, sound begins
            began_s, began_cpu_s = time.monotonic(), _cpu_s()
            told = json.loads(await sender.stdout.readline())
            took_s, cpu_s = time.monotonic() - began_s, _cpu_s() - began_cpu_s
            await sender.wait()
            taking.cancel()
            logs = [await door.close() for door in recorder.doors]
        troubles = sum(bool(door.incomplete_reasons()) for door in recorder.doors)
        size_mb = sum(log.path.stat().st_size for log in logs) / 1e6
    sent, recorded = int(told["sent"]), recorder.recorded
    return {
        "sessions": sessions,
        "streams": sessions * len(LEGS),
        "seconds": round(took_s, 1),
        "packets_sent": sent,
        "packets_recorded": recorded,
        "lost": sent - recorded,
        "sender_late_ms": told["late_ms"],
        "cpu_percent_of_a_core": round(100 * cpu_s / took_s, 1),
        "cpu_us_a_packet": round(1e6 * cpu_s / max(sent, 1), 1),
        "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "wire_log_mb": round(size_mb, 1),
        "doors_with_trouble": troubles,
    }


async def _take(server: RecordingServer, recorder: Recorder) -> None:
    async with asyncio.TaskGroup() as calls:
        async for line in server.incoming():
            calls.create_task(recorder.record(line))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- the border controller -----------------------------------------------------------------------


def send(port: int, sessions: int, seconds: float) -> None:
    """Set up, say so on standard output, send, say how much was sent, hang up."""
    signalling = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    signalling.bind(("127.0.0.1", 0))
    signalling.connect(("127.0.0.1", port))
    signalling.settimeout(10)
    media = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in LEGS]
    for sock in media:
        sock.bind(("127.0.0.1", 0))
    local = signalling.getsockname()[1]
    sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + "".join(
        f"m=audio {sock.getsockname()[1]} RTP/AVP 8\r\na=label:{n}\r\na=sendonly\r\n"
        for n, sock in enumerate(media, 1)
    )
    calls = []
    for number in range(sessions):
        calls.append(_invite(signalling, local, number, sdp))
        time.sleep(1 / SETUP_PER_S)
    _say("ready")
    sent, late_ms = _play(media, [ports for _, ports in calls], seconds)
    time.sleep(0.5)
    _say(json.dumps({"sent": sent, "late_ms": round(late_ms, 1)}))
    for number, (tag, _) in enumerate(calls):
        signalling.send(_request("BYE", local, number, 2, tag, b""))


def _invite(
    signalling: socket.socket, local: int, number: int, sdp: str
) -> tuple[str, Sequence[int]]:
    part = "--B\r\nContent-Type: {}\r\n\r\n{}\r\n"
    body = (
        part.format("application/sdp", sdp)
        + part.format("application/rs-metadata+xml", METADATA.format(call=number))
        + "--B--\r\n"
    ).encode()
    signalling.send(_request("INVITE", local, number, 1, "", body))
    while True:
        text = signalling.recv(65_535).decode()
        if text.startswith("SIP/2.0 2") and f"Call-ID: bench-{number}\r\n" in text:
            break
        if not text.startswith("SIP/2.0 1"):
            raise SystemExit(f"the recorder answered: {text.splitlines()[0]}")
    tag = re.search(r"^To:[^\r]*(;tag=[^\s;]+)", text, re.MULTILINE)
    assert tag is not None
    signalling.send(_request("ACK", local, number, 1, tag[1], b""))
    return tag[1], [int(found) for found in re.findall(r"^m=audio (\d+)", text, re.MULTILINE)]


def _request(method: str, local: int, number: int, cseq: int, tag: str, body: bytes) -> bytes:
    kind = "Content-Type: multipart/mixed;boundary=B\r\n" if body else ""
    head = (
        f"{method} sip:srs@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{local};rport;branch=z9hG4bK{method}{number}\r\n"
        f"From: <sip:src@127.0.0.1>;tag=f{number}\r\nTo: <sip:srs@127.0.0.1>{tag}\r\n"
        f"Call-ID: bench-{number}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
        f"Contact: <sip:src@127.0.0.1:{local}>;+sip.src\r\n{kind}Content-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


def _play(
    media: Sequence[socket.socket], ports: Sequence[Sequence[int]], seconds: float
) -> tuple[int, float]:
    """Packets sent, and how late the latest round of them left, in milliseconds."""
    sound = bytes(range(0x50, 0x50 + 160 % 256))
    frames, sent, late_s = round(seconds / FRAME_S), 0, 0.0
    start_s = time.monotonic()
    for frame in range(frames):
        due_s = start_s + frame * FRAME_S
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        late_s = max(late_s, time.monotonic() - due_s)
        for number, pair in enumerate(ports):
            for leg, port in enumerate(pair):
                ssrc = 2 * number + leg + 1
                packet = RtpPacket(8, frame % 0x10000, 160 * frame, ssrc, sound, frame == 0)
                media[leg].sendto(pack_rtp(packet), ("127.0.0.1", port))
                sent += 1
    return sent, 1000 * late_s


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ivr.bench.mirror", description=__doc__)
    parser.add_argument("sessions", type=int, nargs="?", default=100)
    parser.add_argument("seconds", type=float, nargs="?", default=20.0)
    parser.add_argument("--send-to", type=int, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.send_to is not None:
        send(wanted.send_to, wanted.sessions, wanted.seconds)
    else:
        _say(json.dumps(asyncio.run(run(wanted.sessions, wanted.seconds))))


if __name__ == "__main__":
    main()
