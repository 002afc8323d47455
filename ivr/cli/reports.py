"""``ivr reports``: what was filed, what waits, what needs a person."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ivr import shapes
from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.cli.receipt import receipt
from ivr.facts.reports import Delivery, DeliveryState, Report
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.storage.desk import Desk

app = typer.Typer(no_args_is_help=True, help="List, preview, send, retry and withdraw reports.")
app.command()(receipt)
ID = typer.Argument(help="Report id, or the beginning of it.")
WHY = typer.Option(..., "--why", help="The reason; it is kept in the report's history.")


@app.command("list")
def list_reports(
    ctx: typer.Context,
    case_id: str | None = typer.Option(None, "--case", help="Only those of this case."),
    state: DeliveryState | None = typer.Option(None, "--state", help="Only those in this state."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Reports and how far they are, latest change first; with --json one object a line."""
    found = run(_list(context.of(ctx).settings, case_id, state))
    _print(found, as_json)


@app.command()
def preview(ctx: typer.Context, report_id: str = ID, as_json: bool = JSON_OPTION) -> None:
    """One report as it is or will be sent, with its history."""
    report, delivery, history = run(_preview(context.of(ctx).settings, report_id))
    if as_json:
        print_json(
            {
                **shapes.delivery(delivery),
                "subject": report.subject,
                "body": report.body,
                "attachments": [attached.path for attached in report.attachments],
                "history": history,
            }
        )
        return
    console.print(f"{report.channel} → {report.address} [{delivery.state}]", markup=False)
    if report.subject:
        console.print(report.subject, markup=False)
    console.print(f"\n{report.body}\n", markup=False)
    for attached in report.attachments:
        console.print(f"  attached: {attached.path}", markup=False)
    for line in history:
        console.print(f"  {line}", markup=False)


@app.command()
def send(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Deliver what is due now and end; `ivr serve` does this all the time."""
    found = run(_send(context.of(ctx).settings))
    _print(found, as_json)
    failed = {DeliveryState.RETRY, DeliveryState.FAILED, DeliveryState.UNCERTAIN}
    raise typer.Exit(1 if any(delivery.state in failed for delivery in found) else 0)


@app.command()
def retry(ctx: typer.Context, report_id: str = ID, as_json: bool = JSON_OPTION) -> None:
    """Send a failed or uncertain report again; an uncertain one may arrive twice."""
    _print([run(_decide(context.of(ctx).settings, "retry", report_id, None))], as_json)


@app.command()
def release(ctx: typer.Context, report_id: str = ID, as_json: bool = JSON_OPTION) -> None:
    """Let a held report go."""
    _print([run(_decide(context.of(ctx).settings, "release", report_id, None))], as_json)


@app.command()
def confirm(
    ctx: typer.Context, report_id: str = ID, why: str = WHY, as_json: bool = JSON_OPTION
) -> None:
    """Note that a report did arrive, or was handed over by a person."""
    _print([run(_decide(context.of(ctx).settings, "confirm", report_id, why))], as_json)


@app.command()
def withdraw(
    ctx: typer.Context, report_id: str = ID, why: str = WHY, as_json: bool = JSON_OPTION
) -> None:
    """Do not send a report that has not been sent."""
    _print([run(_decide(context.of(ctx).settings, "withdraw", report_id, why))], as_json)


def _print(found: Sequence[Delivery], as_json: bool) -> None:
    for delivery in found:
        if as_json:
            print_json(shapes.delivery(delivery))
        else:
            detail = delivery.provider_reference or delivery.last_error or ""
            line = f"{delivery.report_id[:12]}  {delivery.state:10} {delivery.channel} → "
            console.print(f"{line}{delivery.address}  {detail}", markup=False)
    if not found and not as_json:
        console.print("No reports.")


async def _list(
    settings: Settings, case_id: str | None, state: DeliveryState | None
) -> list[Delivery]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        if case_id is not None:
            case_id = (await ledger.case(case_id)).case_id
        return await ledger.reports(case_id=case_id, state=state)


async def _preview(settings: Settings, report_id: str) -> tuple[Report, Delivery, list[str]]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        report, delivery = await ledger.report(report_id)
        return report, delivery, await ledger.history(report.report_id)


async def _send(settings: Settings) -> list[Delivery]:
    from ivr.app import new_dispatcher, open_ledger
    from ivr.clock import SystemClock

    async with await open_ledger(settings) as ledger:
        dispatcher = new_dispatcher(settings, ledger, SystemClock())
        return await dispatcher.run_until_idle()


async def _decide(settings: Settings, act: str, report_id: str, why: str | None) -> Delivery:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        desk: Desk = ledger.desk
        match act:
            case "retry":
                return await desk.retry(report_id)
            case "release":
                return await desk.release(report_id)
            case "confirm":
                return await desk.confirm(report_id, why or "")
            case _:
                return await desk.withdraw(report_id, why or "")
