"""A deterministic RTP sender for tests: tones and packet patterns, sent in real time.

A pattern is a list of `Shot`s (when, what); the order of sending is the order of arrival on
loopback, so every counter of the receiver can be predicted exactly, however slow the machine is.
"""

import asyncio
import random
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ivr.media.g711 import decode
from ivr.media.rtp import RtpPacket, pack_rtp

RATE_HZ = 8000
HERE = "127.77.0.1"
"""A loopback address of our own: other programs on this machine send stray RTCP to 127.0.0.1."""
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Shot:
    """``data`` leaves ``at_s`` seconds after the start."""

    at_s: float
    data: bytes


def encode(encoding: str, samples: Samples) -> bytes:
    """G.711 by looking for the nearest value that decodes: slow to build, right by definition."""
    values = decode(encoding, bytes(range(256))).astype(np.int32)
    order = np.argsort(values, kind="stable")
    ladder = values[order]
    found = np.clip(np.searchsorted(ladder, samples), 1, 255)
    lower, upper = ladder[found - 1], ladder[found]
    nearest = np.where(samples - lower <= upper - samples, found - 1, found)
    return order[nearest].astype(np.uint8).tobytes()


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


def tone(hz: float, seconds: float, level: int = 8000) -> Samples:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def packets(
    samples: Samples,
    *,
    ptime_ms: int = 20,
    encoding: str = "PCMA",
    payload_type: int = 8,
    ssrc: int = 0x1234ABCD,
    sequence: int = 65_500,
    timestamp: int = 0xFFFF_F000,
) -> list[RtpPacket]:
    """Cut sound into packets; sequence numbers and time stamps begin shortly before their wrap."""
    data = encode(encoding, samples)
    size = RATE_HZ * ptime_ms // 1000
    return [
        RtpPacket(
            payload_type,
            (sequence + n) % 0x10000,
            (timestamp + start) % (1 << 32),
            ssrc,
            data[start : start + size],
            marker=n == 0,
        )
        for n, start in enumerate(range(0, len(data), size))
    ]


def on_time(stream: Sequence[RtpPacket], begin_s: float = 0.0) -> list[Shot]:
    """Each packet when its time stamp says."""
    first = stream[0].timestamp
    return [
        Shot(begin_s + ((p.timestamp - first) % (1 << 32)) / RATE_HZ, pack_rtp(p)) for p in stream
    ]


def without(shots: list[Shot], every: int) -> list[Shot]:
    """Every ``every``-th packet is lost on the way, the first and the last never."""
    last = len(shots) - 1
    return [shot for n, shot in enumerate(shots) if n in (0, last) or n % every]


def swapped(shots: list[Shot], every: int) -> list[Shot]:
    """Every ``every``-th packet changes places with the next."""
    out = list(shots)
    for n in range(every, len(out) - 1, every):
        out[n] = Shot(shots[n].at_s, shots[n + 1].data)
        out[n + 1] = Shot(shots[n + 1].at_s, shots[n].data)
    return out


def doubled(shots: list[Shot], every: int) -> list[Shot]:
    """Every ``every``-th packet comes twice."""
    return [
        copy
        for n, shot in enumerate(shots)
        for copy in ([shot, shot] if n and n % every == 0 else [shot])
    ]


def delayed(shots: list[Shot], every: int, by_s: float) -> list[Shot]:
    """Every ``every``-th packet comes ``by_s`` seconds late."""
    late = [
        replace(shot, at_s=shot.at_s + by_s) if n and n % every == 0 else shot
        for n, shot in enumerate(shots)
    ]
    return sorted(late, key=lambda shot: shot.at_s)


def udp_socket(host: str = HERE) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((host, 0))
    return made


async def play(sender: socket.socket, to: tuple[str, int], shots: Iterable[Shot]) -> None:
    """Send in order, never earlier than due. (Waiting is the sending, not a synchronisation.)"""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for shot in shots:
        wait = start + shot.at_s - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        sender.sendto(shot.data, to)


def strongest_hz(samples: Samples) -> float:
    """Frequency with the most energy."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))
    return float(np.argmax(spectrum)) * RATE_HZ / len(samples)


def onset_s(samples: Samples, threshold: int = 1000) -> float:
    """Second of the first loud sample; NaN when there is none."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > threshold)
    return float(loud[0]) / RATE_HZ if len(loud) else float("nan")


def coded_packets(
    payloads: Sequence[bytes],
    *,
    ptime_ms: int,
    payload_type: int,
    clock_hz: int = RATE_HZ,
    ssrc: int = 0x1234ABCD,
    sequence: int = 65_500,
    timestamp: int = 0xFFFF_F000,
) -> list[RtpPacket]:
    """Payloads that are encoded already, one a packet; time stamps count ``clock_hz``."""
    step = clock_hz * ptime_ms // 1000
    return [
        RtpPacket(
            payload_type, (sequence + n) % 0x10000, (timestamp + n * step) % (1 << 32), ssrc, data
        )
        for n, data in enumerate(payloads)
    ]


def every(shots: Sequence[RtpPacket], ptime_ms: int, begin_s: float = 0.0) -> list[Shot]:
    """One packet each ``ptime_ms``, whatever their time stamps say."""
    return [Shot(begin_s + n * ptime_ms / 1000, pack_rtp(packet)) for n, packet in enumerate(shots)]


def lossy(shots: list[Shot], share: float, seed: int) -> list[Shot]:
    """A share of the packets is lost by chance, the first and the last never."""
    chance = random.Random(seed)
    last = len(shots) - 1
    return [shot for n, shot in enumerate(shots) if n in (0, last) or chance.random() >= share]


def jittery(shots: list[Shot], most_s: float, seed: int) -> list[Shot]:
    """Each packet but the first waits up to ``most_s`` on the way; so they overtake each other."""
    chance = random.Random(seed)
    late = [
        replace(shot, at_s=shot.at_s + (chance.random() * most_s if n else 0.0))
        for n, shot in enumerate(shots)
    ]
    return sorted(late, key=lambda shot: shot.at_s)


def skewed(shots: list[Shot], ppm: float) -> list[Shot]:
    """The sender's clock is wrong: its second is ``1 + ppm / 1e6`` of ours."""
    return [replace(shot, at_s=shot.at_s * (1 + ppm / 1e6)) for shot in shots]
