"""Training speech in shards: telephone audio with phone times, made by worker processes."""

import random
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_recipe.alignment import Segment, align, align_foreign
from model_recipe.channel import Telephone
from model_recipe.corpus import SPEECH_SHARES, Grammar, Sentence
from model_recipe.espeak import Espeak
from model_recipe.pronunciation import BASE_PHONES, SILENCE
from model_recipe.voices import SAMPLE_RATE, VARIANTS, draw_speaker, speak

SHARD_HOURS = 1.0
_ATTEMPTS = 8  # libespeak-ng 1.51 crashes in about one hour of six
_PHONE_INDEX = {phone: index for index, phone in enumerate(BASE_PHONES)}

# Shares of what is said.  Random syllables teach sounds that no sentence predicts.
_SAID = {"foreign": 0.04, "random": 0.28, "dictionary": 0.18, "grammar": 0.50}
_FOREIGN = {
    "en": "hello can you hear me please wait a moment thank you for calling back",
    "fr": "bonjour je voudrais parler avec vous demain matin",
    "cmn": "你好 我 是 中国 人 请 等 一下",
    "ru": "привет как дела сегодня хорошо спасибо",
    "de": "guten tag wie geht es ihnen heute",
    "es": "buenos dias como esta usted señor",
    "ko": "안녕하세요 반갑습니다 감사합니다",
}


@dataclass(frozen=True, slots=True)
class Utterance:
    """Telephone audio (int16, 8 kHz) with its phones."""

    audio: np.ndarray
    segments: list[Segment]


class Speech:
    """Endless random training utterances."""

    def __init__(
        self,
        grammar: Grammar,
        dictionary: Sequence[Sentence],
        words: Sequence[str],
        seed: int,
        group: str = "train",
    ) -> None:
        self._rng = random.Random(seed)
        self._group = group
        self._espeak = Espeak()
        self._line = Telephone(self._rng)
        self._sentences = grammar.sentences(seed, SPEECH_SHARES)
        self._compounds = [entry for entry in dictionary if len(entry) > 1]
        self._words = list(words)

    def __iter__(self) -> Iterator[Utterance]:
        while True:
            made = self._make()
            if made is not None:
                yield made

    def _make(self) -> Utterance | None:
        rng = self._rng
        (said,) = rng.choices(list(_SAID), list(_SAID.values()))
        segments: list[Segment] | None
        if said == "foreign":
            language = rng.choice(list(_FOREIGN))
            text = " ".join(rng.choices(_FOREIGN[language].split(), k=rng.randint(3, 8)))
            voice = f"{language}+{rng.choice(VARIANTS[self._group])}"
            audio, marks = speak(self._espeak, draw_speaker(rng, self._group, voice), text)
            segments = align_foreign(marks)
        else:
            words = self._choose(said)
            audio, marks = speak(self._espeak, draw_speaker(rng, self._group), " ".join(words))
            segments = align(words, marks)
        if not segments or len(audio) < SAMPLE_RATE // 4:
            return None
        before, after = rng.uniform(0.05, 0.7), rng.uniform(0.1, 0.8)  # seconds of silence
        padded = np.pad(audio, (int(before * SAMPLE_RATE), int(after * SAMPLE_RATE)))
        moved = [Segment(s.phone, s.ms + 1000 * before) for s in segments]
        if moved[0].phone == SILENCE:
            moved = moved[1:]
        return Utterance(self._line(padded), [Segment(SILENCE, 0.0), *moved])

    def _choose(self, said: str) -> Sentence:
        if said == "random":
            return tuple(self._rng.choices(self._words, k=self._rng.randint(3, 8)))
        if said == "dictionary":
            entries = self._rng.choices(self._compounds, k=self._rng.randint(2, 4))
            return tuple(word for entry in entries for word in entry)
        return next(self._sentences)


def write_shard(path: Path, speech: Speech, hours: float) -> None:
    """Fill one shard file."""
    audio, sizes, phones, starts, counts = [], [], [], [], []
    remaining = hours * 3600 * SAMPLE_RATE
    for utterance in speech:
        audio.append(utterance.audio)
        sizes.append(len(utterance.audio))
        counts.append(len(utterance.segments))
        phones += [_PHONE_INDEX[segment.phone] for segment in utterance.segments]
        starts += [segment.ms for segment in utterance.segments]
        remaining -= len(utterance.audio)
        if remaining <= 0:
            break
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        audio=np.concatenate(audio),
        sizes=np.array(sizes),
        phones=np.array(phones, np.int16),
        starts=np.array(starts, np.float32),
        counts=np.array(counts),
    )
    partial.rename(path)


def read_shard(path: Path) -> Iterator[Utterance]:
    """The utterances of a shard file."""
    with np.load(path) as stored:
        audio, sizes, counts = stored["audio"], stored["sizes"], stored["counts"]
        phones, starts = stored["phones"], stored["starts"]
    sample = mark = 0
    for size, count in zip(sizes, counts, strict=True):
        pairs = zip(phones[mark : mark + count], starts[mark : mark + count], strict=True)
        segments = [Segment(BASE_PHONES[phone], float(ms)) for phone, ms in pairs]
        yield Utterance(audio[sample : sample + size], segments)
        sample += size
        mark += count


def stored_hours(paths: Iterable[Path]) -> float:
    """Hours of speech in shard files."""
    samples = 0
    for path in paths:
        with np.load(path) as stored:
            samples += int(stored["sizes"].sum())
    return samples / SAMPLE_RATE / 3600


def make_shard(path: Path, work: Path, hours: float, seed: int, group: str) -> None:
    """One missing shard, in a process of its own: the synthesiser may crash, with its shard only.

    Each attempt has a seed of its own, so the shards of a build are the same in the next build.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(_ATTEMPTS):
        if path.exists():
            return
        command = [sys.executable, "-m", "model_recipe", "--work", str(work), "speech-shard"]
        command += [str(path), "--group", group, "--hours", f"{hours:g}"]
        subprocess.run([*command, "--seed", str(seed + attempt)], check=False)
        print(f"speech: {path.name} {'done' if path.exists() else 'to be repeated'}", flush=True)
    if not path.exists():
        message = f"no speech for {path}"
        raise RuntimeError(message)


def make_shards(work: Path, folder: Path, hours: float, seed: int, workers: int) -> None:
    """All missing shards of the training speech."""
    count = max(1, round(hours / SHARD_HOURS))

    def make(index: int) -> None:
        path = folder / f"shard-{index:03d}.npz"
        make_shard(path, work, hours / count, seed * 100_000 + index * 10, "train")

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(make, range(count)))
