"""``ivr rights breach``: breaches of personal data, and the clock that runs from detection."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ivr.cli import context
from ivr.cli.holding import who
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.cli.papers import ENGLISH, OUT, WHO, hand_out, language_of, moment, said
from ivr.clock import SystemClock, to_iso
from ivr.facts.rights import Breach, BreachField, BreachNote
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.rights.deadlines import Law
    from ivr.rights.letters import Office

app = typer.Typer(
    no_args_is_help=True,
    help="Breaches of personal data: open one at once, note what is found, tell the authority in "
    "time, close it.",
)
REFERENCE = typer.Argument(help="SC-2026-0001, or its end: 0001.")
_Told = tuple[Breach, list[BreachNote]]


@app.command("open")
def open_breach(
    ctx: typer.Context,
    what: str = typer.Argument(help="What happened, without names or numbers of people."),
    detected: str = typer.Option(
        "", "--detected", help="When somebody noticed it (2026-11-25T09:30); default: now."
    ),
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """Enter a breach; from its detection the clock runs (config/law.toml: breach)."""
    settings, now = context.of(ctx).settings, SystemClock().now()
    at = moment(detected) if detected else now

    async def work() -> Breach:
        from ivr.app import open_ledger

        async with await open_ledger(settings) as ledger:
            return await ledger.breaches.open(at, said(what), who(actor))

    _show(settings, run(work()), as_json)


@app.command("list")
def list_breaches(
    ctx: typer.Context,
    is_all: bool = typer.Option(False, "--all", help="Closed ones, too."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Breaches with their clock, oldest first; with --json one object a line."""
    settings = context.of(ctx).settings

    async def work() -> list[Breach]:
        from ivr.app import open_ledger

        async with await open_ledger(settings) as ledger:
            return await ledger.breaches.breaches(is_open_only=not is_all)

    found = run(work())
    for breach in found:
        _show(settings, breach, as_json)
    if not found and not as_json:
        console.print("No breaches.")


@app.command()
def note(
    ctx: typer.Context,
    reference: str = REFERENCE,
    words: str = typer.Argument(help="The note, without names or numbers of people."),
    about: BreachField = typer.Option(
        BreachField.OTHER, "--about", help="Its place in the form; notified stops the clock."
    ),
    at: str = typer.Option("", "--at", help="With notified: when the authority was told."),
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """Add what was found out or done; notes are never changed."""
    settings = context.of(ctx).settings
    told_at = moment(at) if at else None

    async def work() -> Breach:
        from ivr.app import open_ledger

        async with await open_ledger(settings) as ledger:
            return await ledger.breaches.note(reference, about, said(words), who(actor), told_at)

    _show(settings, run(work()), as_json)


@app.command()
def form(
    ctx: typer.Context,
    reference: str = REFERENCE,
    is_record: bool = typer.Option(
        False, "--record", help="The record to sign (biên bản) instead of the notification."
    ),
    out: Path | None = OUT,
    is_english: bool = ENGLISH,
    as_json: bool = JSON_OPTION,
) -> None:
    """Data for form 08, as far as noted; places without a note are dotted. Exit 1 while one is."""
    from ivr.rights import breach_papers

    settings, now = context.of(ctx).settings, SystemClock().now()
    language = language_of(is_english)
    (breach, notes), law = _told(settings, reference)
    missing = breach_papers.lacking(notes)
    if as_json:
        shape = _shape(breach, law, now)
        shape["notes"] = [
            {"at": to_iso(n.at), "who": n.who, "about": str(n.about), "text": n.text} for n in notes
        ]
        print_json({**shape, "lacking": [str(each) for each in missing]})
        raise typer.Exit(1 if missing else 0)
    office = _office(settings, law, language)
    paper = (
        breach_papers.record(breach, notes, office)
        if is_record
        else breach_papers.notification(breach, notes, law.breach_by(breach), now, office)
    )
    hand_out(paper, out, breach.reference, now, language)
    raise typer.Exit(1 if missing else 0)


@app.command()
def close(
    ctx: typer.Context,
    reference: str = REFERENCE,
    why: str = typer.Option(..., "--why", help="How it ended."),
    is_untold: bool = typer.Option(
        False, "--not-notifiable", help="The authority need not be told; --why says on what ground."
    ),
    actor: str = WHO,
    as_json: bool = JSON_OPTION,
) -> None:
    """Close a breach of which the authority was told, or need not be."""
    settings = context.of(ctx).settings

    async def work() -> Breach:
        from ivr.app import open_ledger

        async with await open_ledger(settings) as ledger:
            return await ledger.breaches.close(
                reference, said(why), who(actor), is_untold=is_untold
            )

    _show(settings, run(work()), as_json)


def _told(settings: Settings, reference: str) -> "tuple[_Told, Law]":
    from ivr.app import open_ledger
    from ivr.casework.duties import read_law

    async def work() -> _Told:
        async with await open_ledger(settings) as ledger:
            return await ledger.breaches.breach(reference)

    return run(work()), read_law(settings)


def _office(settings: Settings, law: "Law", language: Any) -> "Office":
    from ivr.rights.letters import Office

    return Office(settings.rights, law.book, language)


def _shape(breach: Breach, law: "Law", now: datetime) -> dict[str, Any]:
    by = law.breach_by(breach)
    until = breach.notified_at or now
    return {
        "reference": breach.reference,
        "detected_at": to_iso(breach.detected_at),
        "notify_by": to_iso(by),
        "notified_at": breach.notified_at and to_iso(breach.notified_at),
        "closed_at": breach.closed_at and to_iso(breach.closed_at),
        "is_late": until >= by,
        "hours_left": round((by - until).total_seconds() / 3600, 2),
        "is_rule_verified": law.book["breach"].verified,
    }


def _show(settings: Settings, breach: Breach, as_json: bool) -> None:
    from ivr.casework.duties import read_law
    from ivr.rights.breach_papers import clock_shown

    now, law = SystemClock().now(), read_law(settings)
    if as_json:
        print_json(_shape(breach, law, now))
        return
    office = _office(settings, law, "vi")
    clock = clock_shown(breach, law.breach_by(breach), now, office)
    state = "closed" if breach.closed_at else "told" if breach.notified_at else "NOT TOLD"
    by = office.moment(law.breach_by(breach))
    console.print(f"{breach.reference}  {state}  {by}, {clock}", markup=False)
