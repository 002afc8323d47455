"""Calls as the rest of the house sees them: the ``Line`` of ``ivr.ports``, and the line to a
subscriber whom it rings."""

import asyncio
import itertools
from collections.abc import Callable

from ivr.errors import TelephonyError
from ivr.facts.call import CallClosed, Pickup
from ivr.ports import MediaEndpoint
from ivr.ports import SubscriberLine as Rung
from ivr.telephony.channel import Message
from ivr.telephony.leg import SipLeg, resolve
from ivr.telephony.offer import SipOffer

_dials = itertools.count(1)


class SubscriberLine(SipLeg):
    """A call that we place to a subscriber, in the worker of the caller's call, so that the two
    can be joined. Made by ``SipLine.connect``."""

    def __init__(self, serial: int, send: Callable[[Message], None]) -> None:
        super().__init__(serial, send)
        self._outcome: asyncio.Future[Pickup] = asyncio.get_running_loop().create_future()
        self.has_rung = False

    async def picked_up(self) -> Pickup:
        """How ringing ended; returns when somebody has picked up, or nobody will.

        May be waited for several times. The reason stands in ``closed``.
        """
        return await asyncio.shield(self._outcome)

    # --- called by the pool, on the loop -------------------------------------------------------

    def ringing(self) -> None:
        """A provisional answer came (180, 183)."""
        self.has_rung = True

    def confirmed(self) -> None:
        self._settle(Pickup.ANSWERED)

    def close_as(self, pickup: Pickup, end: CallClosed) -> None:
        """The call is over, or was not placed."""
        self._settle(pickup)
        self.close(end)

    def _settle(self, pickup: Pickup) -> None:
        if not self._outcome.done():
            self._outcome.set_result(pickup)


class SipLine(SipLeg):
    """One incoming call.

    Args:
        enrol: makes a line known to the pool, so that facts of its serial reach it.
    """

    def __init__(
        self,
        serial: int,
        offer: SipOffer,
        send: Callable[[Message], None],
        enrol: Callable[[SubscriberLine, str], None],
    ) -> None:
        super().__init__(serial, send)
        self._offer = offer
        self._enrol = enrol

    @property
    def offer(self) -> SipOffer:
        return self._offer

    async def ring(self) -> None:
        """180 Ringing."""
        self._command("ring")

    async def answer(self, endpoint: MediaEndpoint) -> None:
        """200 OK with the door's address in the SDP; returns when the ACK came.

        Raises:
            TelephonyError: the call ended, or media could not be agreed, before that.
        """
        if self._end is None:
            self._answered = asyncio.get_running_loop().create_future()
            self._command("answer", host=endpoint.host, port=endpoint.port)
            await self._answered
        if self._end is not None:
            raise TelephonyError(
                "The call ended before it was answered.",
                why=self._end.reason,
                remedy="Nothing to do for one call; look at the trunk if it happens often.",
            )

    async def refuse(self, status: int, reason: str, retry_after_s: int | None = None) -> None:
        """A final answer of 300 or above; returns when the call is over."""
        self._command("refuse", status=status, reason=reason, retry_after_s=retry_after_s)
        await self._closed.wait()

    async def connect(self, target: str, endpoint: MediaEndpoint, ring_s: float) -> SubscriberLine:
        """Ring somebody from the worker that holds this call; returns at once.

        Our description names ``endpoint``; media agreed (early media of a 183 included), keys and
        the end come from ``events`` of the line that is returned, how ringing ends from its
        ``picked_up``. The two sides do not hear each other before ``join``.

        Args:
            target: a SIP URI out of the list that the pool was made with.
            endpoint: the RTP door on the subscriber's side.
            ring_s: seconds after which ringing is given up.

        Raises:
            TelephonyError: the target is not on the list. Nothing was sent.
        """
        serial = -next(_dials)
        line = SubscriberLine(serial, self._send)
        self._enrol(line, target)
        self._send(
            {
                "type": "dial",
                "serial": serial,
                "target": target,
                "shown": self._offer.access or "ivr",
                "host": endpoint.host,
                "port": endpoint.port,
                "ring_s": ring_s,
            }
        )
        return line

    async def join(self, other: Rung) -> None:
        """From now on the two hear each other, also after a re-INVITE of either."""
        self._command("join", partner=other.serial)

    async def part(self, other: Rung) -> None:
        """They no longer hear each other; both calls go on."""
        self._command("part", partner=other.serial)

    # --- called by the pool, on the loop -------------------------------------------------------

    def confirmed(self) -> None:
        """The ACK came."""
        resolve(self._answered)
