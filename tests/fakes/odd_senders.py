"""Streams as real senders make them: pauses, comfort noise, every codec, changes in mid-call.

Unless said otherwise a stream is 3.6 s long and has a tone of 600 Hz from 2.0 s to 2.4 s.
"""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from ivr.media.rtp import RtpPacket
from tests.fakes.rtp_sender import (
    Samples,
    Shot,
    coded_packets,
    delayed,
    doubled,
    every,
    jittery,
    lossy,
    on_time,
    packets,
    silence,
    skewed,
    tone,
)

CODED = Path(__file__).parents[1] / "assets" / "rtp" / "coded"
PAYLOADS = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    96: ("speex", 16000),
    97: ("iLBC", 8000),
    98: ("speex", 8000),
    101: ("telephone-event", 8000),
}
TYPE_OF = {"GSM": 3, "iLBC": 97, ("speex", 8000): 98, ("speex", 16000): 96}
TONE_HZ, TONE_S = 600.0, 0.4


def sound(at_s: float, length_s: float, hz: float = TONE_HZ) -> Samples:
    return np.concatenate([silence(at_s), tone(hz, TONE_S), silence(length_s - at_s - TONE_S)])


def minute() -> list[Shot]:
    return on_time(packets(sound(47.0, 60.0)))


def short(ptime_ms: int = 20, encoding: str = "PCMA") -> list[Shot]:
    payload_type = {"PCMA": 8, "PCMU": 0}[encoding]
    line = sound(2.0, 3.6)
    stream = packets(line, ptime_ms=ptime_ms, encoding=encoding, payload_type=payload_type)
    return on_time(stream)


def comfort_noise(level_every_s: float) -> list[Shot]:
    """Silence is not sent; comfort noise packets stand at its begin and now and then in it."""
    stream = packets(sound(2.0, 3.6))
    step = round(level_every_s / 0.02)
    kept = []
    for n, packet in enumerate(stream):
        if not 100 <= n < 120 and n != len(stream) - 1 and n >= 5:
            if (n - 5) % step:
                continue
            packet = replace(packet, payload_type=13, payload=b"\x40")
        kept.append(packet)
    kept[-1] = replace(kept[-1], payload_type=13, payload=b"\x40")
    return on_time(renumbered(kept))


def without_any_packet_in_silence() -> list[Shot]:
    """Discontinuous transmission without comfort noise."""
    stream = packets(sound(2.0, 3.6))
    return on_time(renumbered([p for n, p in enumerate(stream) if n < 5 or n >= 100]))


def renumbered(stream: list[RtpPacket]) -> list[RtpPacket]:
    first = stream[0].sequence
    return [replace(p, sequence=(first + n) % 0x10000) for n, p in enumerate(stream)]


def g722_payloads(line: Samples, ptime_ms: int) -> list[bytes]:
    """Sound of 8000 Hz, every sample twice: encoded at 16,000 as G.722 wants it."""
    context = av.CodecContext.create("g722", "w")
    context.sample_rate, context.layout, context.format = 16_000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(np.repeat(line, 2)[None, :], "s16", "mono")
    frame.sample_rate = 16_000
    coded = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    return [coded[at : at + 8 * ptime_ms] for at in range(0, len(coded), 8 * ptime_ms)]


def g722(ptime_ms: int = 20) -> list[Shot]:
    coded = g722_payloads(sound(2.0, 3.6), ptime_ms)
    return every(coded_packets(coded, ptime_ms=ptime_ms, payload_type=9), ptime_ms)


def fixture(name: str, **changes: int) -> tuple[list[RtpPacket], int]:
    """Packets of another encoder (600 Hz from second 1.0 on, 1.8 s long), and their length."""
    facts = json.loads((CODED / f"{name}.json").read_text())
    encoding, clock_hz, ptime_ms = facts["encoding"], facts["clock_hz"], facts["ptime_ms"]
    stream = coded_packets(
        [bytes.fromhex(payload) for payload in facts["payloads"]],
        ptime_ms=ptime_ms,
        payload_type=TYPE_OF.get(encoding) or TYPE_OF[encoding, clock_hz],
        clock_hz=clock_hz,
        **changes,
    )
    return stream, ptime_ms


def coded(name: str) -> list[Shot]:
    return every(*fixture(name))


def gsm_three_frames_a_packet() -> list[Shot]:
    single, _ = fixture("gsm")
    joined = [b"".join(p.payload for p in single[n : n + 3]) for n in range(0, len(single), 3)]
    return every(coded_packets(joined, ptime_ms=60, payload_type=3), 60)


def through_many_codecs() -> list[Shot]:
    """PCMA, PCMU, G.722 (the tone is in it), GSM silence, PCMA: one clock, one numbering."""
    line = sound(2.0, 3.6)
    law = packets(line)
    mu = packets(line, encoding="PCMU", payload_type=0)
    wide = coded_packets(g722_payloads(line, 20), ptime_ms=20, payload_type=9)
    gsm, _ = fixture("gsm")
    quiet = [replace(p, payload_type=3, payload=gsm[n % 40].payload) for n, p in enumerate(law)]
    return on_time(law[:40] + mu[40:80] + wide[80:130] + quiet[130:150] + law[150:])


def to_another_clock_and_back() -> list[Shot]:
    """A second of PCMA, 1.8 s of Speex whose time stamps count 16,000, and PCMA again. On a
    network with jitter arrival times alone would misplace it."""
    before = packets(silence(1.0))
    speex, _ = fixture("speex16", sequence=(65_500 + 50) % 0x10000, timestamp=77)
    after = packets(silence(0.8), sequence=(65_500 + 140) % 0x10000, timestamp=9_000_000)
    return jittery(every(before + speex + after, 20), 0.06, seed=8)


def with_keys() -> list[Shot]:
    """Telephone events (RFC 4733), whose payload must never be heard as sound."""
    stream = packets(sound(2.0, 3.6))
    for n in range(30, 40):
        event = bytes([5, 0x0A | (0x80 if n > 36 else 0), 0, 160])
        stream[n] = replace(
            stream[n], payload_type=101, payload=event, timestamp=stream[30].timestamp
        )
    return every(stream, 20)


def everything_at_once() -> list[Shot]:
    worn = lossy(doubled(delayed(minute(), 11, 0.05), 13), 0.05, seed=5)
    return skewed(jittery(worn, 0.03, seed=6), 100.0)
