"""Error rates of a Vosk model directory on sets of clips."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import soundfile
import vosk

from ivr.spotting.syllable import parse
from model_recipe.figures import KEY_PHRASES
from model_recipe.measured_speech import Clip
from model_recipe.voices import SAMPLE_RATE

_BLOCK = 1600  # bytes: 100 ms, as a call delivers audio


def distance(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein distance in syllables."""
    row = list(range(len(heard) + 1))
    for i, said in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (said != word))
    return row[-1]


def without_tone(word: str) -> str:
    """A syllable's spelling without its tone; other words unchanged."""
    parts = parse(word)
    if parts is None:
        return word
    return f"{parts.initial}+{parts.medial}+{parts.nucleus}+{parts.coda}"


def recognise(model: vosk.Model, pcm: bytes) -> list[dict[str, object]]:
    """Vosk's words (word, start, end, conf) for 16-bit audio at 8 kHz, delivered as in a call."""
    recogniser = vosk.KaldiRecognizer(model, SAMPLE_RATE)
    recogniser.SetWords(True)
    words: list[dict[str, object]] = []
    for start in range(0, len(pcm), _BLOCK):
        if recogniser.AcceptWaveform(pcm[start : start + _BLOCK]):
            words += json.loads(recogniser.Result()).get("result", [])
    return words + json.loads(recogniser.FinalResult()).get("result", [])


@dataclass(slots=True)
class Tally:
    """Counts over some clips."""

    clips: int = 0
    syllables: int = 0
    errors: int = 0
    errors_without_tone: int = 0
    said: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false_alarms: Counter[str] = field(default_factory=Counter)
    alarmed: int = 0

    def add(self, reference: Sequence[str], heard: Sequence[str]) -> None:
        self.clips += 1
        self.syllables += len(reference)
        self.errors += distance(reference, heard)
        self.errors_without_tone += distance(
            [without_tone(word) for word in reference], [without_tone(word) for word in heard]
        )
        said, text = " ".join(reference), " ".join(heard)
        false = [phrase for phrase in KEY_PHRASES if phrase in text and phrase not in said]
        self.false_alarms.update(false)
        self.alarmed += bool(false)
        for phrase in KEY_PHRASES:
            if phrase in said:
                self.said[phrase] += 1
                self.found[phrase] += phrase in text

    def figures(self) -> dict[str, object]:
        """The counts and their ratios, for JSON."""
        return {
            "clips": self.clips,
            "syllables": self.syllables,
            "syllable_error": round(self.errors / self.syllables, 4),
            "syllable_error_without_tone": round(self.errors_without_tone / self.syllables, 4),
            "phrases_said": dict(self.said),
            "phrases_found": dict(self.found),
            "clips_with_false_alarm": self.alarmed,
            "false_alarms": dict(self.false_alarms),
        }


def evaluate(model_path: Path, folder: Path, clips: Iterable[Clip]) -> dict[str, object]:
    """Figures by condition, kind and dialect, and the processor time per second of audio."""
    vosk.SetLogLevel(-1)
    model = vosk.Model(str(model_path))
    tallies: dict[str, Tally] = defaultdict(Tally)
    audio_seconds = 0.0
    started = time.process_time()
    for clip in clips:
        samples = soundfile.read(folder / clip.file, dtype="int16")[0]
        audio_seconds += len(samples) / SAMPLE_RATE
        heard = [str(word["word"]) for word in recognise(model, samples.tobytes())]
        reference = clip.text.split()
        tallies[clip.condition].add(reference, heard)
        if clip.condition == "telephone":
            tallies[f"telephone, {clip.kind}"].add(reference, heard)
            tallies[f"telephone, {clip.voice.partition('+')[0]}"].add(reference, heard)
    spent = time.process_time() - started
    return {
        "speech": "synthetic (espeak-ng); no figure here holds for people",
        "real_time_factor": round(spent / audio_seconds, 4),
        "audio_seconds": round(audio_seconds, 1),
        "sets": {name: tally.figures() for name, tally in sorted(tallies.items())},
    }
