"""Wire logs written without a door, a socket or a clock: whatever arrives whenever."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ivr.facts.call import LegName
from ivr.media import pcapng
from ivr.media.datagrams import Flow
from ivr.media.wire_format import SOFTWARE, fact_entry, interface_names, side_interfaces
from tests.fakes.rtp_sender import Shot

BEGIN_NS = 1_764_036_000_000_000_000
PARTY, OUR_SIDE = ("192.0.2.7", 40_000), ("192.0.2.1", 30_000)
PAYLOADS = {8: ("PCMA", 8000), 0: ("PCMU", 8000), 13: ("CN", 8000), 101: ("telephone-event", 8000)}


class _Stopped:
    def now(self) -> datetime:
        return datetime(2026, 11, 25, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 0


class OfflineLog:
    """Blocks of a log, in the order of the calls."""

    def __init__(self, *sides: tuple[LegName, LegName | None]) -> None:
        self.names: list[str] = []
        self.blocks = [pcapng.section_header(SOFTWARE)]
        for remote, own in sides or ((LegName.CALLER, LegName.AGENT),):
            self.open_side(remote, own)

    def open_side(self, remote: LegName, own: LegName | None) -> None:
        is_first = not self.names
        self.names += interface_names(remote, own, is_first=is_first)
        self.blocks.append(side_interfaces(remote, own, is_first=is_first))

    def fact(self, name: str, **members: object) -> None:
        self.blocks.append(fact_entry(_Stopped(), name, members))

    def agree(
        self, leg: str = "caller", payloads: Mapping[int, tuple[str, int]] = PAYLOADS
    ) -> None:
        types = {str(number): list(kind) for number, kind in payloads.items()}
        self.fact("media_agreed", leg=leg, payload_types=types)
        self.fact("pending_judged", leg=leg, source=list(PARTY))

    def packet(self, name: str, at_ns: int, data: bytes, source: tuple[str, int] = PARTY) -> None:
        wrapped = Flow(source, OUR_SIDE).wrap(data)
        self.blocks.append(pcapng.enhanced_packet(self.names.index(name), at_ns, wrapped))

    def play(self, name: str, shots: Iterable[Shot], begin_s: float = 0.0) -> None:
        for shot in shots:
            at_ns = BEGIN_NS + round((begin_s + shot.at_s) * 1e9)
            self.packet(name, at_ns, shot.data)

    def close(self, at_ns: int) -> None:
        self.fact("closed", at_ns=str(at_ns))

    def write(self, case: Path) -> Path:
        """As the original of a case folder; returns its path."""
        for folder in ("original", "derived"):
            (case / folder).mkdir(parents=True, exist_ok=True)
        path = case / "original" / "wire.pcapng"
        path.write_bytes(b"".join(self.blocks))
        return path
