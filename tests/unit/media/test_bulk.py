"""Reading by arrays gives what reading packet by packet gives, whatever came in whatever order."""

import random
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.facts.call import LegName
from ivr.media import bulk
from ivr.media.block_file import BlockFile
from ivr.media.journal import Journal
from ivr.media.rtp import RtpPacket, pack_rtp
from ivr.media.timeline import Timelines, read_timelines
from ivr.media.wire_format import CHAIN_NAME, WIRE_NAME, fact_entry

CALLER, DOOR, STRANGER = ("192.0.2.7", 4000), ("192.0.2.1", 6000), ("198.51.100.9", 9)
AGREED = {"leg": "caller", "payload_types": {"8": ["PCMA", 8000], "101": ["telephone-event", 8000]}}


class Blocks:
    """Implements ``LogWriter`` over a file, without a thread."""

    trouble = None

    def __init__(self, folder: Path) -> None:
        self.file = BlockFile(folder / WIRE_NAME, folder / CHAIN_NAME, SystemClock())

    def append(self, block: bytes, packet_at_ns: int | None = None) -> bool:
        self.file.take(block, int(packet_at_ns is not None))
        return True

    def note(self, name, members) -> bool:
        return self.append(fact_entry(SystemClock(), name, members))


def shots(chance: random.Random) -> list[tuple[int, bytes]]:
    """A leg on which everything happens: loss, swaps, repeats, pauses, jumps, new sources, codecs,
    keys, damage; each rarely, so that ordinary stretches lie between."""
    at_ns, found = 1_800_000_000_000_000_000, []
    sequence, stamp, ssrc, kind = (chance.randrange(1 << n) for n in (16, 32, 32, 1))
    kind = 8
    for _ in range(chance.randrange(30, 500)):
        turn = chance.random()
        if turn < 0.01:
            stamp += chance.choice((160 * 50, 160 * 700, 8000 * 11, -3200))
        elif turn < 0.015:
            ssrc = chance.randrange(1 << 32)
        elif turn < 0.02:
            sequence += chance.choice((5000, 40_000))
        elif turn < 0.03:
            kind = chance.choice((8, 0, 9, 13, 101))
        elif turn < 0.04:
            at_ns += chance.choice((200, 900, 2500, 12_000)) * 1_000_000
        size = 1 if kind == 13 else chance.choice((160,) * 60 + (80, 240))
        data = pack_rtp(
            RtpPacket(kind, sequence % 65536, stamp % (1 << 32), ssrc, chance.randbytes(size))
        )
        if turn > 0.995:
            data = data[: chance.randrange(14)]
        elif turn > 0.99:
            data = bytes([0x80, 200]) + data[2:]
        copies = chance.choice((1,) * 60 + (0, 2))
        for _ in range(copies):
            late_ms = chance.choice((0,) * 50 + (30, 90, 400))
            found.append((at_ns + late_ms * 1_000_000 + chance.randrange(15_000_000), data))
        sequence, stamp, at_ns = sequence + 1, stamp + 160, at_ns + 20_000_000
    return found


def write(folder: Path, chance: random.Random) -> Path:
    writer = Blocks(folder)
    journal = Journal(writer)
    side = journal.add_side(LegName.CALLER, LegName.AGENT)
    legs = [(at, n, data) for n in (0, 1) for at, data in shots(chance)]
    agreed_at = chance.choice((0, 25))
    for count, (at_ns, own, data) in enumerate(sorted(legs)):
        if count == agreed_at:
            journal.fact("media_agreed", AGREED)
            journal.fact("pending_judged", {"leg": "caller", "source": list(CALLER)})
        if own:
            journal.packet(1, at_ns, DOOR, CALLER, data)
        else:
            journal.packet(side.remote, at_ns, CALLER, DOOR, data)
        if chance.random() < 0.01:
            journal.packet(side.foreign, at_ns, STRANGER, DOOR, data)
    journal.fact("closed", {"at_ns": str(at_ns + chance.choice((0, 5_000_000_000)))})
    writer.file.write()
    writer.file.seal()
    writer.file.close()
    return folder / WIRE_NAME


def told(found: Timelines) -> list[object]:
    return [found.is_complete, found.sha256] + [
        (leg.leg, leg.samples.tobytes(), leg.gaps, leg.stats, leg.start_s, leg.said, leg.anchors)
        for leg in found.legs
    ]


@pytest.mark.parametrize("seed", range(30))
def test_arrays_and_single_packets_give_the_same_time_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    path = write(tmp_path, chance)
    if seed % 3 == 2:  # torn, or a bit that flipped
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data[: chance.randrange(len(data) // 2, len(data))])
    try:
        by_arrays: object = told(read_timelines(path))
    except Exception as problem:  # noqa: BLE001 - whatever it is, both must say the same
        by_arrays = type(problem)
    monkeypatch.setattr(bulk, "SMALLEST_SPAN", 1 << 30)
    try:
        singly: object = told(read_timelines(path))
    except Exception as problem:  # noqa: BLE001 - as above
        singly = type(problem)
    assert by_arrays == singly
