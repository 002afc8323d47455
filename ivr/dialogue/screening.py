"""The screening dialogue: (state, event) → (state, commands). Pure, so that it can be replayed.

Answer mode announces the recording, asks who calls, keeps an unknown caller talking, and closes
with the official line. Listen mode announces and is silent until the call ends.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from ivr.facts.call import Mode

ANNOUNCEMENT = "announcement"
QUESTION = "question"
NUDGES = ("nudge_1", "nudge_2")
CLOSING = "closing"


class Phase(StrEnum):
    """Where the dialogue stands."""

    ANNOUNCING = "announcing"
    ASKING = "asking"
    LISTENING = "listening"
    NUDGING = "nudging"
    CLOSING = "closing"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to wait. All times in seconds.

    Args:
        mode: answer speaks with the caller, listen only announces.
        nudge_after_s: silence after which an answering agent encourages the caller to go on.
        close_after_silence_s: silence, after the caller has spoken, that ends an answered call.
        no_audio_s: time without any packet after which the other side is taken for gone.
        max_s: longest call.
    """

    mode: Mode
    nudge_after_s: float
    close_after_silence_s: float
    no_audio_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class State:
    phase: Phase = Phase.ANNOUNCING
    nudges: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """The call was answered."""


@dataclass(frozen=True, slots=True)
class PromptPlayed:
    """The prompt that was playing has ended."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The passing of time, several times a second.

    Args:
        call_s: seconds since the call was answered.
        silent_s: seconds since the caller's last word or our last prompt, whichever is later.
        packetless_s: seconds since the last RTP packet from the other side.
        has_spoken: whether the caller has said anything yet.
    """

    call_s: float
    silent_s: float
    packetless_s: float
    has_spoken: bool


@dataclass(frozen=True, slots=True)
class Play:
    """Play a prompt by its id."""

    prompt: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call; ``reason`` goes into the record."""

    reason: str


Event = Started | PromptPlayed | Tick
Command = Play | HangUp


def step(state: State, event: Event, plan: Plan) -> tuple[State, tuple[Command, ...]]:
    """One step of the dialogue."""
    match event:
        case Started():
            return replace(state, phase=Phase.ANNOUNCING), (Play(ANNOUNCEMENT),)
        case PromptPlayed():
            return _after_prompt(state, plan)
        case Tick():
            return _tick(state, event, plan)


def _after_prompt(state: State, plan: Plan) -> tuple[State, tuple[Command, ...]]:
    if state.phase is Phase.ANNOUNCING and plan.mode is Mode.ANSWER:
        return replace(state, phase=Phase.ASKING), (Play(QUESTION),)
    if state.phase is Phase.CLOSING:
        return replace(state, phase=Phase.OVER), (HangUp("dialogue finished"),)
    return replace(state, phase=Phase.LISTENING), ()


def _tick(state: State, tick: Tick, plan: Plan) -> tuple[State, tuple[Command, ...]]:
    if state.phase is Phase.OVER:
        return state, ()
    if tick.packetless_s >= plan.no_audio_s:
        return replace(state, phase=Phase.OVER), (HangUp("no audio from the other side"),)
    if state.phase is not Phase.LISTENING:
        return state, ()
    closing = replace(state, phase=Phase.CLOSING), (Play(CLOSING),)
    if tick.call_s >= plan.max_s:
        return closing
    if plan.mode is not Mode.ANSWER:
        return state, ()
    if tick.has_spoken and tick.silent_s >= plan.close_after_silence_s:
        return closing
    if tick.silent_s >= plan.nudge_after_s and not tick.has_spoken:
        if state.nudges == len(NUDGES):
            return closing
        nudge = NUDGES[state.nudges]
        return State(Phase.NUDGING, state.nudges + 1), (Play(nudge),)
    return state, ()
