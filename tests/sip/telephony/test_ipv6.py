"""SIP and RTP over IPv6: a call through a real RTP door, strangers outside, a subscriber rung."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from ivr.clock import SystemClock
from ivr.facts.audio import AudioFrame
from ivr.facts.call import LegName, MediaAgreed, Pickup
from ivr.media.door import CallDoor
from ivr.media.side import Side
from ivr.settings import MediaSettings, SipSettings
from ivr.telephony.line import SipLine, SubscriberLine
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk
from tests.fakes.raw_caller import RawCaller, decode_alaw, encode_alaw, loudest_hertz, tone
from tests.fakes.raw_phone import RawPhone

HERE = "::1"


async def follow(line: SipLine | SubscriberLine, door: CallDoor | Side) -> None:
    async for fact in line.events():
        if isinstance(fact, MediaAgreed):
            door.agree(fact)


async def test_a_call_and_its_subscriber_over_ipv6(
    tmp_path: Path, make_wav: Callable[..., Path]
) -> None:
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(RawPhone(HERE, 0, local=HERE))
        pool = await stack.enter_async_context(
            WorkerPool(
                SipSettings(bind=HERE, port=0, allow_from=("::1/128",), transaction_timeout_s=2.0),
                SystemClock(),
                may_call=[phone.contact],
            )
        )
        desk = Desk(pool)
        stack.push_async_callback(desk.close)
        caller = await stack.enter_async_context(RawCaller(*pool.addresses[0], local=HERE))
        calling = asyncio.create_task(caller.call())
        line = await desk.next_line()
        assert line.offer.source == (HERE, caller.sip_port)
        door = await CallDoor.open(tmp_path, MediaSettings(bind=HERE), call_id="01TEST")
        heard: list[AudioFrame] = []
        door.tap(LegName.CALLER, heard.append)
        following = [asyncio.create_task(follow(line, door))]
        await line.answer(door.endpoint)
        answer = await calling
        assert answer.audio == (HERE, door.endpoint.port)
        assert "IP4" not in answer.sdp  # nor does its origin name what pjsua2 was told
        await asyncio.gather(
            line.play(make_wav(700, 0.5)), caller.play(encode_alaw(tone(500, 0.5)))
        )
        sound = decode_alaw(b"".join(data for kind, data, _ in caller.heard() if kind == 8))
        assert abs(loudest_hertz(sound) - 700) < 10
        words = np.frombuffer(b"".join(frame.pcm for frame in heard), "<i2").astype(int)
        assert abs(loudest_hertz(words) - 500) < 10
        again = await caller.ask("INVITE", caller.sdp("sendonly"))
        caller.ack()
        assert again.audio == (HERE, door.endpoint.port)

        side = door.add_side(LegName.CALLEE, LegName.AGENT_TO_CALLEE)
        subscriber = await line.connect(phone.contact, side.endpoint, 5)
        following.append(asyncio.create_task(follow(subscriber, side)))
        assert "IP4" not in await phone.rung()
        assert (await caller.ask("INVITE", caller.sdp("sendrecv"))).status == 200
        caller.ack()
        await phone.answer()
        assert await subscriber.picked_up() is Pickup.ANSWERED
        await line.join(subscriber)
        await asyncio.gather(
            caller.play(encode_alaw(tone(500, 0.5))), phone.play(encode_alaw(tone(900, 0.5)))
        )
        sound = decode_alaw(b"".join(data for kind, data, _ in phone.heard() if kind == 8))
        assert abs(loudest_hertz(sound) - 500) < 10
        await subscriber.hang_up("done")
        await line.hang_up("done")
        await asyncio.gather(*following)
        wire = await door.close()
        assert wire.blocks > 0


async def test_strangers_over_ipv6_get_no_answer_either() -> None:
    settings = SipSettings(bind=HERE, port=0, allow_from=("2001:db8::/32",))
    async with (
        WorkerPool(settings, SystemClock()) as pool,
        RawCaller(*pool.addresses[0], local=HERE) as stranger,
    ):
        for _ in range(20):
            stranger.send(stranger.request("OPTIONS"))
        await asyncio.sleep(0.3)
        assert stranger.responses == []
    settings = SipSettings(bind=HERE, port=0, allow_from=("2001:db8::/32", "::/120"))
    async with (
        WorkerPool(settings, SystemClock()) as pool,
        RawCaller(*pool.addresses[0], local=HERE) as friend,
    ):
        assert (await friend.ask("OPTIONS")).status == 200
