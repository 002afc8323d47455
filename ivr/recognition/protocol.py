"""What goes over the socket between an ear and its recognition process.

To the process: messages of a 4-byte big-endian length (of what follows), one byte of kind, and a
body. From the process: JSON objects, one a line (see `Report`). Both ends are the same release of
this program on the same machine, so there is no version in it.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ivr.recognition.engine import HeardWord
from ivr.recognition.lane import Heard

HEADER = struct.Struct("!IB")
OFFSET = struct.Struct("!q")
MESSAGE_BYTES = 1 << 20
"""Longest body; a longer one is a broken peer."""
PROCESS_ENDED = "recognition process ended:"
"""How the host begins the line on standard error that tells of a lost process."""


class Kind(IntEnum):
    OPEN = 1  # JSON object `Opening`: first message of a connection
    AUDIO = 2  # offset (int64, samples of the leg), then pcm s16le mono; offsets tell the gaps
    STALL = 3  # nothing has come from the leg for long: end the utterance
    FINISH = 4  # the leg is over: flush, answer `done`, close


@dataclass(frozen=True, slots=True)
class Opening:
    """Args:
    rate_hz: of the leg.
    first_index: index of the first utterance.
    is_live: live legs go before recordings.
    """

    rate_hz: int
    first_index: int
    is_live: bool


@dataclass(frozen=True, slots=True)
class Report:
    """One line from the process.

    Args:
        samples: how many samples of this connection have been worked off.
        settled: offset before which everything is final or was silence.
        next_index: index of the next new utterance.
        heard: what came out since the last line.
        is_done: the answer to FINISH.
        error: why this leg cannot go on; the connection closes.
    """

    samples: int
    settled: int
    next_index: int
    heard: tuple[Heard, ...] = ()
    is_done: bool = False
    error: dict[str, str] | None = None


def message(kind: Kind, *body: bytes) -> bytes:
    return b"".join((HEADER.pack(sum(map(len, body)), kind), *body))


def opening(value: Opening) -> bytes:
    return message(
        Kind.OPEN,
        json.dumps(
            {
                "rate_hz": value.rate_hz,
                "first_index": value.first_index,
                "is_live": value.is_live,
            }
        ).encode(),
    )


def audio(offset: int, pcm: bytes) -> bytes:
    return message(Kind.AUDIO, OFFSET.pack(offset), pcm)


def split_messages(buffer: bytearray) -> Iterator[tuple[Kind, bytes]]:
    """Takes the whole messages out of a buffer.

    Raises:
        ValueError: an unknown kind, or a length beyond `MESSAGE_BYTES`.
    """
    while len(buffer) >= HEADER.size:
        length, kind = HEADER.unpack_from(buffer)
        if length > MESSAGE_BYTES:
            raise ValueError(f"a message of {length} bytes")
        end = HEADER.size + length
        if len(buffer) < end:
            return
        body = bytes(buffer[HEADER.size : end])
        del buffer[:end]
        yield Kind(kind), body


def encode(report: Report) -> bytes:
    line: dict[str, Any] = {
        "samples": report.samples,
        "settled": report.settled,
        "next_index": report.next_index,
    }
    if report.heard:
        line["heard"] = [
            {
                "index": heard.index,
                "is_final": heard.is_final,
                "readings": [
                    [[w.text, w.start_s, w.end_s, w.confidence] for w in words]
                    for words in (heard.words, *heard.others)
                ],
            }
            for heard in report.heard
        ]
    if report.is_done:
        line["is_done"] = True
    if report.error:
        line["error"] = report.error
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def decode(line: bytes) -> Report:
    """The inverse of `encode`."""
    value = json.loads(line)
    return Report(
        samples=value["samples"],
        settled=value["settled"],
        next_index=value["next_index"],
        heard=tuple(map(_heard, value.get("heard", ()))),
        is_done=value.get("is_done", False),
        error=value.get("error"),
    )


def _heard(value: dict[str, Any]) -> Heard:
    first, *others = (tuple(HeardWord(*word) for word in words) for words in value["readings"])
    return Heard(value["index"], value["is_final"], first, tuple(others))
