"""UDP sockets of the door: an even port for RTP, the next one for RTCP (RFC 3550 section 11)."""

import errno
import itertools
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ivr.errors import EnvironmentProblem
from ivr.media.datagrams import Address

RECEIVE_BUFFER: Final = 1 << 20
"""1 MiB holds two seconds of a hundred packets of any size: longer than the loop ever pauses."""

LARGEST_DATAGRAM: Final = 65_535

# Linux names that Python's socket module lacks (asm-generic/socket.h)
_SO_TIMESTAMPNS: Final = 35
_SO_RXQ_OVFL: Final = 40
_SO_RCVBUFFORCE: Final = 33

_TIMESPEC: Final = struct.Struct("@qq")
_ANCILLARY: Final = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(4)
_TRIES: Final = 64
_turn = itertools.count()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A datagram with the kernel's arrival time (nanoseconds since 1970).

    ``overflows`` counts datagrams the kernel has thrown away on this socket because its buffer
    was full, since the socket was made.
    """

    payload: bytes
    source: Address
    at_ns: int
    overflows: int


class Port:
    """One bound, non-blocking UDP socket."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            if family == socket.AF_INET6:  # one family a door, so that addresses compare as text
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._widen()
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
            self.socket.bind((host, port))
        except OSError:
            self.socket.close()
            raise
        name = self.socket.getsockname()
        self.address: Address = (name[0], name[1])
        self._buffer = bytearray(LARGEST_DATAGRAM)
        self._view = memoryview(self._buffer)

    def _widen(self) -> None:
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # needs CAP_NET_ADMIN; else as much as net.core.rmem_max allows
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> Arrival | None:
        """The next datagram, or None when none is waiting."""
        try:
            size, ancillary, _, source = self.socket.recvmsg_into([self._buffer], _ANCILLARY)
        except BlockingIOError:
            return None
        at_ns = overflows = 0
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack_from(data)
                at_ns = seconds * 1_000_000_000 + nanoseconds
            elif kind == _SO_RXQ_OVFL:
                overflows = int.from_bytes(data[:4], "little")
        at_ns = at_ns or time.time_ns()  # no kernel stamp (not Linux): as near as we get
        return Arrival(bytes(self._view[:size]), (source[0], source[1]), at_ns, overflows)

    def send(self, payload: bytes, to: Address) -> bool:
        """False when the kernel would not take it (full buffer, no route, nobody there)."""
        try:
            self.socket.sendto(payload, to)
        except OSError:  # UDP promises nothing; the caller counts
            return False
        return True

    def close(self) -> None:
        self.socket.close()


@dataclass(frozen=True, slots=True)
class PortPair:
    """RTP on an even port and RTCP on the next; RTCP is None when that one was taken."""

    rtp: Port
    rtcp: Port | None

    def __iter__(self) -> Iterator[Port]:
        yield self.rtp
        if self.rtcp is not None:
            yield self.rtcp

    def close(self) -> None:
        for port in self:
            port.close()


def open_pair(host: str, port_min: int = 0, port_max: int = 0) -> PortPair:
    """Bind an even and an odd port on ``host``, out of a range or where the system likes.

    Raises:
        EnvironmentProblem: no pair is free.
    """
    cause: OSError | None = None
    for number in _candidates(port_min, port_max):
        try:
            rtp = Port(host, number)
        except OSError as problem:
            _require_descriptors(problem)
            cause = problem
            continue
        if rtp.address[1] % 2:  # the system's choice; RTP wants an even one
            rtp.close()
            continue
        try:
            return PortPair(rtp, Port(host, rtp.address[1] + 1))
        except OSError as problem:
            rtp.close()
            _require_descriptors(problem)
            cause = problem
    where = f"{port_min}–{port_max}" if port_min else "any"
    raise EnvironmentProblem(
        f"No pair of UDP ports is free for RTP on {host} (ports: {where}).",
        why=(cause.strerror or str(cause)) if cause else "no even port was found",
        remedy="Widen media.port_min and media.port_max (four ports a call), check media.bind.",
    ) from cause


def _require_descriptors(problem: OSError) -> None:
    if problem.errno in {errno.EMFILE, errno.ENFILE}:
        raise EnvironmentProblem(
            "No more sockets can be opened for RTP.",
            why=problem.strerror or str(problem),
            remedy="Raise the limit of open files (LimitNOFILE of the service, `ulimit -n`): "
            "a call takes six, a mirrored stream two and a session two more.",
        ) from problem


def _candidates(port_min: int, port_max: int) -> Iterator[int]:
    if not port_min:
        yield from itertools.repeat(0, _TRIES)
        return
    even = range(port_min + port_min % 2, port_max, 2)
    # begin elsewhere each time: stray packets of the last call still fly to its port
    start = next(_turn) % max(len(even), 1)
    yield from itertools.chain(even[start:], even[:start])
