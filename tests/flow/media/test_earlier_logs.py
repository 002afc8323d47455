"""A log of a call with one side, as written before sides had names in their facts: everything
that was decoded from it then is decoded from it now."""

import hashlib
import shutil
from pathlib import Path

import pytest

from ivr.facts.audio import GapKind
from ivr.facts.call import LegName
from ivr.media.recordings import redecode_matches, write_recordings
from ivr.media.repair import repair, wire_log_at
from ivr.media.wire_format import LoggedFact, WireLogReader

EARLIER = Path(__file__).parents[2] / "assets" / "wire" / "one-side"
SHA256 = {
    "caller.wav": "213ef844b14ce3175264cf0d5c9d6db85abd44be36459bb02ee71feacb3b744f",
    "agent.wav": "1e9a49429b05897be366ef3a4202fe1d4501e7799f85b8d018e75b9a6a5d1174",
    "call.wav": "0344cf2f583950d60ff6a7ceabbeaf6aa9651d51ffe331749eb6d0cdd1de8681",
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    shutil.copytree(EARLIER, tmp_path / "case")
    return tmp_path / "case" / "wire.pcapng"


def test_its_facts_name_no_side(log: Path) -> None:
    facts = [entry for entry in WireLogReader(log) if isinstance(entry, LoggedFact)]
    assert {"opened", "media_agreed", "source_latched", "closed"} <= {fact.name for fact in facts}
    assert not any("leg" in fact.members for fact in facts)


def test_its_recordings_are_the_same_byte_for_byte(log: Path) -> None:
    recordings = write_recordings(wire_log_at(log), log.parent)
    made = {name: hashlib.sha256((log.parent / name).read_bytes()).hexdigest() for name in SHA256}
    assert made == SHA256
    assert [recording.leg for recording in recordings] == [LegName.CALLER, LegName.AGENT]
    assert redecode_matches(wire_log_at(log), [log.parent / name for name in SHA256]) == ()


def test_its_counters_and_gaps_are_the_same(log: Path) -> None:
    caller, agent = write_recordings(wire_log_at(log), log.parent)
    stats = caller.stats
    assert (stats.accepted, stats.foreign, stats.lost, stats.reordered) == (28, 5, 2, 3)
    assert stats.jitter_ms == 9.898
    assert agent.stats.accepted == 15
    assert [(gap.kind, gap.offset, gap.samples) for gap in caller.gaps] == [
        (GapKind.SILENCE, 800, 320),
        (GapKind.LOST, 1760, 160),
        (GapKind.LOST, 3360, 160),
    ]
    assert caller.is_complete


def test_it_is_repaired_as_before(log: Path) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole + whole[-100:][:50])
    assert repair(log).torn_bytes == 50
    assert log.read_bytes() == whole
