"""``ivr rights``: personal data: the law, the grounds, requests, breaches, the impact file."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from ivr.cli import context, rights_breaches, rights_requests
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.cli.papers import ENGLISH, OUT, hand_out, language_of, write
from ivr.clock import SystemClock

app = typer.Typer(
    no_args_is_help=True,
    help="Personal data: on what we record, what people ask, what went wrong, by when to answer.",
    epilog="The numbers of the law stand in config/law.toml and are marked where nobody has read "
    "the text itself. None of this is legal advice.",
)
app.add_typer(rights_requests.app, name="request")
app.add_typer(rights_breaches.app, name="breach")


@app.command()
def law(
    ctx: typer.Context,
    is_unread_only: bool = typer.Option(
        False, "--unverified", help="Only rules and days whose text nobody has read."
    ),
    is_english: bool = ENGLISH,
    as_json: bool = JSON_OPTION,
) -> None:
    """Every rule the house relies on: article, what it says, source, and whether it was read.

    Correct config/law.toml and config/holidays.toml, not the program. With --json one object a
    line: rules, then days.
    """
    from ivr.casework.duties import read_law
    from ivr.rights.words import standing

    found = read_law(context.of(ctx).settings)
    language = language_of(is_english)
    rules = [rule for rule in found.book if not (is_unread_only and rule.verified)]
    days = sorted(
        (*found.calendar.off.values(), *found.calendar.worked.values()), key=lambda day: day.date
    )
    days = [day for day in days if not (is_unread_only and day.verified)]
    if as_json:
        for item in (*rules, *days):
            print_json(item.model_dump(mode="json"))
        return
    for rule in rules:
        term = f" = {rule.value} {rule.unit}" if rule.value else ""
        console.print(f"[bold]{rule.id}[/]{term}", highlight=False)
        console.print(f"  {rule.article}", markup=False)
        console.print(f"  {rule.text(language)}", markup=False)
        console.print(f"  {standing(rule, language)}; {rule.source}", markup=False)
    for day in days:
        kind = "worked" if day.date in found.calendar.worked else "off"
        read = "" if day.verified else "  [CHƯA KIỂM CHỨNG]"
        console.print(f"{day.date} {kind}: {day.name} ({day.source}){read}", markup=False)
    unread = sum(not item.verified for item in (*found.book, *days))
    console.print(f"{unread} of them are not verified (CHƯA KIỂM CHỨNG).", markup=False)


@app.command()
def basis(
    ctx: typer.Context,
    is_english: bool = ENGLISH,
    out: Path | None = OUT,
    as_json: bool = JSON_OPTION,
) -> None:
    """On what this house records now, and what lacks. Exit 1 when something lacks.

    It reads the settings; whether the law is content with them, a lawyer must say.
    """
    from ivr.casework.duties import grounds_now, read_law
    from ivr.rights.grounds import grounds_paper

    settings, now = context.of(ctx).settings, SystemClock().now()
    language = language_of(is_english)
    law_now = read_law(settings)
    found = grounds_now(settings, law_now, now, language)
    if as_json:
        print_json(
            {
                "ok": not found.missing,
                "grounds": [{"what": what, "ground": ground} for what, ground in found.rows],
                "missing": [asdict(each) for each in found.missing],
                "notes": [asdict(each) for each in found.notes],
            }
        )
    else:
        hand_out(grounds_paper(found, law_now, language), out, "basis", now, language)
    raise typer.Exit(1 if found.missing else 0)


@app.command()
def impact(
    ctx: typer.Context,
    out: Path | None = OUT,
    is_english: bool = ENGLISH,
    as_json: bool = JSON_OPTION,
) -> None:
    """The impact file from the running settings: purposes, kinds of data, flows, recipients,
    processors, retention, safeguards, and what lacks. --out may also end in .json."""
    from ivr.casework.duties import impact_now, read_law
    from ivr.rights.impact import impact_paper

    settings, now = context.of(ctx).settings, SystemClock().now()
    language = language_of(is_english)
    law_now = read_law(settings)
    file = impact_now(settings, law_now, now, language)
    shape: dict[str, Any] = {**asdict(file), "made_on": file.made_on.isoformat()}
    if as_json:
        print_json(shape)
    elif out is not None and out.suffix == ".json":
        import json

        write(out, (json.dumps(shape, ensure_ascii=False, indent=1) + "\n").encode())
        console.print(str(out), markup=False)
    else:
        hand_out(impact_paper(file, law_now, language), out, "impact", now, language)
