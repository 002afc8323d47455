"""Entries into the custody of a case that may be read from an opened copy."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ivr.casework.unlocking import is_opened_copy, renew_custody, still_custody
from ivr.evidence.chained import Record
from ivr.evidence.custody import Custodian, CustodyAction, append_custody


def enter_custody(
    path: Path,
    action: CustodyAction,
    custodian: Custodian,
    *,
    actor: str,
    reason: str,
    facts: Mapping[str, Any] | None = None,
) -> Record:
    """`append_custody` at the case itself, also when ``path`` is what `unlocked` gave for an
    encrypted one; the entry is then in both.

    Raises:
        EvidenceError: as there.
    """
    case = _case_of(path, custodian)
    record = append_custody(case, action, custodian, actor=actor, reason=reason, facts=facts)
    renew_custody(case, path)
    return record


def quiet(path: Path, custodian: Custodian) -> AbstractContextManager[None]:
    """While an opened copy is copied out, its case gets no entry that the log of the site would
    know and the copy not. A readable case is locked by whoever copies it.

    Raises:
        EvidenceError: the disk refused.
    """
    return still_custody(_case_of(path, custodian), path) if is_opened_copy(path) else nullcontext()


def _case_of(path: Path, custodian: Custodian) -> Path:
    return custodian.site_log.vault / path.name if is_opened_copy(path) else path
