"""One bind to a short message centre (SMPP 3.4): requests and answers over one connection.

smpplib writes and reads the PDUs; the connection is asyncio's, because the library's own client
blocks a thread and gives no word on whether a request that failed had left.
"""

import asyncio
import re
import ssl
import struct
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from smpplib import smpp
from smpplib.exceptions import UnknownCommandError

from ivr.errors import StorageError
from ivr.facts.replies import same_id
from ivr.reporting.couriers.replies import Incoming
from ivr.telemetry import logger

_log = logger("ivr.reporting.smpp")
_HEADER = struct.Struct(">LLLL")
_LONGEST_PDU = 65_536
_RESPONSE = 0x80000000
_KEPT_RECEIPTS = 1000
_UNBIND_S = 1.0
_RECEIPT = 0x04  # esm_class bits 5-2 of a deliver_sm that is a delivery receipt
_REQUESTS = {0x05: "deliver_sm", 0x06: "unbind", 0x15: "enquire_link"}
# What smpplib raises for a PDU that it cannot read.
_UNREADABLE = (struct.error, UnknownCommandError, KeyError, ValueError, TypeError, AttributeError)
_RECEIPT_ID = re.compile(rb"\bid:\s*([^\s]+)", re.IGNORECASE)
_RECEIPT_STATE = re.compile(rb"\bstat:\s*([A-Z]+)", re.IGNORECASE)


Take = Callable[[Incoming], Awaitable[None]]
"""Stores what came in; the centre is told that we have it only after this returns."""


class SmppSession:
    """Requests are answered in any order; whoever waits when the connection ends gets
    ConnectionError."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        keep: Take,
        enquire_s: float,
    ) -> None:
        self.sequence = 0
        self._reader, self._writer, self._keep = reader, writer, keep
        self._enquire_s = enquire_s
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._receipts: OrderedDict[str, str] = OrderedDict()
        self._receipt_came = asyncio.Condition()
        self._is_over = False
        self._is_unbound = False
        self._task = asyncio.create_task(self._live(), name="smpp-session")

    @classmethod
    async def open(
        cls, host: str, port: int, tls: ssl.SSLContext | None, keep: Take, enquire_s: float
    ) -> "SmppSession":
        """Connect; OSError when that fails."""
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        return cls(reader, writer, keep, enquire_s)

    @property
    def is_over(self) -> bool:
        return self._is_over

    async def ended(self) -> None:
        """Wait until the session is over."""
        await asyncio.wait({self._task})

    def next_sequence(self) -> int:
        """smpplib asks its client for numbers; 1 to 0x7FFFFFFF."""
        self.sequence = self.sequence % 0x7FFFFFFF + 1
        return self.sequence

    async def request(self, name: str, **fields: object) -> Any:
        """Send a request, wait for its answer (a PDU; a generic_nack is one, too).

        Raises:
            ConnectionError: the connection ended first; the request may have arrived.
        """
        if self._is_over:
            raise ConnectionResetError("the session is over")
        pdu = smpp.make_pdu(name, client=self, **fields)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[pdu.sequence] = answer
        try:
            self._writer.write(pdu.generate())
            await self._writer.drain()
            return await answer
        finally:
            self._waiting.pop(pdu.sequence, None)

    async def receipt(self, message_id: str, wait_s: float) -> str | None:
        """The state in the message's delivery receipt, or None when none comes in time."""
        key = same_id(message_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._receipt_came:
                await self._receipt_came.wait_for(lambda: key in self._receipts or self._is_over)
        return self._receipts.pop(key, None)

    async def close(self) -> None:
        """Unbind and end."""
        self._is_unbound = True
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_UNBIND_S):
                await self.request("unbind")
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _live(self) -> None:
        why = "the centre closed the connection"
        try:
            while True:
                await self._handle(*await self._next())
        except asyncio.CancelledError:
            why = "we ended the session"
            if not self._is_unbound:  # the program ends: said without waiting for the answer
                self._writer.write(smpp.make_pdu("unbind", client=self).generate())
            raise
        except StorageError as problem:  # what came is not kept: the centre sends it again later
            why = str(problem)
            _log.error("smpp.not_kept", **problem.as_dict())
        except (OSError, EOFError, *_UNREADABLE) as problem:
            why = f"{type(problem).__name__}: {problem}".strip(": ")
        finally:
            self._is_over = True
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError(why))
            self._writer.close()
            async with self._receipt_came:
                self._receipt_came.notify_all()

    async def _next(self) -> tuple[int, int, bytes]:
        """Command, sequence and the whole PDU. Silence is met with enquire_link, and silence
        after that ends the session."""
        is_asked = False
        while True:
            try:
                async with asyncio.timeout(self._enquire_s):
                    head = await self._reader.readexactly(_HEADER.size)
                break
            except TimeoutError:
                if is_asked:
                    raise
                is_asked = True
                self._writer.write(smpp.make_pdu("enquire_link", client=self).generate())
        length, command, _, sequence = _HEADER.unpack(head)
        if not _HEADER.size <= length <= _LONGEST_PDU:
            raise ValueError(f"a PDU of {length} bytes")
        return command, sequence, head + await self._reader.readexactly(length - _HEADER.size)

    async def _handle(self, command: int, sequence: int, raw: bytes) -> None:
        if command & _RESPONSE:
            answer = self._waiting.get(sequence)
            if answer is not None and not answer.done():
                answer.set_result(smpp.parse_pdu(raw, client=self, allow_unknown_opt_params=True))
            return
        name = _REQUESTS.get(command, "")
        if name == "deliver_sm":
            incoming = _incoming(raw, self)
            await self._keep(incoming)
            await self._note(incoming)
        if name:
            self._answer(f"{name}_resp", sequence)
        else:
            self._answer("generic_nack", sequence, status=0x03)  # ESME_RINVCMDID
        await self._writer.drain()
        if name == "unbind":
            raise ConnectionResetError("the centre unbound us")

    def _answer(self, name: str, sequence: int, status: int = 0) -> None:
        pdu = smpp.make_pdu(name, client=self)
        pdu.sequence, pdu.status = sequence, status
        self._writer.write(pdu.generate())

    async def _note(self, incoming: Incoming) -> None:
        if incoming.receipt is None:
            return
        message_id, state = incoming.receipt
        async with self._receipt_came:
            self._receipts[same_id(message_id)] = state
            while len(self._receipts) > _KEPT_RECEIPTS:  # the oldest goes; it is stored anyway
                self._receipts.popitem(last=False)
            self._receipt_came.notify_all()


def _incoming(raw: bytes, session: SmppSession) -> Incoming:
    try:
        pdu = smpp.parse_pdu(raw, client=session, allow_unknown_opt_params=True)
        data = pdu.short_message or pdu.message_payload or b""
        source, destination = (_text(pdu.source_addr), _text(pdu.destination_addr))
        esm_class, coding = int(pdu.esm_class or 0), int(pdu.data_coding or 0)
        told = pdu.receipted_message_id
    except _UNREADABLE:  # optional parameters that it does not expect here: keep the bytes
        _log.warning("smpp.unreadable_message", size=len(raw))
        return Incoming("", "", -1, raw, None)
    receipt = _receipt(data, told) if esm_class & 0x3C == _RECEIPT else None
    return Incoming(source, destination, coding, data, receipt)


def _receipt(data: bytes, told: bytes | None) -> tuple[str, str] | None:
    """Id and state of SMPP 3.4 appendix B (``id:… stat:DELIVRD``)."""
    named, state = _RECEIPT_ID.search(data), _RECEIPT_STATE.search(data)
    message_id = told or (named and named.group(1))
    if not message_id or state is None:
        return None
    return _text(message_id), state.group(1).decode().upper()


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin-1")
