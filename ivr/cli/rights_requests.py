"""``ivr rights request``: what people ask about their own data, and by when they are answered."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from ivr.cli import context
from ivr.cli.holding import who
from ivr.cli.output import JSON_OPTION, print_json, run
from ivr.cli.papers import (
    ENGLISH,
    OUT,
    WHO,
    Language,
    content_of,
    hand_out,
    language_of,
    moment,
    said,
    write,
)
from ivr.cli.rights_shown import e164, print_requests, request_shape, show_request
from ivr.clock import SystemClock
from ivr.facts.rights import RequestKind, RequestState, Step, SubjectRequest
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.rights.deadlines import Terms
    from ivr.rights.letters import HeldCase, Office
    from ivr.storage.ledger import Ledger

app = typer.Typer(
    no_args_is_help=True,
    help="Requests of people about their own data: enter, acknowledge (2 working days), extend "
    "once, answer. The terms stand in config/law.toml.",
)
REFERENCE = typer.Argument(help="YC-2026-0001, or its end: 0001.")
T = TypeVar("T")


@app.command()
def add(
    ctx: typer.Context,
    kind: RequestKind = typer.Option(..., "--kind", help="What is asked for."),
    number: str = typer.Option(..., "--number", help="The person's telephone number."),
    contact: str = typer.Option(..., "--contact", help="Where the answer goes."),
    name: str = typer.Option("", "--name", help="The person's name, if they gave it."),
    identity: str = typer.Option(
        "", "--identity", help="How it was made sure that the number is theirs."
    ),
    details: str = typer.Option("", "--details", help="What they wrote, in short."),
    received: str = typer.Option(
        "", "--received", help="When it reached you (2026-11-25T09:30); default: now."
    ),
    has_third_party: bool = typer.Option(
        False, "--third-party", help="Others hold the data too and must be asked."
    ),
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """Enter a request; the terms count from the day it reached you, not from today."""
    settings, now = context.of(ctx).settings, SystemClock().now()
    wanted = SubjectRequest(
        reference="",
        kind=kind,
        state=RequestState.OPEN,
        received_at=moment(received) if received else now,
        number=e164(number),
        name=name.strip(),
        contact=said(contact),
        identity=identity.strip(),
        details=details.strip(),
        has_third_party=has_third_party,
    )
    found = _with(settings, lambda ledger: ledger.requests_of_people.add(wanted, who(actor)))
    show_request(settings, found, as_json)


@app.command("list")
def list_requests(
    ctx: typer.Context,
    is_all: bool = typer.Option(False, "--all", help="Answered ones, too."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Open requests with their terms, oldest first; with --json one object a line."""
    from ivr.casework.duties import read_law

    settings, now = context.of(ctx).settings, SystemClock().now()
    law = read_law(settings)
    found = _with(
        settings, lambda ledger: ledger.requests_of_people.requests(is_open_only=not is_all)
    )
    if as_json:
        for request in found:
            print_json(request_shape(request, law, now))
        return
    print_requests(found, law, now)


@app.command()
def show(
    ctx: typer.Context,
    reference: str = REFERENCE,
    data: Path | None = typer.Option(
        None,
        "--data",
        help="Write the list of the person's data there (.txt, .md, .html, .pdf), to hand over; "
        "each case's custody notes it.",
    ),
    is_english: bool = ENGLISH,
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """One request: its terms, what was done, which cases it concerns, and what keeps each."""
    settings = context.of(ctx).settings
    language = language_of(is_english)
    request, steps, cases = _look(settings, reference, language)
    if data is not None:
        _hand_over(settings, request, cases, data, language, who(actor))
        request, steps, cases = _look(settings, reference, language)
    show_request(settings, request, as_json, steps, cases)


@app.command()
def acknowledge(
    ctx: typer.Context,
    reference: str = REFERENCE,
    has_third_party: bool = typer.Option(
        False, "--third-party", help="Others hold the data too and must be asked."
    ),
    out: Path | None = OUT,
    is_english: bool = ENGLISH,
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """Note that the person was told that it came; prints the letter for it."""
    from ivr.rights.letters import acknowledgement

    settings = context.of(ctx).settings
    found = _with(
        settings,
        lambda ledger: ledger.requests_of_people.acknowledge(
            reference, who(actor), has_third_party=has_third_party
        ),
    )
    language = language_of(is_english)
    office, terms = _office(settings, found, language)
    _letter(settings, found, acknowledgement(found, terms, office), out, language, as_json)


@app.command()
def extend(
    ctx: typer.Context,
    reference: str = REFERENCE,
    why: str = typer.Option(..., "--why", help="The reason, for the person to read."),
    out: Path | None = OUT,
    is_english: bool = ENGLISH,
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """Take the one extension that the law allows; prints the letter that says so."""
    from ivr.rights.letters import extension

    settings = context.of(ctx).settings
    found = _with(
        settings,
        lambda ledger: ledger.requests_of_people.extend(reference, who(actor), said(why)),
    )
    language = language_of(is_english)
    office, terms = _office(settings, found, language)
    _letter(settings, found, extension(found, terms, why, office), out, language, as_json)


@app.command()
def answer(
    ctx: typer.Context,
    reference: str = REFERENCE,
    outcome: RequestState = typer.Option(..., "--outcome", help="done, partly or refused."),
    why: str = typer.Option("", "--why", help="The answer, for the person to read."),
    out: Path | None = OUT,
    is_english: bool = ENGLISH,
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """Close a request; prints the letter. A deletion is not called done while cases are left."""
    from ivr.casework.subject import must_fit
    from ivr.rights.letters import answer as answering

    if outcome is RequestState.OPEN:
        raise typer.BadParameter("--outcome is done, partly or refused.")
    settings, language = context.of(ctx).settings, language_of(is_english)
    request, _, cases = _look(settings, reference, language)
    must_fit(request, outcome, why, cases)
    found = _with(
        settings,
        lambda ledger: ledger.requests_of_people.answer(
            request.reference, outcome, who(actor), why.strip()
        ),
    )
    office, terms = _office(settings, found, language)
    kept = [case for case in cases if case.reasons]
    _letter(settings, found, answering(found, terms, kept, office), out, language, as_json)


def _with(settings: Settings, work: "Callable[[Ledger], Awaitable[T]]") -> T:
    async def inside() -> T:
        from ivr.app import open_ledger

        async with await open_ledger(settings) as ledger:
            return await work(ledger)

    return run(inside())


def _look(
    settings: Settings, reference: str, language: Language
) -> "tuple[SubjectRequest, list[Step], tuple[HeldCase, ...]]":
    from ivr.casework.subject import cases_of

    async def work(ledger: "Ledger") -> "tuple[SubjectRequest, list[Step], tuple[HeldCase, ...]]":
        request, steps = await ledger.requests_of_people.request(reference)
        cases = await cases_of(request, ledger, settings, SystemClock(), language)
        return request, steps, cases

    return _with(settings, work)


def _hand_over(
    settings: Settings,
    request: SubjectRequest,
    cases: "Sequence[HeldCase]",
    file: Path,
    language: Language,
    actor: str,
) -> None:
    """Custody first, so that it rather tells of a list too many; then the list."""
    from ivr.app import open_custodian
    from ivr.casework.subject import tell_custody
    from ivr.rights.letters import data_list

    now = SystemClock().now()
    office, _ = _office(settings, request, language)
    paper = data_list(request, cases, now, office)
    content = content_of(paper, file.suffix, request.reference, now, language)
    digest = hashlib.sha256(content).hexdigest()
    if cases:
        tell_custody(request, cases, open_custodian(settings), actor=actor, list_sha256=digest)
    _with(
        settings,
        lambda ledger: ledger.requests_of_people.note(
            request.reference, "listed", actor, f"{len(cases)} cases, sha256 {digest}"
        ),
    )
    write(file, content)


def _office(
    settings: Settings, request: SubjectRequest, language: Language
) -> "tuple[Office, Terms]":
    from ivr.casework.duties import read_law
    from ivr.rights.letters import Office

    law = read_law(settings)
    return Office(settings.rights, law.book, language), law.terms(request)


def _letter(
    settings: Settings,
    request: SubjectRequest,
    paper: Sequence[Any],
    out: Path | None,
    language: Language,
    as_json: bool,
) -> None:
    from ivr.casework.duties import read_law
    from ivr.rights.render import as_text

    now = SystemClock().now()
    if not as_json:
        hand_out(paper, out, request.reference, now, language)
        return
    if out is not None:
        write(out, content_of(paper, out.suffix, request.reference, now, language))
    shape = request_shape(request, read_law(settings), now)
    print_json({**shape, "letter": as_text(paper), "file": out and str(out)})
