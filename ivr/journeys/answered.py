"""One call, top to bottom. Start reading here.

INVITE → admit → open the case → open the door → answer → follow, hear, converse
       → close the wire log → decode, listen again, judge, seal, file (closing.py)
"""

import asyncio
from functools import partial

from ulid import ULID

from ivr.casefile import SealedCase
from ivr.errors import IvrError
from ivr.evidence.case_folder import CaseFolder
from ivr.facts.alarms import AlarmCode
from ivr.facts.call import CallOpened, LegName, Mode
from ivr.faults import report
from ivr.house import House
from ivr.journeys.bridging import bridge
from ivr.journeys.closing import Heard, close_case
from ivr.journeys.conversation import RunningCall, converse, follow
from ivr.journeys.hearing import last_words, listen_to, on_watch, stop_hearing
from ivr.journeys.menu import menu_wanted, serve_menu
from ivr.journeys.signalling import keeping
from ivr.journeys.unheard import connect_unheard, may_pass
from ivr.ports import Line
from ivr.settings import Subscriber
from ivr.settings.record import settings_record
from ivr.watch.capacity import MEASURED_WITHIN_S

LEGS = {
    Mode.ANSWER: (LegName.CALLER, LegName.AGENT),
    Mode.BRIDGE: (LegName.CALLER, LegName.AGENT, LegName.CALLEE, LegName.AGENT_TO_CALLEE),
    Mode.LISTEN: (LegName.MIXED, LegName.AGENT),
}


async def screen_call(line: Line, house: House) -> SealedCase | None:
    """Take one incoming call from its INVITE to the sealed and filed case.

    Returns None when the call was not taken, or could not be sealed. Nothing that goes wrong in
    one call reaches the others; what it leaves unsealed is found again by `ivr recover`.
    """
    subscriber = await admit(line, house)
    if subscriber is None:
        return None
    admission = menu_wanted(line, subscriber, house)
    opened = open_call(line, subscriber, house)
    try:
        if admission is not None:
            await serve_menu(line, subscriber, admission, house)
            return None
        if may_pass(subscriber, opened.caller):
            if await connect_unheard(line, subscriber, house):
                return None
            subscriber = subscriber.model_copy(update={"mode": "answer"})  # rung already
            opened = open_call(line, subscriber, house)
        call = await start_recording(line, opened, house)
        try:
            with on_watch(call):
                await run_call(call)
        except Exception as problem:  # noqa: BLE001 - whatever it was: what is recorded is sealed
            report(problem, "call.broken", opened.call_id, house)
            call.is_deaf = True
            await line.hang_up("a fault on our side")
            call.closed = call.closed or line.closed
        return await seal_call(call)
    except Exception as problem:  # noqa: BLE001 - one call's fault must not end the others
        report(problem, "call.failed", opened.call_id, house)
        house.alarms.raise_(AlarmCode.CASE_UNSEALED, opened.call_id)
        house.metrics.calls.labels(opened.mode.value, "failed").inc()
        return None


async def admit(line: Line, house: House) -> Subscriber | None:
    """Whose call this is, or None after refusing it."""
    subscriber = house.subscribers.get(line.offer.access)
    origin = house.trunks.origin(line.offer)
    source = origin.address or line.offer.source[0]
    if subscriber is None:
        house.log.info("call.refused", why="unknown access number", pii_access=line.offer.access)
        house.count_refusal("unknown_access", source)
        await line.refuse(404, "Not Found")
        return None
    await house.capacity.measure(MEASURED_WITHIN_S)
    refusal = house.capacity.refusal()
    if refusal is not None:
        reason, detail = refusal.cause.value, refusal.detail
    elif not house.trunks.admit(origin, line):
        reason, detail = "trunk", origin.trunk
    else:
        house.capacity.enter(line)
        return subscriber
    house.log.warning("call.refused", why=reason, detail=detail)
    house.count_refusal(reason, source)
    await line.refuse(503, "Service Unavailable", house.settings.sip.retry_after_s)
    return None


def open_call(line: Line, subscriber: Subscriber, house: House) -> CallOpened:
    """The call as facts, under a new id; the caller's number is never the subscriber's."""
    offer = line.offer
    origin = house.trunks.origin(offer)
    mode = Mode(subscriber.mode)
    return CallOpened(
        call_id=str(ULID()),
        mode=mode,
        legs=LEGS[mode],
        identities=offer.identities,
        caller=house.trunks.caller(offer, house.protected),
        subscriber=subscriber.number,
        access=subscriber.access,
        sip_call_id=offer.sip_call_id,
        source_address=origin.address or offer.source[0],
        opened_at=house.clock.now(),
        trunk=origin.trunk,
        consent_version=subscriber.consent_version,
        consented_on=subscriber.consented_on.isoformat() if subscriber.consented_on else "",
    )


async def start_recording(line: Line, opened: CallOpened, house: House) -> RunningCall:
    """The case exists before the first packet, and the door before the answer: whatever happens
    from here on, `ivr recover` finds what was recorded."""
    try:
        folder = await asyncio.to_thread(
            partial(
                CaseFolder.create,
                house.vault,
                opened,
                raw_invite=line.offer.raw,
                site=house.settings.evidence.site,
                clock=house.clock,
                settings=settings_record(house.settings),
            )
        )
        house.log.info("call.opened", call_id=opened.call_id, trunk=opened.trunk)
        house.board.publish(opened.call_id, opened)
        try:
            door = await house.open_door(folder, opened)
        except BaseException:  # tidied up, then raised again
            folder.release()
            raise
    except IvrError:
        await line.refuse(503, "Service Unavailable", house.settings.sip.retry_after_s)
        raise
    line.trace(keeping(door))
    return RunningCall(line=line, door=door, folder=folder, opened=opened, house=house)


async def run_call(call: RunningCall) -> None:
    """Answer, and follow, hear and converse until the call is over and its last words are heard.
    The wire log is still open when this returns."""
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(call))
            listen_to(call, call.caller_leg, tasks)
            tasks.create_task(speak(call, tasks))
            await call.over.wait()
            await last_words(call)
    except BaseException:  # tidied up, then raised again
        await stop_hearing(call, "the call failed")
        raise


async def speak(call: RunningCall, tasks: asyncio.TaskGroup) -> None:
    """Answer and hold the conversation; a line that fails ends the call, not the case."""
    try:
        await call.line.answer(call.door.endpoint)
        if call.opened.mode is Mode.BRIDGE:
            await bridge(call, call.house.subscribers[call.opened.access], tasks)
        else:
            await converse(call)
    except IvrError as problem:
        call.house.log.warning("line.failed", call_id=call.opened.call_id, **problem.as_dict())
        await call.line.hang_up(problem.what)


async def seal_call(call: RunningCall) -> SealedCase:
    """Close the wire log and hand the case over to closing."""
    wire = await call.door.close()
    reasons = call.door.incomplete_reasons()
    heard = Heard(tuple(call.finals), None if call.is_deaf else call.missed, call.final_listener)
    house = call.house
    if call.closed is not None:
        house.board.publish(call.opened.call_id, call.closed)
    try:
        return await close_case(call.folder, wire, call.closed, heard, house, reasons)
    except BaseException:  # tidied up, then raised again
        call.folder.release()  # so that recovery may take it
        raise
