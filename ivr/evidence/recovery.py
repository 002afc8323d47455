"""What a killed process left: unsealed cases, with what their journals say of them."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ivr.clock import Clock
from ivr.errors import EvidenceError
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.chained import Record
from ivr.evidence.durable import try_lock, unlock
from ivr.evidence.layout import DRAFT_SUFFIX, WIRE, open_cases
from ivr.facts.call import CallClosed

_DRAFT_AGE_S = 60.0  # a living process gives a draft its name within milliseconds


@dataclass(frozen=True, slots=True)
class UnsealedCase:
    """A case to be finished. ``folder`` is held by this process: seal it or release it.

    Args:
        closed: how the call ended, from the journal's ``closed`` record (the facts of a
            `CallClosed`); None when the process died before it was noted.
        notice_at: when the caller had been told of the recording, or None.
        has_wire: a wire log exists; it may end in half a block.
    """

    folder: CaseFolder
    closed: CallClosed | None
    notice_at: str | None
    has_wire: bool


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Everything found in a vault; ``unusable`` says which folders a person must look at."""

    cases: tuple[UnsealedCase, ...]
    unusable: tuple[tuple[Path, EvidenceError], ...]


def find_unsealed(vault: Path, clock: Clock) -> Unsealed:
    """Take over every unsealed case that no living process holds, oldest first. One damaged
    folder does not keep the others from being found."""
    _remove_stale_drafts(vault)
    cases: list[UnsealedCase] = []
    unusable: list[tuple[Path, EvidenceError]] = []
    for path in open_cases(vault):
        try:
            folder = CaseFolder.resume(path, clock)
        except EvidenceError as problem:
            unusable.append((path, problem))
            continue
        closed, notice = folder.journal.find("closed"), folder.journal.find("announced")
        cases.append(
            UnsealedCase(
                folder=folder,
                closed=_call_closed(closed),
                notice_at=notice["at"] if notice else None,
                has_wire=(path / WIRE).exists(),
            )
        )
    return Unsealed(tuple(cases), tuple(unusable))


def _call_closed(record: Record | None) -> CallClosed | None:
    if record is None:
        return None
    try:
        return TypeAdapter(CallClosed).validate_python(record["facts"])
    except ValidationError:
        return None  # another version's words: the journal keeps them, the end counts as unknown


def _remove_stale_drafts(vault: Path) -> None:
    """Folders that never got their name: no call was answered on them."""
    if not vault.is_dir():
        return
    for draft in vault.glob(f".*{DRAFT_SUFFIX}"):
        if time.time() - draft.stat().st_mtime < _DRAFT_AGE_S:
            continue
        lock = try_lock(draft)
        if lock is not None:
            shutil.rmtree(draft)
            unlock(lock)
