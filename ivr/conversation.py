"""A call while it runs: what each side does is followed, heard and answered.

Three tasks share one `RunningCall`: `follow` takes facts from the line, `hear` turns sound into
words, hits and a live verdict, `converse` lets the dialogue speak. None of them can stop the
recording, which the door makes on its own.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ivr.board import PromptStarted
from ivr.dialogue import screening
from ivr.dialogue.screening import HangUp, Plan, Play, PromptPlayed, Started, State, Tick
from ivr.errors import IvrError
from ivr.evidence.canonical import plain
from ivr.evidence.case_folder import CaseFolder
from ivr.facts.audio import AudioFrame
from ivr.facts.call import Blame, CallClosed, CallOpened, Dtmf, LegName, MediaAgreed
from ivr.facts.judgement import Verdict
from ivr.facts.speech import MissedSpan, Utterance
from ivr.house import House
from ivr.media.door import CallDoor
from ivr.ports import Ear, Line

TICK_S = 0.2
NUDGE_AFTER_S = 5.0


@dataclass(slots=True)
class RunningCall:
    """The mutable state of one call; touched by the event loop only."""

    line: Line
    door: CallDoor
    folder: CaseFolder
    opened: CallOpened
    house: House
    over: asyncio.Event = field(default_factory=asyncio.Event)
    closed: CallClosed | None = None
    ear: Ear | None = None
    has_spoken: bool = False
    leg_now_s: float = 0.0  # how far the caller's leg has come, on its own clock
    quiet_from_s: float = 0.0  # end of the caller's last word or our last prompt, same clock
    finals: list[Utterance] = field(default_factory=list)
    missed: tuple[MissedSpan, ...] = ()
    is_deaf: bool = False  # live recognition failed; the leg is heard again after the call

    @property
    def caller_leg(self) -> LegName:
        return next(leg for leg in self.opened.legs if leg is not LegName.AGENT)

    @property
    def packetless_s(self) -> float:
        """Seconds since the last packet of the other side."""
        return self.door.last_packet_age_s(self.caller_leg)

    @property
    def silent_s(self) -> float:
        """How long the other side has been silent, as far as it was listened to: a recogniser
        that lags must not make a talking caller look silent."""
        lag_s = self.ear.lag_s if self.ear is not None else 0.0
        return max(0.0, self.leg_now_s + self.packetless_s - lag_s - self.quiet_from_s)

    async def note(self, event: str, facts: Mapping[str, object] | None = None) -> None:
        """Into the journal, without holding the event loop."""
        await asyncio.to_thread(self.folder.record, event, facts)

    def frame(self, ear: Ear, frame: AudioFrame) -> None:
        """Tap of the door: pass sound on to the recogniser."""
        self.leg_now_s = (frame.offset + frame.samples) / frame.rate_hz
        ear.feed(frame)


async def follow(call: RunningCall) -> None:
    """Facts of the line until the call is over."""
    async for fact in call.line.events():
        match fact:
            case MediaAgreed():
                call.door.agree(fact)
                await call.note("media agreed", {"media": plain(fact)})
            case Dtmf():
                call.house.board.publish(call.opened.call_id, fact)
                await call.note("dtmf", {"digit": fact.digit, "at_s": fact.at_s})
            case CallClosed():
                call.closed = fact
    if call.closed is None:
        call.closed = CallClosed(
            Blame.UNKNOWN, "the line ended without a word", 0, 0.0, call.house.clock.now()
        )
    call.over.set()
    await call.note("closed", plain(call.closed))


async def hear(call: RunningCall, ear: Ear) -> None:
    """Words, hits and the verdict so far, to the board as they form."""
    house, call_id = call.house, call.opened.call_id
    listener = house.mind.spotter.listen()
    shown: Verdict | None = None
    try:
        async for utterance in ear.utterances():
            if utterance.words:
                call.has_spoken = True
                call.quiet_from_s = max(call.quiet_from_s, utterance.words[-1].end_s)
            if utterance.is_final:
                call.finals.append(utterance)
            house.board.publish(call_id, utterance)
            new = listener.hear(utterance)
            for hit in new:
                house.board.publish(call_id, hit)
            if not new and not utterance.is_final:
                continue
            words = call.finals if utterance.is_final else [*call.finals, utterance]
            verdict = house.mind.judge.judge(listener.hits, words, call.leg_now_s)
            if shown is None or (verdict.label, verdict.level) != (shown.label, shown.level):
                house.board.publish(call_id, verdict)
                shown = verdict
    except IvrError as problem:  # a deaf call is still recorded, and heard again afterwards
        call.is_deaf = True
        house.log.error("recognition.lost", call_id=call_id, why=problem.what)
        await call.note("recognition lost", problem.as_dict())


async def converse(call: RunningCall) -> None:
    """Announce, ask, listen, close: the screening dialogue over the line."""
    settings = call.house.settings.call
    plan = Plan(
        mode=call.opened.mode,
        nudge_after_s=NUDGE_AFTER_S,
        close_after_silence_s=settings.close_after_silence_s,
        no_audio_s=settings.no_audio_s,
        max_s=settings.max_s,
    )
    answered_s = time.monotonic()
    state, commands = screening.step(State(), Started(), plan)
    while not call.over.is_set():
        for command in commands:
            match command:
                case Play():
                    await _say(call, command.prompt)
                    state, commands = screening.step(state, PromptPlayed(), plan)
                    break
                case HangUp():
                    await call.line.hang_up(command.reason)
                    return
        else:
            await _pause(call)
            tick = Tick(
                call_s=time.monotonic() - answered_s,
                silent_s=call.silent_s,
                packetless_s=call.packetless_s,
                has_spoken=call.has_spoken,
            )
            state, commands = screening.step(state, tick, plan)


async def _say(call: RunningCall, prompt_id: str) -> None:
    prompt = call.house.prompts[prompt_id]
    call.house.board.publish(call.opened.call_id, PromptStarted(prompt.id, prompt.text))
    event = "announced" if prompt_id == screening.ANNOUNCEMENT else "prompt"
    await call.note(event, {"prompt": prompt.id, "text": prompt.text})
    await call.line.play(prompt.path)
    call.quiet_from_s = max(call.quiet_from_s, call.leg_now_s)


async def _pause(call: RunningCall) -> None:
    try:
        async with asyncio.timeout(TICK_S):
            await call.over.wait()
    except TimeoutError:
        return
