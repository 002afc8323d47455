"""What happens to each datagram of one side: judged, logged, counted, passed on."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from ivr.errors import MediaError
from ivr.facts.call import MediaAgreed
from ivr.media.datagrams import Address, host_bytes
from ivr.media.gate import Gate, Judgement
from ivr.media.journal import Journal, SideInterfaces
from ivr.media.knock import KNOCK_EVERY_S, Knock
from ivr.media.live import LiveLeg
from ivr.media.rtcp import ReceiverReports
from ivr.media.rtp import MalformedReason, RtpPacket, check_rtcp, is_rtcp, parse_rtp
from ivr.media.sockets import Arrival, Port, PortPair

PENDING: Final = 1000
"""Packets kept in memory until the first agreement; earlier ones are judged from disk only."""

Parsed = RtpPacket | MalformedReason


class Relay:
    """Between the other side (public sockets) and pjsua2 (inside sockets). No event loop here.

    Args:
        inside: None when nobody of ours is behind: then packets end here.
        remote: what the other side says.
        own: what we say to it; exactly when there is an ``inside``.
        reports: answers the other side's RTCP when nobody behind us does.
    """

    def __init__(
        self,
        public: PortPair,
        inside: PortPair | None,
        journal: Journal,
        interfaces: SideInterfaces,
        remote: LiveLeg,
        own: LiveLeg | None = None,
        reports: ReceiverReports | None = None,
    ) -> None:
        self._public, self._inside, self._journal = public, inside, journal
        self._inside_ports = tuple(inside or ())
        self._interfaces, self._reports = interfaces, reports
        self.remote, self.own = remote, own
        self._payloads = remote.payloads
        self._gate = Gate()
        self.unsent = 0
        self._agent: Address | None = None
        self._rtcp_back: tuple[Port, Address] | None = None  # where the other side's RTCP is from
        self._pending: deque[tuple[Arrival, Port]] = deque(maxlen=PENDING)
        self._knock = Knock()
        self._has_heard = False

    def agree(self, media: MediaAgreed) -> None:
        """See ``CallDoor.agree``."""
        _require_numeric(media.remote[0], media.signalled_from, media.agent[0])
        self._payloads.agree(media.payload_types)
        self._fact("media_agreed", _as_fact(media))
        is_first = not self._gate.is_open
        self._gate.agree(media.remote, media.signalled_from)
        if is_first:
            self._judge_pending()
        if self._inside is not None:
            if media.agent[1] != 0 and media.agent != self._agent:  # 0: no stream while on hold
                self._agent = media.agent
                self._knock = Knock()
            self._knock.begin(media)
        self.keep_house()

    def take(self, arrival: Arrival, port: Port) -> None:
        """One datagram that came in on ``port``."""
        if self._inside is not None and port in self._inside_ports:
            self._from_agent(arrival, port, self._inside)
        elif not self._gate.is_open:
            if self._journal.pending(self._interfaces, arrival, port.address):
                self._pending.append((arrival, port))
            else:
                self.remote.foreign += 1
        elif is_rtcp(arrival.payload):
            self._rtcp_from_remote(arrival, port)
        else:
            self._rtp_from_remote(arrival, port)

    def keep_house(self) -> None:
        """To be called about every 50 ms: releases what the taps wait for, knocks at pjsua2,
        reports to a sender that nobody else answers."""
        now_ns, now = time.time_ns(), time.monotonic()
        self.remote.advance(now_ns)
        if self.own is not None:
            self.own.advance(now_ns)
        is_held = self._has_heard and now - self.remote.last_at < KNOCK_EVERY_S
        if self._agent is not None and self._knock.is_due(now) and not is_held:
            for packet in self._knock.packets(now):
                self._pass_inside(packet, self._agent)
        if self._reports is not None and self._rtcp_back is not None and self._reports.is_due(now):
            way, to = self._rtcp_back
            report = self._reports.compound(self.remote.reception, now)
            self._journal.packet(self._interfaces.remote, now_ns, way.address, to, report)
            self._send(way, report, to)

    def _rtp_from_remote(self, arrival: Arrival, port: Port) -> None:
        packet = parse_rtp(arrival.payload)
        if port is not self._public.rtp or self._judge(arrival, packet) is Judgement.FOREIGN:
            self._refuse(arrival, port)
            return
        self._log_remote(arrival, port)
        self._count(self.remote, packet, arrival)
        if isinstance(packet, RtpPacket) and self._agent is not None:
            self._has_heard = True
            self._pass_inside(arrival.payload, self._agent)

    def _judge(self, arrival: Arrival, packet: Parsed) -> Judgement:
        is_valid = isinstance(packet, RtpPacket) and self._payloads.is_known(packet.payload_type)
        judgement = self._gate.judge(arrival.source, is_valid_rtp=is_valid)
        if judgement is Judgement.LATCHED:
            host, port = arrival.source
            self._fact("source_latched", {"host": host, "port": port})
        return judgement

    def _count(self, leg: LiveLeg, packet: Parsed, arrival: Arrival) -> None:
        if isinstance(packet, MalformedReason):
            leg.malformed += 1
            return
        leg.last_at = time.monotonic()
        leg.receive(packet, arrival.at_ns)

    def _rtcp_from_remote(self, arrival: Arrival, port: Port) -> None:
        if not self._gate.is_friend(arrival.source[0]):
            self._refuse(arrival, port)
            return
        self._log_remote(arrival, port)
        if check_rtcp(arrival.payload) is not None:
            return
        self._rtcp_back = (port, arrival.source)
        if self._reports is not None:
            self._reports.hear(arrival.payload, time.monotonic())
        if self._agent is not None and self._inside is not None and self._inside.rtcp is not None:
            to = (self._agent[0], self._agent[1] + 1)
            self._send(self._inside.rtcp, arrival.payload, to)

    def _from_agent(self, arrival: Arrival, port: Port, inside: PortPair) -> None:
        peer, agent = self._gate.peer, self._agent
        is_control = port is not inside.rtp
        if peer is None or agent is None or arrival.source != (agent[0], agent[1] + is_control):
            self._refuse(arrival, port)
        elif is_control or is_rtcp(arrival.payload):
            self._rtcp_from_agent(arrival, peer)
        else:
            self._log_own(arrival, self._public.rtp, peer)
            assert self.own is not None
            self._count(self.own, parse_rtp(arrival.payload), arrival)
            self._knock.answered()
            self._send(self._public.rtp, arrival.payload, peer)

    def _rtcp_from_agent(self, arrival: Arrival, peer: Address) -> None:
        way: Port | None = self._public.rtcp
        to = (peer[0], peer[1] + 1)
        if self._rtcp_back is not None:
            way, to = self._rtcp_back
        if way is not None:
            self._log_own(arrival, way, to)
            self._send(way, arrival.payload, to)

    def _log_remote(self, arrival: Arrival, port: Port) -> None:
        number = self._interfaces.remote
        self._journal.packet(number, arrival.at_ns, arrival.source, port.address, arrival.payload)

    def _log_own(self, arrival: Arrival, way: Port, to: Address) -> None:
        number = self._interfaces.own
        assert number is not None
        self._journal.packet(number, arrival.at_ns, way.address, to, arrival.payload)

    def _fact(self, name: str, members: Mapping[str, Any]) -> None:
        self._journal.fact(name, {"leg": self.remote.leg.value, **members})

    def _refuse(self, arrival: Arrival, port: Port) -> None:
        self.remote.foreign += 1
        self._journal.foreign(self._interfaces, arrival, port.address)

    def _judge_pending(self) -> None:
        """Packets came before the agreement: ours are those of the first source that fits."""
        parsed = [
            (arrival, parse_rtp(arrival.payload))
            for arrival, port in self._pending
            if port is self._public.rtp and not is_rtcp(arrival.payload)
        ]
        self._pending.clear()
        for arrival, packet in parsed:
            if self._judge(arrival, packet) is Judgement.LATCHED:
                break
        source = self._gate.source
        self._fact("pending_judged", {"source": list(source) if source else None})
        for arrival, packet in parsed:
            if arrival.source == source:
                self._count(self.remote, packet, arrival)
            else:
                self.remote.foreign += 1

    def _pass_inside(self, payload: bytes, to: Address) -> None:
        assert self._inside is not None  # who agrees on an agent has a pair for it
        self._send(self._inside.rtp, payload, to)

    def _send(self, port: Port, payload: bytes, to: Address) -> None:
        if not port.send(payload, to):
            self.unsent += 1


def _as_fact(media: MediaAgreed) -> Mapping[str, Any]:
    return {
        "remote": list(media.remote),
        "signalled_from": media.signalled_from,
        "agent": list(media.agent),
        "payload_types": {
            str(number): [name, rate_hz] for number, (name, rate_hz) in media.payload_types.items()
        },
        "direction": media.direction,
    }


def _require_numeric(*hosts: str) -> None:
    for host in hosts:
        try:
            host_bytes(host)
        except OSError as problem:
            raise MediaError(
                "The agreed media address is not a numeric one.",
                why=f"{len(host)} characters that are neither IPv4 nor IPv6",
                remedy="Refuse the offer with 488; names in SDP addresses are not looked up.",
            ) from problem
