"""What a wire log holds: packets by interface, and facts of the call as journal entries."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rfc8785

from ivr.clock import Clock
from ivr.errors import MediaError
from ivr.facts.call import LegName
from ivr.media import pcapng
from ivr.media.datagrams import Datagram, unwrap

WIRE_NAME: Final = "wire.pcapng"
CHAIN_NAME: Final = "wire.chain.jsonl"
TAIL_NAME: Final = "wire.tail.bin"
FOREIGN: Final = "foreign"
SOFTWARE: Final = "ivr RTP door"


@dataclass(frozen=True, slots=True)
class LoggedPacket:
    """A datagram as it came or went.

    Args:
        interface: a ``LegName``, ``foreign`` or ``foreign:<leg>``.
        at_ns: kernel arrival time, nanoseconds since 1970.
    """

    interface: str
    at_ns: int
    datagram: Datagram


@dataclass(frozen=True, slots=True)
class LoggedFact:
    """Something agreed or decided between two packets; ``name`` is one of docs/rtp-door.md."""

    name: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedCount:
    """At the end: what arrived on an interface, and what of that is not in the file."""

    interface: str
    received: int
    dropped: int


@dataclass(frozen=True, slots=True)
class LoggedInterface:
    """From here on packets may stand on this interface."""

    name: str


Entry = LoggedPacket | LoggedFact | LoggedCount | LoggedInterface


def interface_names(
    remote_leg: LegName, own_leg: LegName | None = LegName.AGENT, *, is_first: bool = True
) -> tuple[str, ...]:
    """The interfaces of one side, in the order of their declaration. A reader knows by that
    order whose strangers and whose voice of ours they are."""
    foreign = FOREIGN if is_first else f"{FOREIGN}:{remote_leg.value}"
    own = () if own_leg is None else (own_leg.value,)
    return remote_leg.value, *own, foreign


def side_interfaces(
    remote_leg: LegName, own_leg: LegName | None = LegName.AGENT, *, is_first: bool = True
) -> bytes:
    """The blocks that declare the interfaces of one side."""
    remote, *own, foreign = interface_names(remote_leg, own_leg, is_first=is_first)
    return b"".join(
        (
            pcapng.interface_description(remote, "what the other side sent to us"),
            *(
                pcapng.interface_description(name, "what our agent sent to the other side")
                for name in own
            ),
            pcapng.interface_description(foreign, "what strangers sent to us; never mixed"),
        )
    )


def opening(remote_leg: LegName) -> bytes:
    """The blocks that the wire log of an ordinary call begins with."""
    return pcapng.section_header(SOFTWARE) + side_interfaces(remote_leg)


def fact_entry(clock: Clock, name: str, members: Mapping[str, Any]) -> bytes:
    """A journal entry that Wireshark shows as text and ``read_entries`` gives back."""
    fact = rfc8785.dumps({"fact": name, **members}).decode()
    microseconds = int(clock.now().timestamp() * 1_000_000)
    return pcapng.journal_entry(
        {
            "__REALTIME_TIMESTAMP": str(microseconds),
            "SYSLOG_IDENTIFIER": "ivr",
            "MESSAGE": name.replace("_", " "),
            "IVR_FACT": fact,
        }
    )


class WireLogReader:
    """Entries of a wire log in the order they were written.

    A torn tail ends the reading and leaves ``torn_at``; damage inside is the chain's to find.

    Raises:
        MediaError: the file cannot be read or is no wire log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.torn_at: int | None = None

    def __iter__(self) -> Iterator[Entry]:
        try:
            with self._path.open("rb") as stream:
                yield from self._entries(pcapng.read_blocks(stream))
        except OSError as problem:
            raise MediaError(
                f"The wire log cannot be read: {self._path.name}.",
                why=problem.strerror or str(problem),
                remedy="Check the path and the rights of the file.",
            ) from problem

    def _entries(self, blocks: Iterator[pcapng.Block]) -> Iterator[Entry]:
        names: list[str] = []
        try:
            for block in blocks:
                if block.offset == 0 and block.kind != pcapng.SECTION_HEADER:
                    raise pcapng.TornBlock(0, "it does not begin with a section header")
                if block.kind == pcapng.INTERFACE_DESCRIPTION:
                    names.append(pcapng.read_interface_name(block))
                    yield LoggedInterface(names[-1])
                else:
                    entry = read_entry(block, names)
                    if entry is not None:
                        yield entry
        except pcapng.TornBlock as tear:
            if tear.offset == 0:
                raise
            self.torn_at = tear.offset


def read_entry(block: pcapng.Block, names: list[str]) -> Entry | None:
    """What a block says, other than an interface's declaration; None: nothing of ours.

    Raises:
        TornBlock: it cannot be understood.
        MediaError: its packet is no UDP datagram.
    """
    if block.kind == pcapng.ENHANCED_PACKET:
        packet = pcapng.read_packet(block)
        if packet.interface >= len(names):
            raise pcapng.TornBlock(block.offset, f"interface {packet.interface} is not declared")
        return LoggedPacket(names[packet.interface], packet.at_ns, unwrap(packet.data))
    if block.kind == pcapng.JOURNAL_ENTRY:
        return _read_fact(block)
    if block.kind == pcapng.INTERFACE_STATISTICS:
        interface, received, dropped = pcapng.read_statistics(block)
        if interface < len(names):
            return LoggedCount(names[interface], received, dropped)
    return None


def _read_fact(block: pcapng.Block) -> LoggedFact | None:
    text = pcapng.read_journal_entry(block).get("IVR_FACT")
    if text is None:
        return None  # another program's entry
    try:
        members = json.loads(text)
        return LoggedFact(str(members.pop("fact")), members)
    except (ValueError, KeyError, AttributeError) as problem:
        raise pcapng.TornBlock(block.offset, f"a fact that cannot be read: {problem}") from problem
