"""Recordings from phones: every usual format decodes to the same sound; broken ones say how."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from ivr.errors import InputError
from ivr.media.uploads import open_recording
from tests.fakes.rtp_sender import RATE_HZ, onset_s, strongest_hz

AUDIO = Path(__file__).parents[2] / "assets" / "audio"
MONO = {
    "mono.pcm_s16le.wav": ("wav/pcm_s16le", 8000),
    "mono.pcm_alaw.wav": ("wav/pcm_alaw", 8000),
    "mono.pcm_mulaw.wav": ("wav/pcm_mulaw", 8000),
    "mono.pcm_f32le.wav": ("wav/pcm_f32le", 6000),
    "mono.flac": ("flac/flac", 16000),
    "mono.mp3": ("mp3/mp3float", 44100),
    "mono.aac.m4a": ("mp4/aac", 44100),
    "mono.aac.3gp": ("mp4/aac", 16000),
    "mono.amr": ("amr/amrnb", 8000),
    "mono.amr_nb.3gp": ("mp4/amrnb", 8000),
    "length_never_written.wav": ("wav/pcm_alaw", 8000),
}
STEREO = {
    "stereo.pcm_u8.wav": ("wav/pcm_u8", 11025),
    "stereo.pcm_s24le.wav": ("wav/pcm_s24le", 4000),
    "stereo.opus.ogg": ("ogg/opus", 48000),
    "stereo.mp3": ("mp3/mp3float", 44100),
    "stereo.aac.m4a": ("mp4/aac", 44100),
}
PRIMING_S = {"mono.aac.3gp": 1024 / 16000}  # 3gp has no edit list to take the first frame away
CODEC_DELAY_S = 0.09  # AAC adds frames of its own at both ends and says so in no header


@pytest.mark.parametrize("name", {**MONO, **STEREO})
def test_every_format_decodes_to_its_sound_at_8_khz(name: str) -> None:
    source_format, source_rate_hz = {**MONO, **STEREO}[name]
    audio = open_recording(AUDIO / name)
    assert (audio.source_format, audio.source_rate_hz) == (source_format, source_rate_hz)
    assert audio.rate_hz == RATE_HZ
    assert audio.sha256 == hashlib.sha256((AUDIO / name).read_bytes()).hexdigest()
    assert audio.duration_s == pytest.approx(1.0, abs=CODEC_DELAY_S)
    assert not audio.is_truncated
    assert audio.damaged_packets == 0
    left = audio.channels[0]
    assert left.dtype == np.int16
    assert len(left) == round(audio.duration_s * RATE_HZ)
    assert onset_s(left, 4000) == pytest.approx(0.5 + PRIMING_S.get(name, 0.0), abs=0.03)
    assert strongest_hz(left[4400:7800]) == pytest.approx(440, abs=4)
    assert 6000 < np.abs(left[4800:7200].astype(int)).max() < 10_500  # 8000 went in


@pytest.mark.parametrize("name", STEREO)
def test_stereo_keeps_its_channels_apart(name: str) -> None:
    left, right = open_recording(AUDIO / name).channels
    assert strongest_hz(right[400:3600]) == pytest.approx(1000, abs=4)
    assert onset_s(right, 4000) < 0.03
    assert np.abs(left[400:3600].astype(int)).max() < 500
    assert np.abs(right[4800:7600].astype(int)).max() < 500


@pytest.mark.parametrize("name", MONO)
def test_mono_is_one_channel(name: str) -> None:
    assert len(open_recording(AUDIO / name).channels) == 1


def test_two_equal_channels_are_one() -> None:
    (only,) = open_recording(AUDIO / "equal_channels.wav").channels
    (reference,) = open_recording(AUDIO / "mono.pcm_alaw.wav").channels
    assert np.array_equal(only, reference)


def test_the_same_file_gives_the_same_samples_twice() -> None:
    first, second = (open_recording(AUDIO / "stereo.mp3") for _ in range(2))
    assert all(map(np.array_equal, first.channels, second.channels))


def test_samples_at_8_khz_pass_unchanged() -> None:
    (samples,) = open_recording(AUDIO / "mono.pcm_s16le.wav").channels
    raw = (AUDIO / "mono.pcm_s16le.wav").read_bytes()
    assert samples.tobytes() == raw[-2 * RATE_HZ :]


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    odd = tmp_path / "concat:ghi âm cuộc gọi.txt"
    odd.write_bytes((AUDIO / "mono.amr").read_bytes())
    assert open_recording(odd).source_format == "amr/amrnb"


def test_what_a_cut_off_wav_still_holds_is_decoded_and_the_cut_is_told() -> None:
    audio = open_recording(AUDIO / "truncated_half.wav")
    assert audio.is_truncated
    assert audio.duration_s == pytest.approx(0.745, abs=0.001)


def test_damage_in_the_middle_costs_only_the_damaged_packets() -> None:
    audio = open_recording(AUDIO / "damaged_middle.mp3")
    assert audio.damaged_packets >= 1
    assert audio.duration_s > 0.8
    assert strongest_hz(audio.channels[0][-2400:]) == pytest.approx(440, abs=8)


def test_progress_is_told_and_ends_at_the_whole() -> None:
    told: list[tuple[float, float | None]] = []
    open_recording(AUDIO / "mono.mp3", progress=lambda *now: told.append(now))
    assert len(told) > 10
    assert [now for now, _ in told] == sorted(now for now, _ in told)
    assert told[-1][0] == pytest.approx(1.0, abs=0.06)
    assert told[0][1] == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("empty.wav", "is empty"),
        ("text_named.wav", "is not a sound recording"),
        ("truncated_before_index.m4a", "cut off before its index"),
        ("no_samples.wav", "has no sound"),
        ("video_without_sound.mp4", "has no sound"),
        ("five_hours.wav", "is too long"),
        ("one_sample_a_second.wav", "is not a sound recording"),
        ("playlist.wav", "is not a sound recording"),
        ("concat_script.wav", "is not a sound recording"),
        ("not_there.wav", "cannot be read"),
        ("", "is not a file"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_why_and_what_to_do(name: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as problem:
        open_recording(AUDIO / name)
    assert problem.value.why
    assert problem.value.remedy


def test_a_pipe_does_not_make_us_wait(tmp_path: Path) -> None:
    pipe = tmp_path / "call.wav"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is not a file"):
        open_recording(pipe)


def test_a_file_that_grows_when_decoded_stops_at_the_limit() -> None:
    with pytest.raises(InputError, match="is too long"):
        open_recording(AUDIO / "stereo.opus.ogg", longest_s=0.4)
