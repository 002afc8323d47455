"""libespeak-ng through ctypes: speech together with the start time of every phoneme.

The synthesiser knows when each of its phonemes starts, so training needs no forced alignment.
"""

import ctypes
from dataclasses import dataclass
from enum import Enum

import numpy as np

_LIBRARY = "libespeak-ng.so.1"
# enumerators of espeak-ng's speak_lib.h
_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
_WORD_EVENT, _PHONEME_EVENT = 1, 7
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Mark(Enum):
    """What starts at a time mark."""

    WORD = "word"
    PHONEME = "phoneme"


@dataclass(frozen=True, slots=True)
class TimeMark:
    """Start of a word or phoneme; `name` is espeak-ng's phoneme mnemonic, empty for words."""

    mark: Mark
    ms: float
    name: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How to speak: words per minute, then espeak-ng's 0..99 scales, then pause in 10 ms units."""

    rate: int = 175
    pitch: int = 50
    pitch_range: int = 50
    word_gap: int = 0


class Espeak:
    """One synthesiser; the library keeps global state, so there is one per process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(_LIBRARY)
        self.sample_rate: int = self._library.espeak_Initialize(
            _SYNCHRONOUS, 200, None, _PHONEME_EVENTS
        )
        if self.sample_rate <= 0:
            message = "espeak-ng did not start"
            raise RuntimeError(message)
        self._callback = _CALLBACK(self._collect)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._callback)
        self._voice = ""
        self._pieces: list[np.ndarray] = []
        self._marks: list[TimeMark] = []

    def _collect(self, samples, count, events) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != 0:
            event = events[index]
            if event.type == _WORD_EVENT:
                self._marks.append(TimeMark(Mark.WORD, event.audio_position, ""))
            elif event.type == _PHONEME_EVENT:
                name = event.string.decode("utf-8", "ignore")
                self._marks.append(TimeMark(Mark.PHONEME, event.audio_position, name))
            index += 1
        return 0

    def say(self, text: str, voice: str, manner: Manner) -> tuple[np.ndarray, list[TimeMark]]:
        """Mono int16 samples at `sample_rate`, and the time marks."""
        if voice != self._voice:
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                message = f"espeak-ng has no voice {voice!r}"
                raise ValueError(message)
            self._voice = voice
        for parameter, value in (
            (_RATE, manner.rate),
            (_PITCH, manner.pitch),
            (_RANGE, manner.pitch_range),
            (_WORD_GAP, manner.word_gap),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pieces, self._marks = [], []
        encoded = text.encode() + b"\0"
        self._library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
        audio = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.int16)
        return audio, self._marks
