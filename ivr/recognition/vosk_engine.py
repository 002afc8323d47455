"""The one file that touches Vosk (Kaldi). Imported only by processes that recognise.

Facts this file guards against (libvosk 0.3.45): OpenBLAS inside it starts threads of its own
unless told not to before the import (halves the speed of two recognisers); a refused waveform or
model raises a bare ``Exception``; ``Model`` without a path looks for models in the network and
may end the process; a rate that differs from the model's is never resampled well (Kaldi only
does so when the model allows it), so the rate fed is the model's rate, always.
"""

import json
import math
import os
import unicodedata
from importlib.metadata import version
from typing import Any

from ivr.errors import RecognitionError
from ivr.recognition.engine import EngineInfo, HeardWord
from ivr.recognition.model import ModelInfo

OTHER_READINGS = 4
LEAST_SHARE = 0.1  # of the belief; below it readings bring more false alarms than phrases

_REMEDY = "Run `ivr models verify`; if it is in order, choose another model."


def _load_library() -> Any:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        import vosk  # only now: the variable above must be set first
    except (ImportError, OSError, SystemExit) as problem:
        # The package loads a shared library when imported; OSError is what a wrong one gives.
        raise RecognitionError(
            "The Vosk library cannot be loaded.",
            why=str(problem) or type(problem).__name__,
            remedy="Install the locked dependencies again (scripts/setup).",
        ) from problem
    vosk.SetLogLevel(-1)
    return vosk


class VoskEngine:
    """A model loaded by Vosk.

    Args:
        model: as checked by `ivr.recognition.model.open_model`.

    Raises:
        RecognitionError: the library or Kaldi refuses.
    """

    def __init__(self, model: ModelInfo) -> None:
        self._vosk = _load_library()
        self.info = EngineInfo(
            name="vosk",
            version=version("vosk"),
            rate_hz=model.rate_hz,
            is_streaming=True,
            has_word_times=model.has_word_times,
            has_confidences=model.has_word_times,
            other_readings=OTHER_READINGS,
        )
        try:
            self._model = self._vosk.Model(model_path=str(model.path))
        except (Exception, SystemExit) as problem:  # Vosk raises bare Exceptions
            raise RecognitionError(
                f"Kaldi cannot load the model {model.path}.", why=str(problem), remedy=_REMEDY
            ) from problem

    def recogniser(self) -> "VoskRecogniser":
        """One for each leg of each call: recognisers keep memory as they run."""
        try:
            return VoskRecogniser(self._vosk.KaldiRecognizer(self._model, self.info.rate_hz))
        except Exception as problem:  # Vosk raises bare Exceptions
            raise RecognitionError(
                "Kaldi cannot make a recogniser.", why=str(problem), remedy=_REMEDY
            ) from problem


class VoskRecogniser:
    """See `ivr.recognition.engine.Recogniser`."""

    def __init__(self, kaldi: Any) -> None:
        self._kaldi = kaldi
        self._others: tuple[tuple[HeardWord, ...], ...] = ()
        kaldi.SetWords(True)
        # Vosk gives either readings or minimum-Bayes-risk confidences. The share of belief over
        # the readings is the better confidence: the other is nearly always 1.
        kaldi.SetMaxAlternatives(OTHER_READINGS + 1)

    def accept(self, pcm: bytes) -> bool:
        try:
            return bool(self._kaldi.AcceptWaveform(pcm))
        except Exception as problem:  # Vosk raises bare Exceptions
            raise RecognitionError(
                "Kaldi refused a piece of sound.", why=str(problem), remedy=_REMEDY
            ) from problem

    def partial(self) -> str:
        return unicodedata.normalize("NFC", json.loads(self._kaldi.PartialResult())["partial"])

    def result(self) -> tuple[HeardWord, ...]:
        return self._likeliest(self._kaldi.Result())

    def final(self) -> tuple[HeardWord, ...]:
        return self._likeliest(self._kaldi.FinalResult())

    def other_readings(self) -> tuple[tuple[HeardWord, ...], ...]:
        return self._others

    def _likeliest(self, answer: str) -> tuple[HeardWord, ...]:
        first, *others = _readings(answer) or [()]
        self._others = tuple(others)
        return first


def _readings(answer: str) -> list[tuple[HeardWord, ...]]:
    """All readings with a share of `LEAST_SHARE`, the likeliest first.

    ``result`` is missing where nothing was heard. Without word boundaries in the model the times
    are there too, but only as good as the lattice's (up to 0.3 s off).
    """
    found = [one for one in json.loads(answer)["alternatives"] if one.get("result")]
    if not found:
        return []
    best = max(one["confidence"] for one in found)  # log-likelihoods, so e to their power
    weights = [math.exp(one["confidence"] - best) for one in found]
    shares = [weight / sum(weights) for weight in weights]
    believed = [(one["result"], share) for one, share in zip(found, shares, strict=True)]
    kept = [words for n, (words, share) in enumerate(believed) if not n or share >= LEAST_SHARE]
    return [
        tuple(
            HeardWord(
                text=unicodedata.normalize("NFC", word["word"]),
                start_s=float(word["start"]),
                end_s=float(word["end"]),
                confidence=min(1.0, _belief(word, believed)),
            )
            for word in words
        )
        for words in kept
    ]


def _belief(word: dict[str, Any], readings: list[tuple[list[dict[str, Any]], float]]) -> float:
    """Share of the readings that hold this word at about this time."""
    return sum(
        share
        for words, share in readings
        if any(
            other["word"] == word["word"]
            and other["start"] < word["end"]
            and word["start"] < other["end"]
            for other in words
        )
    )
