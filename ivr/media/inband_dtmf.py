"""Keys that are pressed as sound: DTMF (ITU-T Q.23) found in the decoded tap of a leg.

Limits are those of ITU-T Q.24 where it gives several administrations' values: tones of 40 ms and
more are keys and tones under 24 ms are not, a break under 10 ms does not make two keys of one,
the upper tone may be 4 dB stronger or 8 dB weaker than the lower (twist), 1.5 % off pitch is
accepted and 3.5 % refused.

Own code because PyPI's detectors know neither twist nor duration nor pitch, and go sample by sample
in Python; spandsp, which knows all that, has no Python package.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from ivr.facts.audio import AudioFrame
from ivr.media.g711 import RATE_HZ

LOWER_HZ: Final = (697.0, 770.0, 852.0, 941.0)
UPPER_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS: Final = ("123A", "456B", "789C", "*0#D")

BLOCK: Final = 102
"""Samples of one look (12.75 ms): the Goertzel length that keeps the eight tones apart."""
HOP: Final = 34
BEGIN: Final = 7
"""Looks in a row that must agree: a tone fills them from about 36 ms on, 24 ms never does."""
END: Final = 5
"""Looks in a row without it: the tone is over."""

WEAKEST: Final = 500.0
"""Amplitude of one tone: about -33 dBm0."""
UPPER_STRONGER_DB: Final = 4.0
UPPER_WEAKER_DB: Final = 8.0
TWIST_MARGIN_DB: Final = 1.0
"""The limits of twist are those of the signal; quantising moves what is measured."""
LOOK_MARGIN_DB: Final = 4.0
"""In one look the tones leak into each other; over all looks of a key that evens out."""
LOOK_PURITY: Final = 0.6
"""Share of a look's energy that is in its two tones: a tone 1.5 % off pitch leaks a quarter."""
PURITY: Final = 0.9
"""The same over all looks, leaks made up for: noise 10 dB down is a key, a sung vowel is none."""
OFF_PITCH: Final = 0.022
APART: Final = 0.02
"""Both tones of a key come from one clock, so they are off in one direction."""
BRIDGED: Final = RATE_HZ * 40 // 1000
"""A longer hole in the leg ends a tone; a lost packet does not."""

_ALL_HZ: Final = np.array(LOWER_HZ + UPPER_HZ)
_PHASES: Final = np.exp(-2j * np.pi * np.outer(np.arange(BLOCK), _ALL_HZ) / RATE_HZ)
_ADVANCE: Final = np.exp(-2j * np.pi * _ALL_HZ * HOP / RATE_HZ)

Spectrum = npt.NDArray[np.complex128]
Heard = Callable[[str, float], None]
"""A key, and the second of its begin on the leg's clock (its first packet is 0)."""


@dataclass(slots=True)
class _Tone:
    """What sounds now. Sums go over its looks but the first, which may begin before it.

    Args:
        key: row and column.
        start: sample at which the first look of it begins.
        turn: how far the phases went from look to look, beyond what they should.
        power: of the eight tones, as the looks show them.
        energy: of everything.
    """

    key: tuple[int, int]
    start: int
    looks: int = 1
    misses: int = 0
    turn: Spectrum = field(default_factory=lambda: np.zeros(8, dtype=np.complex128))
    power: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(8))
    energy: float = 0.0
    is_told: bool = False

    def add(self, before: Spectrum | None, spectrum: Spectrum, energy: float) -> None:
        self.looks += 1
        self.misses = 0
        self.power += spectrum.real**2 + spectrum.imag**2
        self.energy += energy
        if before is not None:
            self.turn += spectrum * before.conj() * _ADVANCE

    @property
    def is_key(self) -> bool:
        """Whether all looks together have the pitch, the twist and the purity of a key."""
        if self.looks < BEGIN:
            return False
        both = [self.key[0], 4 + self.key[1]]
        off_hz = np.angle(self.turn[both]) * RATE_HZ / (2 * np.pi * HOP)
        off = off_hz / _ALL_HZ[both]
        if not self.turn[both].all() or np.abs(off).max() > OFF_PITCH or np.ptp(off) > APART:
            return False
        power = self.power[both] / np.sinc(off_hz * BLOCK / RATE_HZ) ** 2
        is_pure = 2 * float(power.sum()) >= PURITY * BLOCK * self.energy
        return is_pure and _is_twist_allowed(float(power[0]), float(power[1]), TWIST_MARGIN_DB)


class InbandDtmf:
    """A sink for ``tap``: ``door.tap(leg, InbandDtmf(heard))``. Takes microseconds a frame.

    Args:
        heard: called once for each key, as soon as it is certain; must return at once.
    """

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._rest = np.zeros(0, dtype=np.float64)
        self._rest_at = 0  # where on the leg its first sample stands
        self._tone: _Tone | None = None
        self._spectrum: Spectrum | None = None

    def __call__(self, frame: AudioFrame) -> None:
        if frame.gap_before:
            self._rest = self._rest[:0]
            self._spectrum = None  # phases across a hole say nothing
            if frame.gap_before > BRIDGED:
                self._tone = None
        if not len(self._rest):
            self._rest_at = frame.offset
        samples = np.concatenate([self._rest, np.frombuffer(frame.pcm, dtype="<i2")])
        looks = (len(samples) - BLOCK) // HOP + 1
        if looks <= 0:
            self._rest = samples
            return
        starts = np.arange(looks) * HOP
        blocks = samples[starts[:, None] + np.arange(BLOCK)]
        spectra = blocks @ _PHASES
        energies = np.einsum("ij,ij->i", blocks, blocks)
        for start, spectrum, energy in zip(starts, spectra, energies, strict=True):
            self._look(self._rest_at + int(start), spectrum, float(energy))
        used = looks * HOP
        self._rest, self._rest_at = samples[used:], self._rest_at + used

    def _look(self, at: int, spectrum: Spectrum, energy: float) -> None:
        key = _key(spectrum, energy)
        before, self._spectrum = self._spectrum, spectrum
        tone = self._tone
        if tone is None or (key is not None and key != tone.key and tone.misses):
            self._tone = None if key is None else _Tone(key, at)
        elif key != tone.key:
            tone.misses += 1
            if not tone.is_told or tone.misses >= END:
                self._tone = None
        else:
            tone.add(before, spectrum, energy)
            if not tone.is_told and tone.is_key:
                tone.is_told = True
                self._heard(KEYS[key[0]][key[1]], tone.start / RATE_HZ)


def _key(spectrum: Spectrum, energy: float) -> tuple[int, int] | None:
    """Row and column that this look shows, or None."""
    if energy < BLOCK * WEAKEST**2:  # two tones of the weakest amplitude
        return None
    power = spectrum.real**2 + spectrum.imag**2
    row, column = int(np.argmax(power[:4])), int(np.argmax(power[4:]))
    low, high = float(power[row]), float(power[4 + column])
    if min(low, high) < (WEAKEST * BLOCK / 2) ** 2:
        return None
    if 2 * (low + high) < LOOK_PURITY * BLOCK * energy:
        return None
    return (row, column) if _is_twist_allowed(low, high, LOOK_MARGIN_DB) else None


def _is_twist_allowed(low: float, high: float, margin_db: float) -> bool:
    twist_db = 10 * float(np.log10(high / low))
    return -UPPER_WEAKER_DB - margin_db <= twist_db <= UPPER_STRONGER_DB + margin_db
