"""Reading a wire log: packets sorted to their legs, judged and counted, facts applied in order."""

from dataclasses import dataclass, field

from ivr.facts.call import LegName
from ivr.media.g711 import RATE_HZ, PayloadMap
from ivr.media.rtp import RtpPacket, is_rtcp, parse_rtp
from ivr.media.sequencing import Jitter, Sequencer
from ivr.media.wire_format import FOREIGN, Entry, LoggedCount, LoggedFact, LoggedPacket


@dataclass(frozen=True, slots=True)
class Sound:
    """An audio packet with its place."""

    run: int
    extended: int
    at_ns: int
    encoding: str
    packet: RtpPacket


@dataclass(slots=True)
class CollectedLeg:
    """What was collected of one leg while the log was read."""

    name: LegName
    sequencer: Sequencer = field(default_factory=Sequencer)
    jitter: Jitter = field(default_factory=lambda: Jitter(RATE_HZ))
    sounds: list[Sound] = field(default_factory=list)
    other_places: list[tuple[int, int]] = field(default_factory=list)
    accepted: int = 0
    malformed: int = 0
    foreign: int = 0
    types: dict[str, None] = field(default_factory=dict)
    ssrcs: dict[int, None] = field(default_factory=dict)

    def take(self, data: bytes, at_ns: int, payloads: PayloadMap) -> None:
        packet = parse_rtp(data)
        if not isinstance(packet, RtpPacket):
            self.malformed += 1
            return
        place = self.sequencer.place(packet, at_ns)
        if place.is_duplicate:
            return
        self.accepted += 1
        self.types[payloads.label(packet.payload_type)] = None
        self.ssrcs[packet.ssrc] = None
        encoding = payloads.audio_encoding(packet.payload_type)
        if encoding:
            self.jitter.feed(place.run, packet.timestamp, at_ns)
        if encoding and packet.payload:
            self.sounds.append(Sound(place.run, place.extended, at_ns, encoding, packet))
        else:
            self.other_places.append((place.run, place.extended))


@dataclass(slots=True)
class CollectedLog:
    """What reading a wire log collects."""

    legs: dict[str, CollectedLeg] = field(default_factory=dict)
    payloads: PayloadMap = field(default_factory=PayloadMap)
    pending: list[LoggedPacket] = field(default_factory=list)
    is_agreed: bool = False
    foreign_seen: int = 0
    foreign_counted: int | None = None
    first_ns: int | None = None
    closed_ns: int | None = None
    lacks_packets: bool = False

    def take(self, entry: Entry) -> None:
        """One entry, in the order of the log.

        Raises:
            KeyError, ValueError, TypeError, IndexError, AttributeError: it is not as this
                program writes it.
        """
        if isinstance(entry, LoggedPacket):
            self._take_packet(entry)
        elif isinstance(entry, LoggedFact):
            self._take_fact(entry)
        else:
            self._take_count(entry)

    def _take_packet(self, entry: LoggedPacket) -> None:
        if self.first_ns is None:
            self.first_ns = entry.at_ns
        if entry.interface == FOREIGN:
            self.foreign_seen += 1
        elif is_rtcp(entry.datagram.payload):
            return
        elif entry.interface != LegName.AGENT.value and not self.is_agreed:
            self.pending.append(entry)
        else:
            self._leg(entry.interface).take(entry.datagram.payload, entry.at_ns, self.payloads)

    def _take_fact(self, fact: LoggedFact) -> None:
        if fact.name == "media_agreed":
            agreed = fact.members["payload_types"]
            self.payloads.agree({int(n): (kind[0], kind[1]) for n, kind in agreed.items()})
        elif fact.name == "pending_judged":
            self._judge_pending(fact.members["source"])
        elif fact.name == "closed":
            self.closed_ns = int(fact.members["at_ns"])
        elif fact.name in {"unlogged", "kernel_dropped"}:
            self.lacks_packets = True

    def _judge_pending(self, source: list[object] | None) -> None:
        self.is_agreed = True
        ours = None
        if source is not None:  # headers carry no zone of a link-local address
            ours = (str(source[0]).partition("%")[0], source[1])
        for entry in self.pending:
            leg = self._leg(entry.interface)
            if entry.datagram.source == ours:
                leg.take(entry.datagram.payload, entry.at_ns, self.payloads)
            else:
                leg.foreign += 1
        self.pending.clear()

    def _take_count(self, count: LoggedCount) -> None:
        if count.interface == FOREIGN:
            self.foreign_counted = count.received
        elif count.dropped:
            self.lacks_packets = True

    def _leg(self, interface: str) -> CollectedLeg:
        if interface not in self.legs:
            self.legs[interface] = CollectedLeg(LegName(interface))
        return self.legs[interface]

    @property
    def foreign(self) -> int:
        """A log that was cut off has no final count: then what was written is what is known."""
        return self.foreign_seen if self.foreign_counted is None else self.foreign_counted
