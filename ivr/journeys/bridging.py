"""Bridge mode: ring the subscriber, join the two, and warn the subscriber alone.

The caller hears the announcement and a ringing tone; the subscriber hears who calls. Joined, both
legs are heard live. At the live level, and once more at the filing level, the subscriber hears a
signal and a warning that the caller does not; their keys end, report or clear the call. When
nobody picks up, the agent answers by itself on the same case.
"""

import asyncio
from dataclasses import dataclass, field

from ivr.casefile import WISHES
from ivr.dialogue import spoken
from ivr.errors import IvrError
from ivr.evidence.canonical import plain
from ivr.facts.call import CallClosed, Dtmf, LegName, MediaAgreed, Mode, Pickup
from ivr.facts.judgement import Level
from ivr.facts.reports import Wish
from ivr.journeys.conversation import TICK_S, RunningCall, announce, converse, say
from ivr.journeys.hearing import listen_to
from ivr.journeys.signalling import keeping
from ivr.journeys.sounded_keys import SoundedKeys
from ivr.media.side import Side
from ivr.ports import SubscriberLine
from ivr.settings import Subscriber

REPORT_KEY, NO_SCAM_KEY, REPEAT_KEY = "1", "2", "9"
WARNINGS = {Level.LIVE: "bridge_warning", Level.FILING: "bridge_warning_filing"}
_RANKS = (Level.NONE, Level.LIVE, Level.FILING)
_WAITING_KEYS = 16
_EVENT_OF = {wish: event for event, wish in WISHES.items()}


@dataclass(slots=True, kw_only=True)
class Bridge:
    """The subscriber's side of a call.

    Args:
        keys: pressed and not yet acted on; more than sixteen are dropped.
        mouth: what the subscriber is being told just now.
        warned: the highest level that the subscriber was warned of.
    """

    call: RunningCall
    side: Side
    line: SubscriberLine
    over: asyncio.Event = field(default_factory=asyncio.Event)
    keys: asyncio.Queue[Dtmf] = field(default_factory=lambda: asyncio.Queue(_WAITING_KEYS))
    mouth: asyncio.Task[None] | None = None
    warned: Level = Level.NONE
    is_cleared: bool = False

    async def tell(self, *prompt_ids: str) -> None:
        """Play prompts to the subscriber alone, one after the other; a pause between groups."""
        for prompt_id in prompt_ids:
            if self.over.is_set():
                return
            if prompt_id == spoken.PAUSE:
                await asyncio.sleep(TICK_S)
                continue
            await say(self.call, self.line, prompt_id, "prompt to the subscriber")

    def say(self, *prompt_ids: str) -> None:
        """Begin to tell; what was being told is broken off."""
        if self.mouth is not None:
            self.mouth.cancel()
        self.mouth = asyncio.create_task(self._speak(prompt_ids))

    async def _speak(self, prompt_ids: tuple[str, ...]) -> None:
        try:
            await self.tell(*prompt_ids)
        except IvrError as problem:  # a warning that cannot be played must not end the call
            self.call.house.log.error("warning.failed", **problem.as_dict())

    async def hush(self) -> None:
        """Break off what is being told."""
        if self.mouth is not None:
            self.mouth.cancel()
        await self.finish()

    async def finish(self) -> None:
        """Wait until everything is told."""
        if self.mouth is not None:
            (ended,) = await asyncio.gather(self.mouth, return_exceptions=True)
            self.mouth = None
            if isinstance(ended, Exception):  # not a cancellation: a fault of ours
                raise ended


async def bridge(call: RunningCall, subscriber: Subscriber, tasks: asyncio.TaskGroup) -> None:
    """Hold an answered call of bridge mode until it is over.

    Raises:
        IvrError: the line to the caller failed.
    """
    side = call.door.add_side(LegName.CALLEE, LegName.AGENT_TO_CALLEE)
    line = await call.line.connect(subscriber.contact, side.endpoint, subscriber.ring_s)
    line.trace(keeping(call.door, leg=LegName.CALLEE))
    bridged = Bridge(call=call, side=side, line=line)
    following = tasks.create_task(_follow(bridged))
    try:
        pickup = await _ring(bridged)
        await call.note("the subscriber was rung", {"outcome": pickup.value})
        if pickup is Pickup.ANSWERED:
            await _talk(bridged, tasks)
    finally:
        await bridged.hush()
        await line.hang_up("the call is over")
        await following
    if pickup is not Pickup.ANSWERED and not call.over.is_set():
        call.door.remove_side(LegName.CALLEE)
        await say(call, call.line, "bridge_no_answer", "prompt")
        call.we_spoke()
        await converse(call, Mode.ANSWER, is_announced=True)


async def _follow(bridged: Bridge) -> None:
    """Facts of the subscriber's line until it is over."""
    call = bridged.call

    def press(key: Dtmf) -> None:
        call.house.board.publish(call.opened.call_id, key)
        if not bridged.keys.full():
            bridged.keys.put_nowait(key)

    sounded = SoundedKeys(press)
    call.door.tap(LegName.CALLEE, sounded)
    async for fact in bridged.line.events():
        match fact:
            case MediaAgreed():
                bridged.side.agree(fact)
                sounded.agree(fact)
                call.directions[LegName.CALLEE] = fact.direction
                await call.note("the subscriber's media agreed", {"media": plain(fact)})
            case Dtmf():
                press(fact)
            case CallClosed():
                bridged.over.set()
                call.directions.pop(LegName.CALLEE, None)
                await call.note("the subscriber's line closed", plain(fact))


# --- ringing -------------------------------------------------------------------------------------


async def _ring(bridged: Bridge) -> Pickup:
    """How ringing ends. Meanwhile the caller hears the announcement, to its end, and then a
    ringing tone, until the subscriber has heard who calls."""
    call = bridged.call
    announced = asyncio.Event()
    comforting = asyncio.create_task(_comfort(call, announced))
    waiting = [
        asyncio.create_task(bridged.line.picked_up()),
        asyncio.create_task(call.over.wait()),
    ]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if call.over.is_set():
            return Pickup.GIVEN_UP
        pickup = await bridged.line.picked_up()
        if pickup is Pickup.ANSWERED:
            await bridged.tell(*who_calls(call), "bridge_joining")
        waiting.append(asyncio.create_task(announced.wait()))
        await asyncio.wait([comforting, waiting[-1]], return_when=asyncio.FIRST_COMPLETED)
        if comforting.done():
            comforting.result()  # a caller who was not told of the recording is not joined
        return pickup
    finally:
        for task in (comforting, *waiting):
            task.cancel()
        await asyncio.gather(comforting, *waiting, return_exceptions=True)


async def _comfort(call: RunningCall, announced: asyncio.Event) -> None:
    await announce(call)
    announced.set()
    await say(call, call.line, "bridge_wait", "prompt")
    while not call.over.is_set():
        await call.line.play(call.house.prompts["ringback"].path)


def who_calls(call: RunningCall) -> tuple[str, ...]:
    """The prompts that tell the subscriber the caller's number, as far as it is one."""
    number = call.opened.caller.number or ""
    pieces = spoken.telephone(number) if number.removeprefix("+").isdecimal() else ()
    if not pieces or not set(pieces) - {spoken.PAUSE} <= call.house.prompts.keys():
        return ("bridge_intro_unknown",)
    return ("bridge_intro", *pieces, spoken.PAUSE)


# --- joined --------------------------------------------------------------------------------------


async def _talk(bridged: Bridge, tasks: asyncio.TaskGroup) -> None:
    """Join the two and watch over them until one of them, a key or a limit ends it."""
    call = bridged.call
    try:
        listen_to(call, LegName.CALLEE, tasks)
    except IvrError as problem:  # recorded all the same, and heard after the call
        call.is_deaf = True
        call.house.log.error("callee.unheard", call_id=call.opened.call_id, why=problem.what)
    await call.line.join(bridged.line)
    await call.note("joined")
    until = asyncio.get_running_loop().time() + call.house.settings.call.max_s
    ending = ""
    while not ending:
        _warn(bridged)
        ending = await _act(bridged, await _next_key(bridged))
        if call.over.is_set():
            await bridged.hush()
            await bridged.tell("bridge_caller_gone")
            return
        if bridged.over.is_set():
            ending = ending or "the subscriber hung up"
        elif asyncio.get_running_loop().time() > until:
            ending = ending or "the longest time is over"
        elif _is_dead(call):
            ending = ending or "no audio from either side"
    await call.line.hang_up(ending)
    await bridged.finish()


def _warn(bridged: Bridge) -> None:
    """Once at each level, and only upwards."""
    verdict = bridged.call.verdict
    level = verdict.level if verdict is not None else Level.NONE
    if bridged.is_cleared or _RANKS.index(level) <= _RANKS.index(bridged.warned):
        return
    bridged.warned = level
    bridged.say("alert", WARNINGS[level])


async def _next_key(bridged: Bridge) -> str | None:
    try:
        async with asyncio.timeout(TICK_S):
            key = await bridged.keys.get()
    except TimeoutError:
        return None
    pressed = {"digit": key.digit, "at_s": key.at_s, "method": key.method}
    await bridged.call.note("the subscriber pressed", pressed)
    return key.digit


async def _act(bridged: Bridge, key: str | None) -> str:
    """What a key asks for; returns why the call ends, or nothing."""
    if key == REPORT_KEY:
        await bridged.call.line.part(bridged.line)
        await bridged.call.note(_EVENT_OF[Wish.REPORT])
        bridged.say("bridge_reported")
        return "the subscriber ended and reported it"
    if key == NO_SCAM_KEY:
        bridged.is_cleared = True
        await bridged.call.note(_EVENT_OF[Wish.WITHDRAW])
        bridged.say("bridge_withdrawn")
    elif key == REPEAT_KEY:
        is_warned = bridged.warned in WARNINGS
        bridged.say(*(("alert", WARNINGS[bridged.warned]) if is_warned else ("bridge_no_warning",)))
    return ""


def _is_dead(call: RunningCall) -> bool:
    """Neither side sends: one alone may be silent (a telephone that stops sending in pauses)."""
    silent_s = min(call.packetless_s, call.door.last_packet_age_s(LegName.CALLEE))
    return silent_s >= call.house.settings.call.no_audio_s
