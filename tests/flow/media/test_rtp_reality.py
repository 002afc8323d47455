"""What networks and senders really do: the length is right within 20 ms, and a tone sent at
second N is found at second N, on its own leg and on no other."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest

from ivr.facts.audio import GapKind
from ivr.facts.call import LegName
from ivr.media.rtp import RtpPacket
from ivr.media.timeline import LegTimeline, read_timelines
from tests.fakes.rtp_sender import (
    RATE_HZ,
    Samples,
    Shot,
    coded_packets,
    delayed,
    doubled,
    every,
    jittery,
    lossy,
    on_time,
    onset_s,
    packets,
    silence,
    skewed,
    strongest_hz,
    swapped,
    tone,
)
from tests.fakes.virtual_call import VirtualCall, run_call

CODED = Path(__file__).parents[2] / "assets" / "rtp" / "coded"
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
CALLER_HZ, CALLEE_HZ, STRANGER_HZ, TONE_S = 600.0, 1000.0, 2000.0, 0.4
CALLEE_AT_S = 0.4
NEAR_S = 0.02


def sound(at_s: float, length_s: float, hz: float = CALLER_HZ) -> Samples:
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


@dataclass(frozen=True)
class Case:
    """What the caller's leg sends, and what must come of it."""

    shots: Callable[[], list[Shot]]
    tone_at_s: float = 2.0
    length_s: float = 3.6
    types: tuple[str, ...] = ("PCMA/8000",)
    lost: int | None = 0


CODEC_CASES = {
    name: Case(lambda name=name: coded(name), 1.0, 1.8, types)  # type: ignore[misc]
    for name, types in {
        "gsm": ("GSM/8000",),
        "ilbc20": ("iLBC/8000",),
        "ilbc30": ("iLBC/8000",),
        "speex8": ("speex/8000",),
        "speex8x3": ("speex/8000",),
        "speex16": ("speex/16000",),
        "speex16x2": ("speex/16000",),
    }.items()
}
MINUTE = {"tone_at_s": 47.0, "length_s": 60.0}
CASES = {
    "5 % loss": Case(lambda: lossy(minute(), 0.05, seed=1), **MINUTE, lost=None),
    "reordered": Case(lambda: swapped(minute(), 7), **MINUTE),
    "jitter to 60 ms": Case(lambda: jittery(minute(), 0.06, seed=2), **MINUTE),
    "jitter to 300 ms": Case(lambda: jittery(minute(), 0.3, seed=3), **MINUTE),
    "duplicates": Case(lambda: doubled(minute(), 4), **MINUTE),
    "everything at once": Case(everything_at_once, **MINUTE, lost=None),
    "sender 100 ppm slow": Case(lambda: skewed(minute(), 100.0), **MINUTE),
    "sender 100 ppm fast": Case(lambda: skewed(minute(), -100.0), **MINUTE),
    "comfort noise once": Case(
        lambda: comfort_noise(9.9), types=("PCMA/8000", "CN/8000"), length_s=3.58
    ),
    "comfort noise every 200 ms": Case(
        lambda: comfort_noise(0.2), types=("PCMA/8000", "CN/8000"), length_s=3.58
    ),
    "pauses without packets": Case(without_any_packet_in_silence),
    "mu-law": Case(lambda: short(encoding="PCMU"), types=("PCMU/8000",)),
    **{f"{ptime} ms packets": Case(lambda p=ptime: short(p)) for ptime in (10, 20, 30, 40, 60)},  # type: ignore[misc]
    **{
        f"G.722 in {ptime} ms packets": Case(lambda p=ptime: g722(p), types=("G722/8000",))  # type: ignore[misc]
        for ptime in (10, 20, 40, 60)
    },
    "G.722 with 5 % loss": Case(
        lambda: lossy(g722(), 0.05, seed=4), types=("G722/8000",), lost=None
    ),
    **CODEC_CASES,
    "gsm, three frames a packet": Case(gsm_three_frames_a_packet, 1.0, 1.8, ("GSM/8000",)),
    "payload types change": Case(
        through_many_codecs, types=("PCMA/8000", "PCMU/8000", "G722/8000", "GSM/8000")
    ),
    "the clock rate changes": Case(
        to_another_clock_and_back, 2.0, 3.6, ("PCMA/8000", "speex/16000")
    ),
    "telephone events": Case(with_keys, types=("PCMA/8000", "telephone-event/8000")),
}


@pytest.fixture(scope="module", params=CASES)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, VirtualCall, dict[LegName, LegTimeline]]:
    """The caller's leg is that of the case, the callee speaks in order, a stranger whistles."""
    given: Case = CASES[request.param]
    shots = {
        LegName.CALLER: given.shots(),
        LegName.CALLEE: on_time(packets(sound(CALLEE_AT_S, given.length_s, CALLEE_HZ), ssrc=2)),
    }
    stray = on_time(packets(tone(STRANGER_HZ, 0.3), ssrc=3), begin_s=0.1)
    folder = tmp_path_factory.mktemp("call")
    call = run_call(folder, shots, PAYLOADS, strangers=stray)
    return given, call, {line.leg: line for line in read_timelines(call.wire.path).legs}


Played = tuple[Case, VirtualCall, dict[LegName, LegTimeline]]


def test_the_length_is_right_within_20_ms(case: Played) -> None:
    given, _, lines = case
    assert len(lines[LegName.CALLER].samples) / RATE_HZ == pytest.approx(given.length_s, abs=NEAR_S)
    assert len(lines[LegName.CALLEE].samples) / RATE_HZ == pytest.approx(given.length_s, abs=NEAR_S)


def test_each_tone_is_at_its_second_on_its_own_leg_and_on_no_other(case: Played) -> None:
    given, _, lines = case
    expected = {
        LegName.CALLER: (given.tone_at_s, CALLER_HZ),
        LegName.CALLEE: (CALLEE_AT_S, CALLEE_HZ),
    }
    for leg, (at_s, hz) in expected.items():
        samples = lines[leg].samples
        assert onset_s(samples) == pytest.approx(at_s, abs=NEAR_S)
        start, end = round((at_s + 0.05) * RATE_HZ), round((at_s + TONE_S) * RATE_HZ)
        assert strongest_hz(samples[start:end]) == pytest.approx(hz, abs=8)
        outside = np.concatenate(
            [samples[: start - round(0.07 * RATE_HZ)], samples[end + round(0.2 * RATE_HZ) :]]
        )
        assert np.abs(outside.astype(int)).max() < 200


def test_the_counters_say_what_happened(case: Played) -> None:
    given, call, lines = case
    stats = lines[LegName.CALLER].stats
    assert stats.payload_types == given.types
    assert stats.malformed == 0
    assert stats.late == 0
    assert stats.foreign == call.live[LegName.CALLER].foreign == 15
    if given.lost is not None:
        assert stats.lost == given.lost
    else:
        assert 0.02 < stats.lost / (stats.accepted + stats.lost) < 0.08
    assert lines[LegName.CALLEE].stats.lost == 0
    assert (stats.comfort_noise > 0) is ("CN/8000" in given.types)


def test_the_live_tap_hears_each_tone_at_its_second_too(case: Played) -> None:
    given, call, lines = case
    line = np.zeros(len(lines[LegName.CALLER].samples), dtype=np.int16)
    end = 0
    for frame in call.frames[LegName.CALLER]:
        assert frame.offset - end == frame.gap_before >= 0
        end = frame.offset + frame.samples
        line[frame.offset : end] = np.frombuffer(frame.pcm, dtype="<i2")
    assert onset_s(line) == pytest.approx(given.tone_at_s, abs=NEAR_S)


def test_one_way_audio_is_one_leg_of_the_right_length(tmp_path: Path) -> None:
    call = run_call(tmp_path, {LegName.CALLER: short(), LegName.CALLEE: []}, PAYLOADS)
    (line,) = read_timelines(call.wire.path).legs
    assert line.leg is LegName.CALLER
    assert len(line.samples) == round(3.6 * RATE_HZ)


def test_a_leg_that_falls_silent_for_good_is_as_long_as_the_call(tmp_path: Path) -> None:
    whole = on_time(packets(sound(2.0, 6.0, CALLEE_HZ), ssrc=2))
    shots = {LegName.CALLER: short(), LegName.CALLEE: whole}
    call = run_call(tmp_path, shots, PAYLOADS, ends_s=6.0)
    caller, callee = read_timelines(call.wire.path).legs
    assert [gap.kind for gap in caller.gaps] == [GapKind.STALLED]
    assert len(caller.samples) == pytest.approx(len(callee.samples), abs=0.2 * RATE_HZ)


def test_the_first_packet_in_the_file_need_not_be_the_earliest(tmp_path: Path) -> None:
    """Sockets are read in turn: after a pause of the loop one leg's packets come all first."""
    call = run_call(
        tmp_path,
        {
            LegName.CALLER: [Shot(shot.at_s + 0.5, shot.data) for shot in short()],
            LegName.CALLEE: short(),
        },
        PAYLOADS,
    )
    starts = {line.leg: line.start_s for line in read_timelines(call.wire.path).legs}
    assert starts[LegName.CALLEE] == 0.0
    assert starts[LegName.CALLER] == pytest.approx(0.5, abs=0.001)


def test_an_hour_of_a_skewed_clock_drifts_by_less_than_20_ms(tmp_path: Path) -> None:
    """Against RTP time, which is the sender's: its tone at 3500 s stands at 3500 s."""
    ptime_ms, hour_s, at_s = 60, 3600.0, 3500.04
    quiet = packets(silence(ptime_ms / 1000), ptime_ms=ptime_ms)[0].payload
    loud = [p.payload for p in packets(tone(CALLER_HZ, 0.42), ptime_ms=ptime_ms)]
    payloads = [quiet] * round(hour_s * 1000 / ptime_ms)
    first = round(at_s * 1000 / ptime_ms)
    payloads[first : first + len(loud)] = loud
    stream = coded_packets(payloads, ptime_ms=ptime_ms, payload_type=8)
    shots = {LegName.CALLER: skewed(every(stream, ptime_ms), 100.0)}
    call = run_call(tmp_path, shots, PAYLOADS, keep_frames=False)
    (line,) = read_timelines(call.wire.path).legs
    assert len(line.samples) / RATE_HZ == pytest.approx(hour_s, abs=NEAR_S)
    assert onset_s(line.samples) == pytest.approx(first * ptime_ms / 1000, abs=NEAR_S)
    assert line.anchors == ()
    assert line.stats.lost == 0
