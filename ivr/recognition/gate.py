"""Voice activity: which stretches of a leg are worth recognising.

Silence never reaches Kaldi, except the pre-roll before speech (the first word of a scam call is
"tôi là công an": it must not be clipped) and the hangover after it (it lets the acoustic model's
look-ahead flow out). WebRTC's detector alone would call white noise speech for ever, so a frame
must also stand above a noise floor (minimum statistics, Martin 2001), and a stretch has a
longest length.

The grid of 20 ms frames is fixed to the leg's media clock, so what is decided does not depend on
how the sound was cut into frames on its way here.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import webrtcvad

FRAME_S = 0.02
ABSOLUTE_FLOOR_DBFS = -62.0
"""Quieter frames are never speech: comfort noise lies below, whispering into a phone above."""
ABOVE_NOISE_DB = 6.0
NOISE_WINDOW_S = 3.0
"""Speech falls to the noise between syllables several times in so long; steady noise does not."""
ONSET_FRAMES, ONSET_WINDOW = 3, 5
"""Speech starts when 3 of the last 5 frames are speech: one click is not enough."""
SOFT_LIMIT_S, SOFT_PAUSE_S, HARD_LIMIT_S = 15.0, 0.2, 20.0
"""After 15 s the next pause of 0.2 s ends a stretch, after 20 s anything does."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sound to recognise.

    Args:
        offset: samples since the leg's first packet at which ``pcm`` starts.
        pcm: signed 16-bit little-endian mono; directly follows the stretch before it unless
            ``is_first``.
        is_first: an utterance starts here.
        is_last: an utterance ends behind this.
    """

    offset: int
    pcm: bytes
    is_first: bool
    is_last: bool


class NoiseFloor:
    """Smallest frame energy of the last three seconds, in dBFS."""

    def __init__(self) -> None:
        self._minima: deque[tuple[int, float]] = deque()
        self._seen = 0
        self._window = round(NOISE_WINDOW_S / FRAME_S)

    def track(self, level_dbfs: float) -> float:
        """Take the level of the next frame; returns the floor it is compared with."""
        while self._minima and self._minima[-1][1] >= level_dbfs:
            self._minima.pop()
        self._minima.append((self._seen, level_dbfs))
        if self._minima[0][0] <= self._seen - self._window:
            self._minima.popleft()
        self._seen += 1
        return self._minima[0][1]


def level_dbfs(pcm: bytes) -> float:
    """Mean power of a frame in dB below a full-scale square wave; -inf for digital silence."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.int64)
    energy = int(samples.dot(samples))  # integers: the same on every machine
    return 10.0 * math.log10(energy / len(samples)) - 90.309 if energy else -math.inf


class Gate:
    """Cuts one leg into stretches of speech.

    Args:
        rate_hz: 8000 or 16000.
        vad_mode: webrtcvad aggressiveness, 0 to 3.
        preroll_s: sound kept before speech starts.
        hangover_s: silence that ends a stretch.
    """

    def __init__(self, rate_hz: int, *, vad_mode: int, preroll_s: float, hangover_s: float) -> None:
        self.rate_hz = rate_hz
        self.frame_samples = round(rate_hz * FRAME_S)
        self._vad = webrtcvad.Vad(vad_mode)
        self._floor = NoiseFloor()
        # The pre-roll counts back from the onset window, which is speech already.
        self._recent: deque[bytes] = deque(maxlen=round(preroll_s / FRAME_S) + ONSET_WINDOW)
        self._onset: deque[bool] = deque(maxlen=ONSET_WINDOW)
        self._hangover = max(1, round(hangover_s / FRAME_S))
        self._silence = 0
        self._length = 0
        self.is_open = False

    @property
    def held_samples(self) -> int:
        """Samples before the next frame that a stretch opened now would still take in."""
        return len(self._recent) * self.frame_samples

    def skip(self) -> None:
        """The grid jumps over digital silence: forget what lies before it."""
        self._recent.clear()
        self._onset.clear()

    def hear(self, offset: int, frame: bytes) -> Stretch | None:
        """Take the 20 ms frame at ``offset``; returns what to recognise now, if anything."""
        is_speech = self._is_speech(frame)
        if self.is_open:
            return self._go_on(offset, frame, is_speech)
        self._recent.append(frame)
        self._onset.append(is_speech)
        if sum(self._onset) < ONSET_FRAMES:
            return None
        pcm = b"".join(self._recent)
        self._length = len(self._recent)
        self.skip()
        self._silence = 0
        self.is_open = True
        start = offset - (self._length - 1) * self.frame_samples
        return Stretch(start, pcm, is_first=True, is_last=False)

    def _go_on(self, offset: int, frame: bytes, is_speech: bool) -> Stretch:
        self._silence = 0 if is_speech else self._silence + 1
        self._length += 1
        length_s = self._length * FRAME_S
        is_last = (
            self._silence >= self._hangover
            or (length_s >= SOFT_LIMIT_S and self._silence * FRAME_S >= SOFT_PAUSE_S)
            or length_s >= HARD_LIMIT_S
        )
        self.is_open = not is_last
        return Stretch(offset, frame, is_first=False, is_last=is_last)

    def _is_speech(self, frame: bytes) -> bool:
        level = level_dbfs(frame)
        if level == -math.inf:
            # A filled gap: must not teach the detector or the floor anything.
            return False
        floor = max(ABSOLUTE_FLOOR_DBFS, self._floor.track(level) + ABOVE_NOISE_DB)
        # The detector hears every frame, loud or not: it adapts to what it is given.
        return bool(self._vad.is_speech(frame, self.rate_hz)) and level >= floor
