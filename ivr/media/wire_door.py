"""What every RTP door does: sockets read, packets logged, legs kept, trouble told, log closed."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ivr.facts.audio import LegStats, WireLog
from ivr.facts.call import OUR_VOICE, LegName
from ivr.media.journal import Journal
from ivr.media.live import LiveLeg
from ivr.media.payloads import PayloadMap
from ivr.media.rtcp import ReceiverReports
from ivr.media.side import Endpoint, Side, SideLegs
from ivr.media.sockets import Port, open_pair
from ivr.media.wire_format import CHAIN_NAME, WIRE_NAME
from ivr.media.wire_writer import Trouble, WireLogWriter
from ivr.ports import FrameSink
from ivr.settings import MediaSettings
from ivr.telemetry import logger

DRAIN: Final = 64
"""Packets taken from one socket before the loop may look at the others."""

HOUSEKEEPING_S: Final = 0.05

_log = logger("ivr.media")


class WireDoor:
    """Any number of sides over one wire log; lives on one asyncio loop."""

    def __init__(self, journal: Journal, settings: MediaSettings) -> None:
        self._journal, self._settings = journal, settings
        self._sides: dict[LegName, Side] = {}  # remote leg → the side that is open
        self._side_legs: dict[LegName, SideLegs] = {}  # the same, and those that were closed
        self._legs: dict[LegName, LiveLeg] = {}
        self._overflows: dict[Port, int] = {}
        self._overflowed = 0
        self._overflow_trouble: Trouble | None = None
        self._unsent_before = 0  # by sides that are closed
        self._closed: asyncio.Future[WireLog] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(HOUSEKEEPING_S, self._keep_house)

    @staticmethod
    async def _begin(folder: Path, settings: MediaSettings, call_id: str) -> Journal:
        """Begin ``wire.pcapng`` and ``wire.chain.jsonl`` in ``folder``.

        Raises:
            MediaError: the wire log cannot be created.
        """
        writer = await asyncio.to_thread(
            WireLogWriter,
            folder / WIRE_NAME,
            folder / CHAIN_NAME,
            block_s=settings.block_s,
            queue_blocks=settings.queue_blocks,
        )
        journal = Journal(writer)
        journal.fact("opened", {"call_id": call_id})
        return journal

    def _open_side(self, remote_leg: LegName, own_leg: LegName | None) -> Side:
        """Bind the sockets of a side; one that was there before goes on with the same legs.

        Raises:
            EnvironmentProblem: no ports are free.
            MediaError: its interfaces cannot be written.
            ValueError: a leg is there already, or the door is closed.
        """
        known = self._side_legs.get(remote_leg)
        self._require_openable(known, remote_leg, own_leg)
        settings = self._settings
        public = open_pair(settings.bind, settings.port_min, settings.port_max)
        behind = None
        try:
            if own_leg is not None:
                behind = open_pair("127.0.0.1")
            legs = known or self._new_legs(remote_leg, own_leg)
        except BaseException:  # tidied up, then raised again
            for pair in filter(None, (public, behind)):
                pair.close()
            raise
        endpoint = Endpoint(settings.advertise or settings.bind, public.rtp.address[1])
        reports = None if behind is not None else ReceiverReports(time.monotonic())
        side = Side(endpoint, public, behind, legs, self._journal, reports)
        members = {"leg": remote_leg.value, "host": endpoint.host, "port": endpoint.port}
        self._journal.fact("side_opened", members)
        self._sides[remote_leg] = side
        for leg in legs.all:
            leg.last_at = time.monotonic()
        for port in _ports(side):
            self._loop.add_reader(port.fileno(), self._drain, port, side)
        return side

    def _require_openable(
        self, known: SideLegs | None, remote_leg: LegName, own_leg: LegName | None
    ) -> None:
        if known is None:
            is_free = remote_leg != own_leg and not {remote_leg, own_leg} & self._legs.keys()
        else:
            own = known.own and known.own.leg
            is_free = remote_leg not in self._sides and own is own_leg
        if self._closed is not None or not is_free or remote_leg in OUR_VOICE:
            raise ValueError(f"the leg {remote_leg.value} cannot be opened here (again)")

    def _new_legs(self, remote_leg: LegName, own_leg: LegName | None) -> SideLegs:
        interfaces = self._journal.add_side(remote_leg, own_leg)
        payloads = PayloadMap()
        own = None if own_leg is None else LiveLeg(own_leg, payloads)
        legs = SideLegs(interfaces, LiveLeg(remote_leg, payloads), own)
        self._side_legs[remote_leg] = legs
        self._legs.update((leg.leg, leg) for leg in legs.all)
        return legs

    def _close_side(self, side: Side) -> None:
        """Take what the kernel still holds for it, and close its sockets."""
        for port in _ports(side):
            self._loop.remove_reader(port.fileno())
            while self._take(port, side):
                pass
        for port in _ports(side):
            port.close()
            self._overflows.pop(port, None)
        for leg in side.legs.all:
            leg.flush()
        self._unsent_before += side.unsent
        name = side.legs.remote.leg
        del self._sides[name]
        members = {"leg": name.value, "at_ns": str(time.time_ns())}
        self._journal.fact("side_closed", members)

    @property
    def trouble(self) -> Trouble | None:
        """Set from the moment something could not be logged; stays set for this call."""
        return self._journal.trouble or self._overflow_trouble

    @property
    def unsent(self) -> int:
        """Packets that were logged but that the kernel would not send on."""
        return self._unsent_before + sum(side.unsent for side in self._sides.values())

    def incomplete_reasons(self) -> tuple[str, ...]:
        """Why the wire log lacks something that arrived; empty for a whole one."""
        troubles = (self._journal.trouble, self._overflow_trouble)
        return tuple(
            f"{trouble.what} {trouble.unlogged} packets are missing."
            for trouble in troubles
            if trouble is not None and (trouble.unlogged or not trouble.is_over)
        )

    def note(self, name: str, members: Mapping[str, Any]) -> None:
        """Put a fact of the call (its INVITE, its SDP) into the wire log.

        Args:
            members: JSON values; integers beyond 2**53 as text (RFC 8785).
        """
        self._journal.fact(name, members)

    def tap(self, leg: LegName, sink: FrameSink) -> None:
        """Decoded frames of ``leg`` from now on; a sink that raises is removed.

        Raises:
            KeyError: the call has no such leg.
        """
        self._legs[leg].add_sink(sink)

    def stats(self) -> tuple[LegStats, ...]:
        """Counters so far: side by side as they were opened, the other side's leg before ours.
        Packets of strangers count at the other side's leg of the side they came to."""
        return tuple(leg.stats() for leg in self._legs.values())

    def last_packet_age_s(self, leg: LegName) -> float:
        """Seconds since the last valid RTP packet of ``leg``, or since its side was opened.

        Raises:
            KeyError: the call has no such leg.
        """
        return time.monotonic() - self._legs[leg].last_at

    def ages_s(self) -> dict[LegName, float]:
        """``last_packet_age_s`` of every leg whose side is open: what a watchdog looks at."""
        now = time.monotonic()
        open_legs = (leg for side in self._sides.values() for leg in side.legs.all)
        return {leg.leg: now - leg.last_at for leg in open_legs}

    async def close(self) -> WireLog:
        """Take what the kernel still holds, flush, chain and close the wire log. Idempotent.

        Raises:
            MediaError: the disk does not answer.
        """
        if self._closed is None:
            self._timer.cancel()
            for side in tuple(self._sides.values()):
                self._close_side(side)
            self._closed = self._loop.run_in_executor(None, self._journal.close)
        return await asyncio.shield(self._closed)

    def _drain(self, port: Port, side: Side) -> None:
        for _ in range(DRAIN):
            if not self._take(port, side):
                return

    def _take(self, port: Port, side: Side) -> bool:
        arrival = port.receive()
        if arrival is None:
            return False
        more = arrival.overflows - self._overflows.get(port, 0)
        if more > 0:
            self._overflows[port] = arrival.overflows
            self._overflowed += more
            self._report_overflow()
        side.relay.take(arrival, port)
        return True

    def _report_overflow(self) -> None:
        total = self._overflowed
        self._journal.fact("kernel_dropped", {"packets": total})
        if self._overflow_trouble is None:
            _log.error("the kernel threw packets away", packets=total)
        known = self._overflow_trouble
        self._overflow_trouble = Trouble(
            "This process was too slow: the kernel threw packets away.",
            known.since if known else datetime.now(UTC),
            total,
        )

    def _keep_house(self) -> None:
        self._timer = self._loop.call_later(HOUSEKEEPING_S, self._keep_house)
        for side in self._sides.values():
            side.relay.keep_house()


def _ports(side: Side) -> tuple[Port, ...]:
    return (*side.public, *(side.behind or ()))
