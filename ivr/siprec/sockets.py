"""The server's sockets: one port, UDP and TCP, messages out of both."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from ivr.errors import EnvironmentProblem
from ivr.siprec.flow import Flow, Sent, TcpFlow, UdpFlow
from ivr.siprec.framing import PING, Framer, FramingError
from ivr.siprec.sources import AllowedSources

RECEIVE_BUFFER: Final = 4 << 20
"""Holds sixty INVITEs of 60 kB; as much of it as net.core.rmem_max allows."""

MAX_CONNECTIONS: Final = 256
UNFINISHED_S: Final = 30.0
"""A message that has begun must be whole so soon, or the connection is closed."""

_TRIES: Final = 20


@dataclass(slots=True)
class SocketCounters:
    """What never became a request."""

    keep_alives: int = 0
    connections_refused: int = 0
    unreadable_streams: int = 0


class SipSockets:
    """Args:
    take: gets each message; must not wait and not raise.
    unreadable: gets the head of a message on TCP that cannot be read on, and the status.
    sent: told of each message that leaves.
    """

    def __init__(
        self,
        sources: AllowedSources,
        max_bytes: int,
        take: Callable[[bytes, Flow], None],
        unreadable: Callable[[bytes, Flow, int, str], None],
        sent: Sent,
    ) -> None:
        self._sources, self._max_bytes = sources, max_bytes
        self._take, self._unreadable, self._sent = take, unreadable, sent
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[Any]] = {}
        self.counters = SocketCounters()

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns address and port.

        Raises:
            EnvironmentProblem: the port is not free for both transports.
        """
        problem: OSError | None = None
        for _ in range(1 if port else _TRIES):
            try:
                return await self._open(host, port)
            except OSError as cause:
                problem = cause
                await self.close()
        raise EnvironmentProblem(
            f"Mirrored calls cannot be taken on {host}:{port}.",
            why=(problem.strerror or str(problem)) if problem else "no port is free",
            remedy="Stop what uses the port, or set another [mirror] port or bind.",
        ) from problem

    async def _open(self, host: str, port: int) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._sources, self._hear, self._sent), local_addr=(host, port)
        )
        bound = self._udp.get_extra_info("socket")
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        where = bound.getsockname()
        self._tcp = await asyncio.start_server(self._connected, host, where[1], backlog=64)
        return where[0], where[1]

    async def close(self) -> None:
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        running = list(self._connections.values())
        for writer in self._connections:
            writer.transport.abort()
        await asyncio.gather(*running, return_exceptions=True)
        if self._tcp is not None:
            await self._tcp.wait_closed()
        self._udp = self._tcp = None

    def _hear(self, data: bytes, flow: Flow) -> None:
        """One datagram."""
        message = data.lstrip(b"\r\n\0")
        if message:
            self._take(message, flow)
        else:
            self.counters.keep_alives += 1

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        peer = writer.get_extra_info("peername") or ("", 0)
        is_allowed = self._sources.admits(str(peer[0]))
        if not is_allowed or len(self._connections) >= MAX_CONNECTIONS:
            self.counters.connections_refused += is_allowed
            writer.transport.abort()
            return
        self._connections[writer] = task
        try:
            with suppress(ConnectionError, TimeoutError):
                source = (str(peer[0]), int(peer[1]))
                await self._read(reader, TcpFlow(writer, source, self._sent))
        finally:
            self._connections.pop(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, flow: TcpFlow) -> None:
        framer = Framer(self._max_bytes)
        while True:
            async with asyncio.timeout(UNFINISHED_S if framer.is_waiting else None):
                data = await reader.read(1 << 16)
            if not data:
                return
            try:
                messages = framer.feed(data)
            except FramingError as problem:
                self.counters.unreadable_streams += 1
                self._unreadable(problem.head, flow, problem.status, problem.reason)
                return
            for message in messages:
                if message == PING:
                    self.counters.keep_alives += 1
                    flow.send(b"\r\n")
                else:
                    self._take(message, flow)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(
        self, sources: AllowedSources, hear: Callable[[bytes, Flow], None], sent: Sent
    ) -> None:
        self._sources, self._hear, self._sent = sources, hear, sent
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self._sources.admits(addr[0]) and self._transport is not None:
            self._hear(data, UdpFlow(self._transport, (addr[0], addr[1]), self._sent))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens where an answer went: the peer's retransmission will ask again."""
