"""A mirrored call while it runs: streams come, are held, move and go; what is said is kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ivr.errors import IvrError, RecognitionError
from ivr.evidence.canonical import plain, sha256_hex
from ivr.facts.call import Blame, LegName
from ivr.faults import report
from ivr.journeys.hearing import OpenCase, listen_to
from ivr.journeys.parties import Cast
from ivr.media.mirror_door import MirrorDoor
from ivr.media.side import Endpoint
from ivr.siprec.facts import Message, Negotiation, OfferedStream
from ivr.siprec.line import MirrorLine
from ivr.siprec.metadata import Metadata

WATCH_S: Final = 1.0


@dataclass(slots=True, kw_only=True)
class MirroredCall(OpenCase):
    """The mutable state of one mirrored call.

    Args:
        streams: by key, as last agreed.
        places: leg of each stream, by key.
        endpoints: of the legs whose sockets are open.
        shortcomings: why the recording lacks something, for the manifest.
    """

    door: MirrorDoor
    line: MirrorLine
    cast: Cast
    streams: dict[str, OfferedStream] = field(default_factory=dict)
    places: dict[str, LegName] = field(default_factory=dict)
    endpoints: dict[LegName, Endpoint] = field(default_factory=dict)
    shortcomings: list[str] = field(default_factory=list)
    told_silent: set[LegName] = field(default_factory=set)

    @property
    def youngest_s(self) -> float:
        """Seconds since the last packet of any open leg; infinite when none is open."""
        ages = (self.door.last_packet_age_s(leg) for leg in self.endpoints)
        return min(ages, default=float("inf"))

    @property
    def expected(self) -> tuple[LegName, ...]:
        """Legs from which sound should come now."""
        return tuple(
            self.places[key]
            for key, stream in self.streams.items()
            if stream.is_open and not stream.is_on_hold and self.places.get(key) in self.endpoints
        )

    async def end(self, reason: str) -> None:
        self.line.hang_up(reason)


async def negotiate(call: MirroredCall, offer: Negotiation, tasks: asyncio.TaskGroup) -> None:
    """Open what is offered, close what is gone, then answer."""
    await keep(call, offer.message)
    metadata = call.line.metadata
    places = call.cast.assign(offer.streams, metadata, offer.leg_hint)
    call.places |= places
    for doubt in call.cast.doubts():
        await call.note("leg in doubt", {"why": doubt})
    taken = {places[s.key] for s in offer.streams if s.is_open and s.key in places}
    for leg in sorted(taken, key=list(LegName).index):  # the judged one first: it is on the left
        await _open(call, leg, tasks)
    for stream in offer.streams:
        if not stream.is_open or stream.key not in places:
            await _refused(call, stream)
    offered = {stream.key for stream in offer.streams}
    gone = [s for k, s in call.streams.items() if s.session == offer.session and k not in offered]
    for stream in gone:
        await _close(call, stream)
    await agree(call, offer.streams)
    answered = {key: call.endpoints[leg] for key, leg in places.items() if leg in call.endpoints}
    offer.answer(
        {
            stream.key: answered[stream.key]
            for stream in offer.streams
            if stream.is_open and stream.key in answered
        }
    )


async def _open(call: MirroredCall, leg: LegName, tasks: asyncio.TaskGroup) -> None:
    """Take a leg's packets and hear it; one that cannot be opened is refused, the others go on."""
    if leg in call.endpoints:
        return
    try:
        call.endpoints[leg] = await call.door.add_stream(leg)
    except IvrError as problem:
        call.shortcomings.append(f"The leg {leg.value} could not be recorded: {problem.what}")
        report(problem, "mirror.leg_refused", call.opened.call_id, call.house)
        return
    if leg in call.legs:
        return
    try:
        listen_to(call, leg, tasks)
    except RecognitionError as problem:  # it is recorded, and heard after the call
        call.is_deaf = True
        report(problem, "recognition.lost", call.opened.call_id, call.house)
        await call.note("recognition lost", problem.as_dict())


async def _refused(call: MirroredCall, stream: OfferedStream) -> None:
    known = call.streams.get(stream.key)
    if known is not None and known.is_open:
        await _close(call, stream)
    elif known is None:
        why = stream.why_closed or "more streams than legs"
        await call.note("stream refused", {"label": stream.label, "why": why})


async def _close(call: MirroredCall, stream: OfferedStream) -> None:
    """A stream was taken away; its leg may come back."""
    leg = call.places.get(stream.key)
    call.streams.pop(stream.key, None)
    if leg is None or leg not in call.endpoints:
        return
    del call.endpoints[leg]
    call.door.remove_stream(leg)
    await call.note("stream closed", {"leg": leg.value, "label": stream.label})


async def agree(call: MirroredCall, streams: Sequence[OfferedStream]) -> None:
    """Tell the door who sends what."""
    for stream in streams:
        leg = call.places.get(stream.key)
        if leg is None or leg not in call.endpoints or not stream.is_open:
            continue
        call.streams[stream.key] = stream
        if stream.media is None:  # our own offer: the answer says it
            continue
        call.door.agree(leg, stream.media)
        told = {"leg": leg.value, "label": stream.label, "media": plain(stream.media)}
        await call.note("media agreed", told)


def shortcomings(call: MirroredCall) -> tuple[str, ...]:
    """Why the recording lacks something; empty for a whole one. Before the door is closed."""
    taken = set(call.places.values())
    never = [s.leg for s in call.door.stats() if s.leg in taken and not s.accepted]
    silent = (f"No packet ever came on the leg {leg.value}." for leg in never)
    return (*call.shortcomings, *silent)


async def keep(call: MirroredCall, message: Message) -> None:
    """What a message said of the call, and what was odd about it, into the journal; the message
    itself is in the wire log (`journeys.signalling`)."""
    flags = list(message.flags)
    digest = sha256_hex(message.raw)
    is_first = message.raw is call.line.invite.raw
    if is_first and call.line.is_siprec and message.metadata is None:
        flags.append("metadata_missing")
    facts: dict[str, object] = {"method": message.method, "sha256": digest, "flags": flags}
    if message.metadata is not None:
        facts["metadata"] = plain(_shown(message.metadata))
    await call.note("recording metadata", facts)


def _shown(metadata: Metadata) -> dict[str, object]:
    return {
        "sessions": metadata.sessions,
        "participants": tuple(metadata.participants.values()),
        "streams": tuple(metadata.streams.values()),
        "sends": metadata.sends,
        "gone": sorted(metadata.gone),
        "problem": metadata.problem,
    }


async def let_go(call: MirroredCall, session: int, reason: str) -> None:
    """One of two dialogs is over."""
    await call.note("one leg ended", {"reason": reason})
    for stream in [one for one in call.streams.values() if one.session == session]:
        await _close(call, stream)


async def judge_silence(call: MirroredCall) -> None:
    """Our answer got no ACK. With sound arriving the call is real and goes on; without, it is
    not."""
    if call.youngest_s < call.house.settings.watch.silent_leg_s:
        await call.note("no ACK came, but sound does: the recording goes on")
    else:
        call.line.hang_up("no ACK for our answer, and no sound", Blame.UPSTREAM)


async def watch(call: MirroredCall) -> None:
    """End a call that is dead or too long; tell of a leg that is silent while another is not."""
    settings = call.house.settings.mirror
    begun_ns = call.house.clock.monotonic_ns()
    while True:
        await asyncio.sleep(WATCH_S)
        age_s = (call.house.clock.monotonic_ns() - begun_ns) / 1e9
        if age_s > settings.max_s:
            call.line.hang_up("the longest mirrored call", Blame.US)
        elif call.expected and call.youngest_s > settings.no_media_s:
            call.line.hang_up(f"no packet for {settings.no_media_s:g} s", Blame.UPSTREAM)
        else:
            await _tell_silent_legs(call)


async def _tell_silent_legs(call: MirroredCall) -> None:
    """Into the journal; the alarm is the watch's."""
    limit_s = call.house.settings.watch.silent_leg_s
    ages = {leg: call.door.last_packet_age_s(leg) for leg in call.expected}
    is_live = any(age_s < limit_s for age_s in ages.values())
    for leg, age_s in ages.items():
        if age_s < limit_s:
            call.told_silent.discard(leg)
        elif is_live and leg not in call.told_silent:
            call.told_silent.add(leg)
            await call.note("leg silent", {"leg": leg.value, "age_s": round(age_s, 1)})
