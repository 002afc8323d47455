"""Hands a case over: checks it, enters it into custody, then makes the court folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ivr.casefile import FIRST, SECOND, SealedCase, read_case, transcript_of, verdict_alone
from ivr.casework.entering import enter_custody, quiet
from ivr.errors import EvidenceError
from ivr.evidence.bag import Bag, BagLabel, must_be_free, write_bag, write_paper
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.custody import Custodian, CustodyAction
from ivr.evidence.layout import MANIFEST
from ivr.evidence.software import running_software
from ivr.evidence.verification import verification_steps
from ivr.facts.reports import CaseFacts
from ivr.reporting import court_pdf
from ivr.reporting.case_words import local_time
from ivr.reporting.court_text import Heard, Paper, court_paper


@dataclass(frozen=True, slots=True)
class Handover:
    """Who takes a copy, why, and when.

    Args:
        actor: who hands over, as a person would be named in court.
        reason: e.g. the number of the request.
        at: RFC 3339, the time of the custody entry.
        key_sha256: fingerprint of the key that signed the entry.
    """

    actor: str
    reason: str
    at: str
    key_sha256: str


Papers = Callable[[SealedCase, Handover], Mapping[str, bytes]]
"""Makes the papers to lay beside the case: file name to content."""


PAPER = "bien-ban.pdf"


def no_papers(_case: SealedCase, _handover: Handover) -> Mapping[str, bytes]:
    """The bag without printed papers."""
    return {}


def export_bag(
    path: Path,
    target: Path,
    custodian: Custodian,
    *,
    actor: str,
    reason: str,
    papers: Papers = no_papers,
) -> Bag:
    """Court folder of the sealed case at ``path`` (an encrypted one: as `unlocked` gave it).

    The custody entry is made before the copy, so that the copy tells of itself; should the disk
    fail afterwards, the log tells of an export too many, never of one too few.

    Raises:
        EvidenceError: not a sealed case, not as it was sealed, target taken, or the disk refused.
    """
    must_be_free(target, path)
    must_be_whole(path)
    case = read_case(path)
    handover = enter(case, custodian, actor=actor, reason=reason, form="bagit")
    manifest_sha256 = sha256_hex((path / MANIFEST).read_bytes())
    label = BagLabel(
        case.sealed.case_id,
        case.site,
        manifest_sha256,
        custodian.signer.key_sha256,
        handover.at,
        actor,
        reason,
        _software(),
    )
    with quiet(path, custodian):
        return write_bag(path, target, label, custodian, papers(case, handover))


def export_pdf(
    path: Path,
    target: Path,
    custodian: Custodian,
    *,
    actor: str,
    reason: str,
    describe: Callable[[SealedCase], CaseFacts],
) -> Path:
    """The papers alone, as a file in ``target``; entered into custody like a court folder.

    Raises:
        EvidenceError: as `export_bag`.
        EnvironmentProblem: the extra ``pdf`` is not installed.
    """
    court_pdf.must_draw()
    must_be_free(target, path)
    must_be_whole(path)
    case = read_case(path)
    handover = enter(case, custodian, actor=actor, reason=reason, form="pdf")
    drawn = court_papers(describe)(case, handover)[PAPER]
    return write_paper(target / f"bien-ban-{case.sealed.case_id}.pdf", drawn)


def court_papers(describe: Callable[[SealedCase], CaseFacts]) -> Papers:
    """Papers for `export_bag`: the PDF.

    Args:
        describe: the case's facts, with the rulebook's names for pretexts.
    """

    def papers(case: SealedCase, handover: Handover) -> Mapping[str, bytes]:
        made_at = datetime.fromisoformat(handover.at)
        paper = Paper(
            facts=describe(case),
            giver=handover.actor,
            reason=handover.reason,
            made_at=local_time(made_at),
            key_sha256=handover.key_sha256,
            software=_software(),
            heard=_heard(case),
        )
        return {PAPER: court_pdf.draw(court_paper(paper), case.sealed.case_id, made_at)}

    return papers


def _heard(case: SealedCase) -> tuple[Heard, ...]:
    """Which engine heard what, the live one first."""
    path, live = case.sealed.path, case.recognition
    second = live.second
    has_two = second is not None and second.verdict is not None
    first = Heard(
        engine=live.engine,
        model=live.model_name,
        is_live=True,
        is_demonstration_model=live.is_demonstration_model,
        is_leading=second is None or not second.is_leading,
        verdict=verdict_alone(path, FIRST) if has_two else case.verdict,
        utterances=transcript_of(path, FIRST),
    )
    if second is None:
        return (first,)
    return (
        first,
        Heard(
            engine=second.engine,
            model=second.model_name,
            is_live=False,
            is_demonstration_model=second.is_demonstration_model,
            is_leading=second.is_leading,
            verdict=second.verdict,
            utterances=transcript_of(path, SECOND) if has_two else (),
            failure=second.failure,
        ),
    )


def _software() -> str:
    running = running_software()
    return f"{running.name} {running.version}"


def enter(
    case: SealedCase, custodian: Custodian, *, actor: str, reason: str, form: str
) -> Handover:
    """The custody entry of an export."""
    record = enter_custody(
        case.sealed.path,
        CustodyAction.EXPORTED,
        custodian,
        actor=actor,
        reason=reason,
        facts={"format": form},
    )
    return Handover(actor, reason, str(record["at"]), custodian.signer.key_sha256)


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
