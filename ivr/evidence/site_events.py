"""What really happened, read from the cases: against an intention that a crash cut off, and
against what the log of the site has been told. What is not signed by a key of the site did not
happen: else whoever can write into the data folder would have the log tell it, under a signed head.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.algorithms import (
    PublicKey,
    b64url,
    from_b64url,
    header_of,
    verified_payload,
)
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.chained import ChainedLog, Record
from ivr.evidence.events import Event
from ivr.evidence.layout import (
    CASES,
    COMMIT,
    CUSTODY,
    CUSTODY_HEAD,
    KEYRING,
    MANIFEST,
    case_folders,
    is_sealed,
    seal_digest,
)
from ivr.evidence.signer import CUSTODY_TYPE, MANIFEST_TYPE
from ivr.evidence.tombstone import read_tombstone, tombstone_path

SignedBy = Callable[[str], PublicKey | None]
"""The public key of a fingerprint, if it counts at this moment."""


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


def has_happened(root: Path, event: Record, key_of: SignedBy) -> bool:
    """Whether what was about to be done is done, so far as the disk tells after a crash.

    Args:
        key_of: keys of the site that count now.
    """
    try:
        case = root / CASES / str(event.get("case_id", ""))
        match event["event"]:
            case events.SEALED:
                return bool(sha256_hex(_signed_manifest(case, key_of)) == event["seal_sha256"])
            case events.CUSTODY:  # the signed head is written before the line it signs
                line = json.loads(_signed_custody(case, key_of))
                return bool(line["chain"] == event["custody_chain"])
            case events.PURGED:
                stone = tombstone_path(root, str(event["case_id"]))
                read_tombstone(stone, key_of)
                return bool(sha256_hex(stone.read_bytes()) == event["tombstone_sha256"])
            case events.KEY_ENDORSED | events.KEY_REVOKED:  # the keyring checks itself when read
                lines = (root / KEYRING).read_bytes().splitlines()
                return event["keyring_sha256"] in map(sha256_hex, lines)
    except (OSError, ValueError, KeyError, TypeError, EvidenceError):
        return False
    return False


def unknown_seals(vault: Path, told: Told) -> tuple[Path, ...]:
    """Sealed cases of which the log knows nothing."""
    return tuple(p for p in case_folders(vault) if p.name not in told.sealed and is_sealed(p))


def untold(
    vault: Path, told: Told, key_of: SignedBy
) -> tuple[list[Untold], list[tuple[str, EvidenceError]]]:
    """Seals and custody entries that the log does not know, in the order of their times; and the
    cases whose custody is not as a key of the site signed it.

    Raises:
        EvidenceError: a case that the log does not know is not sealed by a key of the site.
    """
    found: list[Untold] = []
    unreadable: list[tuple[str, EvidenceError]] = []
    for path in case_folders(vault):
        case_id = path.name
        if case_id in told.purged or not is_sealed(path):
            continue
        if case_id not in told.sealed:
            found.append(_seal(path, key_of))
        if _signed_entry(path) == told.entry_of(case_id):
            continue
        try:
            entries = _custody(path, key_of)
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


def _custody(path: Path, key_of: SignedBy) -> list[Record]:
    """Entries up to the signed one."""
    entries = ChainedLog(path / CUSTODY, seal_digest(path)).read()
    try:
        signed = _signed_custody(path, key_of)
        if not entries or canonical(entries[-1]) != signed:
            raise ValueError("it does not end where it was signed")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise EvidenceError(
            f"The custody of {path.name} is not told to the log of the site.",
            why=str(problem),
            remedy="Run `ivr verify` on the case and put it back from a copy.",
        ) from problem
    return entries


def _signed_custody(path: Path, key_of: SignedBy) -> bytes:
    """The line that custody.head.jws is over. Raises ValueError when no key of the site signed."""
    signed = json.loads((path / CUSTODY_HEAD).read_bytes())
    return verified_payload(signed, _key(signed, key_of), CUSTODY_TYPE)


def _signed_manifest(path: Path, key_of: SignedBy) -> bytes:
    """manifest.json. Raises ValueError when no key of the site signed it."""
    payload = b64url((path / MANIFEST).read_bytes())
    signed = {"payload": payload, **json.loads((path / COMMIT).read_bytes())}
    return verified_payload(signed, _key(signed, key_of), MANIFEST_TYPE)


def _key(signed: dict[str, Any], key_of: SignedBy) -> PublicKey:
    kid = str(header_of(signed)["kid"])
    key = key_of(kid)
    if key is None:
        raise ValueError(f"it is signed by {kid}, a key that does not count here")
    return key


def _seal(path: Path, key_of: SignedBy) -> Untold:
    try:
        raw = _signed_manifest(path, key_of)
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
            f"The log of the site does not know the case {path.name}, and its seal does not hold.",
            why=str(problem),
            remedy="Run `ivr verify` on the case and put it back from a copy; a case from "
            "elsewhere does not belong into the vault.",
        ) from problem
