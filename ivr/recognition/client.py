"""Recognition as the rest of the house sees it: open an ear for a leg, or transcribe a recording.

async with Recognition(settings.recognition) as recognition:
    ear = recognition.open(LegName.CALLER)
    door.tap(LegName.CALLER, ear.feed)
    async for utterance in ear.utterances(): ...
    missed = await ear.finish()
"""

import asyncio
from collections.abc import Callable
from types import TracebackType

import numpy as np
import numpy.typing as npt

from ivr.errors import RecognitionError
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance
from ivr.recognition import engines, transcript
from ivr.recognition.ear import LegEar
from ivr.recognition.host_process import NICENESS, HostProcess
from ivr.recognition.model import ModelInfo
from ivr.settings import RecognitionSettings, resolve


class Recognition:
    """The recognition processes of this installation. Use as an async context manager.

    Args:
        settings: engine, model, number of processes, how to listen.
        niceness: of the processes; higher gives way to others.
    """

    def __init__(self, settings: RecognitionSettings, niceness: int = NICENESS) -> None:
        self._settings = settings
        self._niceness = niceness
        self._model: ModelInfo | None = None
        self._host: HostProcess | None = None
        self._ears: set[LegEar] = set()

    async def start(self) -> None:
        """Check the model and start the processes.

        Raises:
            RecognitionError: there is no usable model, or the engine is not installed.
        """
        settings = self._settings
        self._model = await asyncio.to_thread(
            engines.describe, settings.engine, resolve(settings.model)
        )
        host = HostProcess(settings, self._model, self._niceness)
        await host.start()
        self._host = host

    async def stop(self) -> None:
        """Open ears end with what they did not hear; the processes end."""
        for ear in tuple(self._ears):
            await ear.cancel("recognition was stopped")
        if self._host is not None:
            await self._host.stop()
            self._host = None

    async def __aenter__(self) -> "Recognition":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def model_info(self) -> ModelInfo:
        """Raises:
        RecognitionError: not started.
        """
        self._running()
        assert self._model is not None
        return self._model

    @property
    def host_pid(self) -> int | None:
        """Process id of the host; None while it is started anew."""
        return self._running().pid

    @property
    def deaths(self) -> int:
        """Processes that died or hung since the start, and were started anew."""
        return self._host.deaths if self._host is not None else 0

    def open(self, leg: LegName) -> LegEar:
        """A live ear for one leg of one call; must be called on the event loop's thread.

        Raises:
            RecognitionError: not started.
        """
        host = self._running()
        ear = LegEar(
            leg,
            host,
            model_sha256=self.model_info.sha256,
            queue_s=self._settings.queue_s,
            hangover_s=self._settings.hangover_s,
            on_end=self._ears.discard,
        )
        self._ears.add(ear)
        return ear

    def lag_s(self) -> float:
        """Seconds of sound the slowest open ear is behind; refuse new calls before it grows."""
        return max((ear.lag_s for ear in self._ears), default=0.0)

    async def transcribe(
        self,
        samples: npt.NDArray[np.int16],
        leg: LegName,
        *,
        rate_hz: int = 8000,
        offset: int = 0,
        first_index: int = 0,
        on_progress: Callable[[float], None] | None = None,
    ) -> tuple[Utterance, ...]:
        """The finals of a recording, faster than real time; same sound, same result as live.

        Args:
            samples: mono.
            leg: goes into the utterances.
            rate_hz: 8000 or 16000.
            offset: of the first sample on the leg's media clock, for parts of a leg.
            first_index: index of the first utterance.
            on_progress: gets the seconds of sound that are done, some times a second.

        Raises:
            RecognitionError: the recogniser died again and again on this sound, or not started.
        """
        return await transcript.transcribe(
            self._running(),
            samples,
            transcript.Part(leg, rate_hz, offset, first_index, self.model_info.sha256),
            on_progress,
        )

    def _running(self) -> HostProcess:
        if self._host is None:
            raise RecognitionError(
                "Recognition is not running.",
                why="it was not started, or it was stopped",
                remedy="Use it inside `async with Recognition(settings)`.",
            )
        return self._host
