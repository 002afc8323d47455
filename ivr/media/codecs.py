"""Payloads to sound: every codec to 16-bit samples at 8000 Hz, the rate of every time line.

G.711 by table (``g711``), the others by the libavcodec inside PyAV. Wideband codecs are halved by
a filter of our own: it gives exactly one sample for two whatever the packets' lengths, in
integers, so that a recording made again is the same bytes; soxr holds samples back and is float.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec import CodecContext

from ivr.media import g711
from ivr.media.g711 import RATE_HZ, Samples

LONGEST_PACKET_S: Final = 1
"""More sound than this is not in one packet: no sender packs it, but a few bytes of Speex can
claim it."""

SPEEX_LONGEST: Final = 640
"""Bytes of a packet that are looked at: 120 ms at the best quality. An empty frame has five bits,
so a long packet of zeros would be minutes of work."""

GSM_FRAME: Final = 33
ILBC_FRAMES: Final[Mapping[int, int]] = {38: 15_200, 50: 13_330}
"""Bytes of a 20 and of a 30 ms frame → bit rate that tells libavcodec which (RFC 3952)."""

# half-band low pass, 47 taps (Kaiser window, beta 6), times 32768; 3.4 kHz passes at -0.1 dB,
# what would fold below 3.4 kHz is 40 dB down
_HALF: Final = (-7, 0, 23, 0, -55, 0, 107, 0, -189, 0, 311, 0, -489, 0, 750, 0, -1150, 0, 1830, 0)
_MIDDLE: Final = 16_385
_OTHERS: Final = np.array([*_HALF[::2], -3318, 10_377, 10_377, -3318, *_HALF[-2::-2]], dtype=float)
"""Every other tap of a half-band filter is zero, but the middle one."""

_NOTHING: Final = np.zeros(0, dtype="<i2")


class _Halver:
    """16,000 → 8000 Hz, exactly half as many samples; delays by 1.4 ms."""

    def __init__(self) -> None:
        self._before = np.zeros(2 * len(_OTHERS) - 2)

    def halve(self, samples: Samples) -> Samples:
        joined = np.concatenate([self._before, samples])
        self._before = joined[len(samples) :]
        # whole numbers below 2**53: exact, in whatever order the machine adds them
        filtered = np.convolve(joined[::2], _OTHERS, mode="valid")
        filtered += _MIDDLE * joined[len(_OTHERS) - 1 : len(joined) - len(_OTHERS) + 1 : 2]
        halved = np.clip(np.floor((filtered + (1 << 14)) / (1 << 15)), -32768, 32767)
        return halved.astype("<i2")


class _AvDecoder:
    """One stream through libavcodec; keeps its state from packet to packet."""

    def __init__(self, codec: str, rate_hz: int, **options: Any) -> None:
        context = CodecContext.create(codec, "r")
        assert isinstance(context, AudioCodecContext)
        self._context = context
        for name, value in {"sample_rate": rate_hz, "layout": "mono", **options}.items():
            setattr(self._context, name, value)
        self._halver = _Halver() if rate_hz != RATE_HZ else None

    def decode(self, payload: bytes) -> Samples:
        """Samples at 8000 Hz; fewer, or none, where the payload is damaged."""
        parts: list[Samples] = []
        if not payload:  # libavcodec would take it for the end of the stream
            return _NOTHING
        try:
            for frame in self._context.decode(av.Packet(payload)):
                samples = frame.to_ndarray().reshape(-1)
                if samples.dtype.kind == "f":
                    samples = np.clip(np.rint(samples * 32768.0), -32768, 32767)
                parts.append(samples.astype("<i2"))
        except av.FFmpegError:  # strangers choose what arrives here; the rest of the leg goes on
            return _NOTHING
        joined = np.concatenate(parts) if parts else _NOTHING
        if self._halver is not None and len(joined):
            joined = self._halver.halve(joined[: len(joined) // 2 * 2])
        return joined[: LONGEST_PACKET_S * RATE_HZ]


def _g722(_: int) -> Callable[[bytes], Samples]:
    return _AvDecoder("g722", 16_000).decode


def _gsm(_: int) -> Callable[[bytes], Samples]:
    decoder = _AvDecoder("gsm", RATE_HZ)

    def decode(payload: bytes) -> Samples:
        return decoder.decode(payload[: len(payload) // GSM_FRAME * GSM_FRAME])

    return decode


def _ilbc(_: int) -> Callable[[bytes], Samples]:
    decoders: dict[int, _AvDecoder] = {}

    def decode(payload: bytes) -> Samples:
        size = next((size for size in ILBC_FRAMES if payload and not len(payload) % size), 0)
        if not size:
            return _NOTHING
        if size not in decoders:  # the mode is nowhere but in the length
            decoders.clear()
            decoders[size] = _AvDecoder("ilbc", RATE_HZ, bit_rate=ILBC_FRAMES[size])
        frames = (payload[at : at + size] for at in range(0, len(payload), size))
        return np.concatenate([decoders[size].decode(frame) for frame in frames])

    return decode


def _speex(clock_hz: int) -> Callable[[bytes], Samples]:
    decoder = _AvDecoder("speex", clock_hz)

    def decode(payload: bytes) -> Samples:
        return decoder.decode(payload[:SPEEX_LONGEST])

    return decode


_BY_TABLE: Final = frozenset({"PCMA", "PCMU"})
_DECODERS: Final[Mapping[str, Callable[[int], Callable[[bytes], Samples]]]] = {
    "G722": _g722,
    "GSM": _gsm,
    "ILBC": _ilbc,
    "SPEEX": _speex,
}

DECODED: Final = _BY_TABLE | _DECODERS.keys()
"""Encoding names in capitals that ``LegDecoder`` decodes."""


FLOAT_CODECS: Final = frozenset({"SPEEX"})
"""Those that libavcodec decodes in floating point."""


def samples_by_length(name: str, payload: bytes) -> int | None:
    """How many samples a payload holds, where that needs no decoding."""
    return len(payload) if name in _BY_TABLE else None


class LegDecoder:
    """Decodes the packets of one leg, fed in their order. A new source, or another codec, begins
    with a fresh decoder; a packet that is missing changes nothing but the sound around it."""

    def __init__(self) -> None:
        self._stream: tuple[str, int, int] | None = None
        self._decode: Callable[[bytes], Samples] | None = None

    def decode(self, name: str, clock_hz: int, ssrc: int, payload: bytes) -> Samples:
        """Samples at 8000 Hz; none when nothing can be made of the payload.

        Args:
            name: one of ``DECODED``.
        """
        if name in _BY_TABLE:
            return g711.decode(name, payload)
        if self._decode is None or self._stream != (name, clock_hz, ssrc):
            self._stream = (name, clock_hz, ssrc)
            self._decode = _DECODERS[name](clock_hz)
        return self._decode(payload)
