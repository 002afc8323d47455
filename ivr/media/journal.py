"""What the door writes into its wire log: packets on their interface, facts, final counts."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ivr.errors import MediaError
from ivr.facts.audio import WireLog
from ivr.facts.call import LegName
from ivr.media import pcapng
from ivr.media.datagrams import Address, Flow
from ivr.media.sockets import Arrival
from ivr.media.wire_format import SOFTWARE, side_interfaces
from ivr.media.wire_writer import Trouble

FOREIGN_PER_S: Final = 20
"""Packets of strangers written a second and side; beyond that they are counted only, so that a
flood cannot fill the disk."""

PENDING_PER_S: Final = 400
"""The same for packets that come before anything was agreed (8 streams of 20 ms)."""

_FLOWS: Final = 64


@dataclass(frozen=True, slots=True)
class SideInterfaces:
    """Interface numbers of one side; a side without anybody of ours behind it has no ``own``."""

    remote: int
    own: int | None
    foreign: int


@dataclass(slots=True)
class _Interface:
    """Counters of one interface.

    Args:
        cap: packets written a second; 0: all.
    """

    cap: int = 0
    received: int = 0
    dropped: int = 0
    second: int = 0
    in_second: int = 0

    def is_within_cap(self, at_ns: int) -> bool:
        second = at_ns // 1_000_000_000
        self.in_second = self.in_second + 1 if self.second == second else 1
        self.second = second
        return self.in_second <= self.cap


class LogWriter(Protocol):
    """Where the blocks of a log go; ``WireLogWriter`` puts them on disk."""

    @property
    def trouble(self) -> Trouble | None: ...

    def append(self, block: bytes, packet_at_ns: int | None = None) -> bool: ...

    def note(self, name: str, members: Mapping[str, Any]) -> bool: ...

    def close(self) -> WireLog: ...


class Journal:
    """Wraps datagrams for the wire log and keeps the flood of strangers out of it."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer
        self._flows: dict[tuple[Address, Address], Flow] = {}
        self._interfaces: list[_Interface] = []
        writer.append(pcapng.section_header(SOFTWARE))

    @property
    def trouble(self) -> Trouble | None:
        return self._writer.trouble

    def add_side(self, remote_leg: LegName, own_leg: LegName | None) -> SideInterfaces:
        """Declare the interfaces of a side; its packets come after that.

        Raises:
            MediaError: the queue is so full that not even this can be written.
        """
        first = len(self._interfaces)
        blocks = side_interfaces(remote_leg, own_leg, is_first=first == 0)
        if not self._writer.append(blocks):
            raise MediaError(
                f"The leg {remote_leg.value} cannot be recorded.",
                why="the disk is so slow or full that its interface could not be written",
                remedy="Make room on the disk of the data folder; the rest of the log is safe.",
            )
        own = None if own_leg is None else first + 1
        numbers = SideInterfaces(first, own, first + 1 + (own is not None))
        self._interfaces.append(_Interface(cap=PENDING_PER_S))
        if own is not None:
            self._interfaces.append(_Interface())
        self._interfaces.append(_Interface(cap=FOREIGN_PER_S))
        return numbers

    def packet(self, interface: int, at_ns: int, source: Address, to: Address, data: bytes) -> None:
        """Log one datagram of a leg."""
        flow = self._flows.get((source, to))
        if flow is None:
            if len(self._flows) >= _FLOWS:
                self._flows.clear()
            flow = self._flows[source, to] = Flow(source, to)
        counters = self._interfaces[interface]
        counters.received += 1
        block = pcapng.enhanced_packet(interface, at_ns, flow.wrap(data))
        if not self._writer.append(block, at_ns):
            counters.dropped += 1

    def pending(self, side: SideInterfaces, arrival: Arrival, to: Address) -> bool:
        """Log a packet that cannot be judged yet; False when it was one too many."""
        if not self._interfaces[side.remote].is_within_cap(arrival.at_ns):
            self._only_count(side)
            return False
        self.packet(side.remote, arrival.at_ns, arrival.source, to, arrival.payload)
        return True

    def foreign(self, side: SideInterfaces, arrival: Arrival, to: Address) -> None:
        """Log a stranger's packet, or only count it."""
        if self._interfaces[side.foreign].is_within_cap(arrival.at_ns):
            self.packet(side.foreign, arrival.at_ns, arrival.source, to, arrival.payload)
        else:
            self._only_count(side)

    def _only_count(self, side: SideInterfaces) -> None:
        self._interfaces[side.foreign].received += 1
        self._interfaces[side.foreign].dropped += 1

    def fact(self, name: str, members: Mapping[str, Any]) -> None:
        self._writer.note(name, members)

    def close(self) -> WireLog:
        """Write the counts and the closing fact, and close the log. Blocking."""
        now_ns = time.time_ns()
        for number, each in enumerate(self._interfaces):
            self._writer.append(
                pcapng.interface_statistics(number, now_ns, each.received, each.dropped)
            )
        self._writer.note("closed", {"at_ns": str(now_ns)})
        return self._writer.close()
