"""Many calls in a row through one worker: ``python -m ivr.telephony.bench --soak N``.

Every fourth call is bridged to a subscriber. Caller and subscriber are bare sockets in this
process: the smallest peers that RFC 3261 allows, so that what grows is the worker.
"""

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ivr.clock import SystemClock
from ivr.facts.call import Pickup
from ivr.settings import SipSettings
from ivr.telephony.line import SipLine, SubscriberLine
from ivr.telephony.pool import WorkerPool

HERE = "127.0.0.1"
BRIDGED_EVERY = 4
_OK = 200
_STEPS = 10
_AGAIN_S = 0.03
_PATIENCE_S = 10.0
_COPIED = re.compile(r"^(?:Via|From|To|Call-ID|CSeq):.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Stands for an RTP door; what arrives there is thrown away by the kernel."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SoakStep:
    """What the worker held after so many calls."""

    calls: int
    bridged: int
    refused: int
    resident_mb: float
    descriptors: int


class _Peer(asyncio.DatagramProtocol):
    """Answers every request with 200 (an INVITE with a description), hands over responses."""

    def __init__(self) -> None:
        self.responses: asyncio.Queue[str] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # typeshed names the wider type
        self._transport = transport

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    def send(self, text: str, to: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(text.encode(), to)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode("utf-8", "replace")
        if text.startswith("SIP/2.0 "):
            self.responses.put_nowait(text)
        elif not text.startswith("ACK "):
            lines = [line.rstrip("\r") for line in _COPIED.findall(text)]
            tagged = [_with_tag(line) for line in lines]
            body = description(self.address[1]) if text.startswith("INVITE ") else ""
            head = [*tagged, f"Contact: <sip:p@{HERE}:{self.address[1]}>"]
            self.send(_message("SIP/2.0 200 OK", head, body), addr)


def description(port: int) -> str:
    """The shortest SDP that is one; its RTP port is the peer's own, which drops it."""
    where = f"IN IP4 {HERE}"
    return f"v=0\r\no=- 1 1 {where}\r\ns=-\r\nc={where}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"


def _with_tag(line: str) -> str:
    return f"{line};tag=p" if line.startswith("To:") and ";tag=" not in line else line


def _message(start: str, headers: list[str], body: str) -> str:
    kind = ["Content-Type: application/sdp"] if body else []
    return "\r\n".join([start, *headers, *kind, f"Content-Length: {len(body)}", "", body])


@dataclass(slots=True)
class _Call:
    """The caller's side of one call."""

    number: int
    peer: _Peer
    to: tuple[str, int]
    tag: str = ""

    def request(self, method: str, sequence: int, body: str = "") -> None:
        port = self.peer.address[1]
        headers = [
            f"Via: SIP/2.0/UDP {HERE}:{port};branch=z9hG4bK{self.number}{method}",
            f"From: <sip:caller@{HERE}>;tag={self.number}",
            f"To: <sip:soak@{HERE}>{self.tag}",
            f"Call-ID: soak-{os.getpid()}-{self.number}",
            f"CSeq: {sequence} {method}",
            "Max-Forwards: 70",
            f"Contact: <sip:caller@{HERE}:{port}>",
        ]
        self.peer.send(_message(f"{method} sip:soak@{HERE} SIP/2.0", headers, body), self.to)

    async def final(self) -> int:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                text = await self.peer.responses.get()
                status = int(text[8:11])
                if status >= 200:
                    found = re.search(r"^To:.*?(;tag=[^\s;]+)", text, re.MULTILINE)
                    self.tag = found[1] if found else ""
                    return status


class Soak:
    """One worker and its two peers.

    Args:
        wav: a short prompt, played into every call.
    """

    def __init__(self, pool: WorkerPool, caller: _Peer, contact: str, wav: Path) -> None:
        self._pool, self._caller, self._contact, self._wav = pool, caller, contact, wav
        self._incoming = pool.incoming()
        self._taking = asyncio.ensure_future(anext(self._incoming))
        self._tried = 0
        self.refused = 0

    async def one_call(self, *, is_bridged: bool) -> None:
        """From INVITE to BYE.

        Raises:
            RuntimeError: it was not answered, or its subscriber not reached.
        """
        call, line = await self._placed()
        answering = asyncio.create_task(self._answer(line, is_bridged=is_bridged))
        if (status := await call.final()) != _OK:
            raise RuntimeError(f"INVITE {call.number} was answered {status}")
        call.request("ACK", 1)
        other = await answering
        call.request("BYE", 2)
        if (status := await call.final()) != _OK:
            raise RuntimeError(f"BYE {call.number} was answered {status}")
        if other is not None:
            await other.hang_up("the caller is gone")
        async for _ in line.events():
            pass

    async def _placed(self) -> tuple[_Call, SipLine]:
        """An INVITE that got in; one that came too fast is sent again as a new call."""
        while True:
            self._tried += 1
            call = _Call(self._tried, self._caller, self._pool.addresses[0])
            call.request("INVITE", 1, description(self._caller.address[1]))
            refused = asyncio.create_task(call.final())
            await asyncio.wait([refused, self._taking], return_when=asyncio.FIRST_COMPLETED)
            if self._taking.done():
                refused.cancel()
                line = self._taking.result()
                self._taking = asyncio.ensure_future(anext(self._incoming))
                return call, line
            call.request("ACK", 1)
            self.refused += 1
            await asyncio.sleep(_AGAIN_S)

    async def _answer(self, line: SipLine, *, is_bridged: bool) -> SubscriberLine | None:
        endpoint = Endpoint(*self._caller.address)
        await line.answer(endpoint)
        other = None
        if is_bridged:
            other = await line.connect(self._contact, endpoint, _PATIENCE_S)
            while (pickup := await other.picked_up()) is Pickup.NO_SLOT:  # too fast
                await asyncio.sleep(_AGAIN_S)
                other = await line.connect(self._contact, endpoint, _PATIENCE_S)
            if pickup is not Pickup.ANSWERED:
                raise RuntimeError(f"the subscriber was {pickup}")
            await line.join(other)
        await line.play(self._wav)
        return other

    async def close(self) -> None:
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)

    def step(self, calls: int, bridged: int) -> SoakStep:
        pid = self._pool.pids[0]
        return SoakStep(calls, bridged, self.refused, resident_mb(pid), descriptors(pid))


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def descriptors(pid: int) -> int:
    """Open files and sockets of a process."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


async def soak(calls: int, wav: Path, told: Callable[[SoakStep], None]) -> list[SoakStep]:
    """Make so many calls; returns what the worker held at ten points on the way.

    Args:
        wav: a short prompt, played into every call.
        told: hears each step as it is reached.

    Raises:
        RuntimeError: a call was not answered, its subscriber not reached, or the worker died.
    """
    loop = asyncio.get_running_loop()
    made = [await loop.create_datagram_endpoint(_Peer, (HERE, 0)) for _ in range(2)]
    caller, phone = (protocol for _, protocol in made)
    contact = f"sip:phone@{HERE}:{phone.address[1]}"
    settings = SipSettings(port=0, recycle_after_calls=2 * calls + 1)
    steps: list[SoakStep] = []
    marks = {max(1, calls * n // _STEPS) for n in range(1, _STEPS + 1)}
    async with WorkerPool(settings, SystemClock(), may_call=[contact]) as pool:
        pids = pool.pids
        run = Soak(pool, caller, contact, wav)
        bridged = 0
        for number in range(1, calls + 1):
            is_bridged = number % BRIDGED_EVERY == 0
            await run.one_call(is_bridged=is_bridged)
            bridged += is_bridged
            if number in marks:
                steps.append(run.step(number, bridged))
                told(steps[-1])
        await run.close()
        if pool.pids != pids:
            raise RuntimeError("the worker died on the way")
    for transport, _ in made:
        transport.close()
    return steps
