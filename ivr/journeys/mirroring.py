"""One mirrored call, top to bottom: an operator's border controller copies it to us.

INVITE → admit → open the case → open a door for its streams → answer → hear every leg
       → close the wire log → decode, listen again, judge, seal, file (closing.py)

Nobody hears us: there is no agent's voice, no announcement. That is why the server does not start
without a stated lawful basis, and why every case repeats it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from ulid import ULID

from ivr.casefile import REPEATED, SealedCase
from ivr.errors import IvrError
from ivr.evidence.canonical import plain
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.layout import ORIGINAL
from ivr.facts.alarms import AlarmCode
from ivr.facts.call import CallClosed, Caller, CallOpened, LegName, Mode
from ivr.faults import report
from ivr.house import House
from ivr.journeys.closing import Heard, close_case
from ivr.journeys.hearing import last_words, on_watch, stop_hearing
from ivr.journeys.mirrored_call import (
    MirroredCall,
    agree,
    judge_silence,
    keep,
    let_go,
    negotiate,
    shortcomings,
    watch,
)
from ivr.journeys.parties import Cast, Parties, read_parties
from ivr.journeys.signalling import keeping
from ivr.media.mirror_door import MirrorDoor
from ivr.media.payloads import CLOCKS_HZ, COMFORT_NOISE
from ivr.settings.record import settings_record
from ivr.sip.name_addr import parse_uri
from ivr.siprec.facts import (
    Fact,
    MetadataReceived,
    Negotiation,
    PairIncomplete,
    SessionEnded,
    StreamsAgreed,
    Unacknowledged,
)
from ivr.siprec.line import MirrorLine
from ivr.siprec.metadata import Metadata
from ivr.telephony.identity import printable
from ivr.watch.capacity import MEASURED_WITHIN_S


def decodes(name: str, rate_hz: int) -> bool:
    """Whether sound of an SDP encoding can be recorded and heard here."""
    name = name.upper()
    return name != COMFORT_NOISE and rate_hz in CLOCKS_HZ.get(name, ())


async def mirror_call(line: MirrorLine, house: House) -> SealedCase | None:
    """Take one mirrored call from its INVITE to the sealed and filed case.

    Returns None when the call was not taken, or could not be sealed.
    """
    async with aclosing(line.events()) as facts:
        first = await anext(facts)
        if not isinstance(first, Negotiation) or not await admit(line, house):
            return None
        return await record(line, first, facts, house)


async def record(
    line: MirrorLine, first: Negotiation, facts: AsyncIterator[Fact], house: House
) -> SealedCase | None:
    """An admitted call from its first offer to the seal; no fault of it reaches the others."""
    opened, cast = open_call(line, first, house)
    try:
        call = await start_recording(line, opened, cast, house)
        try:
            with on_watch(call):
                await run_call(call, first, facts)
        except Exception as problem:  # noqa: BLE001 - whatever it was: what is recorded is sealed
            report(problem, "mirror.broken", opened.call_id, house)
            call.is_deaf = True
            line.hang_up("a fault on our side")
            call.closed = call.closed or line.closed
        return await seal_call(call)
    except Exception as problem:  # noqa: BLE001 - one call's fault must not end the others
        report(problem, "mirror.failed", opened.call_id, house)
        house.alarms.raise_(AlarmCode.CASE_UNSEALED, opened.call_id)
        house.metrics.calls.labels(opened.mode.value, "failed").inc()
        return None


async def admit(line: MirrorLine, house: House) -> bool:
    """Whether there is room to record and recognise; else 503 with Retry-After."""
    await house.capacity.measure(MEASURED_WITHIN_S)
    refusal = house.capacity.refusal()
    if refusal is None:
        house.capacity.enter(line)
        return True
    house.count_refusal(refusal.cause, line.source[0])
    house.log.error("mirror.refused", why=refusal.cause, detail=refusal.detail)
    line.refuse(503, "Service Unavailable", house.settings.sip.retry_after_s)
    return False


def open_call(line: MirrorLine, first: Negotiation, house: House) -> tuple[CallOpened, Cast]:
    """The call as facts, under a new id, and which stream is whose."""
    settings = house.settings.mirror
    uri = parse_uri(line.invite.uri)
    message, metadata = line.invite.message, first.message.metadata or Metadata()
    parties = read_parties(
        message, metadata, house.protected, house.settings.sip.identity_precedence
    )
    cast = Cast(parties, settings.stream_order, settings.max_streams, is_pair=bool(line.pair))
    cast.assign(first.streams, metadata, first.leg_hint)
    opened = CallOpened(
        call_id=str(ULID()),
        mode=Mode.MIRROR,
        legs=cast.legs,
        identities=parties.identities,
        caller=_told(parties, cast),
        subscriber=parties.subscriber,
        access=printable((uri.user if uri else None) or ""),
        sip_call_id=printable(line.invite.call_id),
        source_address=line.source[0],
        opened_at=house.clock.now(),
        lawful_basis=settings.lawful_basis,
    )
    return opened, cast


def _told(parties: Parties, cast: Cast) -> Caller:
    """The party to report. When the legs say that nobody knows whose sound is whose, and none of
    the two is known to be protected, a number would be a guess: nobody is named."""
    is_guess = parties.subscriber is None and LegName.CHANNEL_1 in cast.legs
    return Caller(None, None, None, 0.0, parties.caller.flags) if is_guess else parties.caller


async def start_recording(
    line: MirrorLine, opened: CallOpened, cast: Cast, house: House
) -> MirroredCall:
    """The case exists before the first packet, whatever happens from here on."""
    try:
        create = partial(
            CaseFolder.create,
            house.vault,
            opened,
            raw_invite=line.invite.raw,
            site=house.settings.evidence.site,
            clock=house.clock,
            settings=settings_record(house.settings),
        )
        folder = await asyncio.to_thread(create)
        house.board.publish(opened.call_id, opened)
        try:
            door = await MirrorDoor.open(
                folder.path / ORIGINAL, house.settings.media, call_id=opened.call_id
            )
        except BaseException:  # tidied up, then raised again
            folder.release()
            raise
    except IvrError:
        line.refuse(503, "Service Unavailable", house.settings.sip.retry_after_s)
        raise
    line.trace(keeping(door))
    return MirroredCall(line=line, cast=cast, door=door, folder=folder, opened=opened, house=house)


async def run_call(call: MirroredCall, first: Negotiation, facts: AsyncIterator[Fact]) -> None:
    """Answer, hear and follow until the call is over and its last words are heard. The wire log
    is still open when this returns."""
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(call, first, facts, tasks))
            watching = tasks.create_task(watch(call))
            await call.over.wait()
            watching.cancel()
            await last_words(call)
    except BaseException:  # tidied up, then raised again
        await stop_hearing(call, "the call failed")
        raise


async def follow(
    call: MirroredCall, first: Negotiation, facts: AsyncIterator[Fact], tasks: asyncio.TaskGroup
) -> None:
    """Facts of the line until the call is over."""
    if call.line.same_session_as:
        await call.note(REPEATED, {"sip_call_ids": plain(call.line.same_session_as)})
    await negotiate(call, first, tasks)
    async for fact in facts:
        match fact:
            case Negotiation():
                await negotiate(call, fact, tasks)
            case StreamsAgreed():
                await agree(call, fact.streams)
            case MetadataReceived():
                await keep(call, fact.message)
            case Unacknowledged():
                await judge_silence(call)
            case PairIncomplete():
                why = f"The other leg of the fork did not come within {fact.waited_s:g} s."
                call.shortcomings.append(why)
                await call.note("one leg only", {"waited_s": fact.waited_s})
            case SessionEnded():
                await let_go(call, fact.session, fact.reason)
            case CallClosed():
                call.closed = fact
    call.over.set()
    await call.note("closed", plain(call.closed))


async def seal_call(call: MirroredCall) -> SealedCase:
    """Close the wire log and hand the case over to closing."""
    lacking = shortcomings(call)
    wire = await call.door.close()
    reasons = (*call.door.incomplete_reasons(), *lacking)
    heard = Heard(tuple(call.finals), None if call.is_deaf else call.missed, call.final_listener)
    if call.closed is not None:
        call.house.board.publish(call.opened.call_id, call.closed)
    try:
        return await close_case(call.folder, wire, call.closed, heard, call.house, reasons)
    except BaseException:  # tidied up, then raised again
        call.folder.release()  # so that recovery may take it
        raise
