"""A call from its case folder to its seal, in a process of its own: ``python -m
tests.fakes.recorded_call ROOT SECONDS``. Says ``answered``, ``over`` and ``sealed`` on standard
error at the moments from which the case must survive a power cut, have its end, be sealed."""

import os
import sys
import time
from pathlib import Path

from ivr.evidence.canonical import plain
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.manifest import SealMaterials
from ivr.facts.audio import Recording, WireLog
from ivr.facts.call import LegName
from ivr.media.journal import Journal
from ivr.media.recordings import write_recordings
from ivr.media.rtp import RtpPacket, pack_rtp
from ivr.media.wire_writer import WireLogWriter
from tests.fakes.evidence_site import CLOSED, VERDICT, Site

CALLER, DOOR = ("192.0.2.7", 40_000), ("192.0.2.1", 16_384)


def say(word: str) -> None:
    os.write(2, f"{word}\n".encode())


def record(folder: CaseFolder, seconds: float) -> WireLog:
    """20 ms packets in real time, each with the time it was handed over."""
    original = folder.wire_path.parent
    writer = WireLogWriter(
        folder.wire_path, original / "wire.chain.jsonl", block_s=1.0, queue_blocks=64
    )
    journal = Journal(writer)
    side = journal.add_side(LegName.CALLER, LegName.AGENT)
    agreed = {"leg": "caller", "payload_types": {"8": ["PCMA", 8000]}}
    journal.fact("media_agreed", agreed)
    journal.fact("pending_judged", {"leg": "caller", "source": None})
    say("answered")
    begun = time.monotonic()
    for n in range(round(seconds * 50)):
        time.sleep(max(0.0, begun + n * 0.02 - time.monotonic()))
        packet = pack_rtp(RtpPacket(8, n, n * 160, 1, bytes([n % 256]) * 160))
        journal.packet(side.remote, time.time_ns(), CALLER, DOOR, packet)
    return journal.close()


def finish(site: Site, folder: CaseFolder, wire: WireLog, *reasons: str) -> Path:
    """Decode and seal."""
    recordings: tuple[Recording, ...] = write_recordings(wire, folder.path / "derived")
    for name in sorted(path.name for path in (folder.path / "derived").glob("*.wav")):
        folder.register_derived(name, wire.sha256, "audio/wav", "ivr.media")
    judged = VERDICT.rulebook_sha256
    materials = SealMaterials(
        wire, CLOSED, recordings, VERDICT, "a" * 64, judged, "c" * 64, reasons, settings=b"{}\n"
    )
    return site.seal(folder, materials).path


def main() -> None:
    site = Site(Path(sys.argv[1]))
    folder = site.open_case(settings=b"{}\n")
    folder.record("announced", {"prompt": "notice"})
    wire = record(folder, float(sys.argv[2]))
    folder.record("closed", plain(CLOSED))
    say("over")
    finish(site, folder, wire)
    say("sealed")


if __name__ == "__main__":
    main()
