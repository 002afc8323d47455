"""A case: what is known of a finished call, and what sealing and verifying it said."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ivr.facts.call import Mode


@dataclass(frozen=True, slots=True)
class CaseSealed:
    """A case folder was sealed. ``seal_sha256`` is the digest of its canonical manifest."""

    case_id: str
    path: Path
    seal_sha256: str
    sealed_at: datetime
    is_complete: bool


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """One row of ``ivr cases list``.

    Args:
        subscriber: whose call it was, or None (an upload, or a case that was entered before this
            was kept).
        purged_at: when it was deleted; the numbers are then None.
    """

    case_id: str
    mode: Mode
    caller: str | None
    opened_at: datetime
    duration_s: float
    label: str
    score: float
    is_complete: bool
    seal_sha256: str
    path: str
    subscriber: str | None = None
    purged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VerificationStep:
    """One numbered step of ``ivr verify``."""

    n: int
    name: str
    ok: bool
    detail: str
