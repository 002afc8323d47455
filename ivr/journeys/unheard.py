"""Calls that a subscriber wants joined unheard: no case, no recording, no recognition.

Only when the settings say so, the number stands on the subscriber's list, and the network vouches
for it: a number that anybody could have written into From opens nothing. What is left of such a
call is a count.
"""

import asyncio

from ivr.facts.call import CallClosed, Caller, LegName, MediaAgreed, Pickup
from ivr.house import House
from ivr.media.passing_door import PassingDoor
from ivr.ports import Line, SubscriberLine
from ivr.settings import Subscriber

VOUCHED = 0.7
"""Least confidence in the caller's number: an identity header of a trusted network."""
COUNT = "connected unheard"


def may_pass(subscriber: Subscriber, caller: Caller) -> bool:
    """Whether a call is joined unheard."""
    return (
        subscriber.connect_allowed_unheard
        and bool(subscriber.contact)
        and caller.number in subscriber.allow
        and caller.confidence >= VOUCHED
    )


async def connect_unheard(line: Line, subscriber: Subscriber, house: House) -> bool:
    """Ring the subscriber and join the two until either hangs up.

    Returns False when nobody picked up: the call is still unanswered and may be screened.

    Raises:
        IvrError: no ports are free, or the caller's line failed.
    """
    door = PassingDoor.open(house.settings.media)
    try:
        outer = door.add_side(LegName.CALLER, LegName.AGENT)
        inner = door.add_side(LegName.CALLEE, LegName.AGENT_TO_CALLEE)
        await line.ring()
        other = await line.connect(subscriber.contact, inner.endpoint, subscriber.ring_s)
        ends = [
            asyncio.create_task(_follow(door, LegName.CALLEE, other)),
            asyncio.create_task(_until_picked_up(line, other)),
        ]
        try:
            if await ends[1] is not Pickup.ANSWERED:
                return line.closed is not None
            house.tally[COUNT] += 1
            house.log.info("call.connected_unheard", count=house.tally[COUNT])
            ends.append(asyncio.create_task(_follow(door, LegName.CALLER, line)))
            await line.answer(outer.endpoint)
            await line.join(other)
            over, _ = await asyncio.wait([ends[0], ends[2]], return_when=asyncio.FIRST_COMPLETED)
            for end in over:
                end.result()  # a side that could not be agreed upon is a fault, no end
        finally:
            await other.hang_up("the call is over")
            for task in ends[1:]:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        await line.hang_up("the other side hung up")
        return True
    finally:
        await door.close()


async def _until_picked_up(line: Line, other: SubscriberLine) -> Pickup:
    """How ringing ends; it is given up when the caller does."""
    picking = asyncio.create_task(other.picked_up())
    while not picking.done() and line.closed is None:
        await asyncio.wait([picking], timeout=0.1)
    if line.closed is not None:
        await other.hang_up("the caller is gone")
    return await picking


async def _follow(door: PassingDoor, leg: LegName, line: Line | SubscriberLine) -> None:
    async for fact in line.events():
        if isinstance(fact, MediaAgreed):
            door.agree(leg, fact)
        elif isinstance(fact, CallClosed):
            return
