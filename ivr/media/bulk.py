"""Reading a wire log by the thousand: the fields of many packets at once, as arrays.

The rules are those of docs/rtp-door.md and nothing here decides: what is not quite ordinary goes
the way of single entries (`wire_format`), to the same result. It only makes an hour of packets a
second of work.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ivr.errors import MediaError
from ivr.media import pcapng
from ivr.media.wire_format import Entry, LoggedInterface, read_entry

Numbers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

SMALLEST_SPAN: Final = 8
_HEAD = struct.Struct("<II")
_PACKET_AT: Final = 28


@dataclass(frozen=True, slots=True)
class Fields:
    """Datagrams in their order, one number each.

    Args:
        at_ns: arrival.
        data_at: where in the file the datagram begins.
        size: of the datagram, bytes.
        first, second: its first bytes; 0 where there is none.
        sequence, timestamp, ssrc: as of an RTP header; without meaning in a shorter datagram.
    """

    at_ns: Numbers
    data_at: Numbers
    size: Numbers
    first: Numbers
    second: Numbers
    sequence: Numbers
    timestamp: Numbers
    ssrc: Numbers

    def __getitem__(self, chosen: Any) -> "Fields":
        return Fields(*(getattr(self, name)[chosen] for name in self.__slots__))


class Span:
    """Packet blocks that follow one another. ``names``: of the interfaces declared so far.

    Args:
        offsets, lengths: of the blocks in the file.
    """

    def __init__(
        self, data: Bytes, offsets: Numbers, lengths: Numbers, names: tuple[str, ...]
    ) -> None:
        self._data, self._offsets, self._lengths = data, offsets, lengths
        self.names = names

    def __len__(self) -> int:
        return len(self._offsets)

    def entries(self, chosen: Numbers | None = None) -> Iterator[Entry]:
        """The same, or some of it, one by one.

        Raises:
            TornBlock, MediaError: one cannot be read.
        """
        for n in range(len(self)) if chosen is None else chosen:
            at, length = int(self._offsets[n]), int(self._lengths[n])
            body = self._data[at + 8 : at + length - 4].tobytes()
            entry = read_entry(pcapng.Block(pcapng.ENHANCED_PACKET, body, at), list(self.names))
            if entry is not None:
                yield entry

    @cached_property
    def interfaces(self) -> Numbers:
        """Index of each packet's interface."""
        return self._word(8, "<u4")

    @cached_property
    def is_ordinary(self) -> bool:
        """Whether every block is a whole UDP datagram on a declared interface."""
        if len(self) < SMALLEST_SPAN or int(self._lengths.min()) < _PACKET_AT + 20 + 8 + 4:
            return False
        version = self._data[self._offsets + _PACKET_AT] >> 4
        head = np.where(version == 4, 28, 48)
        captured = self._word(20, "<u4")
        return bool(
            np.all((version == 4) | (version == 6))
            and np.all(captured + 32 <= self._lengths)
            and np.all(captured >= head)
            and int(self.interfaces.max()) < len(self.names)
        )

    @cached_property
    def fields(self) -> Fields:
        """Of an ordinary span."""
        at_ns = self._word(12, "<u4") << 32 | self._word(16, "<u4")
        version = self._data[self._offsets + _PACKET_AT] >> 4
        head = np.where(version == 4, 28, 48)
        data_at = self._offsets + _PACKET_AT + head
        size = self._word(20, "<u4") - head
        first, second = (
            np.where(size > n, self._data[self._within(data_at + n)], 0).astype(np.int64)
            for n in (0, 1)
        )
        return Fields(
            at_ns,
            data_at,
            size,
            first,
            second,
            self._big(data_at + 2, 2),
            self._big(data_at + 4, 4),
            self._big(data_at + 8, 4),
        )

    def _within(self, at: Numbers) -> Numbers:
        return np.minimum(at, len(self._data) - 1)

    def _big(self, at: Numbers, size: int) -> Numbers:
        total = np.zeros(len(at), dtype=np.int64)
        for n in range(size):
            total = total << 8 | self._data[self._within(at + n)]
        return total

    def _word(self, at: int, kind: str) -> Numbers:
        """A little-endian 32-bit field of every block; blocks stand on multiples of four."""
        words = self._data[: len(self._data) // 4 * 4].view(kind)
        return words[(self._offsets + at) // 4].astype(np.int64)


class BulkReader:
    """What `WireLogReader` gives, with packets in spans.

    Raises:
        MediaError: the file cannot be read or is no wire log.
    """

    def __init__(self, path: Path) -> None:
        self.torn_at: int | None = None
        try:
            self.data: Bytes = np.fromfile(path, dtype=np.uint8)
        except OSError as problem:
            raise MediaError(
                f"The wire log cannot be read: {path.name}.",
                why=problem.strerror or str(problem),
                remedy="Check the path and the rights of the file.",
            ) from problem

    def __iter__(self) -> Iterator[Entry | Span]:
        try:
            yield from self._parts()
        except pcapng.TornBlock as tear:
            if tear.offset == 0:
                raise
            self.torn_at = tear.offset

    def _parts(self) -> Iterator[Entry | Span]:
        kinds, offsets, lengths, tear = _scan(self.data)
        if kinds and kinds[0] != pcapng.SECTION_HEADER:
            raise pcapng.TornBlock(0, "it does not begin with a section header")
        is_packet = np.array(kinds, dtype=np.int64) == pcapng.ENHANCED_PACKET
        at, sizes = np.array(offsets, dtype=np.int64), np.array(lengths, dtype=np.int64)
        edges = np.flatnonzero(np.diff(is_packet, prepend=False, append=False))
        names: list[str] = []
        done = 0
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            yield from self._others(kinds, at, sizes, range(done, first), names)
            span = Span(self.data, at[first:last], sizes[first:last], tuple(names))
            if span.is_ordinary:
                yield span
            else:
                yield from span.entries()
            done = last
        yield from self._others(kinds, at, sizes, range(done, len(kinds)), names)
        if tear is not None:
            raise tear

    def _others(
        self, kinds: list[int], at: Numbers, sizes: Numbers, which: range, names: list[str]
    ) -> Iterator[Entry]:
        for n in which:
            offset = int(at[n])
            body = self.data[offset + 8 : offset + int(sizes[n]) - 4].tobytes()
            block = pcapng.Block(kinds[n], body, offset)
            if block.kind == pcapng.INTERFACE_DESCRIPTION:
                names.append(pcapng.read_interface_name(block))
                yield LoggedInterface(names[-1])
            elif (entry := read_entry(block, names)) is not None:
                yield entry


def _scan(data: Bytes) -> tuple[list[int], list[int], list[int], pcapng.TornBlock | None]:
    """Kind, offset and length of the complete blocks, and the tear that ends them, as
    `pcapng.read_blocks` finds them."""
    kinds: list[int] = []
    offsets: list[int] = []
    lengths: list[int] = []
    buffer, size, at = data.data, len(data), 0
    unpack, largest = _HEAD.unpack_from, pcapng.LARGEST_BLOCK
    while at + 8 <= size:
        kind, length = unpack(buffer, at)
        end = at + length
        if length < 12 or length & 3 or length > largest or end > size:
            break
        kinds.append(kind)
        offsets.append(at)
        lengths.append(length)
        at = end
    ends = np.array(offsets, dtype=np.int64) + np.array(lengths, dtype=np.int64)
    words = data[: size // 4 * 4].view("<u4")
    wrong = np.flatnonzero(words[(ends - 4) // 4] != np.array(lengths, dtype=np.int64))
    if len(wrong):
        n = int(wrong[0])
        tear = pcapng.TornBlock(offsets[n], "the two length fields differ")
        return kinds[:n], offsets[:n], lengths[:n], tear
    if at < size:
        return kinds, offsets, lengths, pcapng.TornBlock(at, "no complete block follows")
    return kinds, offsets, lengths, None
