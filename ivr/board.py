"""The live board: facts of running calls, fanned out to whoever watches.

Watching never slows a call: each watcher has a bounded queue, and when it is full its oldest
entry is dropped and counted.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ivr.facts.alarms import Alarm, AlarmCleared
from ivr.facts.call import CallClosed, CallOpened, Dtmf
from ivr.facts.cases import CaseSealed
from ivr.facts.judgement import PhraseHit, Verdict
from ivr.facts.reports import Delivery
from ivr.facts.speech import Utterance

QUEUE_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class PromptStarted:
    """The agent began to say a prompt."""

    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """A stage of the call's journey was finished; ``seconds`` is how long it took."""

    name: str
    seconds: float


BoardFact = (
    CallOpened
    | CallClosed
    | Dtmf
    | PromptStarted
    | StepDone
    | Utterance
    | PhraseHit
    | Verdict
    | CaseSealed
    | Delivery
    | Alarm
    | AlarmCleared
)


@dataclass(slots=True)
class Watcher:
    """One watcher's queue; iterate it. ``dropped`` counts entries lost to slowness."""

    _queue: asyncio.Queue[tuple[str, BoardFact]] = field(
        default_factory=lambda: asyncio.Queue(QUEUE_ENTRIES)
    )
    dropped: int = 0

    def put(self, call_id: str, fact: BoardFact) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
        self._queue.put_nowait((call_id, fact))

    async def __aiter__(self) -> AsyncIterator[tuple[str, BoardFact]]:
        while True:
            yield await self._queue.get()


class Board:
    """Publish and watch."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    def publish(self, call_id: str, fact: BoardFact) -> None:
        """Tell every watcher; returns at once. ``call_id`` is empty for what concerns the house."""
        for watcher in self._watchers:
            watcher.put(call_id, fact)

    @contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Watch from now until the block ends."""
        watcher = Watcher()
        self._watchers.append(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)
