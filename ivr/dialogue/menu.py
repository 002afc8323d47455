"""The subscriber's voice menu: (state, event) → (state, commands). Pure.

It says what became of the last call, and lets the subscriber file or withdraw its report. What is
said is a sequence of prompt ids (``spoken``), so that numbers and times stand inside sentences.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ivr.dialogue import pin
from ivr.dialogue.menu_words import LANGUAGES, LastCall, ReportState, forwarding, last_call
from ivr.dialogue.spoken import PAUSE, Language, Pieces, Region

ANSWER_S: Final = 8.0
"""How long to wait for a key, from the end of what we said."""

REPEATS: Final = 2
"""How often we say the keys again to somebody who presses none, or wrong ones, before we end."""

CAN_BE_FILED: Final = frozenset({ReportState.HELD, ReportState.WITHDRAWN, ReportState.FAILED})
CAN_BE_WITHDRAWN: Final = frozenset(
    {ReportState.HELD, ReportState.WAITING, ReportState.READY, ReportState.FAILED}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What does not change during a call.

    Args:
        code: must be entered first; None: the network vouches for the number.
        access: the access number, read out with the forwarding codes when it is one.
    """

    access: str
    code: str | None = None
    language: Language = "vi"
    region: Region = "north"


class Page(StrEnum):
    CODE = "code"
    LOOKING_UP = "looking_up"
    KEYS = "keys"
    FILING = "filing"  # asked whether it is meant
    WITHDRAWING = "withdrawing"
    ACTING = "acting"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class State:
    """Where the menu stands. ``tries``: codes that were wrong; ``idle``: waits and keys in a row
    that led nowhere."""

    page: Page = Page.CODE
    language: Language = "vi"
    entered: str = ""
    tries: int = 0
    idle: int = 0
    last: LastCall | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The call was answered."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key was pressed; whatever we were saying has stopped."""

    digit: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """No key since we stopped speaking, for ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to ``LookUp``: the last call, or None when there was none."""

    last: LastCall | None


@dataclass(frozen=True, slots=True)
class Say:
    """Say these pieces in a language; the next key breaks it off."""

    pieces: Pieces
    language: Language


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find the subscriber's last call; nobody is admitted before this is asked for."""


@dataclass(frozen=True, slots=True)
class File:
    """Let the reports on the last call go out."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take the reports on the last call back."""


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to ``File`` and ``Withdraw``: whether it worked, and how the report is now."""

    act: File | Withdraw
    worked: bool
    last: LastCall | None


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call, after what was said; ``was_refused``: no right code was entered."""

    was_refused: bool = False


Event = Started | Key | Quiet | Found | Done
Command = Say | LookUp | File | Withdraw | HangUp
Step = tuple[State, tuple[Command, ...]]


def step(state: State, event: Event, plan: Plan) -> Step:
    """One step of the menu."""
    if state.page is Page.OVER:
        return state, ()
    match event:
        case Started():
            return _start(plan)
        case Found():
            known = replace(state, page=Page.KEYS, last=event.last)
            return _say(
                known,
                "menu_welcome",
                PAUSE,
                *last_call(known.last, known.language, plan.region),
                PAUSE,
                "menu_keys",
            )
        case Done():
            return _done(replace(state, page=Page.KEYS, last=event.last), event)
        case Key():
            return _key(state, event.digit, plan)
        case Quiet():
            return _quiet(state, plan) if event.seconds >= ANSWER_S else (state, ())


def _start(plan: Plan) -> Step:
    state = State(language=plan.language)
    if plan.code is not None:
        return _say(state, "menu_pin")
    return replace(state, page=Page.LOOKING_UP), (LookUp(),)


def _say(state: State, *pieces: str) -> Step:
    return state, (Say(pieces, state.language),)


def _end(state: State, *pieces: str, was_refused: bool = False) -> Step:
    over = replace(state, page=Page.OVER)
    return over, (Say((*pieces, "menu_bye"), state.language), HangUp(was_refused))


def _key(state: State, digit: str, plan: Plan) -> Step:
    match state.page:
        case Page.CODE:
            return _code(state, digit, plan)
        case Page.KEYS:
            return _chosen(state, digit, plan)
        case Page.FILING | Page.WITHDRAWING:
            if digit == "1":
                act = File() if state.page is Page.FILING else Withdraw()
                return replace(state, page=Page.ACTING, idle=0), (act,)
            return _say(replace(state, page=Page.KEYS, idle=0), "menu_unchanged", "menu_keys")
        case _:  # we are looking something up: keys wait for nobody
            return state, ()


def _code(state: State, digit: str, plan: Plan) -> Step:
    if digit == "*":
        return replace(state, entered=""), ()
    if digit != "#":
        return replace(state, entered=(state.entered + digit)[: pin.LONGEST + 1]), ()
    if plan.code is not None and pin.is_right(state.entered, plan.code):
        return replace(state, page=Page.LOOKING_UP, entered=""), (LookUp(),)
    return _wrong_code(state)


def _wrong_code(state: State) -> Step:
    failed = replace(state, entered="", tries=state.tries + 1)
    if failed.tries >= pin.TRIES:
        return _end(failed, "menu_pin_wrong", was_refused=True)
    return _say(failed, "menu_pin_wrong", "menu_pin")


def _chosen(state: State, digit: str, plan: Plan) -> Step:
    fresh = replace(state, idle=0)
    report = state.last.report if state.last is not None else ReportState.NONE
    match digit:
        case "1":
            return _say(
                fresh, *last_call(fresh.last, fresh.language, plan.region), PAUSE, "menu_keys"
            )
        case "2" if report in CAN_BE_FILED:
            return _say(replace(fresh, page=Page.FILING), "menu_confirm_file")
        case "3" if report in CAN_BE_WITHDRAWN:
            return _say(replace(fresh, page=Page.WITHDRAWING), "menu_confirm_withdraw")
        case "2" | "3":
            said = f"menu_report_{report}"
            return _say(fresh, said, "menu_not_possible", PAUSE, "menu_keys")
        case "4":
            return _say(fresh, *forwarding(plan.access), PAUSE, "menu_keys")
        case "0":
            return _say(fresh, "menu_help", PAUSE, "menu_keys")
        case "9":
            other = LANGUAGES[(LANGUAGES.index(state.language) + 1) % len(LANGUAGES)]
            turned = replace(fresh, language=other)
            return _say(
                turned, *last_call(turned.last, turned.language, plan.region), PAUSE, "menu_keys"
            )
        case "*":
            return _end(state)
        case _:
            return _idle(state, "menu_wrong_key")


def _quiet(state: State, plan: Plan) -> Step:
    match state.page:
        case Page.CODE:
            return _code(state, "#", plan)  # who waits has finished entering
        case Page.KEYS:
            return _idle(state)
        case Page.FILING | Page.WITHDRAWING:
            return _say(replace(state, page=Page.KEYS), "menu_unchanged", "menu_keys")
        case _:
            return state, ()


def _idle(state: State, *said: str) -> Step:
    if state.idle >= REPEATS:
        return _end(state, *said)
    return _say(replace(state, idle=state.idle + 1), *said, "menu_keys")


def _done(state: State, done: Done) -> Step:
    said = "menu_filed" if isinstance(done.act, File) else "menu_withdrawn"
    return _say(state, said if done.worked else "menu_not_possible", PAUSE, "menu_keys")
