"""The agent rings a subscriber from the caller's worker: how ringing ends, and who hears whom."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ivr.clock import SystemClock
from ivr.errors import TelephonyError
from ivr.facts.call import Blame, Pickup
from ivr.settings import SipSettings
from ivr.telephony.line import SipLine, SubscriberLine
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor, eventually, rms
from tests.fakes.raw_caller import RawCaller, decode_alaw, encode_alaw, loudest_hertz, tone
from tests.fakes.raw_phone import RawPhone

HERE = "127.0.0.1"


@dataclass
class Bridge:
    """A caller who was answered, a telephone that may be rung, and a door for each."""

    pool: WorkerPool
    caller: RawCaller
    phone: RawPhone
    line: SipLine
    facts: Ledger
    caller_door: UdpDoor
    door: UdpDoor

    async def ring(self, ring_s: float = 5.0) -> SubscriberLine:
        self.phone.forget()
        return await self.line.connect(self.phone.contact, self.door, ring_s)

    async def up(self) -> tuple[SubscriberLine, Ledger]:
        """Rung, picked up, joined."""
        subscriber = await self.ring()
        facts = Ledger(subscriber, self.door)
        await self.phone.rung()
        await self.phone.answer()
        assert await subscriber.picked_up() is Pickup.ANSWERED
        await facts.until(lambda it: len(it.media) == 1)
        await self.line.join(subscriber)
        return subscriber, facts


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(RawPhone(HERE, 0))
        settings = SipSettings(port=0, transaction_timeout_s=2.0, allow_from=(f"{HERE}/32",))
        may_call = (phone.contact, f"{phone.contact};transport=tcp", "sip:nobody@127.0.0.1:9")
        pool = await stack.enter_async_context(
            WorkerPool(settings, SystemClock(), may_call=may_call)
        )
        desk = Desk(pool)
        stack.push_async_callback(desk.close)
        doors = [await UdpDoor().open(), await UdpDoor().open()]
        for door in doors:
            stack.callback(door.close)
        caller = await stack.enter_async_context(RawCaller(*pool.addresses[0], user="0249999"))
        calling = asyncio.create_task(caller.call())
        line = await desk.next_line()
        facts = Ledger(line, doors[0])
        await line.answer(doors[0])
        await calling
        yield Bridge(pool, caller, phone, line, facts, *doors)
        await line.hang_up("the test is over")


async def test_the_subscriber_is_shown_the_access_number_and_our_door(bridge: Bridge) -> None:
    subscriber = await bridge.ring()
    invite = await bridge.phone.rung()
    assert invite.startswith(f"INVITE {bridge.phone.contact} SIP/2.0\r\n")
    assert "\r\nFrom: <sip:0249999@127.0.0.1>;tag=" in invite
    assert bridge.phone.media_to == (HERE, bridge.door.port)
    assert "a=rtcp:" not in invite
    bridge.phone.respond(180, "Ringing")
    await eventually(lambda: subscriber.has_rung)
    await bridge.phone.answer()
    assert await subscriber.picked_up() is Pickup.ANSWERED
    facts = Ledger(subscriber)
    await facts.until(lambda it: len(it.media) == 1)
    assert facts.media[0].remote == (HERE, bridge.phone.rtp_port)
    assert facts.media[0].signalled_from == HERE
    await subscriber.hang_up("done")
    assert (await facts.end()).blame is Blame.US
    assert (await bridge.phone.until_request("BYE")).startswith("BYE ")
    assert bridge.line.closed is None


@pytest.mark.parametrize(
    ("status", "reason", "pickup"),
    [
        (486, "Busy Here", Pickup.BUSY),
        (600, "Busy Everywhere", Pickup.BUSY),
        (480, "Temporarily Unavailable", Pickup.NO_ANSWER),
        (603, "Decline", Pickup.REFUSED),
        (407, "Proxy Authentication Required", Pickup.REFUSED),
        (404, "Not Found", Pickup.UNREACHABLE),
        (503, "Service Unavailable", Pickup.UNREACHABLE),
    ],
)
async def test_a_refusal_says_what_kind_it_is(
    bridge: Bridge, status: int, reason: str, pickup: Pickup
) -> None:
    subscriber = await bridge.ring()
    await bridge.phone.rung()
    bridge.phone.respond(status, reason)
    assert await subscriber.picked_up() is pickup
    assert subscriber.closed is not None
    assert subscriber.closed.sip_status == status
    assert bridge.line.closed is None


async def test_nobody_is_followed_where_a_redirection_points(bridge: Bridge) -> None:
    async with RawPhone(HERE, 0) as elsewhere:
        subscriber = await bridge.ring()
        await bridge.phone.rung()
        bridge.phone.respond(302, "Moved", extra=f"Contact: <{elsewhere.contact}>\r\n")
        assert await subscriber.picked_up() is Pickup.REFUSED
        assert elsewhere.requests == []


async def test_a_telephone_that_rings_on_is_given_up_and_told_so(bridge: Bridge) -> None:
    subscriber = await bridge.ring(ring_s=0.4)
    await bridge.phone.rung()
    bridge.phone.respond(180, "Ringing")
    await bridge.phone.until_request("CANCEL")
    bridge.phone.respond(487, "Request Terminated")
    assert await subscriber.picked_up() is Pickup.NO_ANSWER


async def test_a_telephone_that_says_nothing_is_unreachable(bridge: Bridge) -> None:
    subscriber = await bridge.line.connect("sip:nobody@127.0.0.1:9", bridge.door, 30)
    async with asyncio.timeout(6):
        assert await subscriber.picked_up() is Pickup.UNREACHABLE
    await eventually(lambda: bridge.pool.slots_in_use == 1)


async def test_ringing_is_given_up_when_nobody_wants_it_any_more(bridge: Bridge) -> None:
    subscriber = await bridge.ring()
    await bridge.phone.rung()
    bridge.phone.respond(180, "Ringing")
    await eventually(lambda: subscriber.has_rung)
    ending = asyncio.create_task(subscriber.hang_up("the caller is gone"))
    await bridge.phone.until_request("CANCEL")
    bridge.phone.respond(487, "Request Terminated")
    await ending
    assert await subscriber.picked_up() is Pickup.GIVEN_UP


async def test_an_answer_that_crosses_our_cancel_is_acknowledged_and_ended(bridge: Bridge) -> None:
    subscriber = await bridge.ring()
    await bridge.phone.rung()
    bridge.phone.respond(180, "Ringing")
    await eventually(lambda: subscriber.has_rung)
    ending = asyncio.create_task(subscriber.hang_up("too late"))
    await bridge.phone.until_request("CANCEL")
    bridge.phone.respond(200, "OK", bridge.phone.sdp())
    await bridge.phone.until_request("ACK")
    await bridge.phone.until_request("BYE")
    await ending
    assert await subscriber.picked_up() is Pickup.GIVEN_UP
    assert bridge.line.closed is None
    await eventually(lambda: bridge.pool.slots_in_use == 1, within_s=8)


async def test_early_media_is_agreed_before_anybody_picks_up(bridge: Bridge) -> None:
    subscriber = await bridge.ring()
    facts = Ledger(subscriber, bridge.door)
    await bridge.phone.rung()
    bridge.phone.respond(183, "Session Progress", bridge.phone.sdp())
    await facts.until(lambda it: len(it.media) == 1)
    assert facts.media[0].remote == (HERE, bridge.phone.rtp_port)
    await bridge.phone.play(encode_alaw(tone(425, 0.2)))
    assert bridge.door.from_world >= 5
    assert not subscriber.closed
    await bridge.phone.answer()
    assert await subscriber.picked_up() is Pickup.ANSWERED


async def test_who_is_not_on_the_list_is_never_called(bridge: Bridge) -> None:
    good = bridge.phone.contact
    for target in (
        "sip:premium@127.0.0.1:5060",
        good.upper(),
        f"{good}?Replaces=x",
        f"{good};method=REFER",
        f"{good};maddr=127.0.0.9",
        f"{good}\r\nX-Evil: 1",
        f"<{good}>",
        f"{good},sip:b@127.0.0.1",
        f" {good}",
        good.replace("sip:", "sips:"),
        "tel:+84900000000",
        "",
    ):
        with pytest.raises(TelephonyError, match="may not call"):
            await bridge.line.connect(target, bridge.door, 5)
    await asyncio.sleep(0.1)
    assert bridge.phone.requests == []


async def test_a_worker_refuses_by_itself_what_its_list_does_not_hold(bridge: Bridge) -> None:
    """Even if the pool asked: the list that came at the start decides, and From takes no header."""
    forged = SubscriberLine(-77, lambda _: None)
    seat = bridge.pool._seats[0]
    for target, shown in (
        ("sip:premium@127.0.0.1:5060", "an"),
        (bridge.phone.contact, "an>\r\nX-Evil: 1\r\nX: <"),
    ):
        forged = SubscriberLine(forged.serial - 1, lambda _: None)
        seat.lines[forged.serial] = forged
        seat.send(
            {
                "type": "dial",
                "serial": forged.serial,
                "target": target,
                "shown": shown,
                "host": HERE,
                "port": bridge.door.port,
                "ring_s": 5,
            }
        )
        assert await forged.picked_up() is Pickup.REFUSED
        assert forged.closed is not None
        assert forged.closed.reason == "the agent may not call this address"
    assert bridge.phone.requests == []


async def test_a_full_worker_rings_nobody(bridge: Bridge) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            caller = await stack.enter_async_context(RawCaller(*bridge.pool.addresses[0]))
            caller.invite()
            await eventually(lambda caller=caller: bool(caller.responses))
        subscriber = await bridge.ring()
        assert await subscriber.picked_up() is Pickup.NO_SLOT
        assert bridge.phone.requests == []
        for caller in (bridge.caller,):
            assert (await caller.bye()).status == 200


async def test_a_bridge_takes_two_of_the_four_slots(bridge: Bridge) -> None:
    await bridge.up()
    async with AsyncExitStack() as stack:
        statuses = []
        for _ in range(3):
            caller = await stack.enter_async_context(RawCaller(*bridge.pool.addresses[0]))
            caller.invite()
            await eventually(lambda caller=caller: bool(caller.responses))
            statuses.append(caller.responses[0].status)
    assert statuses == [100, 100, 503]


def _sound(peer: RawCaller) -> np.ndarray:
    return decode_alaw(b"".join(data for kind, data, _ in peer.heard() if kind == 8))


async def _talk(one: RawCaller, other: RawCaller, seconds: float = 0.5) -> None:
    """Each says a tone of its own."""
    await asyncio.gather(
        one.play(encode_alaw(tone(500, seconds))), other.play(encode_alaw(tone(1300, seconds)))
    )


async def test_both_hear_each_other_when_joined_and_not_when_parted(bridge: Bridge) -> None:
    subscriber, _ = await bridge.up()
    await _talk(bridge.caller, bridge.phone)
    assert abs(loudest_hertz(_sound(bridge.phone)) - 500) < 10
    assert abs(loudest_hertz(_sound(bridge.caller)) - 1300) < 10
    await bridge.line.part(subscriber)
    await _talk(bridge.caller, bridge.phone, 0.2)
    _sound(bridge.phone), _sound(bridge.caller)
    await _talk(bridge.caller, bridge.phone, 0.3)
    assert rms(_sound(bridge.phone)) < 100
    assert rms(_sound(bridge.caller)) < 100
    assert bridge.line.closed is None
    assert subscriber.closed is None


async def test_they_still_hear_each_other_after_hold_and_a_new_codec(bridge: Bridge) -> None:
    await bridge.up()
    for body in (bridge.phone.sdp("sendonly"), bridge.phone.sdp("sendrecv")):
        assert (await bridge.phone.ask("INVITE", body)).status == 200
        bridge.phone.ack()
    for body in (bridge.caller.sdp("inactive"), bridge.caller.sdp("sendrecv")):
        assert (await bridge.caller.ask("INVITE", body)).status == 200
        bridge.caller.ack()
    await _talk(bridge.caller, bridge.phone, 0.2)
    _sound(bridge.phone), _sound(bridge.caller)
    await _talk(bridge.caller, bridge.phone)
    assert abs(loudest_hertz(_sound(bridge.phone)) - 500) < 10
    assert abs(loudest_hertz(_sound(bridge.caller)) - 1300) < 10


async def test_a_prompt_to_the_subscriber_is_not_heard_by_the_caller(
    bridge: Bridge, make_wav: Callable[..., Path]
) -> None:
    subscriber, _ = await bridge.up()
    await bridge.phone.play(encode_alaw(tone(1300, 0.1)))
    await bridge.caller.play(encode_alaw(tone(500, 0.1)))
    _sound(bridge.phone), _sound(bridge.caller)
    await subscriber.play(make_wav(900, 0.6))
    assert abs(loudest_hertz(_sound(bridge.phone)) - 900) < 10
    assert rms(_sound(bridge.caller)) < 100


async def test_keys_of_the_subscriber_arrive(bridge: Bridge) -> None:
    subscriber, facts = await bridge.up()
    await bridge.phone.play(encode_alaw(tone(440, 0.1)))
    await bridge.phone.press("1", 120)  # the payload type of our offer
    await facts.until(lambda it: len(it.keys) == 1)
    assert facts.keys[0].digit == "1"
    assert bridge.facts.keys == []
    await subscriber.hang_up("reported")
    assert bridge.line.closed is None


async def test_each_side_ends_alone_and_is_named_for_it(bridge: Bridge) -> None:
    _, facts = await bridge.up()
    assert (await bridge.phone.bye()).status == 200
    assert (await facts.end()).blame is Blame.CALLEE
    assert bridge.line.closed is None
    again, facts = await bridge.up()
    assert (await bridge.caller.bye()).status == 200
    assert (await bridge.facts.end()).blame is Blame.CALLER
    assert again.closed is None
    await again.hang_up("the caller is gone")
    await facts.end()
    await eventually(lambda: bridge.pool.slots_in_use == 0)


async def test_the_subscriber_cannot_transfer_the_call(bridge: Bridge) -> None:
    subscriber, _ = await bridge.up()
    refer = await bridge.phone.ask("REFER", extra="Refer-To: <sip:0900@127.0.0.1:9>\r\n")
    assert refer.status == 603
    assert subscriber.closed is None
