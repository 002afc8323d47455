"""What really happened, read from the cases: against an intention that a crash cut off, and
against what the log of the site has been told."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.algorithms import from_b64url
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.chained import ChainedLog, Record
from ivr.evidence.events import Event
from ivr.evidence.layout import (
    CASES,
    CUSTODY,
    CUSTODY_HEAD,
    KEYRING,
    MANIFEST,
    TOMBSTONES,
    case_folders,
    is_sealed,
    seal_digest,
)


@dataclass(slots=True)
class Told:
    """What a log knows of the cases: its seals, the last custody entry of each, deletions."""

    sealed: dict[str, Record] = field(default_factory=dict)
    custody: dict[str, Record] = field(default_factory=dict)
    purged: dict[str, Record] = field(default_factory=dict)

    def learn(self, record: Record) -> None:
        kind = record.get("event")
        if kind == events.SEALED:
            self.sealed[str(record["case_id"])] = record
        elif kind == events.CUSTODY:
            self.custody[str(record["case_id"])] = record
        elif kind == events.PURGED:
            self.purged[str(record["case_id"])] = record

    def entry_of(self, case_id: str) -> int:
        """``n`` of the last custody entry; 0, which is part of the seal, when none followed."""
        return int(self.custody.get(case_id, {}).get("entry", 0))


@dataclass(frozen=True, slots=True)
class Untold:
    """An event that the log does not know; ``link``: the place that a seal must take in it."""

    event: Event
    link: tuple[int, str] | None = None


def has_happened(root: Path, event: Record) -> bool:
    """Whether what was about to be done is done, so far as the disk tells after a crash."""
    try:
        case = root / CASES / str(event.get("case_id", ""))
        match event["event"]:
            case events.SEALED:
                return bool(is_sealed(case) and seal_digest(case) == event["seal_sha256"])
            case events.CUSTODY:  # the signed head is written before the line it signs
                head = json.loads((case / CUSTODY_HEAD).read_bytes())
                line = json.loads(from_b64url(head["payload"]))
                return bool(line["chain"] == event["custody_chain"])
            case events.PURGED:
                tombstone = root / TOMBSTONES / f"{event['case_id']}.jws.json"
                return bool(sha256_hex(tombstone.read_bytes()) == event["tombstone_sha256"])
            case events.KEY_ENDORSED | events.KEY_REVOKED:
                lines = (root / KEYRING).read_bytes().splitlines()
                return event["keyring_sha256"] in map(sha256_hex, lines)
    except (OSError, ValueError, KeyError, TypeError, EvidenceError):
        return False
    return False


def unknown_seals(vault: Path, told: Told) -> tuple[Path, ...]:
    """Sealed cases of which the log knows nothing."""
    return tuple(p for p in case_folders(vault) if p.name not in told.sealed and is_sealed(p))


def untold(vault: Path, told: Told) -> tuple[list[Untold], list[tuple[str, EvidenceError]]]:
    """Seals and custody entries that the log does not know, in the order of their times; and the
    cases whose custody cannot be read.

    Raises:
        EvidenceError: the manifest of a case that the log does not know cannot be read.
    """
    found: list[Untold] = []
    unreadable: list[tuple[str, EvidenceError]] = []
    for path in case_folders(vault):
        case_id = path.name
        if case_id in told.purged or not is_sealed(path):
            continue
        if case_id not in told.sealed:
            found.append(_seal(path))
        if _signed_entry(path) == told.entry_of(case_id):
            continue
        try:
            entries = ChainedLog(path / CUSTODY, seal_digest(path)).read()
        except EvidenceError as problem:
            unreadable.append((case_id, problem))
            continue
        for line in entries[told.entry_of(case_id) + 1 :]:
            event = events.custody(
                case_id, line["n"], line["chain"], str(line.get("action")), str(line.get("at"))
            )
            found.append(Untold(event))
    return sorted(found, key=lambda each: (each.event["at"], each.link is None)), unreadable


def _signed_entry(path: Path) -> int:
    """``n`` of the custody line that the case's head is over; -1 when it cannot be read."""
    try:
        head = json.loads((path / CUSTODY_HEAD).read_bytes())
        return int(json.loads(from_b64url(head["payload"]))["n"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return -1


def _seal(path: Path) -> Untold:
    try:
        raw = (path / MANIFEST).read_bytes()
        manifest: dict[str, Any] = json.loads(raw)
        place = manifest["site_link"]
        event = events.sealed(
            str(manifest["case_id"]),
            sha256_hex(raw),
            str(manifest["signer"]["key_sha256"]),
            str(manifest["times"]["sealed_at"]),
        )
        return Untold(event, (int(place["n"]), str(place["previous_chain"])))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise EvidenceError(
            f"The manifest of {path.name}, which the log of the site does not know, cannot be "
            "read.",
            why=str(problem),
            remedy="Run `ivr verify` on the case and put it back from a copy; a case from "
            "elsewhere does not belong into the vault.",
        ) from problem
