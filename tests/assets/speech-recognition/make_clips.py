"""Makes the clips of this folder with libespeak-ng (GPL-3.0, build time only): 8 kHz mono FLAC,
and spans.json with the start and end of every word as espeak-ng's own events tell them.

    python tests/assets/speech-recognition/make_clips.py
"""

import ctypes
import json
from pathlib import Path

import numpy as np
import soundfile
import soxr

HERE = Path(__file__).parent
RATE_HZ = 8000


class Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)
WORD_EVENT = 1


def say(text: str, words_per_minute: int) -> tuple[np.ndarray, list[float]]:
    """Samples at 8 kHz and the start of each word in seconds."""
    library = ctypes.CDLL("libespeak-ng.so.1")
    rate = library.espeak_Initialize(2, 200, None, 0)
    pieces: list[np.ndarray] = []
    starts: list[float] = []

    def on_sound(wav, count, events):
        if wav and count:
            pieces.append(np.ctypeslib.as_array(wav, (count,)).copy())
        at = 0
        while events[at].type:
            if events[at].type == WORD_EVENT:
                starts.append(events[at].audio_position / 1000)
            at += 1
        return 0

    callback = Callback(on_sound)
    library.espeak_SetSynthCallback(callback)
    assert library.espeak_SetVoiceByName(b"vi") == 0
    library.espeak_SetParameter(1, words_per_minute, 0)
    raw = text.encode() + b"\0"
    library.espeak_Synth(raw, len(raw), 0, 0, 0, 1, None, None)
    sound = soxr.resample(np.concatenate(pieces).astype("float32") / 32768, rate, RATE_HZ)
    return 0.5 * sound / np.max(np.abs(sound)), starts


def clip(name: str, parts: list[tuple[float, str]], tail_s: float, noise_dbfs: float) -> list:
    """Writes one clip; returns [word, start_s, end_s] of all its words."""
    sound = np.zeros(0)
    spans: list[list] = []
    for pause_s, text in parts:
        sound = np.concatenate([sound, np.zeros(round(pause_s * RATE_HZ))])
        offset = len(sound) / RATE_HZ
        voice, starts = say(text, 150)
        loud = np.nonzero(np.abs(voice) > 0.01)[0][-1] / RATE_HZ
        words = text.split()
        edges = [*starts[: len(words)], loud]
        spans += [
            [word, round(offset + edges[at], 3), round(offset + edges[at + 1], 3)]
            for at, word in enumerate(words)
        ]
        sound = np.concatenate([sound, voice])
    sound = np.concatenate([sound, np.zeros(round(tail_s * RATE_HZ))])
    noise = np.random.default_rng(7).normal(0, 10 ** (noise_dbfs / 20), len(sound))
    samples = (np.clip(sound + noise, -1, 1) * 32767).astype("int16")
    soundfile.write(HERE / f"{name}.flac", samples, RATE_HZ)
    return spans


def main() -> None:
    police, transfer = "tôi là công an", "yêu cầu anh chuyển tiền"
    spans = {
        "silence_then_speech": clip("silence_then_speech", [(2.0, police)], 1.5, -75),
        "noise_then_speech": clip("noise_then_speech", [(2.0, police)], 1.5, -45),
        "two_phrases": clip("two_phrases", [(1.0, police), (1.5, transfer)], 1.5, -75),
        "demand": clip("demand", [(0.5, transfer)], 1.5, -75),
    }
    (HERE / "spans.json").write_text(
        json.dumps(spans, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
