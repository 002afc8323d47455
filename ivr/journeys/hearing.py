"""A case while its call runs: what each leg says is recognised, spotted and judged live.

None of this can stop the recording, which the door makes on its own. Every mode uses it: a call
that is answered has one spoken leg, a bridge or a mirrored call two or more, and a leg may join
in the middle of a call. One listener and one judge hear all legs of a call together.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from ivr.board import StepDone
from ivr.errors import IvrError
from ivr.evidence.case_folder import CaseFolder
from ivr.facts.audio import AudioFrame
from ivr.facts.call import OUR_VOICE, CallClosed, CallOpened, LegName
from ivr.facts.judgement import Verdict
from ivr.facts.speech import MissedSpan, Utterance
from ivr.house import House
from ivr.ports import Ear, Listener, TappedDoor
from ivr.telephony.admission import NO_ACK


@dataclass(slots=True)
class LiveLeg:
    """How far one spoken leg has come, in seconds of its own clock.

    Args:
        quiet_from_s: end of its last word, or of our last prompt to it.
        last_word_s: end of its last word; 0: there was none.
    """

    ear: Ear
    now_s: float = 0.0
    quiet_from_s: float = 0.0
    last_word_s: float = 0.0

    def feed(self, frame: AudioFrame) -> None:
        """Tap of the door."""
        self.now_s = (frame.offset + frame.samples) / frame.rate_hz
        self.ear.feed(frame)


@dataclass(slots=True, kw_only=True)
class OpenCase:
    """The mutable state of one call's case; touched by the event loop only."""

    door: TappedDoor
    folder: CaseFolder
    opened: CallOpened
    house: House
    over: asyncio.Event = field(default_factory=asyncio.Event)
    closed: CallClosed | None = None
    legs: dict[LegName, LiveLeg] = field(default_factory=dict)
    finals: list[Utterance] = field(default_factory=list)
    missed: tuple[MissedSpan, ...] = ()
    is_deaf: bool = False  # live recognition failed; every leg is heard again after the call
    has_spoken: bool = False  # anybody but us
    verdict: Verdict | None = None  # as it stands now, partial words included
    listener: Listener | None = None
    final_listener: Listener | None = None  # of final words alone, numbered as they came
    final_count: int = 0
    hearers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def expected(self) -> tuple[LegName, ...]:
        """Legs that should bring packets now."""
        return ()

    async def end(self, reason: str) -> None:
        """End the call; what was recorded is sealed."""
        self.over.set()
        await self.note("ended", {"reason": reason})

    @property
    def caller_leg(self) -> LegName:
        """The leg that the call came with: the caller's, or a conference's."""
        return next(leg for leg in self.opened.legs if leg not in OUR_VOICE)

    @property
    def leg_now_s(self) -> float:
        """How far the caller's leg has come, on its own clock."""
        leg = self.legs.get(self.caller_leg)
        return leg.now_s if leg is not None else 0.0

    @property
    def packetless_s(self) -> float:
        """Seconds since the last packet on the caller's leg."""
        return self.door.last_packet_age_s(self.caller_leg)

    @property
    def silent_s(self) -> float:
        """How long the caller's leg has been silent, as far as it was listened to: a recogniser
        that lags must not make a talking caller look silent."""
        leg = self.legs.get(self.caller_leg)
        if leg is None:
            return self.packetless_s
        return max(0.0, leg.now_s + self.packetless_s - leg.ear.lag_s - leg.quiet_from_s)

    @property
    def last_word_s(self) -> float:
        """End of the last word on the caller's leg, on its own clock; 0: there was none."""
        leg = self.legs.get(self.caller_leg)
        return leg.last_word_s if leg is not None else 0.0

    def we_spoke(self) -> None:
        """Our prompt to the caller ends now: the silence is counted from here."""
        leg = self.legs.get(self.caller_leg)
        if leg is not None:
            leg.quiet_from_s = max(leg.quiet_from_s, leg.now_s)

    async def note(self, event: str, facts: Mapping[str, object] | None = None) -> None:
        """Into the journal, without holding the event loop."""
        await asyncio.to_thread(self.folder.record, event, facts)


@contextmanager
def on_watch(case: OpenCase) -> Iterator[None]:
    """While its call runs, a case is looked after; at the end its figures are counted."""
    house, call_id = case.house, case.opened.call_id
    house.running[call_id] = case
    try:
        yield
    finally:
        del house.running[call_id]
        house.metrics.count_packets(case.door.stats())
        if case.closed is not None and case.closed.reason == NO_ACK:
            house.tally[NO_ACK] += 1


def listen_to(case: OpenCase, leg: LegName, tasks: asyncio.TaskGroup) -> None:
    """Hear a leg from now on; its words go to the board, the listener and the judge.

    Raises:
        RecognitionError: recognition is not running, or all of its lanes are taken.
    """
    if case.listener is None:
        case.listener = case.house.mind.spotter.listen()
        case.final_listener = case.house.mind.spotter.listen()
    ear = case.house.mind.recognition.open(leg)
    case.legs[leg] = live = LiveLeg(ear)
    case.door.tap(leg, live.feed)
    case.hearers.append(tasks.create_task(_hear(case, live, case.listener)))


async def last_words(case: OpenCase) -> None:
    """No more sound: wait for what was still to be recognised, and note what was missed."""
    started = case.house.clock.monotonic_ns()
    missed = await asyncio.gather(*(leg.ear.finish() for leg in case.legs.values()))
    case.missed = tuple(span for spans in missed for span in spans)
    await asyncio.gather(*case.hearers)
    took_s = (case.house.clock.monotonic_ns() - started) / 1e9
    case.house.board.publish(case.opened.call_id, StepDone("last words", took_s))


async def stop_hearing(case: OpenCase, why: str) -> None:
    """Give up at once, on every leg; what was not worked off counts as not heard."""
    for leg in case.legs.values():
        await leg.ear.cancel(why)


async def _hear(case: OpenCase, live: LiveLeg, listener: Listener) -> None:
    try:
        async for utterance in live.ear.utterances():
            if utterance.words:
                case.has_spoken = True
                live.last_word_s = max(live.last_word_s, utterance.words[-1].end_s)
                live.quiet_from_s = max(live.quiet_from_s, live.last_word_s)
            if utterance.is_final:
                case.finals.append(utterance)
                if utterance.words and case.final_listener is not None:
                    case.final_listener.hear(replace(utterance, index=case.final_count))
                    case.final_count += 1
            _judge(case, utterance, listener)
    except IvrError as problem:  # a deaf call is still recorded, and heard again afterwards
        case.is_deaf = True
        case.house.log.error("recognition.lost", call_id=case.opened.call_id, why=problem.what)
        await case.note("recognition lost", problem.as_dict())


def _judge(case: OpenCase, utterance: Utterance, listener: Listener) -> None:
    publish = partial(case.house.board.publish, case.opened.call_id)
    publish(utterance)
    new = listener.hear(utterance)
    for hit in new:
        publish(hit)
        if (leg := case.legs.get(hit.leg)) is not None:
            case.house.metrics.hit_delay.observe(max(0.0, leg.now_s - hit.end_s))
    if not new and not utterance.is_final:
        return
    words = case.finals if utterance.is_final else [*case.finals, utterance]
    verdict = case.house.mind.judge.judge(listener.hits, words, case.leg_now_s)
    shown, case.verdict = case.verdict, verdict
    if shown is None or (verdict.label, verdict.level) != (shown.label, shown.level):
        publish(verdict)
