"""``ivr reports sheet``: what a citizen copies into VNeID's form."""

from pathlib import Path

import typer

from ivr.cli import context
from ivr.cli.holding import note
from ivr.cli.outbox_files import lay_out
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.cli.receipt import described
from ivr.reporting.vneid_sheet import LIMITS, Sheet, SheetField
from ivr.settings import Settings


def sheet(
    ctx: typer.Context,
    case_id: str = typer.Argument(help="Case id, or the beginning of it."),
    has_english: bool = typer.Option(False, "--english", help="English under each label."),
    is_saved: bool = typer.Option(
        False, "--save", help="Write it as text and a page to print into the outbox folder."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """What a citizen copies, box by box, into VNeID's form for reports on public order."""
    from ivr.app import outbox_path

    settings = context.of(ctx).settings
    path = run(_path(settings, case_id))
    made = Sheet(described(settings, path), has_english)
    note(settings, path, "viewed", "ivr reports sheet")
    contents = {".txt": made.as_text(), ".html": made.as_html()}
    stem = f"sheet-{made.facts.case_id}"
    saved = lay_out(outbox_path(settings), stem, contents) if is_saved else []
    if as_json:
        print_json(
            {
                "case_id": made.facts.case_id,
                "fields": [_shape(field) for field in made.fields],
                "files": [str(file) for file in saved],
            }
        )
        return
    console.print(made.as_text(), markup=False)
    for file in saved:
        console.print(str(file), markup=False)


def _shape(field: SheetField) -> dict[str, object]:
    return {
        "n": field.n,
        "key": field.key,
        "label": field.label,
        "value": field.value,
        "limit": LIMITS[field.key],
        "hint": field.hint,
    }


async def _path(settings: Settings, case_id: str) -> Path:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return Path((await ledger.case(case_id)).path)
