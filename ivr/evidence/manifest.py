"""The manifest: everything a stranger needs to judge a case, as one JSON object. Pure, but for
hashing the files it lists."""

from collections import Counter
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from ivr.clock import VIETNAM, to_iso
from ivr.errors import EvidenceError
from ivr.evidence.canonical import plain
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.clock_state import read_clock_state
from ivr.evidence.durable import sha256_file
from ivr.evidence.journal import JOURNAL
from ivr.evidence.lawful_basis import lawful_basis
from ivr.evidence.layout import (
    DERIVED,
    OPENED,
    ORIGINAL,
    SETTINGS,
    SETTINGS_AT_SEALING,
    WIRE,
    WIRE_CHAIN,
)
from ivr.evidence.signer import Signer
from ivr.evidence.site_log import SiteLink
from ivr.evidence.software import running_software
from ivr.facts.audio import Recording, WireLog
from ivr.facts.call import CallClosed
from ivr.facts.judgement import Verdict

_SETTINGS = (SETTINGS, SETTINGS_AT_SEALING)
FORMAT = "ivr-case/2"
_MEDIA_TYPES = {
    ".pcapng": "application/x-pcapng",
    ".jsonl": "application/x-ndjson",
    ".json": "application/json",
    ".sip": "message/sip",
    ".wav": "audio/wav",
}


@dataclass(frozen=True, slots=True)
class SealMaterials:
    """What the seal states besides the files.

    Args:
        wire: the closed wire log; None for an upload, or when no packet was ever logged.
        closed: how the call ended; None when the process died before it was known.
        incomplete_reasons: why the case is not whole, in words; empty means complete.
        model_sha256 / rulebook_sha256 / settings_sha256 / scorer_sha256: what judged; None when
            nothing did; no scorer: the rules judged alone.
        settings: the record (`ivr.settings.record`) whose digest is ``settings_sha256``.
    """

    wire: WireLog | None
    closed: CallClosed | None
    recordings: tuple[Recording, ...]
    verdict: Verdict | None
    model_sha256: str | None
    rulebook_sha256: str | None
    settings_sha256: str | None
    incomplete_reasons: tuple[str, ...] = ()
    scorer_sha256: str | None = None
    settings: bytes | None = None


def build_manifest(
    folder: CaseFolder,
    materials: SealMaterials,
    link: SiteLink,
    signer: Signer,
    sealed_at: datetime,
) -> dict[str, Any]:
    """The manifest of ``folder`` as it lies on disk now.

    Raises:
        EvidenceError: a file is not what was registered, or has no origin in the case.
    """
    files = list_files(folder)
    wire = _wire(materials.wire, files)
    _check_origins(files)
    return {
        "format": FORMAT,
        "case_id": folder.case_id,
        "site": folder.site,
        "mode": folder.opened.mode.value,
        "call": plain(folder.opened),
        "end": plain(materials.closed),
        "lawful_basis": plain(lawful_basis(folder.opened, folder.journal)),
        "times": _times(folder, materials.closed, sealed_at),
        "clock": _clock(folder),
        "files": files,
        "wire": wire,
        "journal": {"entries": folder.journal.count, "head": folder.journal.head},
        "legs": [_leg(recording) for recording in materials.recordings],
        "verdict": _verdict(materials.verdict),
        "model_sha256": materials.model_sha256,
        "rulebook_sha256": materials.rulebook_sha256,
        "scorer_sha256": materials.scorer_sha256,
        "settings_sha256": materials.settings_sha256,
        "software": plain(running_software()),
        "is_complete": not materials.incomplete_reasons,
        "incomplete_reasons": list(materials.incomplete_reasons),
        "site_link": plain(link),
        "signer": {"algorithm": signer.algorithm, "key_sha256": signer.key_sha256},
    }


def list_files(folder: CaseFolder) -> list[dict[str, Any]]:
    """Every sealed file with size, digest, role and parents, by path.

    Roles: ``original`` (as it reached us), ``record`` (written by us about the call while it
    ran), ``derived`` (can be made again).
    """
    found = [folder.path / name for name in (OPENED, JOURNAL)]
    found += (folder.path / name for name in _SETTINGS if (folder.path / name).exists())
    found += (p for p in (folder.path / ORIGINAL).rglob("*") if not p.is_dir())
    entries = [_kept(folder.path, path) for path in found]
    entries += [plain({**_as_fields(file), "role": "derived"}) for file in folder.derived]
    _check_derived(folder)
    return sorted(entries, key=lambda entry: str(entry["path"]))


def _as_fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _kept(root: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(root).as_posix()
    digest, size = sha256_file(path)
    is_record = name in {OPENED, JOURNAL, WIRE_CHAIN, *_SETTINGS}
    return {
        "path": name,
        "size": size,
        "sha256": digest,
        "media_type": _MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        "role": "record" if is_record else "original",
        "parent_sha256": [],
        "made_by": "ivr" if is_record or name == WIRE else "",
    }


def _check_derived(folder: CaseFolder) -> None:
    registered = {file.path: file for file in folder.derived}
    for path in sorted((folder.path / DERIVED).rglob("*")):
        name = path.relative_to(folder.path).as_posix()
        file = registered.pop(name, None)
        if file is None:
            raise _wrong(name, "it was not registered, so nobody knows what it was made from")
        if sha256_file(path) != (file.sha256, file.size):
            raise _wrong(name, "it changed after it was registered")
    for name in registered:
        raise _wrong(name, "it was registered and is gone")


def _check_origins(entries: list[dict[str, Any]]) -> None:
    """Every derived file descends, over any number of steps, from a file that is not."""
    rooted = {e["sha256"] for e in entries if e["role"] != "derived"}
    waiting = [e for e in entries if e["role"] == "derived"]
    while waiting:
        ready = [e for e in waiting if rooted.issuperset(e["parent_sha256"])]
        if not ready:
            raise _wrong(waiting[0]["path"], "a parent it names is not in the case")
        rooted.update(e["sha256"] for e in ready)
        waiting = [e for e in waiting if e not in ready]


def _wrong(name: str, why: str) -> EvidenceError:
    return EvidenceError(
        f"The case cannot be sealed with {name} in it.",
        why=why,
        remedy="Make the file again from its original, or run `ivr recover`.",
    )


def _times(folder: CaseFolder, closed: CallClosed | None, sealed_at: datetime) -> dict[str, Any]:
    notice = folder.journal.find("announced")
    closed_at = closed.closed_at if closed else None
    return {
        "opened_at": to_iso(folder.opened.opened_at),
        "notice_at": notice["at"] if notice else None,
        "closed_at": to_iso(closed_at) if closed_at else None,
        "sealed_at": to_iso(sealed_at),
        "local_zone": "+07:00",
        "opened_local": folder.opened.opened_at.astimezone(VIETNAM).isoformat(),
        "closed_local": closed_at.astimezone(VIETNAM).isoformat() if closed_at else None,
    }


def _clock(folder: CaseFolder) -> dict[str, Any]:
    """What is known of the clock that every time in the case is from."""
    now = read_clock_state()
    opened = folder.journal.find("opened")
    return {
        "source": "system clock of the recording host, UTC",
        "offset_to_utc": now.told,
        "at_opening": plain(opened["facts"].get("clock")) if opened else None,
        "at_sealing": plain(now),
        "largest_step_us": folder.journal.largest_clock_step_us(),
    }


def _wire(wire: WireLog | None, files: list[dict[str, Any]]) -> dict[str, Any] | None:
    if wire is None:
        return None
    if not any(f["path"] == WIRE and f["sha256"] == wire.sha256 for f in files):
        raise _wrong(WIRE, "it is not what the RTP door closed")
    first = wire.first_packet_at
    return {
        "sha256": wire.sha256,
        "blocks": wire.blocks,
        "chain_head": wire.chain_head,
        "first_packet_at": to_iso(first) if first else None,
    }


def _leg(recording: Recording) -> dict[str, Any]:
    gaps = Counter(gap.kind.value for gap in recording.gaps)
    samples: Counter[str] = Counter()
    for gap in recording.gaps:
        samples[gap.kind.value] += gap.samples
    return {
        "leg": recording.leg.value,
        "rate_hz": recording.rate_hz,
        "samples": recording.samples,
        "start_s": recording.start_s,
        "is_complete": recording.is_complete,
        "gaps": {kind: {"count": gaps[kind], "samples": samples[kind]} for kind in sorted(gaps)},
        "stats": plain(recording.stats),
    }


def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "label": verdict.label.value,
        "level": verdict.level.value,
        "score": verdict.score,
    }
