"""`verify` from inside the house: as facts, and not in the middle of a custody entry."""

from contextlib import nullcontext
from pathlib import Path

from ivr.evidence.durable import waiting_lock
from ivr.evidence.verify import verify_case
from ivr.facts.cases import VerificationStep


def verification_steps(
    path: Path, trusted_key: Path | None = None, site_log: Path | None = None
) -> tuple[VerificationStep, ...]:
    """The steps of `ivr.evidence.verify.verify_case`, while no custody entry is being written."""
    with waiting_lock(path) if path.is_dir() else nullcontext():
        steps = verify_case(path, trusted_key, site_log)
    return tuple(VerificationStep(step.n, step.name, step.ok, step.detail) for step in steps)
