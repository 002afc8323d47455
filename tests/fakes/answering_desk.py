"""The house's side of a call in tests: a trivial RTP door and a desk that takes calls."""

import asyncio
import struct
from collections.abc import Callable

import numpy as np

from ivr.facts.call import CallClosed, Dtmf, MediaAgreed
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool


class UdpDoor:
    """Two sockets: the world speaks to ``port``, pjsua2 to the inner one; nothing is checked."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.port = 0
        self.from_world = 0
        self.from_agent = 0
        self._media: MediaAgreed | None = None

    async def open(self) -> "UdpDoor":
        loop = asyncio.get_running_loop()
        door = self

        class Outer(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                door.from_world += 1
                if door._media is not None:
                    door._inner.sendto(data, door._media.agent)

        class Inner(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                door.from_agent += 1
                if door._media is not None:
                    door._outer.sendto(data, door._media.remote)

        self._outer, _ = await loop.create_datagram_endpoint(Outer, (self.host, 0))
        self._inner, _ = await loop.create_datagram_endpoint(Inner, (self.host, 0))
        self.port = self._outer.get_extra_info("sockname")[1]
        return self

    def agree(self, media: MediaAgreed) -> None:
        """pjsua2 sends to where packets come from: one packet turns it to this door."""
        self._media = media
        silence = struct.pack("!BBHII", 0x80, min(media.payload_types, default=8), 0, 0, 1)
        self._inner.sendto(silence + b"\xd5" * 160, media.agent)

    def close(self) -> None:
        self._outer.close()
        self._inner.close()


class Desk:
    """Takes every call of a pool; ``take`` says what to do with one."""

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self.lines: asyncio.Queue[SipLine] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.pool.incoming():
            self.lines.put_nowait(line)

    async def next_line(self) -> SipLine:
        async with asyncio.timeout(5):
            return await self.lines.get()

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


class Ledger:
    """Facts of one line, read in the background; ``door`` learns what media was agreed."""

    def __init__(self, line: SipLine, door: UdpDoor | None = None) -> None:
        self.keys: list[Dtmf] = []
        self.media: list[MediaAgreed] = []
        self.closed: CallClosed | None = None
        self.line, self._door = line, door
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for fact in self.line.events():
            async with self._changed:
                if isinstance(fact, Dtmf):
                    self.keys.append(fact)
                elif isinstance(fact, MediaAgreed):
                    self.media.append(fact)
                    if self._door is not None:
                        self._door.agree(fact)
                else:
                    self.closed = fact
                self._changed.notify_all()

    async def until(self, condition: Callable[["Ledger"], bool], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def end(self, within_s: float = 5.0) -> CallClosed:
        await self.until(lambda facts: facts.closed is not None, within_s)
        assert self.closed is not None
        return self.closed


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Poll with a deadline."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(0.01)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(float)))))
