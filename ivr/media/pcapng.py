"""pcapng blocks (draft-ietf-opsawg-pcapng): just those a wire log needs, written and read.

Own code because the log must be append-only, flushed at block boundaries and readable after a
torn last write; the capture libraries write through buffers of their own and give up at a tear.
Little-endian. Every interface counts nanoseconds since 1970 and carries bare IP packets.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from ivr.errors import MediaError

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6
JOURNAL_ENTRY = 9  # "systemd Journal Export Block": text fields, one a line, shown by Wireshark

LINKTYPE_RAW = 101  # IPv4 or IPv6, told by the first nibble
LARGEST_BLOCK = 1 << 20
"""No block of ours comes near 1 MiB; a longer length field is damage."""

_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_PACKET = struct.Struct("<IIIIIII")
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_ISB_RECEIVED, _ISB_DROPPED = 4, 5
_SHB_USER_APPLICATION = 4


class TornBlock(MediaError):
    """The file does not go on with a complete block at ``offset``."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(
            f"The wire log has no complete block at byte {offset}.",
            why=why,
            remedy="If the recorder was cut off, `ivr recover` chains what is complete; "
            "otherwise the file was changed: compare it with its chain.",
        )
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Block:
    """A complete block: its type, its body (between the two length fields), where it stands."""

    kind: int
    body: bytes
    offset: int

    @property
    def length(self) -> int:
        return len(self.body) + 12


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    interface: int
    at_ns: int
    data: bytes


def _block(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = len(padded) + 12
    return struct.pack("<II", kind, length) + padded + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


_END_OF_OPTIONS = _option(0, b"")


def section_header(software: str) -> bytes:
    body = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)  # version 1.0, length not stated
    options = _option(_SHB_USER_APPLICATION, software.encode()) + _END_OF_OPTIONS
    return _block(SECTION_HEADER, body + options)


def interface_description(name: str, description: str) -> bytes:
    options = (
        _option(_IF_NAME, name.encode())
        + _option(_IF_DESCRIPTION, description.encode())
        + _option(_IF_TSRESOL, b"\x09")
        + _END_OF_OPTIONS
    )
    return _block(INTERFACE_DESCRIPTION, struct.pack("<HHI", LINKTYPE_RAW, 0, 0) + options)


def enhanced_packet(interface: int, at_ns: int, data: bytes) -> bytes:
    size = len(data)
    padding = -size % 4
    length = size + padding + 32
    high, low = at_ns >> 32, at_ns & 0xFFFFFFFF
    head = _PACKET.pack(ENHANCED_PACKET, length, interface, high, low, size, size)
    return head + data + bytes(padding) + length.to_bytes(4, "little")


def journal_entry(fields: Mapping[str, str]) -> bytes:
    """Text fields without line feeds; ``__REALTIME_TIMESTAMP`` (microseconds) comes first."""
    text = "".join(f"{key}={value}\n" for key, value in fields.items())
    return _block(JOURNAL_ENTRY, text.encode())


def interface_statistics(interface: int, at_ns: int, received: int, dropped: int) -> bytes:
    """``received`` counts what arrived, ``dropped`` what of that is not in the file."""
    options = (
        _option(_ISB_RECEIVED, struct.pack("<Q", received))
        + _option(_ISB_DROPPED, struct.pack("<Q", dropped))
        + _END_OF_OPTIONS
    )
    body = struct.pack("<III", interface, at_ns >> 32, at_ns & 0xFFFFFFFF)
    return _block(INTERFACE_STATISTICS, body + options)


def read_blocks(stream: BinaryIO, start: int = 0) -> Iterator[Block]:
    """The complete blocks from byte ``start`` on.

    Raises:
        TornBlock: what follows the blocks already given is not a complete block.
    """
    stream.seek(start)
    offset = start
    while head := stream.read(8):
        if len(head) < 8:
            raise TornBlock(offset, f"{len(head)} bytes are left, a block head has 8")
        kind, length = struct.unpack("<II", head)
        if length < 12 or length % 4 or length > LARGEST_BLOCK:
            raise TornBlock(offset, f"its length field says {length}")
        rest = stream.read(length - 8)
        if len(rest) < length - 8:
            raise TornBlock(offset, f"{length} bytes are announced, {len(rest) + 8} are there")
        if rest[-4:] != head[4:]:
            raise TornBlock(offset, "the two length fields differ")
        yield Block(kind, rest[:-4], offset)
        offset += length


def read_packet(block: Block) -> CapturedPacket:
    """The packet of an Enhanced Packet Block.

    Raises:
        TornBlock: its captured length does not fit into the block.
    """
    if len(block.body) < 20:
        raise TornBlock(block.offset, "an Enhanced Packet Block without its header")
    interface, high, low, size, _ = struct.unpack_from("<IIIII", block.body)
    if 20 + size > len(block.body):
        raise TornBlock(block.offset, "the captured length is longer than the block")
    return CapturedPacket(interface, high << 32 | low, block.body[20 : 20 + size])


def read_interface_name(block: Block) -> str:
    """``if_name`` of an Interface Description Block; empty when it has none."""
    return dict(_read_options(block, 8)).get(_IF_NAME, b"").decode("utf-8", "replace")


def read_journal_entry(block: Block) -> dict[str, str]:
    lines = block.body.rstrip(b"\0").decode("utf-8", "replace").split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def read_statistics(block: Block) -> tuple[int, int, int]:
    """(interface, received, dropped) of an Interface Statistics Block."""
    options = dict(_read_options(block, 12))
    received, dropped = (
        int.from_bytes(options.get(code, b""), "little") for code in (_ISB_RECEIVED, _ISB_DROPPED)
    )
    return int.from_bytes(block.body[:4], "little"), received, dropped


def _read_options(block: Block, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(block.body):
        code, size = struct.unpack_from("<HH", block.body, at)
        if code == 0:
            return
        yield code, block.body[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
