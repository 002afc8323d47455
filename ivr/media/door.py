"""The RTP door of one call: logged first, then passed on; strangers stay outside."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from ivr.facts.audio import LegStats, WireLog
from ivr.facts.call import LegName, MediaAgreed
from ivr.media.datagrams import Address
from ivr.media.journal import Journal
from ivr.media.relay import Relay
from ivr.media.sockets import Port, PortPair, open_pair
from ivr.media.wire_format import CHAIN_NAME, WIRE_NAME
from ivr.media.wire_writer import Trouble, WireLogWriter
from ivr.ports import FrameSink
from ivr.settings import MediaSettings
from ivr.telemetry import logger

DRAIN: Final = 64
"""Packets taken from one socket before the loop may look at the others."""

HOUSEKEEPING_S: Final = 0.05

_log = logger("ivr.media")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What our SDP names."""

    host: str
    port: int


class CallDoor:
    """Implements ``ivr.ports.Door``; lives on one asyncio loop. Made by ``open``.

    Two pairs of sockets: the public one talks to the other side, the inside one (loopback) to
    the RTP port of pjsua2. Every packet is queued for the wire log before it is passed on.
    """

    def __init__(
        self, public: PortPair, inside: PortPair, journal: Journal, endpoint: Endpoint, leg: LegName
    ) -> None:
        self._ports = (*public, *inside)
        self._inside_address = inside.rtp.address
        self._journal = journal
        self._endpoint = endpoint
        self._relay = Relay(public, inside, journal, leg)
        self._overflows: dict[Address, int] = {}
        self._overflow_trouble: Trouble | None = None
        self._closed: asyncio.Future[WireLog] | None = None
        self._loop = asyncio.get_running_loop()
        for port in self._ports:
            self._loop.add_reader(port.fileno(), self._drain, port)
        self._timer = self._loop.call_later(HOUSEKEEPING_S, self._keep_house)

    @classmethod
    async def open(
        cls,
        folder: Path,
        settings: MediaSettings,
        *,
        call_id: str,
        remote_leg: LegName = LegName.CALLER,
    ) -> Self:
        """Bind the ports and begin ``wire.pcapng`` and ``wire.chain.jsonl`` in ``folder``.

        Args:
            folder: exists and holds no wire log yet.
            remote_leg: ``caller``, or ``mixed`` when the other side is a conference.

        Raises:
            EnvironmentProblem: no ports are free.
            MediaError: the wire log cannot be created.
        """
        public = open_pair(settings.bind, settings.port_min, settings.port_max)
        try:
            inside = open_pair("127.0.0.1")
            try:
                writer = await asyncio.to_thread(
                    WireLogWriter,
                    folder / WIRE_NAME,
                    folder / CHAIN_NAME,
                    block_s=settings.block_s,
                    queue_blocks=settings.queue_blocks,
                )
            except BaseException:  # tidied up, then raised again
                inside.close()
                raise
        except BaseException:  # tidied up, then raised again
            public.close()
            raise
        journal = Journal(writer, remote_leg)
        endpoint = Endpoint(settings.advertise or settings.bind, public.rtp.address[1])
        journal.fact("opened", {"call_id": call_id, "host": endpoint.host, "port": endpoint.port})
        return cls(public, inside, journal, endpoint, remote_leg)

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    @property
    def inside(self) -> Address:
        """Where pjsua2's packets are taken (loopback)."""
        return self._inside_address

    @property
    def trouble(self) -> Trouble | None:
        """Set from the moment something could not be logged; stays set for this call."""
        return self._journal.trouble or self._overflow_trouble

    @property
    def unsent(self) -> int:
        """Packets that were logged but that the kernel would not send on."""
        return self._relay.unsent

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

    def agree(self, media: MediaAgreed) -> None:
        """Learn who may send and where to pass it on; again after every re-INVITE.

        Raises:
            MediaError: an address is not numeric; nothing is changed then.
        """
        self._relay.agree(media)

    def tap(self, leg: LegName, sink: FrameSink) -> None:
        """Decoded frames of ``leg`` from now on; a sink that raises is removed.

        Raises:
            KeyError: the call has no such leg.
        """
        legs = {known.leg: known for known in (self._relay.remote, self._relay.own)}
        legs[leg].add_sink(sink)

    def stats(self) -> tuple[LegStats, ...]:
        """Counters so far, the other side's leg first. Packets of strangers count there."""
        return self._relay.remote.stats(), self._relay.own.stats()

    def last_packet_age_s(self, leg: LegName) -> float:
        """Seconds since the last valid RTP packet of ``leg``, or since the door was opened.

        Raises:
            KeyError: the call has no such leg.
        """
        return time.monotonic() - self._relay.last_at[leg]

    async def close(self) -> WireLog:
        """Take what the kernel still holds, flush, chain and close the wire log. Idempotent.

        Raises:
            MediaError: the disk does not answer.
        """
        if self._closed is None:
            self._timer.cancel()
            for port in self._ports:
                self._loop.remove_reader(port.fileno())
                while self._take(port):
                    pass
            for port in self._ports:
                port.close()
            self._relay.remote.flush()
            self._relay.own.flush()
            self._closed = self._loop.run_in_executor(None, self._journal.close)
        return await asyncio.shield(self._closed)

    def _drain(self, port: Port) -> None:
        for _ in range(DRAIN):
            if not self._take(port):
                return

    def _take(self, port: Port) -> bool:
        arrival = port.receive()
        if arrival is None:
            return False
        if arrival.overflows > self._overflows.get(port.address, 0):
            self._overflows[port.address] = arrival.overflows
            self._report_overflow()
        self._relay.take(arrival, port)
        return True

    def _report_overflow(self) -> None:
        total = sum(self._overflows.values())
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
        self._relay.keep_house()
