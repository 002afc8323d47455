"""Session timers (RFC 4028) in real time: ``python -m tests.fakes.session_timers`` prints JSON.

The shortest session the standard allows lasts 90 seconds, so these calls take more than a minute;
the tests run this program beside themselves and read what it says at their end.
"""

import asyncio
import json
import re
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from ivr.clock import SystemClock
from ivr.facts.call import CallClosed, MediaAgreed
from ivr.settings import SipSettings
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool
from tests.fakes.raw_caller import RawCaller

LASTS_S = 75
REFRESH_AT_S = 40


class DeafDoor:
    """A door that passes nothing on: what a peer hears came past it."""

    host = "127.0.0.1"
    port = 9


@dataclass
class TimedCaller(RawCaller):
    """Answers a refresh as RFC 4028 wants it, with a description when there was one."""

    refreshes: list[str] = field(default_factory=list)

    def _answer(self, request: str, source: tuple[str, int]) -> None:
        method = request.split(" ", 1)[0]
        if method not in ("UPDATE", "INVITE"):
            super()._answer(request, source)
            return
        self.refreshes.append(method)
        copied = re.findall(r"^(?:Via|From|To|Call-ID|CSeq|Session-Expires):.*$", request, re.M)
        lines = "\r\n".join(line.rstrip("\r") for line in copied)
        body = self.sdp() if "application/sdp" in request else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        contact = f"Contact: <sip:a@{self.local}:{self.sip_port}>\r\n"
        head = f"SIP/2.0 200 OK\r\n{lines}\r\nRequire: timer\r\n{contact}{kind}"
        self._sip.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), source)


@dataclass
class Watched:
    """One call and what became of it."""

    caller: TimedCaller
    agreed: str = ""
    media: int = 0
    closed: CallClosed | None = None

    async def follow(self, line: SipLine) -> None:
        async for fact in line.events():
            if isinstance(fact, MediaAgreed):
                self.media += 1
            elif isinstance(fact, CallClosed):
                self.closed = fact

    def told(self) -> dict[str, object]:
        return {
            "agreed": self.agreed,
            "refreshes": self.caller.refreshes,
            "media": self.media,
            "past_the_door": len(self.caller.heard()),
            "byes": sum(text.startswith("BYE ") for text in self.caller.requests),
            "closed": None if self.closed is None else self.closed.reason,
        }


async def begin(pool: WorkerPool, stack: AsyncExitStack, refresher: str, allow: str) -> Watched:
    extra = f"Supported: timer\r\nSession-Expires: 90;refresher={refresher}\r\nAllow: {allow}\r\n"
    caller = await stack.enter_async_context(TimedCaller(*pool.addresses[0], extra=extra))
    watched = Watched(caller)
    calling = asyncio.create_task(caller.call())
    line = await anext(pool.incoming())
    following = asyncio.create_task(watched.follow(line))
    stack.push_async_callback(asyncio.gather, following)
    await line.answer(DeafDoor())
    answer = await calling
    watched.agreed = f"{answer.header('Session-Expires')}, {answer.header('Require')}"
    return watched


async def refresh(watched: Watched) -> None:
    await asyncio.sleep(REFRESH_AT_S)
    timer = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n"
    answer = await watched.caller.ask("UPDATE", extra=timer)
    assert answer.status == 200, answer.text


async def main() -> None:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(WorkerPool(SipSettings(port=0), SystemClock()))
        calls = {
            "we refresh by UPDATE": await begin(pool, stack, "uas", "INVITE, ACK, BYE, UPDATE"),
            "we refresh by re-INVITE": await begin(pool, stack, "uas", "INVITE, ACK, BYE"),
            "they refresh": await begin(pool, stack, "uac", "INVITE, ACK, BYE, UPDATE"),
            "nobody refreshes": await begin(pool, stack, "uac", "INVITE, ACK, BYE"),
        }
        refreshing = asyncio.create_task(refresh(calls["they refresh"]))
        await asyncio.sleep(LASTS_S)
        await refreshing
        sys.stdout.write(json.dumps({name: call.told() for name, call in calls.items()}))
        sys.stdout.flush()
        for call in calls.values():
            if call.closed is None:
                await call.caller.bye()


if __name__ == "__main__":
    asyncio.run(main())
