"""SIP transactions (RFC 3261 section 17, RFC 6026): answers are said again, requests repeated."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ivr.sip.message import SipMessage
from ivr.siprec.flow import Flow
from ivr.siprec.request import Request

MAX_TRANSACTIONS: Final = 4096
"""Kept at once; the oldest that is answered goes first."""
LOOKED_THROUGH: Final = 64
"""Places looked through for one that may go."""


@dataclass(frozen=True, slots=True)
class Timing:
    """RFC 3261's T1 and T2 in seconds; a test may shorten them."""

    t1_s: float = 0.5
    t2_s: float = 4.0

    @property
    def lifetime_s(self) -> float:
        """64 × T1: timers B, F, H, J, L."""
        return 64 * self.t1_s


class Repeater:
    """Does something again after T1, 2 T1, 4 T1 … at most T2, until stopped or 64 × T1 are over."""

    def __init__(
        self, again: Callable[[], object], given_up: Callable[[], object], timing: Timing
    ) -> None:
        self._again, self._given_up, self._timing = again, given_up, timing
        self._loop = asyncio.get_running_loop()
        self._wait_s = timing.t1_s
        self._end_s = self._loop.time() + timing.lifetime_s
        self._handle: asyncio.TimerHandle | None = self._loop.call_later(self._wait_s, self._tick)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _tick(self) -> None:
        if self._loop.time() >= self._end_s:
            self._handle = None
            self._given_up()
            return
        self._again()
        self._wait_s = min(2 * self._wait_s, self._timing.t2_s)
        wait_s = min(self._wait_s, max(self._end_s - self._loop.time(), 0.0))
        self._handle = self._loop.call_later(wait_s, self._tick)


class ServerTransaction:
    """One request of the other side, and our last answer to it."""

    def __init__(self, request: Request, flow: Flow, timing: Timing) -> None:
        self.request = request
        self.flow = flow
        self.status = 0
        self.expiry: asyncio.TimerHandle | None = None
        self._timing = timing
        self._last: bytes | None = None
        self._repeater: Repeater | None = None

    @property
    def is_answered(self) -> bool:
        return self.status >= 200

    @property
    def waits_for_ack(self) -> bool:
        return self._repeater is not None

    def answer(
        self, status: int, data: bytes, unacknowledged: Callable[[], object] | None = None
    ) -> None:
        """Send a response and keep it. A final one to an INVITE is sent again until its ACK comes:
        a 2xx over every transport (RFC 3261 section 13.3.1.4), others where packets get lost.

        Args:
            unacknowledged: called once when no ACK came within 64 × T1.
        """
        if self.is_answered:
            return
        self.status, self._last = status, data
        self.again()
        if not self.is_answered:
            return
        if self.request.method == "INVITE" and (status < 300 or not self.flow.is_reliable):
            self._repeater = Repeater(
                self.again, lambda: self._give_up(unacknowledged), self._timing
            )
        self.request = self.request.without_content()

    def again(self) -> None:
        """The request came again, or our answer may be lost."""
        if self._last is not None:
            via = self.request.via
            port = self.flow.source[1] if via.has_rport else via.port
            self.flow.answer(self._last, port)

    def acknowledge(self) -> None:
        """The ACK came."""
        if self._repeater is not None:
            self._repeater.stop()
            self._repeater = None

    def _give_up(self, unacknowledged: Callable[[], object] | None) -> None:
        self._repeater = None
        if unacknowledged is not None:
            unacknowledged()


class Transactions:
    """Every transaction that is remembered; each for 64 × T1 after its answer."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self._server: OrderedDict[tuple[str, ...], ServerTransaction] = OrderedDict()
        self._origins: set[tuple[str, ...]] = set()
        self._invites: dict[tuple[str, ...], ServerTransaction] = {}
        self._client: dict[str, asyncio.Future[SipMessage]] = {}
        self.repeated = 0

    def __len__(self) -> int:
        return len(self._server)

    def find(self, request: Request) -> ServerTransaction | None:
        """The transaction that a retransmission or a non-2xx ACK belongs to."""
        return self._server.get(request.transaction)

    def find_invite(self, request: Request) -> ServerTransaction | None:
        """The INVITE that a CANCEL means: same branch, or at least same call and number."""
        by_branch = self._server.get((*request.transaction[:-1], "INVITE"))
        if by_branch is not None:
            return by_branch
        return self._invites.get(_call(request))

    def is_merged(self, request: Request) -> bool:
        """The same request came another way before (RFC 3261 section 8.2.2.2)."""
        return not request.to_tag and _origin(request) in self._origins

    def begin(self, request: Request, flow: Flow) -> ServerTransaction | None:
        """Remember a new request; None when there is no room."""
        if len(self._server) >= MAX_TRANSACTIONS and not self._make_room():
            return None
        transaction = ServerTransaction(request, flow, self.timing)
        key = request.transaction
        self._server[key] = transaction
        if not request.to_tag:
            self._origins.add(_origin(request))
        if request.method == "INVITE":
            self._invites[_call(request)] = transaction
        transaction.expiry = asyncio.get_running_loop().call_later(
            2 * self.timing.lifetime_s, self._forget, key
        )
        return transaction

    def _make_room(self) -> bool:
        """Forget the oldest that is done with; those that are not go behind the others, so that
        nobody makes every request of a flood cost a walk through all of them."""
        for _ in range(LOOKED_THROUGH):
            key, known = next(iter(self._server.items()))
            if known.is_answered and not known.waits_for_ack:
                self._forget(key)
                return True
            self._server.move_to_end(key)
        return False

    def _forget(self, key: tuple[str, ...]) -> None:
        known = self._server.pop(key, None)
        if known is not None:
            known.acknowledge()
            if (
                known.expiry is not None
            ):  # else a flood would leave a timer for each of its requests
                known.expiry.cancel()
            self._origins.discard(_origin(known.request))
            if self._invites.get(_call(known.request)) is known:
                del self._invites[_call(known.request)]

    async def ask(self, data: bytes, branch: str, flow: Flow) -> SipMessage | None:
        """Send a request of ours, again and again over UDP, until its final response comes; None
        when none does."""
        response: asyncio.Future[SipMessage] = asyncio.get_running_loop().create_future()
        self._client[branch] = response
        repeater: Repeater | None = None
        try:
            flow.send(data)
            if not flow.is_reliable:
                repeater = Repeater(lambda: flow.send(data), lambda: None, self.timing)
            async with asyncio.timeout(self.timing.lifetime_s):
                return await response
        except TimeoutError:
            return None
        finally:
            if repeater is not None:
                repeater.stop()
            self._client.pop(branch, None)

    def take_response(self, response: SipMessage, branch: str) -> bool:
        """Hand a response to whoever waits; False when nobody does."""
        waiting = self._client.get(branch)
        if waiting is None:
            return False
        if (response.status or 0) >= 200 and not waiting.done():
            waiting.set_result(response)
        return True

    def close(self) -> None:
        """Say nothing again."""
        for known in self._server.values():
            known.acknowledge()
        self._server.clear()
        self._origins.clear()
        self._invites.clear()


def _origin(request: Request) -> tuple[str, ...]:
    """What a request has in common with itself on another way."""
    return (request.call_id, request.from_tag, str(request.cseq), request.method)


def _call(request: Request) -> tuple[str, ...]:
    """What a CANCEL has in common with its INVITE when a proxy changed the branch."""
    return (request.call_id, request.from_tag, str(request.cseq))
