"""What the door writes into its wire log: packets on their interface, facts, final counts."""

import time
from collections.abc import Mapping
from typing import Any, Final

from ivr.facts.audio import WireLog
from ivr.facts.call import LegName
from ivr.media import pcapng
from ivr.media.datagrams import Address, Flow
from ivr.media.sockets import Arrival
from ivr.media.wire_format import interface_names, opening
from ivr.media.wire_writer import Trouble, WireLogWriter

REMOTE, AGENT, FOREIGN = 0, 1, 2
"""Interface numbers, in the order of ``interface_names``."""

FOREIGN_PER_S: Final = 20
"""Packets of strangers written a second; beyond that they are counted only, so that a flood
cannot fill the disk."""

PENDING_PER_S: Final = 400
"""The same for packets that come before anything was agreed (8 streams of 20 ms)."""

_FLOWS: Final = 64


class Journal:
    """Wraps datagrams for the wire log and keeps the flood of strangers out of it."""

    def __init__(self, writer: WireLogWriter, remote_leg: LegName) -> None:
        self._writer = writer
        self._flows: dict[tuple[Address, Address], Flow] = {}
        self._per_second = {FOREIGN: FOREIGN_PER_S, REMOTE: PENDING_PER_S}
        self._seconds: dict[int, tuple[int, int]] = {}  # interface → (second, packets in it)
        self._received = [0, 0, 0]
        self._dropped = [0, 0, 0]
        writer.append(opening(remote_leg))
        self._names = interface_names(remote_leg)

    @property
    def trouble(self) -> Trouble | None:
        return self._writer.trouble

    def packet(self, interface: int, at_ns: int, source: Address, to: Address, data: bytes) -> None:
        """Log one datagram of a leg."""
        flow = self._flows.get((source, to))
        if flow is None:
            if len(self._flows) >= _FLOWS:
                self._flows.clear()
            flow = self._flows[source, to] = Flow(source, to)
        self._received[interface] += 1
        block = pcapng.enhanced_packet(interface, at_ns, flow.wrap(data))
        if not self._writer.append(block, at_ns):
            self._dropped[interface] += 1

    def pending(self, arrival: Arrival, to: Address) -> bool:
        """Log a packet that cannot be judged yet; False when it was one too many."""
        if not self._is_within_cap(REMOTE, arrival.at_ns):
            self._received[FOREIGN] += 1
            self._dropped[FOREIGN] += 1
            return False
        self.packet(REMOTE, arrival.at_ns, arrival.source, to, arrival.payload)
        return True

    def foreign(self, arrival: Arrival, to: Address) -> None:
        """Log a stranger's packet, or only count it."""
        if self._is_within_cap(FOREIGN, arrival.at_ns):
            self.packet(FOREIGN, arrival.at_ns, arrival.source, to, arrival.payload)
        else:
            self._received[FOREIGN] += 1
            self._dropped[FOREIGN] += 1

    def _is_within_cap(self, interface: int, at_ns: int) -> bool:
        second = at_ns // 1_000_000_000
        current, count = self._seconds.get(interface, (second, 0))
        count = count + 1 if current == second else 1
        self._seconds[interface] = (second, count)
        return count <= self._per_second[interface]

    def fact(self, name: str, members: Mapping[str, Any]) -> None:
        self._writer.note(name, members)

    def close(self) -> WireLog:
        """Write the counts and the closing fact, and close the log. Blocking."""
        now_ns = time.time_ns()
        for interface in (REMOTE, AGENT, FOREIGN):
            received, dropped = self._received[interface], self._dropped[interface]
            block = pcapng.interface_statistics(interface, now_ns, received, dropped)
            self._writer.append(block)
        self._writer.note("closed", {"at_ns": str(now_ns)})
        return self._writer.close()
