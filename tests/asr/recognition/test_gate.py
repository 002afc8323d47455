"""The gate keeps every word and its lead-in, and does not stay open for noise."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.recognition.gate import HARD_LIMIT_S, Gate, NoiseFloor, Stretch, level_dbfs
from ivr.recognition.lane import LaneSettings

RATE_HZ = 8000


@pytest.fixture
def gate(lane_settings: LaneSettings) -> Gate:
    return make_gate(lane_settings)


def make_gate(given_settings: LaneSettings) -> Gate:
    return Gate(
        RATE_HZ,
        vad_mode=given_settings.vad_mode,
        preroll_s=given_settings.preroll_s,
        hangover_s=given_settings.hangover_s,
    )


def run(gate: Gate, samples: np.ndarray) -> list[Stretch]:
    size = gate.frame_samples
    out = []
    for at in range(0, len(samples) - size + 1, size):
        stretch = gate.hear(at, samples[at : at + size].tobytes())
        if stretch is not None:
            out.append(stretch)
    return out


def open_s(stretches: list[Stretch]) -> float:
    return sum(len(stretch.pcm) for stretch in stretches) / 2 / RATE_HZ


def noise(seconds: float, dbfs: float) -> np.ndarray:
    scale = 32768 * 10 ** (dbfs / 20)
    return np.random.default_rng(1).normal(0, scale, round(seconds * RATE_HZ)).astype("int16")


@pytest.mark.parametrize("name", ["silence_then_speech", "noise_then_speech", "demand"])
def test_speech_opens_it_with_the_preroll_before_the_first_word(
    gate: Gate, clip: Callable[[str], np.ndarray], spans: dict, name: str, lane_settings
) -> None:
    stretches = run(gate, clip(name))
    assert stretches[0].is_first
    start_s = stretches[0].offset / RATE_HZ
    _, first_word_s, _ = spans[name][0]
    assert first_word_s - 1.5 * lane_settings.preroll_s <= start_s <= first_word_s - 0.2


def test_silence_for_the_hangover_closes_it(
    gate: Gate, clip: Callable[[str], np.ndarray], spans: dict, lane_settings: LaneSettings
) -> None:
    stretches = run(gate, clip("silence_then_speech"))
    assert [stretch.is_last for stretch in stretches].count(True) == 1
    end_s = stretches[-1].offset / RATE_HZ
    last_word_s = spans["silence_then_speech"][-1][2]
    assert stretches[-1].is_last
    assert last_word_s + 0.4 <= end_s <= last_word_s + lane_settings.hangover_s + 0.3


def test_stretches_follow_each_other_without_a_hole(
    gate: Gate, clip: Callable[[str], np.ndarray]
) -> None:
    samples = clip("two_phrases")
    end = -1
    for stretch in run(gate, samples):
        assert stretch.is_first or stretch.offset == end
        end = stretch.offset + len(stretch.pcm) // 2
        assert stretch.pcm == samples[stretch.offset : end].tobytes()


@pytest.mark.parametrize("dbfs", [-60, -50, -40, -30, -20])
def test_white_noise_does_not_hold_it_open(gate: Gate, dbfs: float) -> None:
    """WebRTC's detector calls white noise speech for ever."""
    assert open_s(run(gate, noise(30, dbfs))) < 2.0


def test_noise_that_starts_in_mid_call_does_not_hold_it_open(gate: Gate) -> None:
    samples = np.concatenate([noise(5, -70), noise(30, -30)])
    assert open_s(run(gate, samples)) < 6.0


def test_speech_in_noise_still_opens_it(gate: Gate, clip: Callable[[str], np.ndarray]) -> None:
    samples = np.concatenate([noise(4, -35), clip("demand")])
    samples = np.clip(samples.astype(int) + noise(len(samples) / RATE_HZ, -35), -32768, 32767)
    stretches = run(gate, samples.astype("int16"))
    assert any(
        stretch.is_first and 3.8 * RATE_HZ < stretch.offset < 4.6 * RATE_HZ for stretch in stretches
    )


def test_digital_silence_is_nothing_and_teaches_nothing(
    gate: Gate, lane_settings: LaneSettings, clip: Callable[[str], np.ndarray]
) -> None:
    assert run(gate, np.zeros(10 * RATE_HZ, "int16")) == []
    after_silence = run(gate, clip("demand"))
    fresh = run(make_gate(lane_settings), clip("demand"))
    assert [stretch.pcm for stretch in after_silence[1:]] == [s.pcm for s in fresh[1:]]


def test_a_click_does_not_open_it(gate: Gate) -> None:
    samples = noise(3, -75)
    samples[8000:8080] = 20000
    assert run(gate, samples) == []


def test_endless_speech_is_cut_into_bounded_stretches(
    gate: Gate, clip: Callable[[str], np.ndarray]
) -> None:
    voice = clip("demand")[4200:13000]
    stretches = run(gate, np.tile(voice, 60))
    length_s, longest_s = 0.0, 0.0
    for stretch in stretches:
        length_s = 0.0 if stretch.is_first else length_s
        length_s += len(stretch.pcm) / 2 / RATE_HZ
        longest_s = max(longest_s, length_s)
    assert longest_s <= HARD_LIMIT_S + 0.01
    assert open_s(stretches) > 0.9 * len(voice) * 60 / RATE_HZ


@given(st.lists(st.floats(-90, 0), min_size=1, max_size=400))
@settings(max_examples=50, deadline=None)
def test_the_noise_floor_is_the_smallest_level_of_the_window(levels: list[float]) -> None:
    floor = NoiseFloor()
    for at, level in enumerate(levels):
        assert floor.track(level) == min(levels[max(0, at - 149) : at + 1])


def test_levels_are_decibels_of_full_scale() -> None:
    assert level_dbfs(np.full(160, 32767, "<i2").tobytes()) == pytest.approx(0, abs=0.01)
    assert level_dbfs(np.full(160, 328, "<i2").tobytes()) == pytest.approx(-40, abs=0.05)
    assert level_dbfs(bytes(320)) == float("-inf")
