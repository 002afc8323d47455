"""A short message centre on a real socket: SMPP 3.4 read and written byte by byte, without the
library that the product uses, so that each is a check of the other."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

BIND, SUBMIT, DELIVER, UNBIND, ENQUIRE = 0x09, 0x04, 0x05, 0x06, 0x15
NACK, RESPONSE = 0x80000000, 0x80000000
THROTTLED, BAD_ADDRESS, BAD_PASSWORD, SYSTEM_ERROR = 0x58, 0x0B, 0x0E, 0x08


@dataclass(frozen=True)
class Submitted:
    source: str
    destination: str
    esm_class: int
    registered_delivery: int
    coding: int
    data: bytes


@dataclass
class Centre:
    """What arrived, and what is done next.

    ``answers``: a status for each submit_sm, then 0; None: taken without an answer; "cut": taken,
    and the connection ended. ``receipt``: the state that follows each message that was taken.
    """

    submitted: list[Submitted] = field(default_factory=list)
    taken: list[Submitted] = field(default_factory=list)
    answers: list[int | str | None] = field(default_factory=list)
    receipt: str | None = "DELIVRD"
    password: str = "secret"
    binds: int = 0
    unbinds: int = 0
    enquiries: int = 0
    acknowledged: list[int] = field(default_factory=list)
    nacked: list[int] = field(default_factory=list)
    is_deaf: bool = False
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: set[asyncio.Task] = field(default_factory=set)
    _sequence: int = 1000

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.tasks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readexactly(16)
                length, command, status, sequence = struct.unpack(">LLLL", head)
                body = await reader.readexactly(length - 16)
                if not self.is_deaf:
                    self._handle(writer, command, status, sequence, body)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the other side left, or the test is over
        finally:
            writer.close()

    def _handle(self, writer, command: int, status: int, sequence: int, body: bytes) -> None:
        if command == BIND:
            self.binds += 1
            _, password, _rest = body.split(b"\0", 2)
            is_right = password.decode() == self.password
            self._send(writer, BIND | RESPONSE, 0 if is_right else BAD_PASSWORD, sequence, b"me\0")
        elif command == SUBMIT:
            self._submit(writer, sequence, body)
        elif command == ENQUIRE:
            self.enquiries += 1
            self._send(writer, ENQUIRE | RESPONSE, 0, sequence)
        elif command == UNBIND:
            self.unbinds += 1
            self._send(writer, UNBIND | RESPONSE, 0, sequence)
        elif command == DELIVER | RESPONSE:
            self.acknowledged.append(sequence)
        elif command == NACK:
            self.nacked.append(status)

    def _submit(self, writer, sequence: int, body: bytes) -> None:
        message = read_submit(body)
        self.submitted.append(message)
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, int) and answer:
            self._send(writer, SUBMIT | RESPONSE, answer, sequence)
            return
        self.taken.append(message)
        if answer == "cut":
            writer.transport.abort()
        elif answer == 0:
            message_id = f"{len(self.taken):08X}"
            self._send(writer, SUBMIT | RESPONSE, 0, sequence, message_id.encode() + b"\0")
            if self.receipt is not None:
                text = f"id:{message_id} sub:001 dlvrd:001 stat:{self.receipt} err:000 text:"
                self.deliver(text.encode(), esm_class=0x04, writer=writer)

    def deliver(
        self, text: bytes, esm_class: int = 0, coding: int = 0, tail: bytes = b"", writer=None
    ):
        """Send a deliver_sm from 156; returns its sequence number."""
        self._sequence += 1
        body = b"\0\0\0" + b"156\0" + b"\0\0" + b"ivr\0" + bytes([esm_class]) + b"\0\0\0\0\0\0"
        body += bytes([coding, 0, len(text)]) + text + tail
        self._send(writer or self.writers[-1], DELIVER, 0, self._sequence, body)
        return self._sequence

    def send_raw(self, command: int, body: bytes = b"", sequence: int = 7) -> None:
        self._send(self.writers[-1], command, 0, sequence, body)

    def _send(self, writer, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        writer.write(struct.pack(">LLLL", 16 + len(body), command, status, sequence) + body)


def read_submit(body: bytes) -> Submitted:
    """The mandatory parameters of submit_sm (SMPP 3.4, 4.4.1)."""
    _, rest = body.split(b"\0", 1)
    source, rest = rest[2:].split(b"\0", 1)
    destination, rest = rest[2:].split(b"\0", 1)
    esm_class, rest = rest[0], rest[3:]
    _, _, rest = rest.split(b"\0", 2)
    registered, _, coding, _, length = rest[:5]
    data = rest[5 : 5 + length]
    assert len(data) == length
    assert rest[5 + length :] == b"", "optional parameters were not expected"
    return Submitted(source.decode(), destination.decode(), esm_class, registered, coding, data)


@asynccontextmanager
async def message_centre(tls: ssl.SSLContext | None = None) -> AsyncIterator[Centre]:
    centre = Centre()
    server = await asyncio.start_server(centre.serve, "127.0.0.1", 0, ssl=tls)
    centre.port = server.sockets[0].getsockname()[1]
    try:
        yield centre
    finally:
        server.close()
        for writer in centre.writers:
            writer.transport.abort()
        for task in centre.tasks:
            task.cancel()
        await asyncio.gather(*centre.tasks, return_exceptions=True)
        with suppress(OSError):
            await server.wait_closed()
