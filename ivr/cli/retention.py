"""``ivr retention``: how long cases are kept."""

from datetime import timedelta
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from ivr.cli import context
from ivr.cli.holding import print_purged
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.cli.output import run as run_coroutine
from ivr.clock import SystemClock, to_iso
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.casework.purging import Purged
    from ivr.casework.retention import Kept

app = typer.Typer(no_args_is_help=True, help="Delete cases when their time is over.")


@app.command()
def plan(
    ctx: typer.Context,
    within_days: float = typer.Option(
        0.0, "--within", min=0, help="Also those that go within so many days."
    ),
    shows_all: bool = typer.Option(False, "--all", help="Also those that never go by themselves."),
    as_json: bool = JSON_OPTION,
) -> None:
    """What `ivr retention run` would delete now, by which rule, and what keeps a due case.

    Deletes nothing. With --json one object a line.
    """
    settings = context.of(ctx).settings
    found = run_coroutine(_plan(settings))
    now = SystemClock().now()
    horizon = now + timedelta(days=within_days)
    shown = [
        kept for kept in found if shows_all or (kept.due_at is not None and kept.due_at <= horizon)
    ]
    if as_json:
        for kept in shown:
            due_at = to_iso(kept.due_at) if kept.due_at else None
            print_json(
                {
                    "case_id": kept.case_id,
                    "label": kept.label,
                    "rule": kept.rule,
                    "due_at": due_at,
                    "goes": kept.goes(now),
                    "obstacles": list(kept.obstacles),
                }
            )
        return
    table = Table(box=None)
    for heading in ("case", "rule", "due (UTC)", "goes", "kept because"):
        table.add_column(heading)
    for kept in shown:
        due = kept.due_at.strftime("%Y-%m-%d %H:%M") if kept.due_at else "never by itself"
        goes = "now" if kept.goes(now) else "no"
        table.add_row(kept.case_id, kept.rule, due, goes, "; ".join(kept.obstacles))
    console.print(table)
    going = sum(kept.goes(now) for kept in found)
    by_hand = sum(kept.due_at is None for kept in found)
    console.print(f"{going} go now; {len(found)} cases, of which {by_hand} only by hand.")


@app.command()
def run(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Delete what is due now, and finish what was cut off; `ivr serve` does this all the time.

    Exit 1 when a case that should go is still there.
    """
    settings = context.of(ctx).settings
    done = run_coroutine(_run(settings))
    if not done and not as_json:
        console.print("Nothing is due.")
    print_purged(settings, done, as_json)


async def _plan(settings: Settings) -> "tuple[Kept, ...]":
    from ivr.app import open_ledger
    from ivr.casework.retention import plan as planning

    async with await open_ledger(settings) as ledger:
        return await planning(settings, ledger, SystemClock())


async def _run(settings: Settings) -> "tuple[Purged, ...]":
    from ivr.app import open_custodian, open_ledger
    from ivr.casework.keeping import Keeper

    async with await open_ledger(settings) as ledger:
        return await Keeper(settings, ledger, open_custodian(settings)).sweep()
