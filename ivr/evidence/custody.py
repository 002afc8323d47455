"""Custody after the seal: who did what with the case, when and why (ISO/IEC 27037, 5.4.1).

custody.jsonl is append-only and chained; its genesis is the digest of the sealed manifest, so it
fits no other case. custody.head.jws is a signature over its last line. The signed head is
written before the line: after a crash between the two the next append adds the missing line from
it, and taking lines off the end, or putting some on, shows. Each entry is told to the log of the
site, which finds custody that was put back to an older state together with its head.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence import events
from ivr.evidence.canonical import canonical
from ivr.evidence.chained import ChainedLog, Record, link
from ivr.evidence.durable import waiting_lock, write_atomic
from ivr.evidence.layout import CUSTODY, CUSTODY_HEAD, is_sealed, seal_digest
from ivr.evidence.signer import CUSTODY_TYPE, Signer
from ivr.evidence.site_log import SiteLog


class CustodyAction(StrEnum):
    """What can be done with a sealed case."""

    SEALED = "sealed"
    VIEWED = "viewed"
    PLAYED = "played"
    EXPORTED = "exported"
    HELD = "held"
    RELEASED = "released"
    VERIFIED = "verified"
    REPLAYED = "replayed"
    LOCKED = "locked"  # encrypted at rest
    UNLOCKED = "unlocked"
    PURGED = "purged"  # deleted: nothing follows


def begin_custody(
    path: Path, seal_sha256: str, at: str, signer: Signer, facts: Mapping[str, Any]
) -> None:
    """Write the first entry, part of the seal; replaces what an interrupted seal left."""
    entry = link({"action": CustodyAction.SEALED, "at": at, **facts}, 0, seal_sha256)
    line = canonical(entry)
    write_atomic(path / CUSTODY_HEAD, canonical(signer.sign(line, CUSTODY_TYPE)))
    write_atomic(path / CUSTODY, line + b"\n")


@dataclass(frozen=True, slots=True)
class Custodian:
    """Who keeps the cases of a site, with what they need for an entry: key, clock and log."""

    signer: Signer
    clock: Clock
    site_log: SiteLog


def append_custody(
    path: Path,
    action: CustodyAction,
    custodian: Custodian,
    *,
    actor: str,
    reason: str,
    facts: Mapping[str, Any] | None = None,
    check: Callable[[Sequence[Record]], None] | None = None,
) -> Record:
    """Add one entry, sign the new head and tell the log of the site; waits for the disk and for
    other writers.

    Args:
        path: a sealed case in the site's own vault.
        actor: who, as a person would name them in court (account, full name, or command).
        reason: why, e.g. the number of a request; may be empty for a mere look.
        facts: more about it, e.g. the span that was played or the digest of an export; read after
            ``check``.
        check: is shown the entries so far while nobody else can add one, and may refuse.

    Raises:
        EvidenceError: not a sealed case, a copy of one, or a deleted one; manifest, custody or site
            log changed; or the disk refused.
    """
    _must_be_kept_here(path, custodian.site_log)
    with waiting_lock(path), custodian.site_log.turn() as turn:
        log, seal_sha256 = _open_log(path)
        entries = read_custody(path)
        _must_not_be_deleted(path, entries)
        if check is not None:
            check(entries)
        fields = {
            "action": action,
            "at": to_iso(custodian.clock.now()),
            "actor": actor,
            "reason": reason,
            "seal_sha256": seal_sha256,
            "facts": dict(facts or {}),
        }
        entry = link(fields, log.count, log.head)
        line = canonical(entry)
        signed = canonical(custodian.signer.sign(line, CUSTODY_TYPE))
        told = events.custody(path.name, entry["n"], entry["chain"], action, entry["at"])
        turn.intend(told)
        _replace_head(path, signed)
        log.append_line(line + b"\n")
        turn.record(told)
    return entry


def heal_custody(path: Path) -> None:
    """Add the last entry where a crash kept it out, from the signed head; else change nothing.

    Raises:
        EvidenceError: as `append_custody`.
    """
    with waiting_lock(path):
        _open_log(path)


def _must_be_kept_here(path: Path, site_log: SiteLog) -> None:
    if not is_sealed(path):
        raise EvidenceError(
            f"{path.name} has no custody log.",
            why="it is not a sealed case",
            remedy="Seal it first, or run `ivr recover`.",
        )
    if path.resolve().parent != site_log.vault.resolve():
        raise EvidenceError(
            f"Nothing can be entered into the custody of {path}.",
            why=f"it is a copy; the case itself is kept in {site_log.vault}",
            remedy="Name the case by its id.",
        )


def is_deleted(entries: Sequence[Record]) -> bool:
    """Whether the case goes, or has gone: its custody ends there."""
    return bool(entries) and entries[-1].get("action") == CustodyAction.PURGED


def _must_not_be_deleted(path: Path, entries: Sequence[Record]) -> None:
    if is_deleted(entries):
        raise EvidenceError(
            f"Nothing can be done with the case {path.name} any more.",
            why="it is being deleted",
            remedy="Its tombstone in the data folder says by whom and why.",
        )


def read_custody(path: Path) -> list[Record]:
    """All entries, oldest first.

    Raises:
        EvidenceError: the log was changed.
    """
    return ChainedLog(path / CUSTODY, seal_digest(path)).read()


def _open_log(path: Path) -> tuple[ChainedLog, str]:
    """The log up to its signed head, and the digest of the manifest as it is now. Whether the
    head's signature is right is for the verifier to say; here it must only continue the log."""
    seal_sha256 = seal_digest(path)
    log = ChainedLog(path / CUSTODY, seal_sha256)
    records = log.read()
    log.cut_torn_tail()
    signed = _signed_line(_read(path / CUSTODY_HEAD))
    if records and canonical(records[-1]) == signed:
        return log, seal_sha256
    try:
        log.append_line(signed + b"\n")
    except EvidenceError as problem:
        raise EvidenceError(
            f"The custody log of {path.name} does not end where it was signed.",
            why=problem.why,
            remedy="Run `ivr verify` on the case and compare it with a copy.",
        ) from problem
    return log, seal_sha256


def _replace_head(path: Path, head: bytes) -> None:
    """Drafted outside the case: a crash must not leave a file in it that was never sealed."""
    try:
        write_atomic(path / CUSTODY_HEAD, head, draft=path.parent / f".{path.name}.custody.tmp")
    except OSError as problem:
        raise EvidenceError(
            f"The custody log of {path.name} could not be continued.",
            why=problem.strerror or str(problem),
            remedy="Check free space and permissions; what was there before is untouched.",
        ) from problem


def _signed_line(head: bytes) -> bytes:
    try:
        payload: str = json.loads(head)["payload"]
        return urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise EvidenceError(
            f"{CUSTODY_HEAD} is no signed head.",
            why=str(problem),
            remedy="Run `ivr verify` on the case and compare it with a copy.",
        ) from problem


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise EvidenceError(
            f"{path.name} of the case cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Run `ivr verify` on the case and compare it with a copy.",
        ) from problem
