"""A request of a person as JSON, and for a terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ivr.cli.output import console, print_json
from ivr.clock import SystemClock, to_iso
from ivr.errors import UsageError
from ivr.facts.rights import RequestState, Step, SubjectRequest
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.rights.deadlines import Law
    from ivr.rights.letters import HeldCase


def request_shape(request: SubjectRequest, law: "Law", now: datetime) -> dict[str, Any]:
    """A request with its terms as JSON."""
    terms = law.terms(request)
    moments = ("received_at", "acknowledged_at", "extended_at", "closed_at", "erased_at")
    shape: dict[str, Any] = asdict(request)
    for name in moments:
        shape[name] = shape[name] and to_iso(shape[name])
    return {
        **shape,
        "acknowledge_by": to_iso(terms.acknowledge_by),
        "answer_by": to_iso(terms.answer_by),
        "is_overdue": terms.is_overdue(request, now),
        "rules": [{"article": r.article, "is_verified": r.verified} for r in terms.rules],
        "doubts": list(terms.doubts),
    }


def show_request(
    settings: Settings,
    request: SubjectRequest,
    as_json: bool,
    steps: Sequence[Step] = (),
    cases: "Sequence[HeldCase]" = (),
) -> None:
    """Print a request with its terms, and what was done and is kept where it is known."""
    from ivr.casework.duties import read_law
    from ivr.rights.deadlines import last_day

    now, law = SystemClock().now(), read_law(settings)
    terms = law.terms(request)
    if as_json:
        shape = request_shape(request, law, now)
        shape["steps"] = [{**asdict(step), "at": to_iso(step.at)} for step in steps]
        shape["cases"] = [
            {**asdict(case), "opened_at": to_iso(case.opened_at), "may_go": not case.reasons}
            for case in cases
        ]
        print_json(shape)
        return
    late = "  OVERDUE" if terms.is_overdue(request, now) else ""
    said_of = f"{request.reference}  {request.kind}  {request.state}{late}"
    console.print(said_of, markup=False)
    console.print(
        f"  acknowledge by the end of {last_day(terms.acknowledge_by)}, "
        f"answer by the end of {last_day(terms.answer_by)}",
        markup=False,
    )
    for rule in terms.rules:
        mark = "" if rule.verified else "  [CHƯA KIỂM CHỨNG]"
        console.print(f"  {rule.article}: {rule.value} {rule.unit}{mark}", markup=False)
    for doubt in terms.doubts:
        console.print(f"  counted as a working day, not confirmed: {doubt}", markup=False)
    for step in steps:
        console.print(f"  {to_iso(step.at)} {step.act} {step.who} {step.detail}", markup=False)
    for case in cases:
        kept = ", ".join(case.reasons) or "may go"
        line = f"  {case.case_id} {case.role} {case.label}: {kept}; until {case.kept_until}"
        console.print(line, markup=False)


def print_requests(found: Sequence[SubjectRequest], law: "Law", now: datetime) -> None:
    """One row a request, with the days its terms end on."""
    from ivr.rights.deadlines import last_day

    if not found:
        console.print("No requests.")
        return
    table = Table(box=None)
    for heading in ("request", "kind", "state", "acknowledge by", "answer by", ""):
        table.add_column(heading, no_wrap=True)
    for request in found:
        terms, is_open = law.terms(request), request.state is RequestState.OPEN
        heard = "done" if request.acknowledged_at else str(last_day(terms.acknowledge_by))
        late = "OVERDUE" if terms.is_overdue(request, now) else ""
        by = str(last_day(terms.answer_by)) if is_open else ""
        row = (request.reference, request.kind, request.state, heard if is_open else "", by, late)
        table.add_row(*row)
    console.print(table)


def e164(number: str) -> str:
    """The number as cases have it; raises UsageError for what is none."""
    from ivr.telephony.numbers import normalise

    found = normalise(number).e164
    if found is None:
        raise UsageError(
            f"{number!r} is no telephone number.",
            why="it cannot be brought into the form of cases, +84…",
            remedy="Write it as it is dialled: 0912345678, or +84912345678.",
        )
    return found
