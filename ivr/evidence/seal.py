"""The seal: from here on, nothing in the case changes without it showing."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical, plain, sha256_hex
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.custody import begin_custody
from ivr.evidence.durable import SEALED, sync_file, sync_folder, write_atomic
from ivr.evidence.events import Event, sealed
from ivr.evidence.layout import (
    COMMIT,
    DERIVED,
    MANIFEST,
    ORIGINAL,
    SETTINGS,
    SETTINGS_AT_SEALING,
    SIGNER,
    WIRE,
    WIRE_CHAIN,
    is_sealed,
    refused,
)
from ivr.evidence.manifest import SealMaterials, build_manifest
from ivr.evidence.signer import MANIFEST_TYPE, Signer
from ivr.evidence.site_log import SiteLog, Turn
from ivr.facts.audio import Recording, WireLog
from ivr.facts.cases import CaseSealed
from ivr.telemetry import logger

_log = logger(__name__)
GAP_LEDGER = "gaps.json"


def seal(
    folder: CaseFolder,
    materials: SealMaterials,
    signer: Signer,
    clock: Clock,
    site_log: SiteLog,
) -> CaseSealed:
    """Seal the case and let go of its folder. Reads every file once; not for an event loop.

    manifest.jws is written last and is the commit: a crash before it leaves an unsealed case
    that can be sealed again, a crash after it a sealed one (the site log then catches up).

    Raises:
        EvidenceError: sealed before, the wire log does not end where its chain does, a derived
            file without origin, or the disk refused. The case stays as it was, unsealed.
    """
    if is_sealed(folder.path):
        raise EvidenceError(
            f"The case {folder.case_id} is sealed.",
            why="a seal is set once",
            remedy="Read the case, or note what was done with it in its custody log.",
        )
    _check_wire(folder, materials.wire)
    _write_gap_ledger(folder, materials.recordings)
    _keep_settings(folder.path, materials.settings)
    folder.record("sealing", {"incomplete_reasons": materials.incomplete_reasons})
    try:
        with site_log.turn() as turn:
            sealed_at = clock.now()
            _settle(folder.path)
            manifest = build_manifest(folder, materials, turn.link, signer, sealed_at)
            data = canonical(manifest)
            seal_sha256 = sha256_hex(data)
            told = sealed(folder.case_id, seal_sha256, signer.key_sha256, to_iso(sealed_at))
            turn.intend(told)
            _commit(folder.path, manifest, data, signer)
            _tell(turn, told)
    except OSError as problem:
        raise EvidenceError(
            f"The case {folder.case_id} could not be sealed.",
            why=str(problem),
            remedy="Free disk space or mend the disk, then run `ivr recover`.",
        ) from problem
    for entry in manifest["files"]:
        with suppress(OSError):  # it is sealed all the same; the mode only guards against slips
            (folder.path / entry["path"]).chmod(SEALED)
    folder.release()
    return CaseSealed(
        case_id=folder.case_id,
        path=folder.path,
        seal_sha256=seal_sha256,
        sealed_at=sealed_at,
        is_complete=not materials.incomplete_reasons,
    )


def _commit(path: Path, manifest: dict[str, Any], data: bytes, signer: Signer) -> None:
    """Write the seal's files, the signature last. ``data``: the manifest's bytes."""
    seal_sha256 = sha256_hex(data)
    jws = signer.sign(data, MANIFEST_TYPE)
    write_atomic(path / MANIFEST, data, SEALED)
    write_atomic(path / SIGNER, signer.public_pem, SEALED)
    first_entry = {
        "actor": f"ivr at {manifest['site']}",
        "reason": "the call is over",
        "seal_sha256": seal_sha256,
        "facts": {},
    }
    begin_custody(path, seal_sha256, manifest["times"]["sealed_at"], signer, first_entry)
    detached = {"signatures": jws["signatures"]}  # RFC 7515, appendix F
    write_atomic(path / COMMIT, canonical(detached), SEALED)


def _keep_settings(path: Path, settings: bytes | None) -> None:
    """Those that judged the case, where they are not those it was opened under."""
    kept, later = path / SETTINGS, path / SETTINGS_AT_SEALING
    try:
        later.unlink(missing_ok=True)  # of an attempt to seal it under others
        if settings is not None and not (kept.exists() and kept.read_bytes() == settings):
            write_atomic(later if kept.exists() else kept, settings, SEALED)
    except OSError as problem:
        raise refused(kept, problem) from problem


def _tell(turn: Turn, told: Event) -> None:
    try:
        turn.record(told)
    except EvidenceError as problem:  # the case is sealed all the same; the next turn tells it
        _log.error("seal not yet in the site log", case_id=told["case_id"], why=problem.why)


def _settle(path: Path) -> None:
    """Everything on the disk before it is hashed."""
    for file in sorted(path.rglob("*")):
        if file.is_file():
            sync_file(file)
    for folder in (path / ORIGINAL, path / DERIVED, path):
        sync_folder(folder)


def _check_wire(folder: CaseFolder, wire: WireLog | None) -> None:
    """The wire log that is sealed is the one the RTP door closed, or recovery mended."""
    is_there = (folder.path / WIRE).exists()
    if wire is None:
        if is_there:
            raise _unclosed("it exists, and nobody closed it")
        return
    last = _last_line(folder.path / WIRE_CHAIN)
    if wire.blocks and (last is None or last.get("chain") != wire.chain_head):
        raise _unclosed("its last block is not the head of its chain")


def _last_line(path: Path) -> dict[str, Any] | None:
    try:
        lines = path.read_bytes().splitlines()
        line = json.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return None
    return line if isinstance(line, dict) else None


def _unclosed(why: str) -> EvidenceError:
    return EvidenceError(
        "The case cannot be sealed: its wire log is not whole.",
        why=why,
        remedy="Run `ivr recover`, which keeps every whole block and seals the rest.",
    )


def _write_gap_ledger(folder: CaseFolder, recordings: tuple[Recording, ...]) -> None:
    """derived/gaps.json: every span that was filled, and the counters, leg by leg."""
    if not recordings:
        return
    ledger = [
        {"leg": r.leg, "rate_hz": r.rate_hz, "gaps": plain(r.gaps), "stats": plain(r.stats)}
        for r in recordings
    ]
    parents = tuple(sorted({r.parent_sha256 for r in recordings}))
    folder.write_derived(GAP_LEDGER, canonical(ledger), parents, "application/json", "ivr")
