"""How well an engine hears people: alone, and through the live path of a call.

A folder with ``transcripts.tsv`` (a heading, then file name, tab, text) and the recordings beside
it or in ``audio/``. *Alone*: each recording goes into the engine's own recogniser whole. *Live*:
all recordings, with pauses between them as in talk, are one leg, fed in frames of 20 ms to an ear
of a real `Recognition`: gate, endpointing, sockets and processes take part. The difference is
what the live path costs. Errors are counted on canonical syllables.
"""

import asyncio
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from ivr.bench.counting import Errors, compare
from ivr.errors import InputError
from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName
from ivr.facts.speech import Word
from ivr.recognition import engines
from ivr.recognition.client import Recognition
from ivr.settings import RecognitionSettings, resolve
from ivr.spotting.syllable import canonical

RATE_HZ: Final = 8000
FRAME: Final = 160
PAUSE_S: Final = 1.5
BAND_HZ: Final = (300.0, 3400.0)
LINE_NOISE_DBFS: Final = -65.0
AHEAD_S: Final = 3.0
_SYLLABLE: Final = re.compile(r"[^\W_]+")

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording at 8 kHz and the syllables said in it."""

    name: str
    samples: Samples
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Errors of one engine over all recordings."""

    engine: str
    model: str
    is_demonstration: bool
    band: str
    path: str
    clips: int
    heard: int
    errors: Errors


def syllables(text: str) -> tuple[str, ...]:
    """Canonical syllables of a text."""
    return tuple(_SYLLABLE.findall(canonical(text)))


def read_clips(folder: Path) -> list[Clip]:
    """The recordings of a folder.

    Raises:
        InputError: no transcripts, or a recording cannot be read.
    """
    try:
        lines = (folder / "transcripts.tsv").read_text(encoding="utf-8").splitlines()[1:]
        rows = [row for row in csv.reader(lines, delimiter="\t") if len(row) == 2]
        clips = [Clip(name, _samples(folder, name), syllables(text)) for name, text in rows]
    except (OSError, UnicodeDecodeError, soundfile.LibsndfileError) as problem:
        raise _unusable(folder, str(problem)) from problem
    if not clips:
        raise _unusable(folder, "transcripts.tsv names no recording")
    return clips


def _unusable(folder: Path, why: str) -> InputError:
    return InputError(
        f"The recordings in {folder} cannot be measured with.",
        why=why,
        remedy="Give a folder with transcripts.tsv (file, tab, text) and the recordings.",
    )


def _samples(folder: Path, name: str) -> Samples:
    path = folder / name
    samples, rate_hz = soundfile.read(
        path if path.exists() else folder / "audio" / name, dtype="float32", always_2d=True
    )
    narrow = soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ)
    return _as_int16(narrow * 32767)


def _as_int16(samples: npt.NDArray[np.floating]) -> Samples:
    return np.clip(np.round(samples), -32768, 32767).astype(np.int16)


def telephone(samples: Samples) -> Samples:
    """300 to 3400 Hz and A-law, as a fixed line carries it."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(hz < BAND_HZ[0]) | (hz > BAND_HZ[1])] = 0
    narrow = _as_int16(np.fft.irfft(spectrum, len(samples)))
    line = io.BytesIO()
    soundfile.write(line, narrow, RATE_HZ, "ALAW", format="WAV")
    line.seek(0)
    heard: Samples = soundfile.read(line, dtype="int16")[0]
    return heard


def hear_alone(clips: Sequence[Clip], settings: RecognitionSettings) -> list[tuple[str, ...]]:
    """What the engine's own recogniser hears in each recording."""
    engine = engines.load(settings.engine, resolve(settings.model))
    heard = []
    for clip in clips:
        samples = clip.samples
        if engine.info.rate_hz != RATE_HZ:
            samples = _as_int16(soxr.resample(samples.astype(float), RATE_HZ, engine.info.rate_hz))
        recogniser = engine.recogniser()
        words = (
            [w.text for w in recogniser.result()] if recogniser.accept(samples.tobytes()) else []
        )
        words += [word.text for word in recogniser.final()]
        heard.append(syllables(" ".join(words)))
    return heard


def make_leg(clips: Sequence[Clip]) -> tuple[Samples, list[tuple[float, float]]]:
    """One leg with a pause before, between and after the recordings, over faint line noise, and
    where each recording lies in it, in seconds."""
    pause = np.zeros(round(PAUSE_S * RATE_HZ), dtype=np.int16)
    pieces, spans, at = [pause], [], len(pause)
    for clip in clips:
        spans.append((at / RATE_HZ, (at + len(clip.samples)) / RATE_HZ))
        pieces += [clip.samples, pause]
        at += len(clip.samples) + len(pause)
    leg = np.concatenate(pieces).astype(np.float64)
    leg += np.random.default_rng(1).normal(0, 32768 * 10 ** (LINE_NOISE_DBFS / 20), len(leg))
    return _as_int16(leg), spans


async def hear_live(clips: Sequence[Clip], settings: RecognitionSettings) -> list[tuple[str, ...]]:
    """What a live ear hears in each recording."""
    leg, spans = make_leg(clips)
    words: list[Word] = []
    async with Recognition(settings.model_copy(update={"processes": 1})) as recognition:
        ear = recognition.open(LegName.CALLER)

        async def read() -> None:
            async for utterance in ear.utterances():
                if utterance.is_final:
                    words.extend(utterance.words)

        reading = asyncio.create_task(read())
        for at in range(0, len(leg), FRAME):
            while ear.lag_s > AHEAD_S:  # noqa: ASYNC110 - an ear tells no event for its lag
                await asyncio.sleep(0.01)
            pcm = leg[at : at + FRAME].tobytes()
            ear.feed(AudioFrame(LegName.CALLER, at, RATE_HZ, pcm))
        await ear.finish()
        await reading
    return [_words_in(words, span) for span in spans]


def _words_in(words: Sequence[Word], span: tuple[float, float]) -> tuple[str, ...]:
    """Words whose middle lies in the span or in the nearer half of a pause beside it."""
    start, end = span[0] - PAUSE_S / 2, span[1] + PAUSE_S / 2
    inside = [w.text for w in words if start <= (w.start_s + w.end_s) / 2 < end]
    return syllables(" ".join(inside))


def measure(clips: Sequence[Clip], settings: RecognitionSettings) -> list[Row]:
    """Alone and live, at 8 kHz and over the telephone band."""
    info = engines.in_use(settings)
    rows = []
    narrow = [Clip(clip.name, telephone(clip.samples), clip.said) for clip in clips]
    for band, given in (("8 kHz", clips), ("telephone", narrow)):
        alone = hear_alone(given, settings)
        live = asyncio.run(hear_live(given, settings))
        for path, heard in (("alone", alone), ("live", live)):
            pairs = zip(given, heard, strict=True)
            errors = sum((compare(clip.said, said) for clip, said in pairs), Errors())
            rows.append(
                Row(
                    engine=info.engine,
                    model=info.name,
                    is_demonstration=info.is_demonstration,
                    band=band,
                    path=path,
                    clips=len(given),
                    heard=sum(map(len, heard)),
                    errors=errors,
                )
            )
    return rows


def render(rows: Sequence[Row]) -> str:
    lines = [f"{'engine':10} {'band':10} {'path':6} {'syllables':>9} {'heard':>6} {'errors':>7}"]
    lines += [
        f"{row.engine:10} {row.band:10} {row.path:6} {row.errors.said:9} {row.heard:6} "
        f"{row.errors.rate:7.1%}"
        for row in rows
    ]
    return "\n".join(lines)
