"""RTP packets (RFC 3550 section 5.1), told apart from RTCP by RFC 5761 section 4."""

import struct
from dataclasses import dataclass
from enum import StrEnum

RTP_VERSION = 2
FIXED_HEADER = 12
RTCP_SMALLEST = 8
"""Common header and one SSRC: the smallest RTCP packet (an empty receiver report)."""

_FIXED = struct.Struct("!BBHII")


class MalformedReason(StrEnum):
    """Why a datagram is no RTP packet."""

    TOO_SHORT = "too_short"  # fewer than 12 bytes
    WRONG_VERSION = "wrong_version"  # not version 2
    CSRC_TRUNCATED = "csrc_truncated"  # fewer contributing sources than CC promises
    EXTENSION_TRUNCATED = "extension_truncated"  # the extension is longer than the datagram
    PADDING_INVALID = "padding_invalid"  # the padding count is 0 or longer than the payload
    RTCP_TRUNCATED = "rtcp_truncated"  # an RTCP type with fewer than 8 bytes


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """RFC 3550 section 5.3.1. ``data`` is a multiple of four bytes."""

    profile: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet, without what it came in.

    Args:
        payload_type: 0–127.
        sequence: 16 bits.
        timestamp: 32 bits, on the payload's clock.
        ssrc: 32 bits.
        payload: without padding.
        padding: bytes of padding that followed the payload, the count byte included (0: none).
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: HeaderExtension | None = None
    padding: int = 0


def is_rtcp(datagram: bytes) -> bool:
    """RTCP's packet types 192–223 are the RTP payload types 64–95, which nobody may use when
    both share a port (RFC 5761 section 4)."""
    return len(datagram) >= 2 and datagram[0] >> 6 == RTP_VERSION and 192 <= datagram[1] <= 223


def check_rtcp(datagram: bytes) -> MalformedReason | None:
    """What is wrong with a datagram for which ``is_rtcp`` holds; None when nothing is."""
    return MalformedReason.RTCP_TRUNCATED if len(datagram) < RTCP_SMALLEST else None


def parse_rtp(datagram: bytes) -> RtpPacket | MalformedReason:
    """Read one datagram; a packet that cannot be read gives the reason instead of an exception,
    because strangers choose what arrives here and it is no exceptional event."""
    if len(datagram) < FIXED_HEADER:
        return MalformedReason.TOO_SHORT
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(datagram)
    if first >> 6 != RTP_VERSION:
        return MalformedReason.WRONG_VERSION
    if first == RTP_VERSION << 6:  # no padding, extension or CSRC: nearly every packet
        return RtpPacket(
            second & 0x7F, sequence, timestamp, ssrc, datagram[FIXED_HEADER:], second > 0x7F
        )
    start = FIXED_HEADER + 4 * (first & 0x0F)
    if len(datagram) < start:
        return MalformedReason.CSRC_TRUNCATED
    csrcs = struct.unpack_from(f"!{first & 0x0F}I", datagram, FIXED_HEADER)
    extension = None
    if first & 0x10:
        extension = _read_extension(datagram, start)
        if extension is None:
            return MalformedReason.EXTENSION_TRUNCATED
        start += 4 + len(extension.data)
    padding = 0
    if first & 0x20:
        padding = datagram[-1]
        if padding == 0 or start + padding > len(datagram):
            return MalformedReason.PADDING_INVALID
    payload = datagram[start : len(datagram) - padding]
    return RtpPacket(
        second & 0x7F, sequence, timestamp, ssrc, payload, second > 0x7F, csrcs, extension, padding
    )


def _read_extension(datagram: bytes, start: int) -> HeaderExtension | None:
    """The header extension at ``start``, or None when the datagram ends before it does."""
    if len(datagram) < start + 4:
        return None
    profile, words = struct.unpack_from("!HH", datagram, start)
    end = start + 4 + 4 * words
    return HeaderExtension(profile, datagram[start + 4 : end]) if end <= len(datagram) else None


def pack_rtp(packet: RtpPacket) -> bytes:
    """The datagram of ``packet``; ``parse_rtp`` gives the same packet back."""
    first = RTP_VERSION << 6 | len(packet.csrcs)
    parts = [struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs)]
    if packet.extension is not None:
        first |= 0x10
        words = len(packet.extension.data) // 4
        parts += [struct.pack("!HH", packet.extension.profile, words), packet.extension.data]
    parts.append(packet.payload)
    if packet.padding:
        first |= 0x20
        parts.append(bytes(packet.padding - 1) + bytes([packet.padding]))
    second = packet.marker << 7 | packet.payload_type
    header = _FIXED.pack(first, second, packet.sequence, packet.timestamp, packet.ssrc)
    return header + b"".join(parts)
