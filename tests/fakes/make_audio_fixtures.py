"""Makes tests/assets/audio again: `python -m tests.fakes.make_audio_fixtures`.

A second of sound in every format a phone sends (silence, then 440 Hz from 0.5 s; in stereo the
right channel has 1000 Hz in the first half), and files that are broken in one way each.
"""

import random
import wave
from pathlib import Path

import av
import numpy as np

FOLDER = Path(__file__).parents[1] / "assets" / "audio"


def sine(rate: int, hz: float) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(rate // 2) / rate)).astype(np.int16)


def mono(rate: int) -> np.ndarray:
    return np.concatenate([np.zeros(rate // 2, np.int16), sine(rate, 440)])[None, :]


def stereo(rate: int) -> np.ndarray:
    right = np.concatenate([sine(rate, 1000), np.zeros(rate // 2, np.int16)])
    return np.stack([mono(rate)[0], right])


def write(name: str, codec: str, rate: int, sound: np.ndarray, **options: object) -> None:
    container_format, bit_rate = options.get("container"), options.get("bit_rate")
    layout = "mono" if len(sound) == 1 else "stereo"
    with av.open(str(FOLDER / name), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if bit_rate:
            stream.bit_rate = bit_rate
        stream.open()
        cutter = av.AudioResampler(
            format=stream.format,
            layout=layout,
            rate=rate,
            frame_size=stream.codec_context.frame_size or None,
        )
        packed = np.ascontiguousarray(sound.T).reshape(1, -1)
        whole = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        whole.sample_rate = rate
        for frame in [*cutter.resample(whole), *cutter.resample(None)]:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_silence(name: str, seconds: int, rate: int = 1) -> None:
    """One sample a second: the header's word alone makes it long."""
    with wave.open(str(FOLDER / name), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(rate)
        sound.writeframes(bytes([128]) * seconds * rate)


def good() -> None:
    write("mono.pcm_s16le.wav", "pcm_s16le", 8000, mono(8000))
    write("mono.pcm_alaw.wav", "pcm_alaw", 8000, mono(8000))
    write("mono.pcm_mulaw.wav", "pcm_mulaw", 8000, mono(8000))
    write("mono.pcm_f32le.wav", "pcm_f32le", 6000, mono(6000))
    write("mono.flac", "flac", 16000, mono(16000))
    write("mono.mp3", "libmp3lame", 44100, mono(44100), bit_rate=32000)
    write("mono.aac.m4a", "aac", 44100, mono(44100), container="ipod", bit_rate=32000)
    write("mono.aac.3gp", "aac", 16000, mono(16000), container="3gp", bit_rate=24000)
    write("mono.amr", "libopencore_amrnb", 8000, mono(8000), container="amr", bit_rate=12200)
    write("mono.amr_nb.3gp", "libopencore_amrnb", 8000, mono(8000), container="3gp", bit_rate=12200)
    write("stereo.pcm_u8.wav", "pcm_u8", 11025, stereo(11025))
    write("stereo.pcm_s24le.wav", "pcm_s24le", 4000, stereo(4000))
    write("stereo.opus.ogg", "libopus", 48000, stereo(48000), bit_rate=24000)
    write("stereo.mp3", "libmp3lame", 44100, stereo(44100), bit_rate=48000)
    write("stereo.aac.m4a", "aac", 44100, stereo(44100), container="ipod", bit_rate=48000)
    write("equal_channels.wav", "pcm_alaw", 8000, np.repeat(mono(8000), 2, axis=0))


def broken() -> None:
    whole = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    put = {
        "empty.wav": b"",
        "text_named.wav": "Tôi là công an, anh phải chuyển tiền ngay.\n".encode() * 20,
        "truncated_before_index.m4a": whole["mono.aac.m4a"][:2000],
        "truncated_half.wav": whole["mono.pcm_s16le.wav"][:12000],
        "playlist.wav": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nmono.mp3\n#EXT-X-ENDLIST\n",
        "concat_script.wav": b"ffconcat version 1.0\nfile mono.mp3\n",
    }
    damaged = bytearray(whole["mono.mp3"])
    noise = random.Random(7)  # the same damage each time
    for at in range(len(damaged) // 3, len(damaged) // 3 + 300):
        damaged[at] = noise.randrange(256)
    put["damaged_middle.mp3"] = bytes(damaged)
    unfinished = bytearray(whole["mono.pcm_alaw.wav"])
    length_at = unfinished.index(b"data") + 4
    unfinished[4:8] = unfinished[length_at : length_at + 4] = b"\xff" * 4
    put["length_never_written.wav"] = bytes(unfinished)
    for name, data in put.items():
        (FOLDER / name).write_bytes(data)
    write_silence("no_samples.wav", 0, 8000)
    write_silence("five_hours.wav", 5 * 3600)
    write_silence("one_sample_a_second.wav", 100)
    with av.open(str(FOLDER / "video_without_sound.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    good()
    broken()
