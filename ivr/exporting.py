"""Hands a case over: checks it, enters it into custody, then makes the court folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ivr.casefile import SealedCase, read_case
from ivr.clock import Clock
from ivr.errors import EvidenceError
from ivr.evidence.bag import Bag, BagLabel, must_be_free, write_bag
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.layout import MANIFEST
from ivr.evidence.signer import Signer
from ivr.evidence.software import running_software
from ivr.evidence.verification import verification_steps


@dataclass(frozen=True, slots=True)
class Handover:
    """Who takes a copy, why, and when.

    Args:
        actor: who hands over, as a person would be named in court.
        reason: e.g. the number of the request.
        at: RFC 3339, the time of the custody entry.
    """

    actor: str
    reason: str
    at: str


Papers = Callable[[SealedCase, Handover], Mapping[str, bytes]]
"""Makes the papers to lay beside the case: file name to content."""


def no_papers(_case: SealedCase, _handover: Handover) -> Mapping[str, bytes]:
    """The bag without printed papers."""
    return {}


def export_bag(
    path: Path,
    target: Path,
    *,
    actor: str,
    reason: str,
    signer: Signer,
    clock: Clock,
    papers: Papers = no_papers,
) -> Bag:
    """Court folder of the sealed case at ``path``.

    The custody entry is made before the copy, so that the copy tells of itself; should the disk
    fail afterwards, the log tells of an export too many, never of one too few.

    Raises:
        EvidenceError: not a sealed case, not as it was sealed, target taken, or the disk refused.
    """
    must_be_free(target, path)
    must_be_whole(path)
    case = read_case(path)
    handover = enter(case, actor=actor, reason=reason, form="bagit", signer=signer, clock=clock)
    manifest_sha256 = sha256_hex((path / MANIFEST).read_bytes())
    software = running_software()
    label = BagLabel(
        case.sealed.case_id,
        case.site,
        manifest_sha256,
        signer.key_sha256,
        handover.at,
        actor,
        reason,
        f"{software.name} {software.version}",
    )
    return write_bag(path, target, label, signer, papers(case, handover))


def enter(
    case: SealedCase, *, actor: str, reason: str, form: str, signer: Signer, clock: Clock
) -> Handover:
    """The custody entry of an export."""
    record = append_custody(
        case.sealed.path,
        CustodyAction.EXPORTED,
        actor=actor,
        reason=reason,
        signer=signer,
        clock=clock,
        facts={"format": form},
    )
    return Handover(actor, reason, str(record["at"]))


def must_be_whole(path: Path) -> None:
    """Raises EvidenceError when the case is not as it was sealed: such a one is for a person to
    look at, and must not leave the house under a fresh signature."""
    failed = [step for step in verification_steps(path) if not step.ok]
    if failed:
        raise EvidenceError(
            f"The case {path.name} is not as it was sealed and was not exported.",
            why="; ".join(f"{step.name}: {step.detail}" for step in failed),
            remedy=f"Run `ivr verify {path}` and compare the case with a copy.",
        )
