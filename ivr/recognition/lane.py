"""One leg of one call inside a recognition process: gate → resampler → recogniser → words.

Everything here is a function of the samples and their offsets alone (no clock, no randomness),
so the same sound gives the same utterances, byte for byte, however it was cut into frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from ivr.errors import RecognitionError
from ivr.recognition.engine import Engine, HeardWord, Recogniser
from ivr.recognition.gate import FRAME_S, Gate, Stretch
from ivr.recognition.model import UNKNOWN_WORD

LEG_RATES_HZ = (8000, 16000)
PARTIAL_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """How a leg is heard; see `ivr.settings.RecognitionSettings` for the meanings."""

    vad_mode: int
    preroll_s: float
    hangover_s: float
    partial_every_s: float
    is_gated: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance, times in seconds on the leg's media clock; ``others``: what else it may have
    been, see `ivr.recognition.engine.Recogniser.other_readings`."""

    index: int
    is_final: bool
    words: tuple[HeardWord, ...]
    others: tuple[tuple[HeardWord, ...], ...] = ()


class Lane:
    """Not thread-safe; every call blocks for the computing it does.

    Args:
        engine: the loaded model.
        rate_hz: of the leg: 8000 or 16000.
        settings: how to hear.
        first_index: index of the first utterance.

    Raises:
        RecognitionError: the leg's rate is neither, or the engine fails.
    """

    def __init__(
        self, engine: Engine, rate_hz: int, settings: LaneSettings, first_index: int = 0
    ) -> None:
        if rate_hz not in LEG_RATES_HZ:
            raise RecognitionError(
                f"A leg with {rate_hz} samples a second cannot be recognised.",
                why="the voice detector takes 8000 and 16000 Hz",
                remedy="Resample the recording to 8000 Hz first.",
            )
        self.rate_hz = rate_hz
        self._settings = settings
        self._gate = Gate(
            rate_hz,
            vad_mode=settings.vad_mode,
            preroll_s=settings.preroll_s,
            hangover_s=settings.hangover_s,
        )
        self._feeder = _Feeder(engine, rate_hz, settings, first_index)
        self._position = -1  # offset of the first sample in _rest; -1: nothing heard yet
        self._rest = bytearray()  # less than one frame of the gate
        self._assumed = 0  # samples of silence assumed at the end, see assume_silence

    @property
    def settled(self) -> int:
        """Everything before this offset is in a final utterance, or was judged silence."""
        if self._feeder.is_open:
            return self._feeder.settled
        return max(0, self._position - self._gate.held_samples)

    @property
    def next_index(self) -> int:
        """Index the next new utterance gets."""
        return self._feeder.index

    def hear(self, offset: int, pcm: bytes) -> Iterator[Heard]:
        """Take sound at ``offset``. What is missing before it counts as silence; what lies before
        the sound already heard is dropped (it is a repetition)."""
        yield from self._move_to(offset)
        overlap = self._end - offset
        if overlap > 0:
            pcm = pcm[2 * overlap :]
        self._rest += pcm
        yield from self._drain()

    def assume_silence(self) -> Iterator[Heard]:
        """No sound has come for long: end the open utterance as silence would.

        A sender that pauses (silence suppression) sends nothing until it speaks again; its last
        words must not wait for that. When late sound comes after all, it is heard from where it
        belongs.
        """
        if self._feeder.is_open and not self._assumed:
            end = self._end
            yield from self._fill_silence(end + self._closing_samples)
            self._assumed = self._end - end

    def finish(self) -> Iterator[Heard]:
        """The leg is over: flush what is open."""
        if self._rest:
            frame = 2 * self._gate.frame_samples
            self._rest += bytes(-len(self._rest) % frame)
            yield from self._drain()
        yield from self._feeder.close()

    @property
    def _end(self) -> int:
        return self._position + len(self._rest) // 2

    @property
    def _closing_samples(self) -> int:
        """Silence after which no stretch is open and no pre-roll holds sound."""
        seconds = self._settings.hangover_s + self._settings.preroll_s + 10 * FRAME_S
        return round(seconds * self.rate_hz)

    def _move_to(self, offset: int) -> Iterator[Heard]:
        if self._position < 0:
            # The grid starts at the leg's first packet, wherever this lane comes in.
            self._position = offset - offset % self._gate.frame_samples
            self._rest += bytes(2 * (offset - self._position))
        elif self._assumed and offset < self._end:
            # The stretch was closed by assumed silence, so nothing open is thrown away here.
            back = max(offset, self._end - self._assumed)
            self._position = back - back % self._gate.frame_samples
            self._rest[:] = bytes(2 * (back - self._position))
            self._gate.skip()
        elif offset > self._end:
            yield from self._fill_silence(offset)
        self._assumed = 0

    def _fill_silence(self, until: int) -> Iterator[Heard]:
        """Zeros up to an offset; a long gap is jumped over once nothing is open any more."""
        zeros = min(until - self._end, self._closing_samples)
        self._rest += bytes(2 * zeros)
        yield from self._drain()
        left = until - self._end
        whole = left - left % self._gate.frame_samples
        if whole:
            self._gate.skip()
            self._position += whole
        self._rest += bytes(2 * (until - self._end))
        yield from self._drain()

    def _drain(self) -> Iterator[Heard]:
        size = 2 * self._gate.frame_samples
        whole = len(self._rest) - len(self._rest) % size
        for at in range(0, whole, size):
            frame = bytes(self._rest[at : at + size])
            stretch = self._through_gate(frame)
            self._position += self._gate.frame_samples
            if stretch is not None:
                yield from self._feeder.feed(stretch)
        del self._rest[:whole]

    def _through_gate(self, frame: bytes) -> Stretch | None:
        if self._settings.is_gated:
            return self._gate.hear(self._position, frame)
        return Stretch(self._position, frame, is_first=not self._feeder.is_open, is_last=False)


class _Feeder:
    """Feeds stretches to the recogniser in blocks of equal length and times what comes out."""

    def __init__(
        self, engine: Engine, rate_hz: int, settings: LaneSettings, first_index: int
    ) -> None:
        self._recogniser: Recogniser = engine.recogniser()
        self._rate_hz = rate_hz
        self._model_rate_hz = engine.info.rate_hz
        frames = max(1, round(settings.partial_every_s / FRAME_S))
        self._block_bytes = 2 * frames * round(rate_hz * FRAME_S)
        self._block = bytearray()
        self._resampler: soxr.ResampleStream | None = None
        self._fed = 0  # samples given to the recogniser in its life, at the model's rate
        self._fed_at_start = 0  # … when the open stretch started
        self._start = 0  # offset of the open stretch
        self._end = 0  # offset behind what the open stretch was fed with
        self._partial = ""
        self.index = first_index
        self.settled = 0
        self.is_open = False

    def feed(self, stretch: Stretch) -> Iterator[Heard]:
        if stretch.is_first:
            self._open(stretch.offset)
        self._block += stretch.pcm
        while len(self._block) >= self._block_bytes:
            block = bytes(self._block[: self._block_bytes])
            del self._block[: self._block_bytes]
            yield from self._accept(block)
        if stretch.is_last:
            yield from self.close()

    def close(self) -> Iterator[Heard]:
        if not self.is_open:
            return
        rest = bytes(self._block)
        self._block.clear()
        self._end += len(rest) // 2
        pcm = self._at_model_rate(rest, is_last=True)
        self._fed += len(pcm) // 2
        found_end = self._recogniser.accept(pcm) if pcm else False
        if found_end:
            yield from self._final(self._recogniser.result())
        yield from self._final(self._recogniser.final())
        self.is_open = False

    def _open(self, offset: int) -> None:
        self._start = self._end = self.settled = offset
        self._fed_at_start = self._fed
        self._resampler = None
        if self._model_rate_hz != self._rate_hz:
            # Low quality is 80 ms late and flat to 3.6 kHz; high quality would be 120 ms late.
            # The stream's output is aligned with its input, so times need no correction.
            self._resampler = soxr.ResampleStream(
                self._rate_hz, self._model_rate_hz, 1, dtype="int16", quality="LQ"
            )
        self.is_open = True

    def _accept(self, block: bytes) -> Iterator[Heard]:
        self._end += len(block) // 2
        pcm = self._at_model_rate(block, is_last=False)
        self._fed += len(pcm) // 2
        if self._recogniser.accept(pcm):
            yield from self._final(self._recogniser.result())
            # The acoustic look-ahead (under a second) is still to come out.
            self.settled = max(self.settled, self._end - self._rate_hz)
            return
        text = self._recogniser.partial()
        if text != self._partial:
            self._partial = text
            yield Heard(self.index, is_final=False, words=self._estimated(text))

    def _at_model_rate(self, pcm: bytes, *, is_last: bool) -> bytes:
        if self._resampler is None:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2")
        return bytes(self._resampler.resample_chunk(samples, last=is_last).astype("<i2").tobytes())

    def _final(self, words: tuple[HeardWord, ...]) -> Iterator[Heard]:
        """An empty final is only worth telling when it takes back a partial."""
        timed = self._timed(words)
        if timed or self._partial:
            others = tuple(map(self._timed, self._recogniser.other_readings()))
            yield Heard(self.index, True, timed, tuple(filter(None, others)))
            self.index += 1
        self._partial = ""
        if timed:
            self.settled = max(self.settled, round(timed[-1].end_s * self._rate_hz))

    def _timed(self, words: tuple[HeardWord, ...]) -> tuple[HeardWord, ...]:
        return tuple(self._on_leg(word) for word in words if word.text != UNKNOWN_WORD)

    def _on_leg(self, word: HeardWord) -> HeardWord:
        """From seconds of all that the recogniser was fed to seconds of the leg: within one
        stretch both run alike."""
        shift = self._start / self._rate_hz - self._fed_at_start / self._model_rate_hz
        latest = self._end / self._rate_hz
        start = min(max(word.start_s + shift, self._start / self._rate_hz), latest)
        end = min(max(word.end_s + shift, start), latest)
        return HeardWord(word.text, round(start, 3), round(end, 3), round(word.confidence, 4))

    def _estimated(self, text: str) -> tuple[HeardWord, ...]:
        """Kaldi times partial words only at the price of a second determinisation, and late: here
        they are spread evenly between the utterance's start and now."""
        words = [word for word in text.split() if word != UNKNOWN_WORD]
        start, end = self.settled / self._rate_hz, self._end / self._rate_hz
        step = (end - start) / max(1, len(words))
        return tuple(
            HeardWord(
                word,
                round(start + at * step, 3),
                round(start + (at + 1) * step, 3),
                PARTIAL_CONFIDENCE,
            )
            for at, word in enumerate(words)
        )
