"""A tone sent at second N is found at second N, on its own leg and on no other, whatever the
network does; and every counter is exact."""

import asyncio
import math
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ivr.facts.audio import AudioFrame, GapKind
from ivr.facts.call import LegName
from ivr.media.knock import BURST
from ivr.media.recordings import read_samples, redecode_matches, write_recordings
from tests.fakes.rtp_calls import PlayedCall, play_call
from tests.fakes.rtp_sender import (
    RATE_HZ,
    Samples,
    Shot,
    delayed,
    doubled,
    on_time,
    onset_s,
    packets,
    silence,
    strongest_hz,
    swapped,
    tone,
    without,
)

CALLER_HZ, AGENT_HZ, FOREIGN_HZ = 440.0, 1000.0, 2000.0
CALLER_AT_S, AGENT_AT_S = 1.0, 1.6
TONE_S = 0.4
LONG_S = 2.4

CALLER_SOUND = np.concatenate(
    [silence(CALLER_AT_S), tone(CALLER_HZ, TONE_S), silence(LONG_S - CALLER_AT_S - TONE_S)]
)
AGENT_SOUND = np.concatenate(
    [silence(AGENT_AT_S), tone(AGENT_HZ, TONE_S), silence(LONG_S - AGENT_AT_S - TONE_S)]
)


def clean() -> list[Shot]:
    return on_time(packets(CALLER_SOUND))


def pauses() -> list[Shot]:
    """Discontinuous transmission: nothing is sent from 0.2 s to 0.9 s, time stamps go on."""
    stream = packets(CALLER_SOUND)
    kept = stream[:10] + stream[45:]
    first = kept[0].sequence
    renumbered = [replace(p, sequence=(first + n) % 0x10000) for n, p in enumerate(kept)]
    return on_time(renumbered)


def new_source() -> list[Shot]:
    """After 0.8 s the sender is another one: new SSRC, sequence number and time stamp."""
    before = packets(CALLER_SOUND[: round(0.8 * RATE_HZ)])
    after = packets(
        CALLER_SOUND[round(0.8 * RATE_HZ) :], ssrc=0x77777777, sequence=9, timestamp=123_456
    )
    return on_time(before) + on_time(after, begin_s=0.8)


def jumped() -> list[Shot]:
    """After 0.8 s sequence numbers and time stamps jump, the SSRC stays."""
    before = packets(CALLER_SOUND[: round(0.8 * RATE_HZ)])
    after = packets(CALLER_SOUND[round(0.8 * RATE_HZ) :], sequence=30_000, timestamp=5_000_000)
    return on_time(before) + on_time(after, begin_s=0.8)


def changed_codec() -> list[Shot]:
    """Mid-call the payload type goes from A-law to mu-law."""
    first = packets(CALLER_SOUND)
    second = packets(CALLER_SOUND, encoding="PCMU", payload_type=0)
    return on_time(first[:50] + second[50:])


def with_keys_and_noise() -> list[Shot]:
    """Comfort noise and telephone events among the audio: no sound, no gap in the numbers."""
    stream = packets(CALLER_SOUND)
    stream[5] = replace(stream[5], payload_type=13, payload=b"\x40")
    stream[6] = replace(stream[6], payload_type=101, payload=b"\x05\x0a\x00\xa0")
    stream[7] = replace(stream[7], payload_type=101, payload=b"\x05\x8a\x01\x40")
    return on_time(stream)


@dataclass(frozen=True)
class Case:
    """What is sent, and what must be counted exactly."""

    shots: Callable[[], list[Shot]]
    accepted: int = 120
    lost: int = 0
    reordered: int = 0
    duplicate: int = 0
    gaps: tuple[tuple[GapKind, int], ...] = ()
    types: tuple[str, ...] = ("PCMA/8000",)
    ssrcs: int = 1


LOSSES = ((GapKind.LOST, 160),) * 5
CASES = {
    "clean": Case(clean),
    "five percent lost": Case(lambda: without(clean(), 20), accepted=115, lost=5, gaps=LOSSES),
    "reordered": Case(lambda: swapped(clean(), 10), reordered=11),
    "duplicated": Case(lambda: doubled(clean(), 10), duplicate=11),
    "ten percent 45 ms late": Case(lambda: delayed(clean(), 10, 0.045), reordered=11),
    "ten percent 300 ms late": Case(lambda: delayed(clean(), 10, 0.3), reordered=11),
    "pauses": Case(pauses, accepted=85, gaps=((GapKind.SILENCE, 35 * 160),)),
    "new source": Case(new_source, ssrcs=2),
    "jumped": Case(jumped),
    "codec changed": Case(changed_codec, types=("PCMA/8000", "PCMU/8000")),
    "keys and comfort noise": Case(
        with_keys_and_noise,
        gaps=((GapKind.SILENCE, 3 * 160),),
        types=("PCMA/8000", "CN/8000", "telephone-event/8000"),
    ),
    **{
        f"{ptime} ms packets": Case(
            lambda ptime=ptime: on_time(packets(CALLER_SOUND, ptime_ms=ptime)),
            accepted=2400 // ptime,
        )
        for ptime in (10, 30, 40, 60)
    },
}
# anchored by arrival time, so the new part stands within the jitter of this machine
BY_ARRIVAL = {"new source", "jumped"}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PlayedCall]:
    """All cases at once, each through a door of its own, with strangers in between."""
    root = tmp_path_factory.mktemp("calls")

    async def play_all() -> list[PlayedCall]:
        stray = on_time(packets(tone(FOREIGN_HZ, 0.3), ssrc=0x66))
        agent = on_time(packets(AGENT_SOUND, ssrc=0xA6E27))
        return await asyncio.gather(
            *(
                play_call(root / name.replace(" ", "-"), case.shots(), agent, stray)
                for name, case in CASES.items()
            )
        )

    return dict(zip(CASES, asyncio.run(play_all()), strict=True))


def samples_of(call: PlayedCall, leg: LegName) -> Samples:
    return read_samples(call.recordings[leg])


@pytest.mark.parametrize("name", CASES)
def test_the_tone_is_found_at_its_second_on_its_own_leg(
    calls: dict[str, PlayedCall], name: str
) -> None:
    for leg, at_s, hz in (
        (LegName.CALLER, CALLER_AT_S, CALLER_HZ),
        (LegName.AGENT, AGENT_AT_S, AGENT_HZ),
    ):
        samples = samples_of(calls[name], leg)
        assert onset_s(samples) == pytest.approx(at_s, abs=0.02)
        inside = samples[round((at_s + 0.06) * RATE_HZ) : round((at_s + 0.34) * RATE_HZ)]
        assert strongest_hz(inside) == pytest.approx(hz, abs=8)
        outside = samples[: round((at_s - 0.02) * RATE_HZ)]
        assert np.abs(outside.astype(int)).max() < 200


@pytest.mark.parametrize("name", CASES)
def test_every_counter_is_exact(calls: dict[str, PlayedCall], name: str) -> None:
    case, recording = CASES[name], calls[name].recordings[LegName.CALLER]
    stats = recording.stats
    assert (stats.accepted, stats.lost, stats.reordered, stats.duplicate, stats.late) == (
        case.accepted,
        case.lost,
        case.reordered,
        case.duplicate,
        0,
    )
    assert stats.malformed == 0
    assert stats.payload_types == case.types
    assert len(stats.ssrcs) == case.ssrcs
    gaps = tuple((gap.kind, gap.samples) for gap in recording.gaps)
    if name not in BY_ARRIVAL:
        assert gaps == case.gaps
    assert recording.is_complete


@pytest.mark.parametrize("name", sorted(CASES.keys() - BY_ARRIVAL))
def test_the_length_is_that_of_what_was_said(calls: dict[str, PlayedCall], name: str) -> None:
    assert calls[name].recordings[LegName.CALLER].samples == len(CALLER_SOUND)


def test_late_packets_are_all_on_the_time_line(calls: dict[str, PlayedCall]) -> None:
    reference = samples_of(calls["clean"], LegName.CALLER)
    for name in ("ten percent 45 ms late", "ten percent 300 ms late", "reordered", "duplicated"):
        assert np.array_equal(samples_of(calls[name], LegName.CALLER), reference)


def test_strangers_are_counted_and_logged_but_neither_heard_nor_forwarded(
    calls: dict[str, PlayedCall],
) -> None:
    stray = {shot.data for shot in on_time(packets(tone(FOREIGN_HZ, 0.3), ssrc=0x66))}
    for call in calls.values():
        assert call.recordings[LegName.CALLER].stats.foreign == len(stray)
        assert call.live[LegName.CALLER].foreign == len(stray)
        assert not stray & set(call.agent_heard)
        assert not stray & set(call.caller_heard)
        assert not {*call.agent_heard, *call.caller_heard} & {*call.foreign_heard}
        assert sum(data in call.wire.path.read_bytes() for data in stray) == len(stray)


def test_both_directions_pass_unchanged(calls: dict[str, PlayedCall]) -> None:
    for name, case in CASES.items():
        sent = [shot.data for shot in case.shots()]
        assert calls[name].agent_heard[BURST:] == sent  # knocks come first
        spoken = [shot.data for shot in on_time(packets(AGENT_SOUND, ssrc=0xA6E27))]
        assert calls[name].caller_heard == spoken


def laid_out(frames: list[AudioFrame]) -> Samples:
    """Frames on a line, checking that they come in order and name their gaps."""
    line = np.zeros(max(frame.offset + frame.samples for frame in frames), dtype=np.int16)
    end = 0
    for frame in frames:
        assert frame.offset - end == frame.gap_before >= 0
        line[frame.offset : frame.offset + frame.samples] = np.frombuffer(frame.pcm, dtype="<i2")
        end = frame.offset + frame.samples
    return line


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"ten percent 300 ms late"}))
def test_the_live_tap_hears_what_the_recording_holds(
    calls: dict[str, PlayedCall], name: str
) -> None:
    call = calls[name]
    live = laid_out(call.frames[LegName.CALLER])
    recorded = samples_of(call, LegName.CALLER)
    late = call.live[LegName.CALLER].late  # a stalled test machine may make the tap move on
    assert len(live) == len(recorded)
    assert np.count_nonzero(live != recorded) <= late * 160


def test_what_is_later_than_the_window_is_late_for_the_tap_only(
    calls: dict[str, PlayedCall],
) -> None:
    call = calls["ten percent 300 ms late"]
    live, recorded = call.live[LegName.CALLER], call.recordings[LegName.CALLER].stats
    assert live.late == 11
    assert live.accepted == 109
    assert (recorded.late, recorded.accepted) == (0, 120)


def test_jitter_is_that_of_the_network(calls: dict[str, PlayedCall]) -> None:
    assert calls["clean"].recordings[LegName.CALLER].stats.jitter_ms < 20
    late = calls["ten percent 45 ms late"].recordings[LegName.CALLER].stats.jitter_ms
    assert 1 < late < 45
    assert not math.isnan(late)


def test_the_stereo_file_has_the_caller_left_and_the_agent_right(
    calls: dict[str, PlayedCall],
) -> None:
    call = calls["clean"]
    with wave.open(str(call.folder / "call.wav")) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (2, 8000, 2)
        both = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").reshape(-1, 2)
    for channel, leg, at_s in ((0, LegName.CALLER, CALLER_AT_S), (1, LegName.AGENT, AGENT_AT_S)):
        start_s = call.recordings[leg].start_s
        assert onset_s(both[:, channel]) == pytest.approx(start_s + at_s, abs=0.02)


def test_a_second_run_writes_the_same_bytes(calls: dict[str, PlayedCall], tmp_path: Path) -> None:
    call = calls["ten percent 45 ms late"]
    again = write_recordings(call.wire, tmp_path)
    assert again == tuple(
        replace(recording, path=tmp_path / recording.path.name)
        for recording in call.recordings.values()
    )
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["agent.wav", "call.wav", "caller.wav"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (call.folder / name).read_bytes()
    assert redecode_matches(call.wire, [tmp_path / name for name in names]) == ()


def test_a_changed_listening_copy_is_found_with_its_second(
    calls: dict[str, PlayedCall], tmp_path: Path
) -> None:
    call = calls["clean"]
    data = bytearray((call.folder / "caller.wav").read_bytes())
    data[44 + 2 * RATE_HZ] ^= 0x40  # one second in
    changed = tmp_path / "caller.wav"
    changed.write_bytes(data)
    (mismatch,) = redecode_matches(call.wire, [changed])
    assert mismatch.at_s == 1.0
    assert mismatch.why == "1 samples differ"
    unknown = tmp_path / "somebody.wav"
    assert redecode_matches(call.wire, [unknown])[0].why == "the wire log has no such leg"
    absent = tmp_path / "agent.wav"
    assert "cannot be read" in redecode_matches(call.wire, [absent])[0].why
