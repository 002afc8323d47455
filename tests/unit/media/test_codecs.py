"""Every codec decodes what another implementation encoded, at 8000 Hz, frame by frame."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media.codecs import DECODED, LONGEST_PACKET_S, LegDecoder
from ivr.media.g711 import RATE_HZ
from tests.fakes.rtp_sender import Samples, onset_s, strongest_hz

CODED = Path(__file__).parents[2] / "assets" / "rtp" / "coded"


@dataclass(frozen=True)
class Coded:
    encoding: str
    clock_hz: int
    ptime_ms: int
    tone_hz: float
    tone_at_s: float
    tone_s: float
    payloads: tuple[bytes, ...]


def read(name: str) -> Coded:
    facts = json.loads((CODED / f"{name}.json").read_text())
    payloads = tuple(bytes.fromhex(payload) for payload in facts.pop("payloads"))
    return Coded(payloads=payloads, **facts)


def decode(coded: Coded) -> list[Samples]:
    decoder = LegDecoder()
    name = coded.encoding.upper()
    return [decoder.decode(name, coded.clock_hz, 1, payload) for payload in coded.payloads]


NAMES = sorted(path.stem for path in CODED.glob("*.json"))


def test_there_is_a_fixture_for_every_codec_that_libavcodec_cannot_encode() -> None:
    assert {read(name).encoding.upper() for name in NAMES} | {"PCMA", "PCMU", "G722"} == DECODED


@pytest.mark.parametrize("name", NAMES)
def test_every_packet_gives_its_packet_time_of_sound(name: str) -> None:
    coded = read(name)
    assert {len(samples) for samples in decode(coded)} == {RATE_HZ * coded.ptime_ms // 1000}


@pytest.mark.parametrize("name", NAMES)
def test_the_tone_comes_out_with_its_pitch_level_and_second(name: str) -> None:
    coded = read(name)
    samples = np.concatenate(decode(coded))
    assert onset_s(samples) == pytest.approx(coded.tone_at_s, abs=0.02)
    start = round((coded.tone_at_s + 0.06) * RATE_HZ)
    inside = samples[start : start + round(0.3 * RATE_HZ)]
    assert strongest_hz(inside) == pytest.approx(coded.tone_hz, abs=5)
    assert 6000 < np.abs(inside.astype(int)).max() < 11_000


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_packet_shifts_nothing(name: str) -> None:
    coded = read(name)
    whole = np.concatenate(decode(coded))
    decoder = LegDecoder()
    size = RATE_HZ * coded.ptime_ms // 1000
    line = np.zeros(len(whole), dtype=np.int16)
    for number, payload in enumerate(coded.payloads):
        if number % 9 != 3:
            samples = decoder.decode(coded.encoding.upper(), coded.clock_hz, 1, payload)
            line[number * size : number * size + size] = samples
    assert onset_s(line) == pytest.approx(onset_s(whole), abs=0.005)


def test_a_wideband_packet_is_halved_without_folding_into_the_speech_band() -> None:
    """A tone of 6 kHz must not turn up as 2 kHz."""
    import av

    t = np.arange(16_000) / 16_000
    context = av.CodecContext.create("g722", "w")
    context.sample_rate, context.layout, context.format = 16_000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(
        (8000 * np.sin(2 * np.pi * 6000 * t)).astype(np.int16)[None, :], "s16", "mono"
    )
    frame.sample_rate = 16_000
    coded = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    decoder = LegDecoder()
    samples = np.concatenate(
        [decoder.decode("G722", 8000, 1, coded[at : at + 160]) for at in range(0, 8000, 160)]
    )
    assert len(samples) == RATE_HZ
    at_2_khz = np.abs(np.fft.rfft(samples))[2000] / (RATE_HZ / 2)
    assert at_2_khz < 8000 / 100  # 40 dB down


def test_a_new_source_begins_with_a_fresh_decoder() -> None:
    coded = read("gsm")
    decoder = LegDecoder()
    first = [decoder.decode("GSM", 8000, 1, payload) for payload in coded.payloads[48:60]]
    again = [decoder.decode("GSM", 8000, 2, payload) for payload in coded.payloads[48:60]]
    assert np.array_equal(np.concatenate(first), np.concatenate(again))


def test_ilbc_may_change_its_mode_between_packets() -> None:
    decoder = LegDecoder()
    lengths = [
        len(decoder.decode("ILBC", 8000, 1, payload))
        for payload in (bytes(38), bytes(50), bytes(100), bytes(76), bytes(37))
    ]
    assert lengths == [160, 240, 480, 320, 0]


@settings(deadline=None)  # decoders are built, and the machine may be busy
@given(st.sampled_from(sorted(DECODED)), st.lists(st.binary(max_size=1500), max_size=4))
def test_damaged_payloads_never_raise_and_never_last_long(name: str, payloads: list[bytes]) -> None:
    decoder = LegDecoder()
    for payload in payloads:
        samples = decoder.decode(name, 8000, 1, payload)
        assert samples.dtype == np.dtype("<i2")
        assert len(samples) <= LONGEST_PACKET_S * RATE_HZ


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_packet_does_not_end_the_stream(name: str) -> None:
    coded = read(name)
    decoder = LegDecoder()
    size = RATE_HZ * coded.ptime_ms // 1000
    encoding = coded.encoding.upper()
    for damage in (b"", b"\x00", b"\xff" * 7, coded.payloads[0][:-5]):
        decoder.decode(encoding, coded.clock_hz, 1, damage)
    tail = coded.payloads[-20:]
    assert {len(decoder.decode(encoding, coded.clock_hz, 1, each)) for each in tail} == {size}
