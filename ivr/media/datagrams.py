"""IP and UDP headers around a payload, so that a packet tool sees who sent it to whom.

The kernel hands us payload and addresses; the headers in the wire log are made from those:
addresses, ports and lengths are real; time to live, identification and checksums are ours.
"""

import itertools
import socket
import struct
from dataclasses import dataclass

from ivr.errors import MediaError

Address = tuple[str, int]
"""Numeric host and port."""

_UDP = 17
_TTL = 64
_DONT_FRAGMENT = 0x4000


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram as it was on the wire."""

    source: Address
    destination: Address
    payload: bytes


def host_bytes(host: str) -> bytes:
    """4 or 16 bytes of a numeric address; a zone (``%eth0``) is left out.

    Raises:
        OSError: ``host`` is no numeric address.
    """
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return socket.inet_pton(socket.AF_INET, host)


def _ones_complement(data: bytes) -> int:
    """The Internet checksum (RFC 1071): a sum of 16-bit words with carry is the number modulo
    65535, which Python's long integers do in one step."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - total


class Flow:
    """One direction between two addresses; keeps the header parts that never change.

    Raises:
        OSError: an address is not numeric.
    """

    def __init__(self, source: Address, destination: Address) -> None:
        self._ports = struct.pack("!HH", source[1], destination[1])
        self._from, self._to = host_bytes(source[0]), host_bytes(destination[0])
        if len(self._from) != len(self._to):  # an IPv4 peer seen through an IPv6 socket
            self._from, self._to = _mapped(self._from), _mapped(self._to)
        self._is_v6 = len(self._from) == 16

    def wrap(self, payload: bytes) -> bytes:
        """The IP packet that carried ``payload``."""
        length = 8 + len(payload)
        if self._is_v6:
            return self._wrap_v6(payload, length)
        head = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, _DONT_FRAGMENT, _TTL, _UDP)
        checksum = _ones_complement(head + self._from + self._to).to_bytes(2, "big")
        # UDP checksum 0 means "none was made" (RFC 768)
        udp = self._ports + length.to_bytes(2, "big") + b"\0\0"
        return b"".join((head, checksum, self._from, self._to, udp, payload))

    def _wrap_v6(self, payload: bytes, length: int) -> bytes:
        head = struct.pack("!IHBB", 0x60000000, length, _UDP, _TTL) + self._from + self._to
        pseudo = self._from + self._to + struct.pack("!II", length, _UDP)
        udp = self._ports + length.to_bytes(2, "big")
        # over IPv6 a checksum must be there, and 0 is written as FFFF (RFC 8200 section 8.1)
        checksum = _ones_complement(pseudo + udp + b"\0\0" + payload) or 0xFFFF
        return head + udp + checksum.to_bytes(2, "big") + payload


def _mapped(host: bytes) -> bytes:
    return host if len(host) == 16 else bytes(10) + b"\xff\xff" + host


def unwrap(packet: bytes) -> Datagram:
    """The datagram in an IP packet that ``Flow.wrap`` made.

    Raises:
        MediaError: it is no such packet.
    """
    version = packet[0] >> 4 if packet else 0
    start, family, spots = {
        4: (20, socket.AF_INET, (12, 16, 20)),
        6: (40, socket.AF_INET6, (8, 24, 40)),
    }.get(version, (0, socket.AF_UNSPEC, (0, 0, 0)))
    if not start or len(packet) < start + 8:
        raise MediaError(
            "A packet of the wire log cannot be read.",
            why=f"it is no UDP over IPv4 or IPv6 ({len(packet)} bytes)",
            remedy="The file was not written by this program or was changed: check its chain.",
        )
    source, destination = (
        socket.inet_ntop(family, packet[a:b]) for a, b in itertools.pairwise(spots)
    )
    source_port, destination_port = struct.unpack_from("!HH", packet, start)
    return Datagram((source, source_port), (destination, destination_port), packet[start + 8 :])
