"""The one file that touches viet-asr (optional extra ``viet``). Imported lazily: its package
loads a library of 70 MB when imported, which only processes that recognise may do.

Facts this file guards against (viet-asr 0.1.0.dev11, ``libvietasr.so``):

- it works in chunks of 0.43 s, and the rest of a sound is decoded only when more comes: a second
  of speech that ends with its last sample loses its last word, and clips below half a second come
  back empty. `TAIL_S` of silence goes in before a flush;
- it has no times and no confidences. Times here are estimated from when a word first came out:
  right to about the length of a chunk. The confidence is the same for every word: how many
  syllables it gets right;
- it never reports the end of an utterance, although it cuts its text (a line feed) after a second
  of blanks, and forgets all but the last four pieces: `accept` ends the utterance before that;
- failures inside are logged by the library and yield no words; the constructor makes sure that
  the weights were loaded.
"""

import os
import unicodedata
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ivr.errors import RecognitionError
from ivr.recognition.engine import EngineInfo, HeardWord
from ivr.recognition.model import ModelInfo, digest

NAME: Final = "viet-asr"
LICENCE: Final = "Apache-2.0"
ORIGIN: Final = (
    "its package names Apache-2.0 as licence and does not document where its weights come from"
)
INSTALL: Final = ".venv/bin/python -m pip install --require-hashes -r requirements/viet.lock"
RATE_HZ: Final = 8000
CHUNK_S: Final = 0.43
TAIL_S: Final = 0.4
PIECES: Final = 4
CONFIDENCE: Final = 0.84
"""Share of syllables right on people, live, over the telephone band (`ivr bench people`)."""
_LOG_WARNINGS: Final = 3


def folder() -> Path | None:
    """Where its library and weights lie, without importing it; None when it is not installed."""
    spec = find_spec("vietasr")
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) / "_native" if places else None


def is_installed() -> bool:
    return folder() is not None


def describe() -> ModelInfo:
    """What cases say of it; the digest is over its library folder, which holds the weights.

    Raises:
        RecognitionError: it is not installed.
    """
    native = folder()
    try:
        name = f"{NAME}-{version(NAME)}"
    except PackageNotFoundError:
        native = None
    if native is None:
        raise RecognitionError(
            "The recogniser viet-asr is not installed.",
            why="it is an optional extra",
            remedy=f"{INSTALL}   ({ORIGIN})",
        )
    return ModelInfo(
        name=name,
        path=native,
        sha256=digest(native),
        rate_hz=RATE_HZ,
        words=0,
        has_word_times=False,
        has_run_time_graph=False,
        is_demonstration=False,
        engine=NAME,
    )


class VietAsrEngine:
    """The embedded conformer. One thread, so it may be forked.

    Raises:
        RecognitionError: not installed, or the library refuses.
    """

    def __init__(self) -> None:
        info = describe()
        self.info = EngineInfo(
            name=NAME,
            version=version(NAME),
            rate_hz=info.rate_hz,
            is_streaming=True,
            has_word_times=False,
            has_confidences=False,
        )
        # Another library than the one whose digest the case names must not be loaded.
        os.environ.pop("VIETASR_LIBRARY_PATH", None)
        try:
            import vietasr
            from vietasr.ffi import native

            native.lib.vietasr_set_log_level(_LOG_WARNINGS)
            self._pipeline: Any = vietasr.Pipeline.new().add("vietasr").build()
        except (ImportError, OSError, RuntimeError) as problem:
            raise RecognitionError(
                "The recogniser viet-asr cannot be loaded.",
                why=str(problem) or type(problem).__name__,
                remedy=f"Install it again: {INSTALL}",
            ) from problem
        trial = self._pipeline.transcribe(_silence(1.0), float(RATE_HZ))
        if "[vietasr" in trial.text:
            raise RecognitionError(
                "The recogniser viet-asr has no weights.",
                why=trial.text,
                remedy=f"Install it again: {INSTALL}",
            )

    def recogniser(self) -> "VietAsrRecogniser":
        """One for each leg."""
        try:
            return VietAsrRecogniser(self._pipeline.stream(float(RATE_HZ)))
        except RuntimeError as problem:
            raise RecognitionError(
                "viet-asr cannot make a recogniser.",
                why=str(problem),
                remedy="Restart; if it stays so, choose another engine.",
            ) from problem


def _silence(seconds: float) -> npt.NDArray[np.int16]:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


class VietAsrRecogniser:
    """See `ivr.recognition.engine.Recogniser`."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._fed_s = 0.0  # of the leg; the silence put in for a flush does not count
        self._start_s = 0.0  # of the utterance
        self._came_s: list[float] = []  # when the first, second, … word was there to stay

    def accept(self, pcm: bytes) -> bool:
        self._session.accept(pcm)
        self._fed_s += len(pcm) / 2 / RATE_HZ
        text = self._text(self._session.partial().text)
        self._note(len(text.split()), self._fed_s)
        return text.count("\n") + 1 >= PIECES

    def partial(self) -> str:
        return " ".join(self._text(self._session.partial().text).split())

    def result(self) -> tuple[HeardWord, ...]:
        return self.final()

    def final(self) -> tuple[HeardWord, ...]:
        if self._fed_s == self._start_s:
            return ()
        self._session.accept(_silence(TAIL_S))
        words = self._text(self._session.final().text).split()
        self._note(len(words), self._fed_s)
        heard = self._timed(words)
        self._session.reset()
        self._start_s = self._fed_s
        self._came_s.clear()
        return heard

    def other_readings(self) -> tuple[tuple[HeardWord, ...], ...]:
        return ()  # the library gives none

    @staticmethod
    def _text(text: str) -> str:
        return unicodedata.normalize("NFC", text).lower()

    def _note(self, words: int, now_s: float) -> None:
        del self._came_s[words:]  # the beam took words back
        self._came_s += [now_s] * (words - len(self._came_s))

    def _timed(self, words: list[str]) -> tuple[HeardWord, ...]:
        """Words that came out together share the chunk before that moment evenly."""
        heard: list[HeardWord] = []
        at = 0
        while at < len(words):
            came_s = self._came_s[at]
            together = self._came_s.count(came_s)
            end_before_s = heard[-1].end_s if heard else self._start_s
            start_s = max(end_before_s, came_s - CHUNK_S)
            step_s = (came_s - start_s) / together
            heard += [
                HeardWord(word, start_s + n * step_s, start_s + (n + 1) * step_s, CONFIDENCE)
                for n, word in enumerate(words[at : at + together])
            ]
            at += together
        return tuple(heard)
