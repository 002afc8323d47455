"""Synthetic speakers: which espeak-ng voice variants train, tune, test or play the demo.

The groups share no variant, so that error rates are measured on voices the network never heard.
All are modifications of three base voices (north, centre, south): the real variety is small.
"""

import random
from dataclasses import dataclass

import numpy as np
import soxr

from model_recipe.espeak import Espeak, Manner, TimeMark

SAMPLE_RATE = 8000
DIALECTS = ("vi", "vi-vn-x-central", "vi-vn-x-south")

# Left out everywhere: whispering and robot voices carry no pitch, hence no tones, and the variant
# "rob" crashes libespeak-ng 1.51 on Vietnamese.
_TRAIN = (
    "f1 f3 f5 m1 m2 m6 m7 m8 Alex Alicia Annie adam antonio aunty benjamin boris caleb david ed "
    "edward edward2 grandma grandpa gustave iven iven2 iven3 iven4 klatt klatt2 klatt3 klatt4 "
    "klatt5 klatt6 marcelo max miguel norbert pablo pedro robert sandro shelby steph steph3 travis "
    "victor Michael Mike Nguyen Lee Gene Gene2 Jacky Diogo Hugo Henrique Marco Denis Tweaky"
)
VARIANTS = {
    "tune": ("f2", "m3", "linda", "quincy", "Andy", "anika"),
    "test": ("f4", "m5", "belinda", "john", "steph2", "paul", "michel", "zac"),
    "demo": ("m4", "Andrea", "Mario"),
    "train": tuple(_TRAIN.split()),
}


@dataclass(frozen=True, slots=True)
class Spread:
    """Ranges that a speaker is drawn from; `stretch` scales pitch, formants and time together."""

    rate: tuple[int, int]
    pitch: tuple[int, int]
    pitch_range: tuple[int, int]
    stretch: tuple[float, float]


# Training goes beyond what is measured, so that measured speakers lie inside what was learnt.
SPREADS = {
    "train": Spread((120, 265), (12, 90), (30, 95), (0.88, 1.14)),
    "tune": Spread((140, 240), (20, 80), (35, 85), (0.92, 1.10)),
    "test": Spread((140, 240), (20, 80), (35, 85), (0.92, 1.10)),
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """One voice with a fixed manner of speaking."""

    voice: str
    manner: Manner
    stretch: float

    @property
    def dialect(self) -> str:
        return self.voice.partition("+")[0]


def draw_speaker(rng: random.Random, group: str, voice: str | None = None) -> Speaker:
    """A random speaker of a group; `voice` fixes the voice and leaves the manner random."""
    spread = SPREADS[group]
    chosen = voice or f"{rng.choice(DIALECTS)}+{rng.choice(VARIANTS[group])}"
    manner = Manner(
        rng.randint(*spread.rate),
        rng.randint(*spread.pitch),
        rng.randint(*spread.pitch_range),
        rng.choice((0, 0, 0, 1, 3)),
    )
    return Speaker(chosen, manner, rng.uniform(*spread.stretch))


def speak(espeak: Espeak, speaker: Speaker, text: str) -> tuple[np.ndarray, list[TimeMark]]:
    """Speech at `SAMPLE_RATE` as float64 on the int16 scale, and its time marks."""
    audio, marks = espeak.say(text, speaker.voice, speaker.manner)
    source_rate = espeak.sample_rate * speaker.stretch
    resampled = soxr.resample(audio.astype(np.float32), source_rate, SAMPLE_RATE)
    moved = [TimeMark(m.mark, m.ms / speaker.stretch, m.name) for m in marks]
    return resampled.astype(np.float64), moved
