"""What any recogniser must offer to stand behind the telephone. `vosk_engine.py` is one."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine declares of itself.

    Args:
        name: e.g. ``vosk``.
        version: of the library.
        rate_hz: sample rate its recognisers must be fed with; never another.
        is_streaming: whether partial results come while audio is fed.
        has_word_times: whether words carry times.
        has_confidences: whether words carry confidences of their own.
        other_readings: most readings it gives of an utterance beside the likeliest; 0: none.
    """

    name: str
    version: str
    rate_hz: int
    is_streaming: bool
    has_word_times: bool
    has_confidences: bool
    other_readings: int = 0


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word as the engine put it out.

    Times are seconds since the recogniser's first sample, counted over all that it was fed.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float


class Recogniser(Protocol):
    """One leg of one call. Not thread-safe; every call blocks for the computing it does."""

    def accept(self, pcm: bytes) -> bool:
        """Take signed 16-bit little-endian mono samples at the engine's rate.

        Returns:
            True when the engine itself found the end of an utterance: ask for `result`.

        Raises:
            RecognitionError: the engine refused the samples.
        """

    def partial(self) -> str:
        """The words of the utterance so far, in one line."""

    def result(self) -> tuple[HeardWord, ...]:
        """The utterance that `accept` found the end of; what follows goes on without a cut."""

    def final(self) -> tuple[HeardWord, ...]:
        """Flush: everything fed is decoded to its last sample; feeding may go on afterwards."""

    def other_readings(self) -> tuple[tuple[HeardWord, ...], ...]:
        """What else the utterance that was given last may have been, the likelier first; no
        more than the engine declares. A word's confidence is the share of belief in it."""


class Engine(Protocol):
    """A loaded model. May be shared by all recognisers of a process and its forks."""

    @property
    def info(self) -> EngineInfo: ...

    def recogniser(self) -> Recogniser:
        """A new one, about a millisecond of work."""
