"""What a telephone does to a voice: room, band, noise, level, codec, lost packets."""

import io
import random

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from model_recipe.voices import SAMPLE_RATE

_FULL_SCALE = 32767
_PACKET = SAMPLE_RATE // 50  # 20 ms
_BABBLE_VOICES = 60


def code(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Samples after one telephone codec; `subtype` is soundfile's name: ALAW, ULAW, GSM610."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.astype(np.int16), SAMPLE_RATE, format="WAV", subtype=subtype)
    buffer.seek(0)
    decoded = soundfile.read(buffer, dtype="int16")[0].astype(np.float64)
    return np.resize(decoded, len(samples)) if len(decoded) else samples


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2))) + 1e-9


class Telephone:
    """Random telephone lines; earlier voices on it serve as babble behind later ones."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._noise = np.random.default_rng(rng.randrange(1 << 30))
        self._babble: list[np.ndarray] = []

    def __call__(self, voice: np.ndarray) -> np.ndarray:
        """One voice over one line, as int16."""
        rng = self._rng
        clean = voice
        out = self._band(self._room(voice))
        if rng.random() < 0.75:
            out = out + self._background(len(out)) * _rms(out) * 10 ** (-rng.uniform(6, 32) / 20)
        out = out / (np.abs(out).max() + 1e-9) * _FULL_SCALE * 10 ** (-rng.uniform(1, 28) / 20)
        if rng.random() < 0.06:
            out = out * 4  # an overdriven microphone
        out = np.clip(out, -_FULL_SCALE - 1, _FULL_SCALE)
        codec = rng.choices(("ALAW", "ULAW", "GSM610", ""), (0.3, 0.2, 0.3, 0.2))[0]
        if codec:
            out = code(out, codec)
        if rng.random() < 0.12:
            out = self._lose_packets(out)
        self._babble = [*self._babble, (clean / _rms(clean)).astype(np.float32)][-_BABBLE_VOICES:]
        return np.clip(np.round(out), -_FULL_SCALE - 1, _FULL_SCALE).astype(np.int16)

    def _room(self, voice: np.ndarray) -> np.ndarray:
        rng = self._rng
        if rng.random() >= 0.3:
            return voice
        length = int(rng.uniform(0.08, 0.45) * SAMPLE_RATE)
        decay = np.exp(-6.9 * np.arange(length) / length)  # -60 dB at the end
        tail = self._noise.standard_normal(length) * decay
        tail *= 2 * rng.uniform(0.05, 0.35) / np.sqrt((tail**2).sum() + 1e-9)
        tail[0] = 1.0  # the direct sound
        return np.asarray(fftconvolve(voice, tail)[: len(voice)])

    def _band(self, voice: np.ndarray) -> np.ndarray:
        rng = self._rng
        out = voice
        if rng.random() < 0.6:
            edges = [rng.uniform(80, 350), rng.uniform(2900, 3800)]
            order = rng.choice((1, 2, 3))
            out = sosfilt(butter(order, edges, "band", fs=SAMPLE_RATE, output="sos"), out)
        if rng.random() < 0.4:
            out = lfilter([1, rng.uniform(-0.5, 0.5)], [1], out)  # spectral tilt
        return np.asarray(out)

    def _background(self, length: int) -> np.ndarray:
        """Noise of unit power: white, two colours, or the babble of other voices."""
        kind = self._rng.random()
        white = self._noise.standard_normal(length)
        if 0.3 <= kind < 0.5:
            white = lfilter([1], [1, -0.97], white)
        elif 0.5 <= kind < 0.65:
            white = lfilter([1, -0.3], [1, -0.85], white)
        elif kind >= 0.65 and len(self._babble) > 3:
            white = np.zeros(length)
            for _ in range(self._rng.randint(1, 5)):
                other = self._rng.choice(self._babble)
                white += np.resize(np.roll(other, self._rng.randrange(len(other))), length)
        return np.asarray(white) / _rms(np.asarray(white))

    def _lose_packets(self, voice: np.ndarray) -> np.ndarray:
        out = voice.copy()
        for start in range(0, len(out) - _PACKET, _PACKET):
            if self._rng.random() < 0.02:
                out[start : start + _PACKET] = 0
        return out
