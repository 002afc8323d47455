"""A person's request against the cases: which calls it concerns, what may be deleted, and the
custody of each case that is told about."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from ivr.casework.places import Places
from ivr.clock import Clock
from ivr.errors import UsageError
from ivr.evidence.custody import Custodian, CustodyAction, append_custody, read_custody
from ivr.evidence.holds import standing, today
from ivr.facts.cases import CaseSummary
from ivr.facts.judgement import Label
from ivr.facts.replies import is_message
from ivr.facts.reports import Delivery, DeliveryState
from ivr.facts.rights import RequestKind, RequestState, SubjectRequest
from ivr.locale import Language
from ivr.rights.deadlines import local_day
from ivr.rights.letters import HeldCase, KeepReason
from ivr.rights.words import shown_day, text
from ivr.settings import Settings
from ivr.storage.ledger import Ledger

SUSPECT = frozenset({Label.SCAM.value, Label.SUSPICIOUS.value})


async def cases_of(
    request: SubjectRequest, ledger: Ledger, settings: Settings, clock: Clock, language: Language
) -> tuple[HeldCase, ...]:
    """What is kept of the number of a request: cases, then reported messages, newest first;
    nothing for a request whose number was erased.

    Raises:
        StorageError: the ledger cannot be read.
        EvidenceError: the custody of a case cannot be read.
    """
    if not request.number:
        return ()
    found = []
    for case in await ledger.requests_of_people.cases_of(request.number):
        reports = await ledger.reports(case_id=case.case_id)
        found.append(
            await asyncio.to_thread(_held, case, request.number, reports, settings, clock, language)
        )
    for message_id, keyword, received_at in await ledger.requests_of_people.messages_of(
        request.number
    ):
        reports = await ledger.reports(case_id=message_id)
        found.append(_message(message_id, keyword, received_at, reports, language))
    return tuple(found)


def _message(
    message_id: str,
    keyword: str,
    received_at: datetime,
    reports: Sequence[Delivery],
    language: Language,
) -> HeldCase:
    """A reported message: kept for its report, whatever became of that."""
    return HeldCase(
        case_id=message_id,
        opened_at=received_at,
        role="sender",
        mode="message",
        duration_s=0.0,
        label=keyword,
        kept_until=text(language, "kept_reported"),
        shared=tuple(map(_shared, reports)),
        reasons=(KeepReason.REPORTED,),
    )


def _shared(report: Delivery) -> str:
    return f"{report.recipient_id} ({report.channel}): {report.state}"


def _held(
    case: CaseSummary,
    number: str,
    reports: Sequence[Delivery],
    settings: Settings,
    clock: Clock,
    language: Language,
) -> HeldCase:
    records = read_custody(Places.of(settings).case(case.case_id))
    is_held = bool(standing(records, today(clock)))
    shared = [each for each in reports if each.state is not DeliveryState.WITHDRAWN]
    reasons = (
        (KeepReason.HELD, is_held),
        (KeepReason.REPORTED, bool(shared)),
        (KeepReason.SUSPECT, case.label in SUSPECT),
    )
    sealed_at = datetime.fromisoformat(records[0]["at"])
    return HeldCase(
        case_id=case.case_id,
        opened_at=case.opened_at,
        role="caller" if case.caller == number else "called",
        mode=case.mode.value,
        duration_s=case.duration_s,
        label=case.label,
        kept_until=_kept_until(case, sealed_at, settings, language, is_held=is_held),
        shared=tuple(map(_shared, shared)),
        reasons=tuple(reason for reason, is_so in reasons if is_so),
    )


def _kept_until(
    case: CaseSummary, sealed_at: datetime, settings: Settings, language: Language, *, is_held: bool
) -> str:
    if is_held:
        return text(language, "kept_held")
    days = settings.retention.days(case.label)
    if not days:
        return text(language, "kept_never")
    return shown_day(local_day(sealed_at + timedelta(days=days)))


def must_fit(
    request: SubjectRequest, state: RequestState, why: str, cases: Sequence[HeldCase]
) -> None:
    """An answer must be true of what is kept.

    Raises:
        UsageError: a deletion is called done while cases are there, or partly done while some are
            there that nothing keeps; a refusal gives no reason.
    """
    if state is not RequestState.DONE and not why.strip():
        raise UsageError(
            "A request is not refused without a reason.",
            why=f"the outcome is {state.value} and --why is empty",
            remedy="Say why in words the person can understand, with the article.",
        )
    if request.kind is not RequestKind.DELETE or state is RequestState.REFUSED:
        return
    free = [case.case_id for case in cases if not case.reasons]
    left = [case.case_id for case in cases] if state is RequestState.DONE else free
    if left:
        raise UsageError(
            f"Request {request.reference} is not carried out yet.",
            why=f"still there: {', '.join(left)}",
            remedy="Delete them with `ivr cases purge`, giving the request in --why; keep what the "
            "law keeps and answer with --outcome partly, or refuse with the reason.",
        )


def tell_custody(
    request: SubjectRequest,
    cases: Sequence[HeldCase],
    custodian: Custodian,
    *,
    actor: str,
    list_sha256: str,
) -> None:
    """Enter into the custody of each case that a list of it was handed over; not for an event loop.

    Raises:
        EvidenceError: a case is not of this site, or the disk refused.
    """
    is_copy = request.kind is RequestKind.COPY
    action = CustodyAction.EXPORTED if is_copy else CustodyAction.VIEWED
    for case in cases:
        if is_message(case.case_id):  # no case: it has no custody
            continue
        append_custody(
            custodian.site_log.vault / case.case_id,
            action,
            custodian,
            actor=actor,
            reason=f"request {request.reference}",
            facts={"request": request.reference, "list_sha256": list_sha256},
        )
