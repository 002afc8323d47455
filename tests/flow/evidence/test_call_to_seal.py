"""From packets on a socket to a sealed case that a stranger verifies: RTP door, then seal."""

import asyncio
import os
import shutil
import struct
import time
from pathlib import Path

import numpy as np

from ivr.clock import SystemClock
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.manifest import SealMaterials
from ivr.evidence.recovery import find_unsealed
from ivr.evidence.verification import verify_here
from ivr.facts.audio import Recording, WireLog
from ivr.facts.call import LegName
from ivr.media.recordings import redecode_matches, write_recordings
from ivr.media.repair import repair
from ivr.media.wire_format import fact_entry, opening
from ivr.media.wire_writer import WireLogWriter
from tests.fakes.evidence_site import CLOSED, VERDICT, Site, in_child
from tests.fakes.rtp_calls import play_call
from tests.fakes.rtp_sender import on_time, packets, tone


def failed(path: Path, site: Site) -> list[str]:
    steps = verify_here(path, site.public_key, site.log_path)
    return [f"{step.name}: {step.detail}" for step in steps if not step.ok]


def register(folder, recordings: tuple[Recording, ...]) -> None:
    for name in sorted({r.path.name for r in recordings} | {"call.wav"}):
        folder.register_derived(name, recordings[0].parent_sha256, "audio/wav", "ivr.media")


def materials(wire: WireLog, recordings: tuple[Recording, ...], *reasons: str) -> SealMaterials:
    judged = VERDICT.rulebook_sha256
    return SealMaterials(wire, CLOSED, recordings, VERDICT, "a" * 64, judged, "c" * 64, reasons)


async def test_a_call_through_the_real_door_is_sealed_copied_and_verified(tmp_path):
    site = Site(tmp_path / "site")
    folder = site.open_case()
    sound = on_time(packets(tone(440.0, 1.5)))
    played = await play_call(folder.path / "original", sound, sound)
    for file in (folder.path / "original").glob("*.wav"):
        file.unlink()  # the test's call leaves its copies beside the log
    recordings = await asyncio.to_thread(write_recordings, played.wire, folder.path / "derived")
    register(folder, recordings)
    sealed = await asyncio.to_thread(site.seal, folder, materials(played.wire, recordings))

    copy = shutil.copytree(sealed.path, tmp_path / "usb" / "case")
    assert failed(copy, site) == []
    append_custody(sealed.path, CustodyAction.PLAYED, site.custodian, actor="An", reason="")
    assert failed(sealed.path, site) == []
    (older,) = failed(copy, site)  # the log of the site knows of the entry that the copy lacks
    assert older.startswith("site link: ")
    moved = WireLog(**{**_fields(played.wire), "path": copy / "original/wire.pcapng"})
    assert redecode_matches(moved, [copy / "derived/caller.wav"]) == ()

    wire = copy / "original/wire.pcapng"
    wire.chmod(0o600)
    data = bytearray(wire.read_bytes())
    data[len(data) // 2] ^= 1
    wire.write_bytes(data)
    found = [line.split(":")[0] for line in failed(copy, site)]
    assert found == ["files", "wire chain", "site link"]


def _fields(wire: WireLog) -> dict[str, object]:
    return {name: getattr(wire, name) for name in WireLog.__dataclass_fields__}


def test_a_recorder_killed_within_a_block_leaves_a_case_that_is_sealed_as_incomplete(tmp_path):
    site = Site(tmp_path / "site")

    def record_until_killed() -> None:
        folder = site.open_case()
        folder.record("announced", {})
        writer = WireLogWriter(
            folder.wire_path, folder.wire_chain_path, block_s=0.3, queue_blocks=8
        )
        writer.append(opening(LegName.CALLER))
        deadline = time.monotonic() + 20
        chained = 0
        while chained < 2 and time.monotonic() < deadline:  # two blocks on the disk, then some
            writer.append(fact_entry(SystemClock(), "tick", {"n": chained}))
            chained = folder.wire_chain_path.read_bytes().count(b"\n")
            time.sleep(0.01)
        with folder.wire_path.open("ab") as file:
            file.write(struct.pack("<II", 6, 400) + bytes(90))  # a packet cut off by the kill

    child = in_child(record_until_killed, is_killed=True)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])

    (case,) = find_unsealed(site.vault, site.clock).cases
    assert case.has_wire
    assert case.closed is None
    mended = repair(case.folder.wire_path)
    assert mended.torn_bytes >= 98
    recordings = write_recordings(mended.wire_log, case.folder.path / "derived")
    for copy in (case.folder.path / "derived").glob("*.wav"):
        case.folder.register_derived(copy.name, mended.wire_log.sha256, "audio/wav", "ivr.media")
    reason = f"the recorder was killed; {mended.torn_bytes} bytes were torn"
    sealed = site.seal(case.folder, materials(mended.wire_log, recordings, reason))
    assert not sealed.is_complete
    assert failed(sealed.path, site) == []
    assert (sealed.path / "original/wire.tail.bin").stat().st_size == mended.torn_bytes
    assert reason in verify_here(sealed.path)[1].detail


def test_sealing_a_long_call_takes_a_fraction_of_a_second_of_this_machine(tmp_path):
    """Not a benchmark: a guard against reading the wire log many times over."""
    site = Site(tmp_path / "site")
    folder = site.open_case()
    block = np.random.default_rng(1).bytes(40_000)
    materials_of_call = site.fill(folder, tuple(block for _ in range(600)))  # ten minutes
    begun = time.process_time()
    sealed = site.seal(folder, materials_of_call)
    assert time.process_time() - begun < 2.0
    assert failed(sealed.path, site) == []
