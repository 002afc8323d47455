"""pjsua2 never learns where the other side listens, so no packet passes the RTP door by."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.facts.call import MediaAgreed, Pickup
from ivr.settings import SipSettings
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger
from tests.fakes.raw_caller import RawCaller
from tests.fakes.raw_phone import RawPhone

Take = Callable[[], Awaitable[Ledger]]


class DeafDoor:
    """A door that hears and passes on nothing: whatever the caller hears came past it."""

    host = "127.0.0.1"
    port = 9

    def agree(self, media: MediaAgreed) -> None:
        self.remote = media.remote


async def heard_while_a_prompt_plays(
    caller: RawCaller, ledger: Ledger, make_wav: Callable[..., Path]
) -> int:
    await ledger.until(lambda it: it.media)
    await ledger.line.play(make_wav(600, 0.6))
    return len(caller.heard())


@pytest.fixture
def take(desk: Desk) -> Take:
    """Answer the next call with a deaf door."""

    async def answer() -> Ledger:
        line = await desk.next_line()
        door = DeafDoor()
        ledger = Ledger(line, door)
        await line.answer(door)
        return ledger

    return answer


async def test_nothing_is_sent_to_the_address_in_the_offer(
    pool: WorkerPool, take: Take, make_wav: Callable[..., Path]
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, ledger = await asyncio.gather(caller.call(), take())
        assert await heard_while_a_prompt_plays(caller, ledger, make_wav) == 0
        assert ledger.media[0].remote == ("127.0.0.1", caller.rtp_port)
        await caller.bye()


async def test_nothing_is_sent_to_the_address_in_the_answer_to_our_offer(
    pool: WorkerPool, take: Take, make_wav: Callable[..., Path]
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        taking = asyncio.create_task(take())
        caller.invite("")
        await caller.final()
        caller.ack(caller.sdp())
        ledger = await taking
        assert await heard_while_a_prompt_plays(caller, ledger, make_wav) == 0
        assert ledger.media[0].remote == ("127.0.0.1", caller.rtp_port)
        await caller.bye()


async def test_nothing_is_sent_to_a_new_address_in_a_re_invite(
    pool: WorkerPool, take: Take, make_wav: Callable[..., Path]
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, ledger = await asyncio.gather(caller.call(caller.sdp(port=45678)), take())
        await caller.ask("INVITE", caller.sdp())
        caller.ack()
        await ledger.until(lambda it: len(it.media) == 2)
        assert await heard_while_a_prompt_plays(caller, ledger, make_wav) == 0
        assert [media.remote[1] for media in ledger.media] == [45678, caller.rtp_port]
        await caller.bye()


async def test_nothing_is_sent_to_the_address_in_a_subscribers_answer(
    make_wav: Callable[..., Path],
) -> None:
    """Nor to the one of its early media, of a re-INVITE, or of the answer to ours."""
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(RawPhone("127.0.0.1", 0))
        pool = await stack.enter_async_context(
            WorkerPool(SipSettings(port=0), SystemClock(), may_call=[phone.contact])
        )
        desk = Desk(pool)
        stack.push_async_callback(desk.close)
        caller = await stack.enter_async_context(RawCaller(*pool.addresses[0]))
        calling = asyncio.create_task(caller.call())
        line = await desk.next_line()
        await line.answer(DeafDoor())
        await calling
        subscriber = await line.connect(phone.contact, DeafDoor(), 5)
        ledger = Ledger(subscriber, DeafDoor())
        await phone.rung()
        phone.respond(183, "Session Progress", phone.sdp(port=45678))
        await ledger.until(lambda it: it.media)
        assert ledger.media[0].remote == ("127.0.0.1", 45678)
        phone.respond(183, "Session Progress", phone.sdp())
        await phone.answer()
        assert await subscriber.picked_up() is Pickup.ANSWERED
        assert await heard_while_a_prompt_plays(phone, ledger, make_wav) == 0
        agreed = len(ledger.media)
        assert (await phone.ask("INVITE", phone.sdp())).status == 200
        phone.ack()
        await ledger.until(lambda it: len(it.media) > agreed)
        assert ledger.media[-1].remote == ("127.0.0.1", phone.rtp_port)
        assert await heard_while_a_prompt_plays(phone, ledger, make_wav) == 0
        await line.join(subscriber)
        await caller.ask("INVITE", caller.sdp())
        caller.ack()
        assert await heard_while_a_prompt_plays(phone, ledger, make_wav) == 0
        assert caller.heard() == []
        await subscriber.hang_up("done")
        await line.hang_up("done")


async def test_rtcp_is_not_sent_past_the_door_either(
    pool: WorkerPool, take: Take, make_wav: Callable[..., Path]
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        body = caller.sdp() + f"a=rtcp:{caller.rtp_port} IN IP4 127.0.0.1\r\n"
        _, ledger = await asyncio.gather(caller.call(body), take())
        assert await heard_while_a_prompt_plays(caller, ledger, make_wav) == 0
        await caller.bye()
