"""What is said and agreed on the line of a call: `follow` takes its facts, `converse` speaks."""

import asyncio
import time
from dataclasses import dataclass

from ivr.board import PromptStarted
from ivr.dialogue import screening
from ivr.dialogue.screening import HangUp, Plan, Play, PromptPlayed, Started, State, Tick
from ivr.evidence.canonical import plain
from ivr.facts.call import Blame, CallClosed, Dtmf, MediaAgreed, Mode
from ivr.hearing import OpenCase
from ivr.media.door import CallDoor
from ivr.ports import Line

TICK_S = 0.2
NUDGE_AFTER_S = 5.0


@dataclass(slots=True, kw_only=True)
class RunningCall(OpenCase):
    """A case whose call we answer: it has a line to speak on."""

    line: Line
    door: CallDoor


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


async def converse(
    call: RunningCall, mode: Mode | None = None, *, is_announced: bool = False
) -> None:
    """Announce, ask, listen, close: the screening dialogue over the line.

    Args:
        mode: as if the call had this mode; None: its own.
        is_announced: the caller was told of the recording already.
    """
    settings = call.house.settings.call
    plan = Plan(
        mode=mode or call.opened.mode,
        nudge_after_s=NUDGE_AFTER_S,
        close_after_silence_s=settings.close_after_silence_s,
        no_audio_s=settings.no_audio_s,
        max_s=settings.max_s,
    )
    answered_s = time.monotonic()
    began = PromptPlayed() if is_announced else Started()
    state, commands = screening.step(State(), began, plan)
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
    call.we_spoke()


async def _pause(call: RunningCall) -> None:
    try:
        async with asyncio.timeout(TICK_S):
            await call.over.wait()
    except TimeoutError:
        return
