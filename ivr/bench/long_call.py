"""A wire log of a long call, written as the door writes it but not in real time.

Two legs of G.711 in packets of 20 ms; on the caller's leg 1 % is lost, 0.5 % changes places with
the next, and arrival wavers by up to 15 ms, as on a mobile network. Blocks of a second are flushed
and chained by the door's own code.
"""

import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from ivr.clock import SystemClock
from ivr.facts.audio import WireLog
from ivr.facts.call import LegName
from ivr.media import g711, pcapng
from ivr.media.block_file import BlockFile
from ivr.media.journal import Journal, SideInterfaces
from ivr.media.rtp import RtpPacket, pack_rtp
from ivr.media.wire_format import CHAIN_NAME, WIRE_NAME, fact_entry
from ivr.media.wire_writer import Trouble
from ivr.settings import PROJECT_ROOT

AUDIO: Final = PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac"
CALLER, OURS, DOOR = ("192.0.2.7", 40_000), ("127.0.0.1", 4_000), ("192.0.2.1", 16_384)
LOST, SWAPPED, JITTER_NS = 0.01, 0.005, 15_000_000
_SIZE: Final = 160
_STEP_NS: Final = 20_000_000


class _Blocks:
    """Implements ``LogWriter``: no thread, a block for each second of the call."""

    def __init__(self, folder: Path) -> None:
        self._clock = SystemClock()
        self._path, self._chain_path = folder / WIRE_NAME, folder / CHAIN_NAME
        self._file = BlockFile(self._path, self._chain_path, self._clock)
        self._second: int | None = None
        self._first_ns: int | None = None
        self.trouble: Trouble | None = None

    def append(self, block: bytes, packet_at_ns: int | None = None) -> bool:
        if packet_at_ns is not None:
            self._first_ns = self._first_ns or packet_at_ns
            second = packet_at_ns // 1_000_000_000
            if second != self._second:
                self._second = second
                self._file.write()
                self._file.seal()
        self._file.take(block, int(packet_at_ns is not None))
        return True

    def note(self, name: str, members: Mapping[str, Any]) -> bool:
        return self.append(fact_entry(self._clock, name, members))

    def close(self) -> WireLog:
        self._file.write()
        self._file.seal()
        self._file.close()
        file, at = self._file, self._path
        return WireLog(at, self._chain_path, file.sha256, file.blocks, file.head, None)


def write_long_call(folder: Path, seconds: float, seed: int = 1) -> WireLog:
    """``wire.pcapng`` and ``wire.chain.jsonl`` of a call of so many seconds in ``folder``."""
    writer = _Blocks(folder)
    journal = Journal(writer)
    journal.fact("opened", {"call_id": "BENCH"})
    numbers = journal.add_side(LegName.CALLER, LegName.AGENT)
    begin_ns = time.time_ns() - round(seconds * 1e9)
    for fact, members in _agreement():
        journal.fact(fact, {"leg": "caller", **members})
    counts = [0, 0]
    chance = random.Random(seed)  # noqa: S311 - no secret
    for at_ns, is_caller, data in _packets(seconds, begin_ns, chance):
        counts[not is_caller] += 1
        _log(journal, numbers, at_ns, data, is_caller=is_caller)
    end_ns = begin_ns + round(seconds * 1e9)
    for number, count in enumerate((*counts, 0)):
        writer.append(pcapng.interface_statistics(number, end_ns, count, 0))
    journal.fact("closed", {"at_ns": str(end_ns)})
    return writer.close()


def _log(
    journal: Journal, numbers: SideInterfaces, at_ns: int, data: bytes, *, is_caller: bool
) -> None:
    if is_caller:
        journal.packet(numbers.remote, at_ns, CALLER, DOOR, data)
    elif numbers.own is not None:
        journal.packet(numbers.own, at_ns, DOOR, CALLER, data)


def _agreement() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "side_opened", {"host": DOOR[0], "port": DOOR[1]}
    agreed = {
        "remote": list(CALLER),
        "signalled_from": CALLER[0],
        "agent": list(OURS),
        "payload_types": {"8": ["PCMA", 8000]},
        "direction": "sendrecv",
    }
    yield "media_agreed", agreed
    yield "pending_judged", {"source": None}
    yield "source_latched", {"host": CALLER[0], "port": CALLER[1]}


def _packets(
    seconds: float, begin_ns: int, chance: random.Random
) -> Iterator[tuple[int, bool, bytes]]:
    """(arrival, whether it is the caller's, datagram), by arrival."""
    sound = _encoded()
    waiting: list[tuple[int, bool, bytes]] = []
    for n in range(round(seconds * 50)):
        at_ns = begin_ns + n * _STEP_NS
        waiting.append((at_ns + _STEP_NS // 2, False, _rtp(2, n, sound)))
        if chance.random() >= LOST:
            late_ns = chance.randrange(JITTER_NS)
            if chance.random() < SWAPPED:
                late_ns += _STEP_NS * 3 // 2
            waiting.append((at_ns + late_ns, True, _rtp(1, n, sound)))
        if n % 50 == 49:
            waiting.sort()
            ready = [each for each in waiting if each[0] < at_ns - 2 * _STEP_NS]
            del waiting[: len(ready)]
            yield from ready
    yield from sorted(waiting)


def _rtp(ssrc: int, n: int, sound: bytes) -> bytes:
    start = n * _SIZE % (len(sound) - _SIZE)
    payload = sound[start : start + _SIZE]
    packet = RtpPacket(8, n % 0x10000, n * _SIZE % (1 << 32), ssrc, payload, marker=n == 0)
    return pack_rtp(packet)


def _encoded() -> bytes:
    """The demonstration's call."""
    samples, rate_hz = soundfile.read(AUDIO, dtype="int16")
    return encode_alaw(samples[:: rate_hz // g711.RATE_HZ])


def encode_alaw(samples: g711.Samples) -> bytes:
    """For each sample the nearest A-law value that there is."""
    values = g711.decode("PCMA", bytes(range(256))).astype(np.int32)
    order = np.argsort(values, kind="stable")
    ladder = values[order]
    above = np.clip(np.searchsorted(ladder, samples), 1, 255)
    is_lower = samples - ladder[above - 1] <= ladder[above] - samples
    return bytes(order[np.where(is_lower, above - 1, above)].astype(np.uint8))
