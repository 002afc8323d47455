"""Where a message came from, and the way back."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

MAX_UNSENT_BYTES: Final = 1 << 20
"""A TCP peer that reads nothing is let go when so much waits for it."""


Sent = Callable[[bytes, tuple[str, int]], None]
"""Told of each message that left, and where to."""


class Flow(Protocol):
    """One peer over one transport."""

    @property
    def source(self) -> tuple[str, int]:
        """Address and port it sends from."""

    @property
    def transport(self) -> str:
        """``udp`` or ``tcp``."""

    @property
    def is_reliable(self) -> bool: ...

    def answer(self, data: bytes, port: int) -> bool:
        """Send a response; ``port`` is where a UDP sender without rport listens. False: it did
        not leave."""

    def send(self, data: bytes) -> bool:
        """Send a request of ours to where the last message came from."""


class UdpFlow:
    """Implements ``Flow``: answers leave from the port that was asked."""

    transport = "udp"
    is_reliable = False

    def __init__(
        self, endpoint: asyncio.DatagramTransport, source: tuple[str, int], sent: Sent
    ) -> None:
        self._endpoint, self._sent = endpoint, sent
        self.source = source

    def answer(self, data: bytes, port: int) -> bool:
        return self._send(data, port)

    def send(self, data: bytes) -> bool:
        return self._send(data, self.source[1])

    def _send(self, data: bytes, port: int) -> bool:
        if self._endpoint.is_closing():
            return False
        self._endpoint.sendto(data, (self.source[0], port))
        self._sent(data, (self.source[0], port))
        return True


class TcpFlow:
    """Implements ``Flow``: everything goes over the connection it came by."""

    transport = "tcp"
    is_reliable = True

    def __init__(self, writer: asyncio.StreamWriter, source: tuple[str, int], sent: Sent) -> None:
        self._writer, self._sent = writer, sent
        self.source = source

    def answer(self, data: bytes, port: int) -> bool:  # noqa: ARG002 - a connection has one port
        return self.send(data)

    def send(self, data: bytes) -> bool:
        transport = self._writer.transport
        if transport.is_closing():
            return False
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()
            return False
        self._writer.write(data)
        self._sent(data, self.source)
        return True
