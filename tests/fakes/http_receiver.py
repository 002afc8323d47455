"""A real HTTP/1.1 receiver on loopback that answers, stalls or hangs up as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Receiver:
    """What arrived, and how the next requests are answered; 202 when nothing is said."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    hangs_up: int = 0
    stalls: bool = False
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
            lines = head.split("\r\n")[1:-2]
            named = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
            self.bodies.append(await reader.readexactly(int(named["content-length"])))
            self.headers.append(named)
            if self.stalls:
                await reader.read()  # until the sender gives up
            elif self.hangs_up:
                self.hangs_up -= 1
            else:
                writer.write(self.answers.pop(0) if self.answers else answer(202, b"id 4711"))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the sender went away, or refused our certificate: that is what a test looks at
        finally:
            writer.close()


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
