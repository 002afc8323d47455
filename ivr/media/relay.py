"""What happens to each datagram of a call: judged, logged, counted, passed on."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from ivr.errors import MediaError
from ivr.facts.call import LegName, MediaAgreed
from ivr.media.datagrams import Address, host_bytes
from ivr.media.g711 import PayloadMap
from ivr.media.gate import Gate, Judgement
from ivr.media.journal import AGENT, REMOTE, Journal
from ivr.media.knock import KNOCK_EVERY_S, Knock
from ivr.media.live import LiveLeg
from ivr.media.rtp import MalformedReason, RtpPacket, check_rtcp, is_rtcp, parse_rtp
from ivr.media.sockets import Arrival, Port, PortPair

PENDING: Final = 1000
"""Packets kept in memory until the first agreement; earlier ones are judged from disk only."""

Parsed = RtpPacket | MalformedReason


class Relay:
    """Between the other side (public sockets) and pjsua2 (inside sockets). No event loop here."""

    def __init__(
        self, public: PortPair, inside: PortPair, journal: Journal, remote_leg: LegName
    ) -> None:
        self._public, self._inside, self._journal = public, inside, journal
        self._gate = Gate()
        self._payloads = PayloadMap()
        self.remote = LiveLeg(remote_leg, self._payloads)
        self.own = LiveLeg(LegName.AGENT, self._payloads)
        self.unsent = 0
        self._agent: Address | None = None
        self._rtcp_back: tuple[Port, Address] | None = None  # where the other side's RTCP is from
        self._pending: deque[tuple[Arrival, Port]] = deque(maxlen=PENDING)
        self._knock = Knock()
        now = time.monotonic()
        self.last_at = {remote_leg: now, LegName.AGENT: now}
        self._has_heard = False

    def agree(self, media: MediaAgreed) -> None:
        """See ``CallDoor.agree``."""
        _require_numeric(media.remote[0], media.signalled_from, media.agent[0])
        self._payloads.agree(media.payload_types)
        self._journal.fact("media_agreed", _as_fact(media))
        is_first = not self._gate.is_open
        self._gate.agree(media.remote, media.signalled_from)
        if is_first:
            self._judge_pending()
        if media.agent[1] != 0 and media.agent != self._agent:  # 0: it keeps no stream on hold
            self._agent = media.agent
            self._knock = Knock()
        self._knock.begin(media)
        self.keep_house()

    def take(self, arrival: Arrival, port: Port) -> None:
        """One datagram that came in on ``port``."""
        if port is self._inside.rtp or port is self._inside.rtcp:
            self._from_agent(arrival, port)
        elif not self._gate.is_open:
            if self._journal.pending(arrival, port.address):
                self._pending.append((arrival, port))
            else:
                self.remote.foreign += 1
        elif is_rtcp(arrival.payload):
            self._rtcp_from_remote(arrival, port)
        else:
            self._rtp_from_remote(arrival, port)

    def keep_house(self) -> None:
        """To be called about every 50 ms: releases what the taps wait for, knocks at pjsua2."""
        now_ns, now = time.time_ns(), time.monotonic()
        self.remote.advance(now_ns)
        self.own.advance(now_ns)
        is_held = self._has_heard and now - self.last_at[self.remote.leg] < KNOCK_EVERY_S
        if self._agent is not None and self._knock.is_due(now) and not is_held:
            for packet in self._knock.packets(now):
                self._send(self._inside.rtp, packet, self._agent)

    def _rtp_from_remote(self, arrival: Arrival, port: Port) -> None:
        packet = parse_rtp(arrival.payload)
        if port is not self._public.rtp or self._judge(arrival, packet) is Judgement.FOREIGN:
            self._refuse(arrival, port)
            return
        self._journal.packet(REMOTE, arrival.at_ns, arrival.source, port.address, arrival.payload)
        self._count(self.remote, packet, arrival)
        if isinstance(packet, RtpPacket) and self._agent is not None:
            self._has_heard = True
            self._send(self._inside.rtp, arrival.payload, self._agent)

    def _judge(self, arrival: Arrival, packet: Parsed) -> Judgement:
        is_valid = isinstance(packet, RtpPacket) and self._payloads.is_known(packet.payload_type)
        judgement = self._gate.judge(arrival.source, is_valid_rtp=is_valid)
        if judgement is Judgement.LATCHED:
            host, port = arrival.source
            self._journal.fact("source_latched", {"host": host, "port": port})
        return judgement

    def _count(self, leg: LiveLeg, packet: Parsed, arrival: Arrival) -> None:
        if isinstance(packet, MalformedReason):
            leg.malformed += 1
            return
        self.last_at[leg.leg] = time.monotonic()
        leg.receive(packet, arrival.at_ns)

    def _rtcp_from_remote(self, arrival: Arrival, port: Port) -> None:
        if not self._gate.is_friend(arrival.source[0]):
            self._refuse(arrival, port)
            return
        self._journal.packet(REMOTE, arrival.at_ns, arrival.source, port.address, arrival.payload)
        if check_rtcp(arrival.payload) is None and self._agent is not None:
            self._rtcp_back = (port, arrival.source)
            if self._inside.rtcp is not None:
                to = (self._agent[0], self._agent[1] + 1)
                self._send(self._inside.rtcp, arrival.payload, to)

    def _from_agent(self, arrival: Arrival, port: Port) -> None:
        peer, agent = self._gate.peer, self._agent
        is_control = port is not self._inside.rtp
        if peer is None or agent is None or arrival.source != (agent[0], agent[1] + is_control):
            self._refuse(arrival, port)
        elif is_control or is_rtcp(arrival.payload):
            self._rtcp_from_agent(arrival, peer)
        else:
            way = self._public.rtp
            self._journal.packet(AGENT, arrival.at_ns, way.address, peer, arrival.payload)
            self._count(self.own, parse_rtp(arrival.payload), arrival)
            self._knock.answered()
            self._send(way, arrival.payload, peer)

    def _rtcp_from_agent(self, arrival: Arrival, peer: Address) -> None:
        way: Port | None = self._public.rtcp
        to = (peer[0], peer[1] + 1)
        if self._rtcp_back is not None:
            way, to = self._rtcp_back
        if way is not None:
            self._journal.packet(AGENT, arrival.at_ns, way.address, to, arrival.payload)
            self._send(way, arrival.payload, to)

    def _refuse(self, arrival: Arrival, port: Port) -> None:
        self.remote.foreign += 1
        self._journal.foreign(arrival, port.address)

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
        self._journal.fact("pending_judged", {"source": list(source) if source else None})
        for arrival, packet in parsed:
            if arrival.source == source:
                self._count(self.remote, packet, arrival)
            else:
                self.remote.foreign += 1

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
