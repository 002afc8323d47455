"""The one file that touches Vosk (Kaldi). Imported only by processes that recognise.

Facts this file guards against (libvosk 0.3.45): OpenBLAS inside it starts threads of its own
unless told not to before the import (halves the speed of two recognisers); a refused waveform or
model raises a bare ``Exception``; ``Model`` without a path looks for models in the network and
may end the process; a rate that differs from the model's is never resampled well (Kaldi only
does so when the model allows it), so the rate fed is the model's rate, always.
"""

import json
import os
import unicodedata
from importlib.metadata import version
from typing import Any

from ivr.errors import RecognitionError
from ivr.recognition.engine import EngineInfo, HeardWord
from ivr.recognition.model import ModelInfo

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
        # No alternatives: only then words have confidences of 0 to 1 (minimum Bayes risk).
        kaldi.SetWords(True)

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
        return _words(self._kaldi.Result())

    def final(self) -> tuple[HeardWord, ...]:
        return _words(self._kaldi.FinalResult())


def _words(answer: str) -> tuple[HeardWord, ...]:
    """``result`` is missing when nothing was heard. Without word boundaries in the model the
    times are there too, but only as good as the lattice's (up to 0.3 s off)."""
    return tuple(
        HeardWord(
            text=unicodedata.normalize("NFC", word["word"]),
            start_s=float(word["start"]),
            end_s=float(word["end"]),
            confidence=min(1.0, max(0.0, float(word["conf"]))),
        )
        for word in json.loads(answer).get("result", ())
    )
