"""A recording through the recognition processes: `ivr screen`, recovery, missed spans."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ivr.errors import RecognitionError
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance
from ivr.recognition.ear import utterance_of
from ivr.recognition.host_process import HostProcess, Link
from ivr.recognition.lane import LEG_RATES_HZ
from ivr.recognition.protocol import Kind, Opening, Report

CHUNK_S = 0.2
AHEAD_S = 4.0
"""Sound sent before it is worked off: enough to keep the process busy."""
DEATHS = 3
"""So often may the recogniser die on one recording (another leg may have caused it)."""
ANSWER_S = 120.0
"""Live legs go first; without any answer for so long something is broken."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Part:
    """What is listened to; see `ivr.recognition.client.Recognition.transcribe`."""

    leg: LegName
    rate_hz: int
    offset: int
    first_index: int
    model_sha256: str


class _Pass:
    """Listening from some sample on until the end, or until the process dies."""

    def __init__(self, link: Link, part: Part, samples: npt.NDArray[np.int16]) -> None:
        self._link = link
        self._part = part
        self._samples = samples
        self._done = 0  # samples worked off
        self._more = asyncio.Event()

    async def send(self) -> None:
        chunk = round(CHUNK_S * self._part.rate_hz)
        for at in range(0, len(self._samples), chunk):
            while at - self._done > AHEAD_S * self._part.rate_hz:
                self._more.clear()
                await self._more.wait()
            pcm = self._samples[at : at + chunk].astype("<i2").tobytes()
            await self._link.send_audio(self._part.offset + at, pcm)
        await self._link.send(Kind.FINISH)

    async def report(self) -> Report:
        # Not wait_for: in Python 3.11 it can swallow the cancelling of whoever waits for us.
        async with asyncio.timeout(ANSWER_S):
            report = await self._link.report()
        self._done = report.samples
        self._more.set()
        return report


class _Found:
    """What all passes over a recording found together."""

    def __init__(self, part: Part, on_progress: Progress | None) -> None:
        self._part = part
        self._on_progress = on_progress
        self.finals: list[Utterance] = []
        self.settled = part.offset

    def take(self, report: Report) -> None:
        part = self._part
        self.settled = max(self.settled, report.settled)
        self.finals += [
            utterance_of(heard, part.leg, part.model_sha256)
            for heard in report.heard
            if heard.is_final
        ]
        self.show(self.settled - part.offset)

    def show(self, samples: int) -> None:
        if self._on_progress is not None:
            self._on_progress(samples / self._part.rate_hz)


async def transcribe(
    host: HostProcess,
    samples: npt.NDArray[np.int16],
    part: Part,
    on_progress: Progress | None,
) -> tuple[Utterance, ...]:
    """See `ivr.recognition.client.Recognition.transcribe`."""
    if part.rate_hz not in LEG_RATES_HZ:
        raise RecognitionError(
            f"A recording with {part.rate_hz} samples a second cannot be recognised.",
            why="the voice detector takes 8000 and 16000 Hz",
            remedy="Resample the recording to 8000 Hz first.",
        )
    found = _Found(part, on_progress)
    for death in range(1, DEATHS + 1):
        here = replace(part, offset=found.settled, first_index=part.first_index + len(found.finals))
        try:
            await _one_pass(host, here, samples[found.settled - part.offset :], found.take)
        except (ConnectionError, TimeoutError) as problem:
            if death == DEATHS:
                raise RecognitionError(
                    "The recording could not be recognised.",
                    why=f"the recogniser died {DEATHS} times, last behind "
                    f"{found.settled / part.rate_hz:.2f} s",
                    remedy="Try another model; the recording itself is untouched.",
                ) from problem
        else:
            break
    found.show(len(samples))
    return tuple(found.finals)


async def _one_pass(
    host: HostProcess,
    part: Part,
    samples: npt.NDArray[np.int16],
    take: Callable[[Report], None],
) -> None:
    opening = Opening(part.rate_hz, part.first_index, is_live=False)
    async with asyncio.timeout(ANSWER_S):
        link, number = await host.connect(opening)
    one = _Pass(link, part, samples)
    sender = asyncio.create_task(one.send())
    try:
        while True:
            report = await one.report()
            take(report)
            if report.is_done:
                return
    finally:
        sender.cancel()
        await asyncio.wait({sender})
        if not sender.cancelled():
            sender.exception()  # a broken link was told by the report above
        host.release(link, number)
