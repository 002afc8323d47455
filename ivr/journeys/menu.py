"""The voice menu of a subscriber who calls the own access number. It makes no case.

Nobody hears another's calls: only a number that the network vouches for opens the menu, or the
right code; a call that was diverted to us never does, whatever number it shows. Nothing of such a
call is recorded: its packets pass through.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ivr.clock import VIETNAM
from ivr.dialogue import menu, pin
from ivr.dialogue.menu import (
    Done,
    File,
    Found,
    HangUp,
    Key,
    LookUp,
    Plan,
    Quiet,
    Say,
    Started,
    State,
    Withdraw,
)
from ivr.dialogue.menu_words import LastCall, ReportState
from ivr.dialogue.sound import joined
from ivr.errors import IvrError, UsageError
from ivr.facts.call import Dtmf, LegName, MediaAgreed
from ivr.facts.judgement import Label
from ivr.facts.reports import Delivery, DeliveryState
from ivr.house import House
from ivr.journeys.sounded_keys import SoundedKeys
from ivr.media.passing_door import PassingDoor
from ivr.ports import Line
from ivr.settings import Subscriber
from ivr.telephony.numbers import normalise

BY_TELEPHONE = "by the subscriber, by telephone"
ASSERTED = frozenset({"P-Asserted-Identity", "Remote-Party-ID"})
"""Headers in which a network, not the caller, says who calls (RFC 3325 and its forerunner)."""

DIVERTED = frozenset({"Diversion", "History-Info"})
LONGEST_S = 300.0
TICK_S = 0.2
_WAITING_KEYS = 16

_STATES = (  # the first that any report of the case is in
    (ReportState.HELD, {DeliveryState.HELD}),
    (ReportState.WAITING, {DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.RETRY}),
    (ReportState.READY, {DeliveryState.READY}),
    (ReportState.FILED, {DeliveryState.SENT}),
    (ReportState.FAILED, {DeliveryState.FAILED, DeliveryState.UNCERTAIN}),
    (ReportState.WITHDRAWN, {DeliveryState.WITHDRAWN}),
)
_CAN_GO_OUT = {DeliveryState.HELD, DeliveryState.WITHDRAWN, DeliveryState.FAILED}
_CAN_BE_TAKEN_BACK = {
    *(DeliveryState.HELD, DeliveryState.PENDING, DeliveryState.RETRY, DeliveryState.FAILED),
    *(DeliveryState.READY, DeliveryState.UNCERTAIN),
}


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody may have the menu; ``needs_code``: the network does not vouch for them."""

    needs_code: bool


def menu_wanted(line: Line, subscriber: Subscriber, house: House) -> Admission | None:
    """Whether a call is the subscriber's own, for the menu; None: it is screened like any other.

    A diverted call never is, for it was meant for the subscriber; nor is a call to a number that
    only listens, for there the subscriber merges us into a running call. Asserted identities
    count only from a trusted trunk, and all of them must be the subscriber's number; a From that
    claims it must be backed by a code.
    """
    offer = line.offer
    own = normalise(subscriber.number).e164
    if not subscriber.menu or subscriber.mode == "listen" or own is None:
        return None
    if any(identity.header in DIVERTED for identity in offer.identities):
        return None
    asserted = {
        identity.e164
        for identity in offer.identities
        if identity.header in ASSERTED and identity.confidence > 0
    }
    origin = house.trunks.origin(offer)
    if origin.is_trusted and origin.carries != "international" and asserted:
        return Admission(needs_code=False) if asserted == {own} else None
    claims = any(each.header == "From" and each.e164 == own for each in offer.identities)
    if not claims or subscriber.menu_pin_file is None:
        return None
    if house.pins.is_shut(subscriber.access, time.monotonic()):
        house.log.warning("menu.shut", why="too many calls without a right code")
        return None
    return Admission(needs_code=True)


@dataclass(slots=True)
class MenuCall:
    """A running menu; touched by the event loop only. More than sixteen waiting keys are dropped.

    Args:
        case_id: the call that was read out; only its reports are acted on, even when another
            call came in the meantime. None: nobody was admitted, or there is none.
    """

    line: Line
    subscriber: Subscriber
    house: House
    folder: Path
    keys: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(_WAITING_KEYS))
    over: asyncio.Event = field(default_factory=asyncio.Event)
    quiet_from_s: float = field(default_factory=time.monotonic)
    said: int = 0
    case_id: str | None = None


async def serve_menu(
    line: Line, subscriber: Subscriber, admission: Admission, house: House
) -> None:
    """Answer with the menu, until either side hangs up.

    Raises:
        IvrError: the code cannot be read, no port is free, or the line failed; nothing of the
            call is kept.
    """
    code = await asyncio.to_thread(_code_of, subscriber) if admission.needs_code else None
    settings = house.settings.call
    plan = Plan(subscriber.access, code, settings.language, settings.number_words)
    door = PassingDoor.open(house.settings.media)
    house.tally["voice menu"] += 1
    house.log.info("menu.opened", needs_code=admission.needs_code)
    try:
        with tempfile.TemporaryDirectory(prefix="ivr-menu-") as folder:
            call = MenuCall(line, subscriber, house, Path(folder))
            endpoint = door.add_side(LegName.CALLER, LegName.AGENT).endpoint
            following = asyncio.create_task(_follow(call, door))
            try:
                async with asyncio.timeout(LONGEST_S):
                    await line.answer(endpoint)
                    await _talk(call, plan)
            except TimeoutError:
                await line.hang_up("the longest menu call")
            except BaseException:  # nobody is left on a silent line; then raised again
                await line.hang_up("a fault on our side")
                raise
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following
    finally:
        await door.close()
        house.log.info("menu.closed")


def _code_of(subscriber: Subscriber) -> str:
    assert subscriber.menu_pin_file is not None  # nobody needs a code where there is none
    return pin.read(subscriber.menu_pin_file)


async def _follow(call: MenuCall, door: PassingDoor) -> None:
    """Media and keys of the line until it is over."""

    def press(key: Dtmf) -> None:
        if not call.keys.full():
            call.keys.put_nowait(key.digit)

    sounded = SoundedKeys(press)
    door.tap(LegName.CALLER, sounded)
    async for fact in call.line.events():
        if isinstance(fact, MediaAgreed):
            door.agree(LegName.CALLER, fact)
            sounded.agree(fact)
        elif isinstance(fact, Dtmf):
            press(fact)
        else:
            break
    call.over.set()


async def _talk(call: MenuCall, plan: Plan) -> None:
    state, commands = menu.step(State(), Started(), plan)
    while not call.over.is_set():
        event: Found | Done | Key | Quiet | None = None
        for command in commands:
            match command:
                case Say():
                    await _say(call, command)
                case HangUp():
                    if command.was_refused:
                        call.house.pins.fail(call.subscriber.access, time.monotonic())
                    await call.line.hang_up("the menu is over")
                    return
                case LookUp() | File() | Withdraw():
                    event = await _act(call, command, plan)
        state, commands = menu.step(state, event or await _next_key(call), plan)


async def _next_key(call: MenuCall) -> Key | Quiet:
    try:
        async with asyncio.timeout(TICK_S):
            digit = await call.keys.get()
    except TimeoutError:
        return Quiet(time.monotonic() - call.quiet_from_s)
    call.quiet_from_s = time.monotonic()
    return Key(digit)


async def _say(call: MenuCall, said: Say) -> None:
    """Play it as one sound; a key breaks it off and stays in the queue."""
    call.said += 1
    path = call.folder / f"{call.said}.wav"
    voice = call.house.voices[said.language]
    await asyncio.to_thread(lambda: path.write_bytes(joined(voice, said.pieces)))
    playing = asyncio.create_task(call.line.play(path))
    while not playing.done() and call.keys.empty():
        await asyncio.wait([playing], timeout=TICK_S / 4)
    if not playing.done():
        playing.cancel()
    with suppress(asyncio.CancelledError):
        await playing
    call.quiet_from_s = time.monotonic()


async def _act(call: MenuCall, command: LookUp | File | Withdraw, plan: Plan) -> Found | Done:
    house = call.house
    if isinstance(command, LookUp) and plan.code is not None:
        house.pins.succeed(call.subscriber.access)
    try:
        if isinstance(command, LookUp):
            return Found(await _last_call(call))
        worked = await (_file(call) if isinstance(command, File) else _withdraw(call))
        house.log.info("menu.decided", act=type(command).__name__.lower(), worked=worked)
        return Done(command, worked, await _last_call(call))
    except IvrError as problem:  # the caller is told; the call goes on
        house.log.error("menu.failed", **problem.as_dict())
        await _say(call, Say(("menu_trouble",), plan.language))
        return Found(None) if isinstance(command, LookUp) else Done(command, False, None)


async def _last_call(call: MenuCall) -> LastCall | None:
    """The subscriber's newest case, or again the one that was read out before."""
    ledger = call.house.ledger
    if call.case_id is None:
        found = await ledger.cases(limit=1, subscriber=call.subscriber.number)
        if not found:
            return None
        call.case_id = found[0].case_id
    case = await ledger.case(call.case_id)
    return LastCall(
        label=Label(case.label),
        number=case.caller,
        at=case.opened_at.astimezone(VIETNAM),
        report=together(report.state for report in await ledger.reports(case_id=call.case_id)),
    )


def together(states: Iterable[DeliveryState]) -> ReportState:
    """What to say of several reports on one call: the state in which a person is needed most."""
    found = set(states)
    return next((said for said, among in _STATES if found & among), ReportState.NONE)


async def _file(call: MenuCall) -> bool:
    """Let held, withdrawn and failed reports on the last call go; whether any went."""
    desk, done = call.house.ledger.desk, 0
    for report in await _reports(call, _CAN_GO_OUT):
        with suppress(UsageError):  # it changed in this moment: then it is not ours to change
            if report.state is DeliveryState.HELD:
                await desk.release(report.report_id, BY_TELEPHONE)
            else:
                await desk.retry(report.report_id, BY_TELEPHONE)
            done += 1
    call.house.dispatcher.notify()
    return done > 0


async def _withdraw(call: MenuCall) -> bool:
    done = 0
    for report in await _reports(call, _CAN_BE_TAKEN_BACK):
        with suppress(UsageError):  # it was sent in this moment: it cannot be called back
            await call.house.ledger.desk.withdraw(report.report_id, BY_TELEPHONE)
            done += 1
    return done > 0


async def _reports(call: MenuCall, among: set[DeliveryState]) -> list[Delivery]:
    if call.case_id is None:
        return []
    reports = await call.house.ledger.reports(case_id=call.case_id)
    return [report for report in reports if report.state in among]
