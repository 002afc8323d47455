"""A real site with real case folders: calls with a wire log in three chained blocks, sealed."""

import hashlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785

from ivr.clock import to_iso
from ivr.evidence.canonical import plain
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.custody import Custodian
from ivr.evidence.manifest import SealMaterials
from ivr.evidence.seal import seal
from ivr.evidence.signing import open_signer, public_file
from ivr.evidence.site_log import SiteLog
from ivr.facts.audio import Gap, GapKind, LegStats, Recording, WireLog
from ivr.facts.call import Blame, CallClosed, Caller, CallOpened, Identity, LegName, Mode
from ivr.facts.cases import CaseSealed
from ivr.facts.judgement import Label, Level, Stage, Verdict
from ivr.settings import EvidenceSettings

DAK_LAK = EvidenceSettings(site="dak-lak")
AT_SITE = {"IVR_EVIDENCE__SITE": DAK_LAK.site}
"""Environment of commands on the data folder of a `Site`: they must name the same one."""

OPENED_AT = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
INVITE = (
    b'INVITE sip:hien@ivr.example SIP/2.0\r\nFrom: "C\xc3\xb4ng an" <sip:+84912345678@x>\r\n\r\n'
)


@dataclass
class SteppingClock:
    """Goes on by one second at every look; ``set_by`` moves the wall clock only."""

    wall: datetime = OPENED_AT
    ticks: int = 0
    set_by: timedelta = timedelta(0)

    def now(self) -> datetime:
        self.ticks += 1
        return self.wall + timedelta(seconds=self.ticks) + self.set_by

    def monotonic_ns(self) -> int:
        return 2**53 + self.ticks * 1_000_000_000  # a host that is up for more than 104 days


def call(call_id: str = "01JDHZ0000000000000000CASE", mode: Mode = Mode.ANSWER) -> CallOpened:
    return CallOpened(
        call_id=call_id,
        mode=mode,
        legs=(LegName.CALLER, LegName.AGENT),
        identities=(
            Identity("From", '"Công an" <sip:+84912345678@x>', "+84912345678", "+84912345678", 0.5),
        ),
        caller=Caller("+84912345678", "Công an", "From", 0.5),
        subscriber="+84987654321",
        access="hien",
        sip_call_id="abc@x",
        source_address="192.0.2.7:5060",
        opened_at=OPENED_AT,
    )


def write_wire(folder: CaseFolder, blocks: tuple[bytes, ...]) -> WireLog:
    """A wire log and its chain as docs/evidence.md describes them, written without ivr.media."""
    lines, offset, previous = [], 0, "0" * 64
    for n, block in enumerate(blocks):
        line = {
            "n": n,
            "offset": offset,
            "length": len(block),
            "packets": 3,
            "sha256": hashlib.sha256(block).hexdigest(),
            "previous": previous,
            "flushed_at": to_iso(OPENED_AT + timedelta(seconds=n)),
        }
        previous = hashlib.sha256(rfc8785.dumps(line)).hexdigest()
        lines.append(rfc8785.dumps({**line, "chain": previous}) + b"\n")
        offset += len(block)
    folder.wire_path.write_bytes(b"".join(blocks))
    folder.wire_chain_path.write_bytes(b"".join(lines))
    digest = hashlib.sha256(b"".join(blocks)).hexdigest()
    return WireLog(
        folder.wire_path, folder.wire_chain_path, digest, len(blocks), previous, OPENED_AT
    )


def recording(folder: CaseFolder, wire: WireLog) -> Recording:
    stats = LegStats(LegName.CALLER, 100, 1, 0, 0, 0, 2, 1, 1.25, ("PCMA",), (4_000_000_000,))
    gaps = (Gap(LegName.CALLER, GapKind.LOST, 1600, 320),)
    path = folder.derived_path("caller.wav")
    return Recording(LegName.CALLER, path, 8000, 16000, 0.02, gaps, stats, wire.sha256, True)


BLOCKS = (b"block zero" * 9, b"\x00\x01\x02" * 30, b"last")
CLOSED = CallClosed(Blame.CALLER, "BYE", 200, 61.5, OPENED_AT + timedelta(seconds=62))
VERDICT = Verdict(
    Label.SCAM, Level.FILING, 0.93, ("sim_revoked",), (Stage.AUTHORITY,), (), 9.1, 21.0, "e" * 64
)


@dataclass
class Site:
    """One installation: data folder, clock, key, log."""

    root: Path
    clock: SteppingClock = field(default_factory=SteppingClock)
    evidence: EvidenceSettings = DAK_LAK

    def __post_init__(self) -> None:
        self.vault = self.root / "cases"
        self.signer = open_signer(self.evidence, self.root, SteppingClock())
        self.public_key = public_file(self.evidence, self.root)
        self.log_path = self.root / "site-log.jsonl"
        self.log = self.open_log()

    def open_log(self) -> SiteLog:
        return SiteLog.open(self.root, "dak-lak", self.signer, self.clock)

    @property
    def custodian(self) -> Custodian:
        return Custodian(self.signer, self.clock, self.log)

    def open_case(
        self, call_id: str = "01JDHZ0000000000000000CASE", settings: bytes | None = None
    ) -> CaseFolder:
        return CaseFolder.create(
            self.vault,
            call(call_id),
            raw_invite=INVITE,
            site="dak-lak",
            clock=self.clock,
            settings=settings,
        )

    def fill(self, folder: CaseFolder, blocks: tuple[bytes, ...] = BLOCKS) -> SealMaterials:
        """What a call of a minute leaves behind."""
        folder.record("announced", {"prompt": "notice"})
        folder.record("dtmf", {"digit": "1", "at_s": 3.25})
        wire = write_wire(folder, blocks)
        heard = recording(folder, wire)
        heard.path.write_bytes(b"RIFF" + bytes(400))
        wav = folder.register_derived("caller.wav", wire.sha256, "audio/wav", "ivr.media")
        transcript = rfc8785.dumps([{"text": "tôi là công an", "confidence": 0.875}])
        text = folder.write_derived("transcript.json", transcript, wav, "application/json", "vosk")
        folder.write_derived("verdict.json", b"{}", (text, wav), "application/json", "ivr.verdict")
        folder.record("closed", plain(CLOSED))
        return SealMaterials(wire, CLOSED, (heard,), VERDICT, "a" * 64, "b" * 64, "c" * 64)

    def seal(self, folder: CaseFolder, materials: SealMaterials | None = None) -> CaseSealed:
        return seal(folder, materials or self.fill(folder), self.signer, self.clock, self.log)

    def sealed(self, call_id: str = "01JDHZ0000000000000000CASE") -> CaseSealed:
        return self.seal(self.open_case(call_id))


def in_child(work: Callable[[], object], *, is_killed: bool = False) -> int:
    """Run ``work`` in a forked process; returns its pid. ``is_killed``: SIGKILL itself after."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        if is_killed:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - it is printed, and the exit status says it
        traceback.print_exc()
    finally:
        os._exit(1)  # a child must never go on as a second pytest


_CHANGES = {
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "sqlite3.connect",
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def dies_in(
    forked: Callable[..., int],
    prepare: Callable[[], Any],
    work: Callable[[Any], object],
    at: int,
) -> int:
    """Run ``work(prepare())`` in a child process that is killed (SIGKILL) at its ``at``-th change
    of a file within ``work``; returns how many it saw when it was not killed. Between two changes
    the disk stays as it is, so a kill there would show nothing else."""
    reader, writer = os.pipe()

    def child() -> None:
        prepared = prepare()
        seen = 0

        def strike(event: str, args: tuple[Any, ...]) -> None:
            nonlocal seen
            if event in _CHANGES or (event == "open" and args[2] & _WRITES):
                seen += 1
                if seen == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(strike)
        work(prepared)
        os.write(writer, seen.to_bytes(4, "big"))

    pid = forked(child)
    os.close(writer)
    _, status = os.waitpid(pid, 0)
    answer = os.read(reader, 4)
    os.close(reader)
    assert answer or os.WIFSIGNALED(status)
    return int.from_bytes(answer, "big")
