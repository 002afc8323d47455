"""Messages between the pool and a worker: JSON objects, each behind a four-byte length.

Own framing: a socket pair and ``json`` is all it takes; standard output stays free.
"""

import json
import struct
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct("!I")
MAX_MESSAGE_BYTES = 1 << 20
"""Far above the largest message (an INVITE of 65 kB); beyond it the stream is broken."""


class BrokenChannel(Exception):
    """The bytes are no message stream. Internal to the room; the pool kills the worker."""


def encode(message: Message) -> bytes:
    """Lone surrogates (bytes of a SIP message that are no UTF-8) survive as JSON escapes."""
    payload = json.dumps(message).encode("ascii")
    return _LENGTH.pack(len(payload)) + payload


class Decoder:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes, give the messages that are complete.

        Raises:
            BrokenChannel: a length or a payload makes no sense.
        """
        self._buffer += data
        messages: list[Message] = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_MESSAGE_BYTES:
                raise BrokenChannel(f"message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            try:
                message = json.loads(self._buffer[_LENGTH.size : end])
            except ValueError as problem:
                raise BrokenChannel(str(problem)) from problem
            if not isinstance(message, dict):
                raise BrokenChannel("message is no object")
            messages.append(message)
            del self._buffer[:end]
        return messages
