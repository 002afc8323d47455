"""The speech that error rates are measured on: fixed sets by voices that never train."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from model_recipe.channel import Telephone
from model_recipe.corpus import Labelled, read_labelled
from model_recipe.espeak import Espeak
from model_recipe.voices import DIALECTS, SAMPLE_RATE, VARIANTS, draw_speaker, speak

_SEEDS = {"tune": 41_000, "test": 42_000}
_SILENCE_SECONDS = (0.4, 0.7)  # before and after


@dataclass(frozen=True, slots=True)
class Clip:
    """One measured utterance; `condition` is telephone, clean or random."""

    file: str
    condition: str
    kind: str
    text: str
    voice: str


def _voices(group: str, count: int, rng: random.Random) -> list[str]:
    """Distinct voices, as many per dialect as possible."""
    variants = list(VARIANTS[group])
    rng.shuffle(variants)
    return [
        f"{DIALECTS[index % len(DIALECTS)]}+{variants[index % len(variants)]}"
        for index in range(count)
    ]


def _plan(
    sentences: Sequence[Labelled], words: Sequence[str], rng: random.Random, voices: int, group: str
) -> Iterator[tuple[str, str, str, str]]:
    """(condition, kind, text, voice) of every clip."""
    for sentence in sentences:
        for voice in _voices(group, voices, rng):
            yield "telephone", sentence.kind, sentence.text, voice
    for sentence in sentences:
        for voice in _voices(group, max(1, voices // 3), rng):
            yield "clean", sentence.kind, sentence.text, voice
    for _ in range(10 * voices):
        (voice,) = _voices(group, 1, rng)
        voice = f"{rng.choice(DIALECTS)}+{voice.partition('+')[2]}"
        yield "random", "random", " ".join(rng.choices(words, k=6)), voice


def make_set(
    group: str, folder: Path, words: Sequence[str], voices: int = 6, every: int = 1
) -> list[Clip]:
    """Write the set of a group, or read it when it is there; `every` leaves clips out for a toy."""
    index = folder / f"{group}.json"
    if index.exists():
        return read_set(index)
    (folder / group).mkdir(parents=True, exist_ok=True)
    rng = random.Random(_SEEDS[group])
    espeak, line = Espeak(), Telephone(rng)
    clips = []
    plan = islice(_plan(read_labelled(group), words, rng, voices, group), 0, None, every)
    for number, (condition, kind, text, voice) in enumerate(plan):
        audio, _ = speak(espeak, draw_speaker(rng, group, voice), text)
        padding = tuple(int(seconds * SAMPLE_RATE) for seconds in _SILENCE_SECONDS)
        padded = np.pad(audio, padding)
        heard = padded if condition == "clean" else line(padded)
        path = folder / group / f"{number:04d}.wav"
        soundfile.write(path, np.clip(np.round(heard), -32768, 32767).astype(np.int16), SAMPLE_RATE)
        clips.append(Clip(str(path.relative_to(folder)), condition, kind, text, voice))
    listed = [asdict(clip) for clip in clips]
    index.write_text(json.dumps(listed, ensure_ascii=False, indent=1), encoding="utf-8")
    return clips


def read_set(index: Path) -> list[Clip]:
    """The clips of a set that was made before."""
    return [Clip(**entry) for entry in json.loads(index.read_text(encoding="utf-8"))]
