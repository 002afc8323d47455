"""The screening dialogue: (state, event) → (state, commands). Pure, so that it can be replayed.

What is said, what is listened for and how long is data (``script``); here are only the steps. A
list of choices takes the first line that fits what was heard in the call so far and whose state
is not used up: so each question is asked once, and the most telling first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ivr.dialogue.script import NOTHING, WORDS, Choice, Listening, Node, Script
from ivr.facts.call import Mode

ANNOUNCEMENT = "announcement"
"""The prompt that says that the call is recorded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the settings add to the script. All times in seconds.

    Args:
        silence_s: silence after which a caller who has spoken has nothing more to say.
        no_audio_s: time without any packet after which the other side is taken for gone.
        max_s: longest call.
    """

    silence_s: float
    no_audio_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class State:
    """Where the dialogue stands.

    Args:
        node: name of the script's state; empty before the start.
        visits: how often each state was entered.
        pause_s: of the question that was asked last.
    """

    node: str = ""
    is_speaking: bool = False
    is_over: bool = False
    pause_s: float | None = None
    visits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """The call was answered; ``is_announced``: the caller was told of the recording already."""

    mode: Mode
    is_announced: bool = False


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
        heard: names of stages, concepts and levels heard in this call, and ``words`` when
            anything was said at all.
        has_answered: whether the caller has said anything since our last prompt began.
    """

    call_s: float
    silent_s: float
    packetless_s: float
    heard: frozenset[str]
    has_answered: bool


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
Step = tuple[State, tuple[Command, ...]]


def step(state: State, event: Event, script: Script, plan: Plan) -> Step:
    """One step of the dialogue."""
    match event:
        case Started():
            name = script.starts.get(event.mode, script.starts[Mode.ANSWER])
            first = script.nodes[name]
            if event.is_announced and first.then is not None:
                name = first.then
            return _enter(state, name, script)
        case PromptPlayed():
            return _after_prompt(state, script)
        case Tick():
            return _tick(state, event, script, plan)


def _enter(state: State, name: str, script: Script) -> Step:
    node = script.nodes[name]
    visit = state.visits.get(name, 0)
    entered = replace(
        state,
        node=name,
        visits={**state.visits, name: visit + 1},
        is_speaking=bool(node.say),
        pause_s=node.pause_s if node.say else state.pause_s,
    )
    if node.say:
        return entered, (Play(node.say[min(visit, len(node.say) - 1)]),)
    return entered, ()


def _after_prompt(state: State, script: Script) -> Step:
    if state.is_over or not state.is_speaking:
        return state, ()
    node = script.nodes[state.node]
    if node.hang_up is not None:
        return replace(state, is_over=True, is_speaking=False), (HangUp(node.hang_up),)
    assert node.then is not None  # the reader lets no other state through
    return _enter(state, node.then, script)


def _tick(state: State, tick: Tick, script: Script, plan: Plan) -> Step:
    if state.is_over:
        return state, ()
    if tick.packetless_s >= plan.no_audio_s:
        return replace(state, is_over=True), (HangUp("no audio from the other side"),)
    node = script.nodes.get(state.node)
    if state.is_speaking or node is None or node.listening is None:
        return state, ()
    if tick.call_s >= min(plan.max_s, script.longest_s):
        return _choose(state, script.time_up, tick, script)
    listening = node.listening
    if tick.has_answered and tick.silent_s >= (state.pause_s or listening.pause_s):
        answered = _choose(state, listening.answer, tick, script)
        if answered[0] is not state:
            return answered
    if tick.silent_s >= _patience_s(listening, tick, plan):
        return _choose(state, listening.silence, tick, script)
    return state, ()


def _patience_s(listening: Listening, tick: Tick, plan: Plan) -> float:
    if WORDS not in tick.heard:
        return listening.first_word_s
    return plan.silence_s if listening.silence_s is None else listening.silence_s


def _choose(state: State, choices: Sequence[Choice], tick: Tick, script: Script) -> Step:
    """Go where the first line that fits leads; stay when none does."""
    heard = tick.heard if WORDS in tick.heard else tick.heard | {NOTHING}
    for choice in choices:
        if choice.fits(heard) and not _is_used_up(state, script.nodes[choice.go]):
            return _enter(state, choice.go, script)
    return state, ()


def _is_used_up(state: State, node: Node) -> bool:
    return node.times is not None and state.visits.get(node.name, 0) >= node.times
