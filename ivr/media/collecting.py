"""Reading a wire log: packets sorted to their legs, judged and counted, facts applied in order."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ivr.facts.call import OUR_VOICE, LegName
from ivr.media.bulk import Bytes, Fields, Numbers, Span
from ivr.media.g711 import RATE_HZ
from ivr.media.payloads import Coding, PayloadMap
from ivr.media.rtp import FIXED_HEADER, RTP_VERSION, RtpPacket, is_rtcp, parse_rtp
from ivr.media.sequencing import MAX_MISORDER, Jitter, Sequencer
from ivr.media.wire_format import FOREIGN, Entry, LoggedCount, LoggedFact, LoggedPacket


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packets of sound that came with rising numbers, of one source and coding.

    Args:
        extended, at_ns, timestamp, payload_at, size: one number each; the payload is
            ``size`` bytes from ``payload_at`` in the file.
        payload_type, ssrc: of all of them.
    """

    run: int
    coding: Coding
    payload_type: int
    ssrc: int
    extended: Numbers
    at_ns: Numbers
    timestamp: Numbers
    payload_at: Numbers
    size: Numbers


@dataclass(frozen=True, slots=True)
class Sound:
    """A packet that takes time on the leg (audio, comfort noise), with its place."""

    run: int
    extended: int
    at_ns: int
    coding: Coding
    packet: RtpPacket


@dataclass(slots=True)
class CollectedLeg:
    """What was collected of one leg while the log was read."""

    name: LegName
    sequencer: Sequencer = field(default_factory=Sequencer)
    jitter: Jitter = field(default_factory=lambda: Jitter(RATE_HZ))
    sounds: list[Sound] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    first_ns: int | None = None
    other_places: list[tuple[int, int]] = field(default_factory=list)
    accepted: int = 0
    malformed: int = 0
    comfort_noise: int = 0
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
        coding = payloads.coding(packet.payload_type)
        if coding is not None and coding.is_sound:
            self.jitter.feed(place.run, packet.timestamp, at_ns, coding.clock_hz)
        if coding is not None and (packet.payload or not coding.is_sound):
            self.comfort_noise += not coding.is_sound
            self.first_ns = at_ns if self.first_ns is None else self.first_ns
            self.sounds.append(Sound(place.run, place.extended, at_ns, coding, packet))
        else:
            self.other_places.append((place.run, place.extended))

    def take_many(self, fields: Fields, data: Bytes, payloads: PayloadMap) -> None:
        """Many datagrams in their order, with the result of `take` one by one."""
        kinds = fields.second & 0x7F
        sounding = [k for k in np.unique(kinds).tolist() if _is_sound(payloads, k)]
        is_plain = (fields.first == RTP_VERSION << 6) & (fields.size > FIXED_HEADER)
        is_plain &= np.isin(kinds, sounding)
        step = np.diff(fields.sequence) % 0x10000
        goes_on = is_plain[1:] & is_plain[:-1] & (step >= 1) & (step <= MAX_MISORDER)
        goes_on &= (np.diff(fields.ssrc) == 0) & (np.diff(kinds) == 0)
        edges = [0, *(np.flatnonzero(~goes_on) + 1).tolist(), len(kinds)]
        for first, last in pairwise(edges):
            at = first
            while at < last:
                part = fields[at:last]
                if is_plain[at] and self._take_rising(part, int(kinds[at]), payloads):
                    break
                begin, size = int(part.data_at[0]), int(part.size[0])
                datagram = data[begin : begin + size].tobytes()
                self.take(datagram, int(part.at_ns[0]), payloads)
                at += 1

    def _take_rising(self, fields: Fields, payload_type: int, payloads: PayloadMap) -> bool:
        ssrc, at_ns = int(fields.ssrc[0]), fields.at_ns
        placed = self.sequencer.place_rising(ssrc, fields.sequence, int(at_ns[-1]))
        coding = payloads.coding(payload_type)
        if placed is None or coding is None:
            return False
        run, extended = placed
        self.accepted += len(extended)
        self.types[payloads.label(payload_type)] = None
        self.ssrcs[ssrc] = None
        self.jitter.feed_many(run, fields.timestamp, at_ns, coding.clock_hz)
        self.first_ns = int(at_ns[0]) if self.first_ns is None else self.first_ns
        payload_at, size = fields.data_at + FIXED_HEADER, fields.size - FIXED_HEADER
        self.stretches.append(
            Stretch(
                *(run, coding, payload_type, ssrc, extended, at_ns),
                *(fields.timestamp, payload_at, size),
            )
        )
        return True


def _is_sound(payloads: PayloadMap, payload_type: int) -> bool:
    coding = payloads.coding(payload_type)
    return coding is not None and coding.is_sound


@dataclass(slots=True)
class CollectedSide:
    """One side of the call: its legs share what was agreed.

    Args:
        remote: name of the other side's leg.
        foreign_seen: packets of strangers that are in the file.
        foreign_counted: all that came; None when the log was cut off before its counts.
    """

    remote: str
    payloads: PayloadMap = field(default_factory=PayloadMap)
    pending: list[LoggedPacket] = field(default_factory=list)
    is_agreed: bool = False
    foreign_seen: int = 0
    foreign_counted: int | None = None
    closed_ns: int | None = None

    @property
    def foreign(self) -> int:
        """A log that was cut off has no final count: then what was written is what is known."""
        return self.foreign_seen if self.foreign_counted is None else self.foreign_counted


@dataclass(slots=True)
class CollectedLog:
    """What reading a wire log collects.

    Args:
        sides: interface name → its side.
        strangers: names of the interfaces with packets of strangers.
        legs: those that brought packets, by name.
    """

    sides: dict[str, CollectedSide] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)
    legs: dict[str, CollectedLeg] = field(default_factory=dict)
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
        elif isinstance(entry, LoggedCount):
            self._take_count(entry)
        else:
            self._declare(entry.name)

    def take_span(self, span: Span, data: Bytes) -> None:
        """Many packets, in the order of the log.

        Raises: as `take`.
        """
        fields = span.fields
        if self.first_ns is None:
            self.first_ns = int(fields.at_ns[0])
        is_control = (fields.first >> 6 == RTP_VERSION) & (fields.size >= 2)
        is_control &= (fields.second >= 192) & (fields.second <= 223)
        for number in np.unique(span.interfaces).tolist():
            name = span.names[number]
            side, chosen = self.sides[name], span.interfaces == number
            if name in self.strangers:
                side.foreign_seen += int(chosen.sum())
                continue
            chosen &= ~is_control
            if name == side.remote and not side.is_agreed:
                for entry in span.entries(np.flatnonzero(chosen)):
                    self.take(entry)
            elif chosen.any():
                self._leg(name).take_many(fields[chosen], data, side.payloads)

    @property
    def ordered_legs(self) -> list[CollectedLeg]:
        """In the order in which their interfaces were declared."""
        return [self.legs[name] for name in self.sides if name in self.legs]

    def side_of(self, leg: CollectedLeg) -> CollectedSide:
        return self.sides[leg.name.value]

    def _declare(self, interface: str) -> None:
        """Ours and strangers' interfaces belong to the other side's that stands before them."""
        if interface.partition(":")[0] == FOREIGN:
            self.strangers.add(interface)
        elif LegName(interface) not in OUR_VOICE:
            self.sides[interface] = CollectedSide(interface)
            return
        if not self.sides:
            raise ValueError(f"interface {interface} belongs to no side")
        self.sides[interface] = next(reversed(self.sides.values()))

    def _take_packet(self, entry: LoggedPacket) -> None:
        if self.first_ns is None:
            self.first_ns = entry.at_ns
        side = self.sides[entry.interface]
        if entry.interface in self.strangers:
            side.foreign_seen += 1
        elif is_rtcp(entry.datagram.payload):
            return
        elif entry.interface == side.remote and not side.is_agreed:
            side.pending.append(entry)
        else:
            self._leg(entry.interface).take(entry.datagram.payload, entry.at_ns, side.payloads)

    def _take_fact(self, fact: LoggedFact) -> None:
        if fact.name == "media_agreed":
            agreed = fact.members["payload_types"]
            payloads = self._side_named(fact).payloads
            payloads.agree({int(n): (kind[0], kind[1]) for n, kind in agreed.items()})
        elif fact.name == "pending_judged":
            self._judge_pending(self._side_named(fact), fact.members["source"])
        elif fact.name == "side_opened":  # perhaps again: then it is to be agreed anew
            side = self._side_named(fact)
            side.is_agreed, side.closed_ns = False, None
        elif fact.name == "side_closed":
            side = self._side_named(fact)
            side.pending.clear()
            side.closed_ns = int(fact.members["at_ns"])
        elif fact.name == "closed":
            self.closed_ns = int(fact.members["at_ns"])
        elif fact.name in {"unlogged", "kernel_dropped"}:
            self.lacks_packets = True

    def _side_named(self, fact: LoggedFact) -> CollectedSide:
        """Logs with one side only may not name it."""
        name = fact.members.get("leg")
        return next(iter(self.sides.values())) if name is None else self.sides[name]

    def _judge_pending(self, side: CollectedSide, source: list[object] | None) -> None:
        side.is_agreed = True
        ours = None
        if source is not None:  # headers carry no zone of a link-local address
            ours = (str(source[0]).partition("%")[0], source[1])
        for entry in side.pending:
            leg = self._leg(entry.interface)
            if entry.datagram.source == ours:
                leg.take(entry.datagram.payload, entry.at_ns, side.payloads)
            else:
                leg.foreign += 1
        side.pending.clear()

    def _take_count(self, count: LoggedCount) -> None:
        if count.interface in self.strangers:
            self.sides[count.interface].foreign_counted = count.received
        elif count.dropped:
            self.lacks_packets = True

    def _leg(self, interface: str) -> CollectedLeg:
        if interface not in self.legs:
            self.legs[interface] = CollectedLeg(LegName(interface))
        return self.legs[interface]
