"""How well the house hears: a voiced set through the real recognition processes, spotting, judge.

What should have been heard is known from the written call, so every figure compares the same
call as sound and as text. The figures are of the world the sound is from and of no other.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.app import open_mind
from ivr.bench.counting import Errors, compare
from ivr.bench.relations import Timed
from ivr.bench.verdict import Outcome
from ivr.bench.voiced import VoicedCall, read_voiced
from ivr.errors import InputError
from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit
from ivr.facts.speech import Utterance
from ivr.house import Mind
from ivr.journeys.closing import order
from ivr.media.uploads import open_recording
from ivr.recognition.model import ModelInfo
from ivr.settings import Settings
from ivr.spotting.tokens import syllables

AT_ONCE = 2  # calls; each has two legs, so no recogniser process waits for the longer one
ROLES = (LegName.CALLER, LegName.CALLEE)

Progress = Callable[[int, int], None]
"""Gets how many calls are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One call as it was heard, beside what its text gives.

    Args:
        errors: of each leg.
        text_hits: what spotting finds in the written call, at the times it is spoken.
        audio / text: the verdict on what was heard, and on the written call.
    """

    call: VoicedCall
    errors: dict[LegName, Errors]
    text_hits: tuple[PhraseHit, ...]
    audio: Timed
    text: Timed

    @property
    def hits(self) -> tuple[PhraseHit, ...]:
        return self.audio.outcome.hits


@dataclass(frozen=True, slots=True)
class Hearing:
    """One run over a set.

    Args:
        calls: what was heard, in the order of the set.
        skipped: calls of the set for which there was no time left.
        seconds: the run took.
    """

    calls: tuple[Heard, ...]
    skipped: int
    seconds: float
    model: ModelInfo
    rulebook_sha256: str

    @property
    def audio_s(self) -> float:
        return sum(heard.call.seconds for heard in self.calls)

    @property
    def worlds(self) -> tuple[str, ...]:
        return tuple(sorted({heard.call.speech for heard in self.calls}))


async def measure(
    folder: Path,
    settings: Settings,
    *,
    limit: int | None = None,
    longest_s: float = 900.0,
    on_progress: Progress | None = None,
) -> Hearing:
    """Listen to a voiced set.

    Args:
        limit: only so many calls, the first of the set's list.
        longest_s: no further call is begun after so long.

    Raises:
        InputError: there is no such set, or its sound is not what it says.
        RecognitionError, RulebookError: see `ivr.app.open_mind`.
    """
    calls = await asyncio.to_thread(read_voiced, folder, limit)
    started = time.monotonic()
    found: dict[int, Heard] = {}
    async with open_mind(settings) as mind:
        waiting = enumerate(calls)

        async def work() -> None:
            for number, call in _until(started + longest_s, waiting):
                found[number] = await listen(call, mind)
                if on_progress is not None:
                    on_progress(len(found), len(calls))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())
        heard = tuple(found[number] for number in sorted(found))
        seconds = time.monotonic() - started
        return Hearing(
            heard, len(calls) - len(heard), seconds, mind.model, mind.spotter.rulebook.sha256
        )


def _until(
    deadline: float, waiting: Iterator[tuple[int, VoicedCall]]
) -> Iterator[tuple[int, VoicedCall]]:
    """What is waiting, shared by all who ask, until the time is over."""
    while time.monotonic() < deadline:
        following = next(waiting, None)
        if following is None:
            return
        yield following


async def listen(call: VoicedCall, mind: Mind) -> Heard:
    """Both legs of a call, then spotting and judgement as after a real call."""
    audio = await asyncio.to_thread(open_recording, call.audio)
    if len(audio.channels) != len(ROLES):
        raise InputError(
            f"{call.audio} does not hold two speakers.",
            why=f"it has {len(audio.channels)} different channels",
            remedy="Make the set anew: scripts/make_voiced_set.",
        )
    legs = zip(ROLES, audio.channels, strict=True)
    spoken = await asyncio.gather(
        *(mind.recognition.transcribe(samples, leg) for leg, samples in legs)
    )
    utterances = order([utterance for leg in spoken for utterance in leg])
    return await asyncio.to_thread(compared, call, utterances, mind)


def compared(call: VoicedCall, utterances: Sequence[Utterance], mind: Mind) -> Heard:
    """What was heard against what was said."""
    written = call.as_spoken()
    return Heard(
        call=call,
        errors={leg: compare(call.said(leg), _syllables(utterances, leg)) for leg in ROLES},
        text_hits=mind.spotter.spot(written),
        audio=_judged(call, utterances, mind),
        text=_judged(call, written, mind),
    )


def _judged(call: VoicedCall, utterances: Sequence[Utterance], mind: Mind) -> Timed:
    hits = mind.spotter.spot(utterances)
    verdict = mind.judge.judge(hits, utterances, call.seconds)
    return Timed(Outcome(call.dialogue, hits, verdict), call.seconds, call.demand)


def _syllables(utterances: Sequence[Utterance], leg: LegName) -> list[str]:
    words = (word for utterance in utterances if utterance.leg is leg for word in utterance.words)
    return [one for word in words for one in syllables(word.text)]
