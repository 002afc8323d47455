"""Makes tests/assets/rtp/coded/*.json: `python -m tests.fakes.make_codec_fixtures`.

A second of silence, a tone, silence again, encoded by the encoders that PJSIP carries (libgsm,
libspeex, and the reference code of RFC 3951), called in its library: other implementations than
those that decode it here.
"""

import ctypes
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parents[1] / "assets" / "rtp" / "coded"
TONE_HZ, TONE_AT_S, TONE_S, LENGTH_S = 600.0, 1.0, 0.42, 1.8
Samples = npt.NDArray[np.int16]

SPEEX_SET_QUALITY = 4
SPEEX_NARROW, SPEEX_WIDE = 0, 1


class SpeexBits(ctypes.Structure):
    """As in speex_bits.h; filled by the library."""

    _fields_ = (
        ("chars", ctypes.c_void_p),
        ("nb_bits", ctypes.c_int),
        ("char_ptr", ctypes.c_int),
        ("bit_ptr", ctypes.c_int),
        ("owner", ctypes.c_int),
        ("overflow", ctypes.c_int),
        ("buf_size", ctypes.c_int),
        ("reserved1", ctypes.c_int),
        ("reserved2", ctypes.c_void_p),
    )


def sound(rate_hz: int) -> Samples:
    """The same second by second at any rate."""
    line = np.zeros(round(LENGTH_S * rate_hz), dtype=np.int16)
    t = np.arange(round(TONE_S * rate_hz)) / rate_hz
    start = round(TONE_AT_S * rate_hz)
    line[start : start + len(t)] = (8000 * np.sin(2 * np.pi * TONE_HZ * t)).astype(np.int16)
    return line


def frames(line: Samples, size: int) -> Iterator[Samples]:
    for at in range(0, len(line) - size + 1, size):
        yield np.ascontiguousarray(line[at : at + size])


def pointer(samples: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(samples.ctypes.data)


def gsm(lib: ctypes.CDLL) -> list[bytes]:
    lib.gsm_create.restype = ctypes.c_void_p
    state = ctypes.c_void_p(lib.gsm_create())
    out = ctypes.create_string_buffer(33)
    coded = []
    for frame in frames(sound(8000), 160):
        lib.gsm_encode(state, pointer(frame), out)
        coded.append(out.raw)
    lib.gsm_destroy(state)
    return coded


def ilbc(lib: ctypes.CDLL, mode_ms: int) -> list[bytes]:
    state = ctypes.create_string_buffer(1 << 16)
    size = lib.initEncode(state, mode_ms)
    out = ctypes.create_string_buffer(64)
    coded = []
    for frame in frames(sound(8000), 8 * mode_ms):
        block = frame.astype(np.float32)
        lib.iLBC_encode(out, pointer(block), state)
        coded.append(out.raw[:size])
    return coded


def speex(lib: ctypes.CDLL, rate_hz: int, frames_a_packet: int) -> list[bytes]:
    lib.speex_lib_get_mode.restype = ctypes.c_void_p
    lib.speex_encoder_init.restype = ctypes.c_void_p
    mode = SPEEX_NARROW if rate_hz == 8000 else SPEEX_WIDE
    state = ctypes.c_void_p(lib.speex_encoder_init(ctypes.c_void_p(lib.speex_lib_get_mode(mode))))
    quality = ctypes.c_int(8)
    lib.speex_encoder_ctl(state, SPEEX_SET_QUALITY, ctypes.byref(quality))
    bits = SpeexBits()
    lib.speex_bits_init(ctypes.byref(bits))
    out = ctypes.create_string_buffer(2000)
    coded = []
    for number, frame in enumerate(frames(sound(rate_hz), rate_hz // 50), 1):
        lib.speex_encode_int(state, pointer(frame), ctypes.byref(bits))
        if number % frames_a_packet == 0:
            size = lib.speex_bits_write(ctypes.byref(bits), out, len(out))
            coded.append(out.raw[:size])
            lib.speex_bits_reset(ctypes.byref(bits))
    lib.speex_encoder_destroy(state)
    return coded


def main() -> None:
    lib = ctypes.CDLL(importlib.import_module("pjsua2._pjsua2").__file__)
    made = {
        "gsm": ("GSM", 8000, 20, gsm(lib)),
        "ilbc20": ("iLBC", 8000, 20, ilbc(lib, 20)),
        "ilbc30": ("iLBC", 8000, 30, ilbc(lib, 30)),
        "speex8": ("speex", 8000, 20, speex(lib, 8000, 1)),
        "speex8x3": ("speex", 8000, 60, speex(lib, 8000, 3)),
        "speex16": ("speex", 16000, 20, speex(lib, 16000, 1)),
        "speex16x2": ("speex", 16000, 40, speex(lib, 16000, 2)),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (encoding, clock_hz, ptime_ms, payloads) in made.items():
        head = {
            "encoding": encoding,
            "clock_hz": clock_hz,
            "ptime_ms": ptime_ms,
            "tone_hz": TONE_HZ,
            "tone_at_s": TONE_AT_S,
            "tone_s": TONE_S,
            "payloads": [payload.hex() for payload in payloads],
        }
        (FOLDER / f"{name}.json").write_text(json.dumps(head, indent=0) + "\n")


if __name__ == "__main__":
    main()
