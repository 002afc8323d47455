"""One leg's live recognition, seen from the call (`ivr.ports.Ear`)."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable

from ivr.errors import RecognitionError
from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName
from ivr.facts.speech import MissedSpan, Utterance, Word
from ivr.recognition.engine import HeardWord
from ivr.recognition.host_process import HostProcess, Link
from ivr.recognition.lane import LEG_RATES_HZ, Heard
from ivr.recognition.protocol import Kind, Opening, Report
from ivr.telemetry import logger

FINALS = 4096
"""Finals that may wait to be read; a call of half an hour has some hundreds."""
SPANS = 1000
STALL_MARGIN_S = 0.5
"""Beyond the hangover: a jitter of the network must not look like a pause."""
RECONNECT_S = 0.1
FINISH_S = 30.0
"""Without any answer for so long, `finish` gives the rest up."""

_log = logger("ivr.recognition")


def utterance_of(heard: Heard, leg: LegName, model_sha256: str) -> Utterance:
    """What a recogniser told of, as a fact."""
    return Utterance(
        leg,
        heard.index,
        heard.is_final,
        _words(heard.words),
        model_sha256,
        tuple(map(_words, heard.others)),
    )


def _words(heard: tuple[HeardWord, ...]) -> tuple[Word, ...]:
    return tuple(Word(w.text, w.start_s, w.end_s, w.confidence) for w in heard)


class MissedSpans:
    """Spans that nobody listened to; neighbours less than a second apart become one."""

    def __init__(self, leg: LegName) -> None:
        self._leg = leg
        self._spans: list[MissedSpan] = []

    def add(self, start_s: float, end_s: float, why: str) -> None:
        if end_s <= start_s:
            return
        if self._spans:
            last = self._spans[-1]
            is_near = last.start_s <= start_s <= last.end_s + 1.0 and last.why == why
            if is_near or len(self._spans) >= SPANS:
                self._spans[-1] = MissedSpan(
                    self._leg, last.start_s, max(last.end_s, end_s), last.why
                )
                return
        self._spans.append(MissedSpan(self._leg, start_s, end_s, why))

    def all(self) -> tuple[MissedSpan, ...]:
        return tuple(sorted(self._spans, key=lambda span: (span.start_s, span.end_s, span.why)))


class Unread:
    """Utterances that wait for their reader. Of partials only the newest stays."""

    def __init__(self) -> None:
        self._waiting: deque[Utterance] = deque()
        self._changed = asyncio.Event()
        self._is_ended = False

    def put(self, utterance: Utterance) -> bool:
        """Returns False when `FINALS` wait already and it was dropped."""
        waiting = self._waiting
        if waiting and not waiting[-1].is_final and waiting[-1].index == utterance.index:
            waiting.pop()
        if len(waiting) >= FINALS:
            return False
        waiting.append(utterance)
        self._changed.set()
        return True

    def end(self) -> None:
        self._is_ended = True
        self._changed.set()

    async def read(self) -> AsyncIterator[Utterance]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._is_ended:
                return
            self._changed.clear()
            await self._changed.wait()


class LegEar:
    """See `ivr.ports.Ear`. All methods belong on the event loop's thread.

    Bounds: at most ``queue_s`` of sound is anywhere between `feed` and the recogniser; a frame
    beyond that is dropped and its span remembered. Of unread partials only the newest waits. When
    `FINALS` finals wait unread, a further one becomes a missed span.

    Args:
        leg: whose sound.
        host: where the recognisers are.
        model_sha256: digest of the model, for the utterances.
        queue_s, hangover_s: see `ivr.settings.RecognitionSettings`.
        on_end: called once when the ear is finished.
    """

    def __init__(
        self,
        leg: LegName,
        host: HostProcess,
        *,
        model_sha256: str,
        queue_s: float,
        hangover_s: float,
        on_end: Callable[["LegEar"], None],
    ) -> None:
        self.leg = leg
        self._host = host
        self._model_sha256 = model_sha256
        self._queue_s = queue_s
        self._stall_s = hangover_s + STALL_MARGIN_S
        self._queue: deque[AudioFrame] = deque()
        self._queued = 0  # samples in _queue
        self._unacknowledged = 0  # samples written to the process, not yet worked off
        self._rate_hz = 0
        self._settled = 0
        self._sent_end = 0  # offset behind the last sample written
        self._next_index = 0
        self._partial_index: int | None = None  # of the partial that is out, not yet final
        self._missed = MissedSpans(leg)
        self._unread = Unread()
        self._wake = asyncio.Event()
        self._is_finishing = False
        self._answers = 0
        self._task = asyncio.create_task(self._run(), name=f"ear-{leg}")
        self._on_end = on_end
        self._task.add_done_callback(self._after_task)

    @property
    def lag_s(self) -> float:
        """Seconds of sound fed but not worked off yet."""
        return (self._queued + self._unacknowledged) / (self._rate_hz or 8000)

    def feed(self, frame: AudioFrame) -> None:
        """Never waits and never raises; see the class about what happens when it is full."""
        if self._is_finishing or not frame.samples:
            return
        if not self._rate_hz and frame.rate_hz in LEG_RATES_HZ:
            self._rate_hz = frame.rate_hz
        start_s = frame.offset / frame.rate_hz
        end_s = (frame.offset + frame.samples) / frame.rate_hz
        if frame.rate_hz != self._rate_hz:
            self._missed.add(start_s, end_s, f"the sample rate is {frame.rate_hz} Hz")
        elif self.lag_s + frame.samples / self._rate_hz > self._queue_s:
            self._missed.add(start_s, end_s, "the recogniser was too slow")
        else:
            self._queue.append(frame)
            self._queued += frame.samples
            self._wake.set()

    def utterances(self) -> AsyncIterator[Utterance]:
        """For one reader. A final with no words takes a partial back."""
        return self._unread.read()

    async def finish(self) -> tuple[MissedSpan, ...]:
        self._is_finishing = True
        self._wake.set()
        while not self._task.done():
            answers = self._answers
            await asyncio.wait({self._task}, timeout=FINISH_S)
            if not self._task.done() and answers == self._answers:
                await self.cancel("the recogniser did not answer")
        if not self._task.cancelled():
            self._task.result()
        return self._missed.all()

    async def cancel(self, why: str) -> None:
        """Give up what is not worked off yet."""
        self._is_finishing = True
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._lose(why)
        for frame in self._queue:
            end_s = (frame.offset + frame.samples) / frame.rate_hz
            self._missed.add(frame.offset / frame.rate_hz, end_s, why)
        self._queue.clear()
        self._queued = 0
        self._unread.end()

    def _after_task(self, task: asyncio.Task[None]) -> None:
        self._on_end(self)
        if not task.cancelled():
            self._unread.end()

    async def _run(self) -> None:
        while not await self._serve():
            pass

    async def _serve(self) -> bool:
        """One connection; returns True when the leg was flushed, False when it must go on anew."""
        while not self._queue:
            if self._is_finishing:
                return True
            self._wake.clear()
            await self._wake.wait()
        opening = Opening(self._rate_hz, self._next_index, is_live=True)
        link, number = await self._host.connect(opening)
        sender = asyncio.create_task(self._send(link))
        receiver = asyncio.create_task(self._receive(link))
        try:
            await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done() and sender.exception() is None:
                await asyncio.wait({receiver})
            if receiver.done():
                receiver.result()
                return True
            sender.result()
        except (ConnectionError, RecognitionError) as problem:
            _log.warning("recogniser_lost", leg=self.leg, problem=str(problem))
            self._lose("the recogniser died")
            await asyncio.sleep(RECONNECT_S)
        finally:
            for task in (sender, receiver):
                task.cancel()
            await asyncio.wait({sender, receiver})
            for task in (sender, receiver):
                if not task.cancelled():
                    task.exception()  # the first one was told above; the other follows from it
            self._host.release(link, number)
        return False

    async def _send(self, link: Link) -> None:
        is_paused = True
        while True:
            while self._queue:
                frame = self._queue.popleft()
                self._queued -= frame.samples
                self._unacknowledged += frame.samples
                self._sent_end = frame.offset + frame.samples
                is_paused = False
                await link.send_audio(frame.offset, frame.pcm)
            if self._is_finishing:
                await link.send(Kind.FINISH)
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(None if is_paused else self._stall_s):
                    await self._wake.wait()
            except TimeoutError:
                is_paused = True
                await link.send(Kind.STALL)

    async def _receive(self, link: Link) -> None:
        worked_off = 0
        while True:
            report = await link.report()
            self._answers += 1
            self._unacknowledged -= report.samples - worked_off
            worked_off = report.samples
            self._take(report)
            if report.is_done:
                self._settled = self._sent_end
                return

    def _take(self, report: Report) -> None:
        self._settled = max(self._settled, report.settled)
        self._next_index = report.next_index
        for heard in report.heard:
            self._put(heard)

    def _put(self, heard: Heard) -> None:
        utterance = utterance_of(heard, self.leg, self._model_sha256)
        if self._unread.put(utterance):
            self._partial_index = None if heard.is_final else heard.index
            return
        for word in utterance.words if utterance.is_final else ():
            self._missed.add(word.start_s, word.end_s, "nobody read the utterances")

    def _lose(self, why: str) -> None:
        """What was sent and is not settled will not be heard live any more. A partial that is
        out is taken back: listening again to the span will say it properly."""
        if self._rate_hz:
            self._missed.add(self._settled / self._rate_hz, self._sent_end / self._rate_hz, why)
        self._settled = self._sent_end
        self._unacknowledged = 0
        if (index := self._partial_index) is not None:
            self._put(Heard(index, is_final=True, words=()))
            self._next_index = index + 1
