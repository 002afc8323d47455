"""How long the log of a site of many cases takes: to open, to add to, to prove from, to verify.

The cases are as small as they can be (a manifest and a signed custody log, no sound), so what is
measured is the log and not the hashing of recordings.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.casework.site_proof import prove_log, prove_site
from ivr.casework.site_state import SiteTrust
from ivr.clock import SystemClock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.chained import Record, genesis, link
from ivr.evidence.custody import Custodian, CustodyAction, append_custody
from ivr.evidence.heads import keys_of, sign_head
from ivr.evidence.layout import (
    CASES,
    COMMIT,
    CUSTODY,
    CUSTODY_HEAD,
    MANIFEST,
    SIGNER,
    SITE_HEAD,
    SITE_LOG,
)
from ivr.evidence.log_proofs import check_consistency, check_inclusion
from ivr.evidence.merkle import Frontier, leaf_hash
from ivr.evidence.signer import CUSTODY_TYPE, MANIFEST_TYPE, Signer
from ivr.evidence.signing import open_signer
from ivr.evidence.site_log import SiteLog
from ivr.settings import EvidenceSettings

SITE = "bench"
WITH_CUSTODY = 2  # every second case was looked at once after its seal


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, but for the sizes.

    Args:
        build_s: making the site; says nothing of real sealing.
        open_s: reading and checking the whole log, as `ivr serve` does at its start.
        first_entry_s / entry_s: a custody entry by a command that has just started, by its
            frontier; the next one of the same process.
        whole_entry_s: the same when the frontier is lost and the log is read whole.
        inclusion_s: making the inclusion file of one case, and checking it.
        consistency_s: the same for a consistency file from the middle of the log.
        log_s: `ivr log verify`; site_s: `ivr verify` of the data folder, every case.
    """

    cases: int
    lines: int
    log_bytes: int
    build_s: float
    open_s: float
    first_entry_s: float
    entry_s: float
    whole_entry_s: float
    inclusion_s: float
    consistency_s: float
    log_s: float
    site_s: float


def measure(cases: int, folder: Path | None = None) -> Figures:
    """Build a site of so many cases in a temporary folder, time it, and remove it.

    Args:
        folder: where; None: the system's folder for such.
    """
    root = Path(tempfile.mkdtemp(prefix="ivr-site-log-", dir=folder))
    try:
        return _measure(root, cases)
    finally:
        shutil.rmtree(root)


def _measure(root: Path, cases: int) -> Figures:
    clock, signer = SystemClock(), open_signer(EvidenceSettings(site=SITE), root)
    build_s = _timed(lambda: _build(root, cases, signer))
    halfway = _head_at(root, cases // 2 + 1, signer)
    case = root / CASES / _case_id(0)

    def enter(log: SiteLog) -> None:
        custodian = Custodian(signer, clock, log)
        append_custody(case, CustodyAction.VIEWED, custodian, actor="bench", reason="")

    def resumed() -> SiteLog:
        return SiteLog.resume(root, SITE, signer, clock)

    open_s = _timed(lambda: SiteLog.open(root, SITE, signer, clock))
    enter(resumed())  # leaves a frontier
    log = resumed()
    first_entry_s, entry_s = _timed(lambda: enter(log)), _timed(lambda: enter(log))
    (root / "site-log.frontier.json").unlink()
    whole_entry_s = _timed(lambda: enter(resumed()))
    key_of = keys_of(None, signer.public_pem)
    trust = SiteTrust(own=root / "keys" / "site.pub.pem")
    return Figures(
        cases=cases,
        lines=(root / SITE_LOG).read_bytes().count(b"\n"),
        log_bytes=(root / SITE_LOG).stat().st_size,
        build_s=build_s,
        open_s=open_s,
        first_entry_s=first_entry_s,
        entry_s=entry_s,
        whole_entry_s=whole_entry_s,
        inclusion_s=_timed(lambda: check_inclusion(log.inclusion(case.name), key_of)),
        consistency_s=_timed(lambda: check_consistency(log.consistency(halfway), key_of)),
        log_s=_timed(lambda: _must_hold(prove_log(root, trust))),
        site_s=_timed(lambda: _must_hold(prove_site(root, trust))),
    )


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 4)


def _must_hold(steps: Any) -> None:
    odd = [f"{step.name}: {step.detail}" for step in steps if not step.ok]
    if odd:
        raise EvidenceError(
            "The site that the bench made does not verify.",
            why="; ".join(odd),
            remedy="This is a fault of the program: report it.",
        )


def _case_id(n: int) -> str:
    return f"01BENCH{n:019d}"


def _build(root: Path, cases: int, signer: Signer) -> None:
    """The files as many seals would have left them, without waiting for the disk each time."""
    lines: list[Record] = []
    tree, at = Frontier(), to_iso(SystemClock().now())
    path = root / SITE_LOG

    def tell(event: events.Event) -> None:
        previous = lines[-1]["chain"] if lines else genesis("site", SITE)
        lines.append(link(event, len(lines), previous))
        tree.add(leaf_hash(canonical(lines[-1])))

    tell(events.begun(SITE, at))
    for n in range(cases):
        for event in _case(root / CASES / _case_id(n), n, at, signer):
            tell(event)
    path.write_bytes(b"".join(canonical(line) + b"\n" for line in lines))
    chain = lines[-1]["chain"]
    head = sign_head(SITE, len(lines), tree.root.hex(), chain, at, signer)
    (root / SITE_HEAD).write_bytes(head)


def _case(path: Path, n: int, at: str, signer: Signer) -> list[events.Event]:
    path.mkdir(parents=True)
    manifest = canonical({"case_id": path.name, "n": n, "filling": "x" * 4000})
    seal_sha256 = sha256_hex(manifest)
    signed = signer.sign(manifest, MANIFEST_TYPE)
    (path / MANIFEST).write_bytes(manifest)
    (path / SIGNER).write_bytes(signer.public_pem)
    entries = [link({"action": "sealed", "actor": "bench", "at": at}, 0, seal_sha256)]
    told = [events.sealed(path.name, seal_sha256, signer.key_sha256, at)]
    if n % WITH_CUSTODY == 0:
        viewed = {"action": "viewed", "actor": "bench", "at": at, "reason": "", "facts": {}}
        entries.append(link(viewed, 1, entries[0]["chain"]))
        told.append(events.custody(path.name, 1, entries[1]["chain"], "viewed", at))
    lines = [canonical(entry) for entry in entries]
    (path / CUSTODY).write_bytes(b"".join(line + b"\n" for line in lines))
    (path / CUSTODY_HEAD).write_bytes(canonical(signer.sign(lines[-1], CUSTODY_TYPE)))
    (path / COMMIT).write_bytes(canonical({"signatures": signed["signatures"]}))
    return told


def _head_at(root: Path, size: int, signer: Signer) -> bytes:
    """The head that was signed when the log had so many lines."""
    lines = (root / SITE_LOG).read_bytes().split(b"\n")[:size]
    tree = Frontier()
    for line in lines:
        tree.add(leaf_hash(line))
    at = to_iso(SystemClock().now())
    return sign_head(SITE, size, tree.root.hex(), "0" * 64, at, signer)
