"""What is said and agreed on the line of a call: `follow` takes its facts, `converse` speaks."""

import asyncio
import time
from dataclasses import dataclass, field

from ivr.board import PromptStarted
from ivr.dialogue import heard, screening
from ivr.dialogue.screening import HangUp, Plan, Play, PromptPlayed, Started, State, Tick
from ivr.evidence.canonical import plain
from ivr.evidence.lawful_basis import ANNOUNCED, ANNOUNCEMENT_OVER
from ivr.facts.call import Blame, CallClosed, Dtmf, LegName, MediaAgreed, Mode
from ivr.journeys.hearing import OpenCase
from ivr.journeys.sounded_keys import SoundedKeys
from ivr.media.door import CallDoor
from ivr.ports import Line, SubscriberLine

TICK_S = 0.2
EARLY_S, LATE_S = 0.25, 20.0  # the player gives up half a minute after a prompt's time
MOST_KEYS = 200  # noted of those that were sent as sound
OWN_LEG = {LegName.CALLEE: LegName.AGENT_TO_CALLEE}
"""What we send to whom; everybody else hears ``agent``."""


@dataclass(slots=True, kw_only=True)
class RunningCall(OpenCase):
    """A case whose call we answer: it has a line to speak on."""

    line: Line
    door: CallDoor
    directions: dict[LegName, str] = field(default_factory=dict)  # as answered by us

    @property
    def expected(self) -> tuple[LegName, ...]:
        """What is agreed upon: legs on hold, and sides not yet answered, may be silent."""
        expected: list[LegName] = []
        for leg, direction in self.directions.items():
            if direction in ("sendrecv", "recvonly"):
                expected.append(leg)
            if direction in ("sendrecv", "sendonly"):
                expected.append(OWN_LEG.get(leg, LegName.AGENT))
        return tuple(expected)

    async def end(self, reason: str) -> None:
        await self.line.hang_up(reason)


async def follow(call: RunningCall) -> None:
    """Facts of the line until the call is over; keys sent as sound are noted at its end."""
    heard: list[Dtmf] = []

    def press(key: Dtmf) -> None:
        call.house.board.publish(call.opened.call_id, key)
        if len(heard) < MOST_KEYS:
            heard.append(key)

    sounded = SoundedKeys(press)
    call.door.tap(call.caller_leg, sounded)
    async for fact in call.line.events():
        match fact:
            case MediaAgreed():
                call.door.agree(fact)
                sounded.agree(fact)
                call.directions[call.caller_leg] = fact.direction
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
    call.over.set()  # before any note: a full disk takes none
    if heard:
        keys = [{"digit": key.digit, "at_s": key.at_s} for key in heard]
        await call.note("keys sent as sound", {"keys": keys})
    await call.note("closed", plain(call.closed))


async def converse(
    call: RunningCall, mode: Mode | None = None, *, is_announced: bool = False
) -> None:
    """Announce, ask, listen, close: the screening dialogue over the line.

    Args:
        mode: as if the call had this mode; None: its own.
        is_announced: the caller was told of the recording already.
    """
    script, settings = call.house.script, call.house.settings.call
    plan = Plan(
        silence_s=settings.close_after_silence_s,
        no_audio_s=settings.no_audio_s,
        max_s=settings.max_s,
    )
    await call.note("dialogue", {"version": script.version, "sha256": script.sha256})
    answered_s, spoke_at_s = time.monotonic(), 0.0
    began = Started(mode or call.opened.mode, is_announced)
    state, commands = screening.step(State(), began, script, plan)
    while not call.over.is_set():
        for command in commands:
            match command:
                case Play():
                    spoke_at_s = call.leg_now_s
                    await _say(call, command.prompt)
                    state, commands = screening.step(state, PromptPlayed(), script, plan)
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
                heard=heard.names(
                    call.listener.hits if call.listener is not None else (),
                    call.verdict,
                    has_words=call.has_spoken,
                ),
                has_answered=call.last_word_s > spoke_at_s,
            )
            state, commands = screening.step(state, tick, script, plan)


async def _say(call: RunningCall, prompt_id: str) -> None:
    if prompt_id == screening.ANNOUNCEMENT:
        await announce(call)
    else:
        await say(call, call.line, prompt_id, "prompt")
    call.we_spoke()


async def announce(call: RunningCall) -> None:
    """Tell the caller of the recording, and note whether it was played to its end: a call that
    ended meanwhile, and one on hold that the player gave up, were not told."""
    began_s = time.monotonic()
    await say(call, call.line, screening.ANNOUNCEMENT, ANNOUNCED)
    played_s = time.monotonic() - began_s
    lasts_s = call.house.prompts[screening.ANNOUNCEMENT].duration_s
    is_whole = was_heard(played_s, lasts_s, is_up=call.line.closed is None)
    await call.note(ANNOUNCEMENT_OVER, {"played_s": round(played_s, 2), "is_whole": is_whole})


def was_heard(played_s: float, lasts_s: float, *, is_up: bool) -> bool:
    """Whether a recording of ``lasts_s`` seconds that played for ``played_s`` reached its end."""
    return is_up and -EARLY_S < played_s - lasts_s < LATE_S


async def say(call: RunningCall, line: Line | SubscriberLine, prompt_id: str, event: str) -> None:
    """Play a prompt to one side of a call; it stands on the board, and in the journal as
    ``event``."""
    prompt = call.house.prompts[prompt_id]
    call.house.board.publish(call.opened.call_id, PromptStarted(prompt.id, prompt.text))
    told = {"prompt": prompt.id, "text": prompt.text, "language": prompt.language}
    await call.note(event, told)
    await line.play(prompt.path)


async def _pause(call: RunningCall) -> None:
    try:
        async with asyncio.timeout(TICK_S):
            await call.over.wait()
    except TimeoutError:
        return
