"""Keys as sound are found within the limits of ITU-T Q.24, through either law, noise and loss;
and speech is none."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName
from ivr.media.g711 import RATE_HZ, decode
from ivr.media.inband_dtmf import KEYS, LOWER_HZ, UPPER_HZ, InbandDtmf
from tests.fakes.rtp_sender import encode

ROOT = Path(__file__).parents[3]
ALL = "123A456B789C*0#D"
QUIET_S = 0.3
Wave = npt.NDArray[np.float64]


def press(
    key: str, seconds: float, low: float = 4000, high: float = 4000, off_pitch: float = 0.0
) -> Wave:
    row = next(n for n, keys in enumerate(KEYS) if key in keys)
    t = 2 * np.pi * np.arange(round(seconds * RATE_HZ)) / RATE_HZ * (1 + off_pitch)
    column = KEYS[row].index(key)
    return low * np.sin(LOWER_HZ[row] * t) + high * np.sin(UPPER_HZ[column] * t + 1.0)


def rest(seconds: float) -> Wave:
    return np.zeros(round(seconds * RATE_HZ))


def pressed(keys: str, on_s: float, off_s: float, **tone: float) -> Wave:
    parts = [rest(QUIET_S)]
    for key in keys:
        parts += [press(key, on_s, **tone), rest(off_s)]
    return np.concatenate([*parts, rest(QUIET_S)])


def frames(wave: Wave, law: str = "PCMA", size: int = 160) -> Iterator[AudioFrame]:
    """As a leg brings it: through a law, cut into packets."""
    line = np.clip(wave, -32768, 32767).astype(np.int16)
    heard = decode(law, encode(law, line))
    for at in range(0, len(heard), size):
        yield AudioFrame(LegName.CALLER, at, RATE_HZ, heard[at : at + size].tobytes())


def heard(stream: Iterator[AudioFrame]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    detector = InbandDtmf(lambda key, at_s: found.append((key, at_s)))
    for frame in stream:
        detector(frame)
    return found


def keys(stream: Iterator[AudioFrame]) -> str:
    return "".join(key for key, _ in heard(stream))


@pytest.mark.parametrize("law", ["PCMA", "PCMU"])
@pytest.mark.parametrize(("on_s", "off_s"), [(0.04, 0.04), (0.05, 0.05), (0.1, 0.1), (0.5, 0.2)])
def test_every_key_is_heard_once_at_its_second(law: str, on_s: float, off_s: float) -> None:
    found = heard(frames(pressed(ALL, on_s, off_s), law))
    assert "".join(key for key, _ in found) == ALL
    for number, (_, at_s) in enumerate(found):
        assert at_s == pytest.approx(QUIET_S + number * (on_s + off_s), abs=0.01)


@pytest.mark.parametrize("size", [80, 160, 240, 333, 480])
def test_it_does_not_matter_how_the_leg_is_cut(size: int) -> None:
    assert keys(frames(pressed(ALL, 0.06, 0.05), size=size)) == ALL


@pytest.mark.parametrize(
    "tone",
    [
        {"off_pitch": 0.015},
        {"off_pitch": -0.015},
        {"high": 4000 * 10 ** (4 / 20)},  # the upper tone 4 dB stronger
        {"low": 10_000, "high": 10_000 * 10 ** (-8 / 20)},  # 8 dB weaker
        {"low": 700, "high": 700},  # -30 dBm0 each
        {"low": 14_000, "high": 14_000},  # -4 dBm0 each
    ],
    ids=str,
)
def test_what_a_receiver_must_accept(tone: dict[str, float]) -> None:
    assert keys(frames(pressed(ALL, 0.06, 0.06, **tone))) == ALL


@pytest.mark.parametrize(
    "tone",
    [
        {"off_pitch": 0.035},
        {"off_pitch": -0.035},
        {"high": 4000 * 10 ** (7 / 20)},
        {"high": 4000 * 10 ** (-11 / 20)},
        {"low": 250, "high": 250},
        {"high": 0},
        {"low": 0},
    ],
    ids=str,
)
def test_what_a_receiver_must_refuse(tone: dict[str, float]) -> None:
    assert keys(frames(pressed(ALL, 0.1, 0.06, **tone))) == ""


def test_a_tone_under_24_ms_is_no_key() -> None:
    assert keys(frames(pressed(ALL, 0.0235, 0.06))) == ""


def test_the_same_key_twice_is_two_and_a_break_of_10_ms_is_none() -> None:
    assert keys(frames(pressed("55", 0.05, 0.04))) == "55"
    broken = press("5", 0.1)
    broken[360:440] = 0
    assert keys(frames(np.concatenate([rest(0.1), broken, rest(0.1)]))) == "5"


@pytest.mark.parametrize("noise_db", [23, 15, 12])
def test_noise_does_not_hide_a_key(noise_db: float) -> None:
    wave = pressed(ALL * 2, 0.07, 0.07)
    level = 4000 / 10 ** (noise_db / 20)  # against the power of both tones
    noisy = wave + np.random.default_rng(7).normal(0, level, len(wave))
    assert keys(frames(noisy)) == ALL * 2


def test_a_lost_packet_does_not_make_two_keys_of_one_nor_hide_it() -> None:
    stream = list(frames(pressed("159D", 0.16, 0.1)))
    begin = round((QUIET_S + 0.06) * RATE_HZ) // 160
    del stream[begin]
    after = stream[begin]
    stream[begin] = AudioFrame(after.leg, after.offset, RATE_HZ, after.pcm, gap_before=160)
    assert keys(iter(stream)) == "159D"


def test_a_pause_without_packets_ends_a_key() -> None:
    """A sender with silence suppression: the same key again after it is another key."""
    first = list(frames(press("7", 0.1)))
    pause = RATE_HZ // 5
    second = [
        AudioFrame(f.leg, f.offset + 800 + pause, RATE_HZ, f.pcm, pause if n == 0 else 0)
        for n, f in enumerate(first)
    ]
    assert heard(iter([*first, *second]))[1] == ("7", pytest.approx(0.3, abs=0.01))


def speech() -> list[Path]:
    assets = ROOT / "tests" / "assets"
    return sorted([*assets.glob("speech*/*.flac"), *(ROOT / "prompts").glob("*/*.wav")])


@pytest.mark.parametrize("law", ["PCMA", "PCMU"])
def test_speech_at_full_level_is_no_key(law: str) -> None:
    seconds = 0.0
    for path in speech():
        wave, rate_hz = soundfile.read(path, dtype="float64")
        if rate_hz != RATE_HZ or not wave.any() or "tone" in path.stem:
            continue
        wave = wave / np.abs(wave).max() * 30_000
        seconds += len(wave) / RATE_HZ
        assert heard(frames(wave, law)) == [], path.name
    assert seconds > 60  # there was something to be wrong about


def test_a_voice_over_a_key_does_not_hide_it_for_good() -> None:
    """Somebody speaks 12 dB below while pressing."""
    voice, _ = soundfile.read(ROOT / "tests/assets/speech/cong-an.flac", dtype="float64")
    wave = pressed("1590", 0.12, 0.08)
    voice = np.resize(voice, len(wave))
    voice *= 4000 / 10 ** (12 / 20) / np.sqrt(np.mean(voice**2))
    assert set(keys(frames(wave + voice))) <= set("1590")
    assert len(keys(frames(wave + voice))) >= 3
