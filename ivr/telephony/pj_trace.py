"""A pjsip module that hands on every SIP message of a call, byte for byte, with its time.

It stands below everything else: what arrives is seen before any other module, what leaves after it
was printed, as it goes out. Messages belong to a call by their Call-ID. Those that come before the
call is taken (the INVITE, our 100) wait a little; those of calls that are refused, and of pings and
registrations, are forgotten.

Offsets are those of ``struct pjsip_rx_data`` and ``struct pjsip_tx_data`` (sip_transport.h,
PJSIP_MAX_PKT_LEN 4000) on a 64-bit machine. Every reading is checked: a message must lie where its
address says, the peer's binary address must be what its text says.
"""

import ctypes
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ivr.telephony.channel import Message
from ivr.telephony.pj_gate import Module, OnRx, PjStr
from ivr.telephony.pj_offer import pointer
from ivr.telephony.pj_source import source_of

KEPT_BYTES: Final = 1 << 20
"""Of one call; of what comes beyond only the time is told, for it is no call any more."""
WAITING_CALLS, WAITING_MESSAGES = 32, 8
MOST_MESSAGES: Final = 2000
_LOWEST = (
    1  # transports are at 8 (sip_module.h): arriving messages pass us first, leaving ones last
)
_SOURCE_PORT, _RX_BUFFER, _RX_SIZE = 4416, 4424, 4432
_TX_START, _TX_CURSOR = 408, 416
_TO_ADDRESS, _TO_NAME, _TO_PORT, _NAME_SIZE = 1200, 1232, 1280, 46
_LARGEST = 1 << 17
_CALL_ID = re.compile(rb"^(?:Call-ID|i)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.I | re.M)
_NAME = ctypes.create_string_buffer(b"mod-ivr-trace")


class Trace:
    """The module and the calls it hands on. Lives as long as the process.

    Args:
        emit: hands a fact to the pool.
    """

    def __init__(self, library: ctypes.CDLL, emit: Callable[[Message], None]) -> None:
        self._library, self._emit = library, emit
        self._serials: dict[bytes, int] = {}
        self._room: dict[bytes, list[int]] = {}
        self._ended: list[bytes] = []
        self._waiting: OrderedDict[bytes, list[Message]] = OrderedDict()
        self._callbacks = (OnRx(self._on_rx), OnRx(self._on_tx))
        self._module = Module(
            name=PjStr(ctypes.addressof(_NAME), 13),
            id=-1,
            priority=_LOWEST,
            on_rx_request=self._callbacks[0],
            on_rx_response=self._callbacks[0],
            on_tx_request=self._callbacks[1],
            on_tx_response=self._callbacks[1],
        )

    def register(self) -> bool:
        """Put the module in its place; to be called between libInit and the first event."""
        endpoint = self._library.pjsua_get_pjsip_endpt()
        at = ctypes.addressof(self._module)
        return bool(self._library.pjsip_endpt_register_module(endpoint, at) == 0)

    def follow(self, call_id: str, serial: int) -> None:
        """Hand on the messages of this call from now on, those that waited first."""
        key = call_id.encode("utf-8", "surrogateescape")
        self._serials[key] = serial
        self._room[key] = [KEPT_BYTES, MOST_MESSAGES]
        for message in self._waiting.pop(key, ()):
            self._tell(key, message)

    def ended(self, serial: int) -> None:
        """The call is over for pjsua, which counts it so before our BYE has left: the messages of
        the last calls are handed on for a while."""
        self._ended += [key for key, known in self._serials.items() if known == serial]
        while len(self._ended) > WAITING_CALLS:
            key = self._ended.pop(0)
            self._serials.pop(key, None)
            self._room.pop(key, None)

    def _on_rx(self, rdata: int) -> int:
        """Always 0: the message goes on its way."""
        at, size = pointer(rdata + _RX_BUFFER), _number(rdata + _RX_SIZE)
        if at and 0 < size <= _LARGEST:
            peer = (source_of(rdata), _number(rdata + _SOURCE_PORT))
            self.passed(ctypes.string_at(at, size), peer, is_sent=False)
        return 0

    def _on_tx(self, tdata: int) -> int:
        """Always 0: the message goes on its way. A repetition comes by again, and is told again."""
        at, end = pointer(tdata + _TX_START), pointer(tdata + _TX_CURSOR)
        if at and 0 < end - at <= _LARGEST:
            self.passed(ctypes.string_at(at, end - at), _destination(tdata), is_sent=True)
        return 0

    def passed(self, raw: bytes, peer: tuple[str, int], *, is_sent: bool) -> None:
        """A message came or left; it is handed on, waits, or is nobody's."""
        found = _CALL_ID.search(raw.partition(b"\r\n\r\n")[0])
        if found is None:
            return
        key = found[1]
        message: Message = {
            "type": "signalling",
            "at_ns": time.time_ns(),
            "is_sent": is_sent,
            "peer": peer,
            "raw": raw.decode("utf-8", "surrogateescape"),
        }
        if key in self._serials:
            self._tell(key, message)
        elif key in self._waiting or raw.startswith(b"INVITE "):
            self._wait(key, message)

    def _wait(self, key: bytes, message: Message) -> None:
        waiting = self._waiting.setdefault(key, [])
        if len(waiting) < WAITING_MESSAGES:
            waiting.append(message)
        while len(self._waiting) > WAITING_CALLS:
            self._waiting.popitem(last=False)

    def _tell(self, key: bytes, message: Message) -> None:
        """Within what one call may say."""
        room = self._room[key]
        if room[1] <= 0:
            return
        room[0] -= len(message["raw"])
        room[1] -= 1
        if room[0] < 0:
            message = {**message, "raw": ""}
        self._emit({**message, "serial": self._serials[key], "is_last": room[1] == 0})


def _number(at: int) -> int:
    return ctypes.c_int.from_address(at).value


def _destination(tdata: int) -> tuple[str, int]:
    """Where a message goes; an empty host when that cannot be read for certain."""
    family = ctypes.c_ushort.from_address(tdata + _TO_ADDRESS).value
    spots: dict[int, tuple[int, int]] = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}
    offset, size = spots.get(family, (0, 0))
    name = ctypes.string_at(tdata + _TO_NAME, _NAME_SIZE).partition(b"\0")[0]
    try:
        text = name.decode("ascii")
        packed = socket.inet_pton(family, text) if size else b""
    except (ValueError, OSError):
        return "", 0
    is_same = size and packed == ctypes.string_at(tdata + _TO_ADDRESS + offset, size)
    return (text, _number(tdata + _TO_PORT)) if is_same else ("", 0)
