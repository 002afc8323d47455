"""What networks and senders really do: the length is right within 20 ms, and a tone sent at
second N is found at second N, on its own leg and on no other."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ivr.facts.audio import GapKind
from ivr.facts.call import LegName
from ivr.media.timeline import LegTimeline, read_timelines
from tests.fakes.odd_senders import (
    PAYLOADS,
    TONE_HZ,
    TONE_S,
    coded,
    comfort_noise,
    everything_at_once,
    g722,
    gsm_three_frames_a_packet,
    minute,
    short,
    sound,
    through_many_codecs,
    to_another_clock_and_back,
    with_keys,
    without_any_packet_in_silence,
)
from tests.fakes.rtp_sender import (
    RATE_HZ,
    Shot,
    coded_packets,
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

CALLER_HZ, CALLEE_HZ, STRANGER_HZ = TONE_HZ, 1000.0, 2000.0
CALLEE_AT_S = 0.4
NEAR_S = 0.02


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
