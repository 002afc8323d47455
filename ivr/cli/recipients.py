"""``ivr recipients``: who may be written to, who was asked when, and what keeps one from it."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.clock import VIETNAM
from ivr.errors import UsageError
from ivr.reporting.recipients import Recipient, load
from ivr.settings import ReportingSettings, resolve

app = typer.Typer(no_args_is_help=True, help="List, verify and check who is written to.")
SOON = timedelta(days=30)


@app.command("list")
def list_recipients(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Every recipient, and whether anything would be sent there today; with --json one object a
    line."""
    settings = context.of(ctx).settings.reporting
    found = load(_file(settings))
    if as_json:
        for each in found:
            print_json(_shape(each, settings))
        return
    table = Table(box=None)
    for heading in ("id", "by", "address", "filing", "verified", "today"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "id")
    for each in found:
        verified = f"{each.verified_on} {each.verified_by}".strip() if each.verified_on else "never"
        if not each.needs_verification:
            verified = "not needed"
        why = each.refusal(_today(), settings.verified_max_age_days)
        standing = f"NOT SENT: {why}" if why else "sent"
        table.add_row(each.id, each.channel, each.address, each.filing, verified, standing)
    console.print(table)


@app.command()
def verify(
    ctx: typer.Context,
    recipient_id: str = typer.Argument(help="The recipient's id."),
    by: str = typer.Option(..., "--by", help="Who asked the office itself for its address."),
    on: str | None = typer.Option(None, "--on", help="When, YYYY-MM-DD; else today."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Note in the recipients' file that an address was verified; its comments stay."""
    from ivr.reporting.recipient_file import note_verified

    settings = context.of(ctx).settings.reporting
    day = _today() if on is None else _day(on)
    found = note_verified(_file(settings), recipient_id, day, by, _today())
    if as_json:
        print_json(_shape(found, settings))
        return
    console.print(
        f"{found.id} verified on {found.verified_on} by {found.verified_by}", markup=False
    )
    why = found.refusal(_today(), settings.verified_max_age_days)
    if why:
        console.print(f"Nothing is sent there yet: {why}.", markup=False)


@app.command()
def check(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Whether every enabled recipient would be written to; ends with 1 when one would not."""
    settings = context.of(ctx).settings.reporting
    enabled = [each for each in load(_file(settings)) if each.is_enabled]
    shapes = [_shape(each, settings) for each in enabled]
    refused = [shape for shape in shapes if shape["refused"]]
    if as_json:
        print_json({"ok": not refused and bool(enabled), "recipients": shapes})
    else:
        for shape in shapes:
            said = f"NOT SENT: {shape['refused']}" if shape["refused"] else "ok"
            soon = f"; {shape['soon']}" if shape["soon"] else ""
            console.print(f"{shape['id']}: {said}{soon}", markup=False)
        if not enabled:
            console.print("No recipient is enabled.")
    raise typer.Exit(1 if refused or not enabled else 0)


def _shape(each: Recipient, settings: ReportingSettings) -> dict[str, Any]:
    today = _today()
    why = each.refusal(today, settings.verified_max_age_days)
    return {
        "id": each.id,
        "name": each.name,
        "kind": each.kind,
        "channel": str(each.channel),
        "address": each.address,
        "enabled": each.is_enabled,
        "filing": each.filing,
        "verified_on": each.verified_on and each.verified_on.isoformat(),
        "verified_by": each.verified_by,
        "superseded_by": each.superseded_by,
        "refused": why,
        "soon": None if why else each.refusal(today + SOON, settings.verified_max_age_days),
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as problem:
        raise UsageError(
            f"{text!r} is no day.", why=str(problem), remedy="Write it as YYYY-MM-DD."
        ) from problem


def _today() -> date:
    return datetime.now(VIETNAM).date()


def _file(settings: ReportingSettings) -> Path:
    return resolve(settings.recipients)
