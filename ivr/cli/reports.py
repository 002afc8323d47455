"""``ivr reports``: what was filed, what waits, what needs a person."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import typer

from ivr import shapes
from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.cli.receipt import receipt
from ivr.cli.report_sms import sms
from ivr.cli.sheet import sheet
from ivr.clock import to_iso
from ivr.facts.replies import KeptReply, is_message
from ivr.facts.reports import Delivery, DeliveryState, Report
from ivr.reporting.reply_words import reply_words
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.storage.desk import Desk
    from ivr.storage.ledger import Ledger

app = typer.Typer(
    no_args_is_help=True,
    help="List, preview, send, retry and withdraw reports; report short messages.",
)
app.command()(receipt)
app.command()(sms)
app.command()(sheet)
SHOWN_LETTERS = 400
DEAD = frozenset({DeliveryState.FAILED, DeliveryState.UNCERTAIN})
"""What no courier touches again by itself; the alarm reports_stuck counts the same."""
ID = typer.Argument(help="Report id, or the beginning of it.")
WHY = typer.Option(..., "--why", help="The reason; it is kept in the report's history.")


@app.command("list")
def list_reports(
    ctx: typer.Context,
    case_id: str | None = typer.Option(None, "--case", help="Only those of this case."),
    state: DeliveryState | None = typer.Option(None, "--state", help="Only those in this state."),
    is_dead: bool = typer.Option(
        False, "--dead", help="Only those that stay undelivered until a person decides."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Reports and how far they are, latest change first; with --json one object a line."""
    states = DEAD if is_dead else {state} if state is not None else set()
    found = run(_list(context.of(ctx).settings, case_id, states))
    _print(found, as_json)


@app.command()
def replies(
    ctx: typer.Context,
    about: str | None = typer.Option(None, "--case", help="Only to reports of this case."),
    limit: int = typer.Option(50, "--limit", min=1, help="How many, newest first."),
    as_json: bool = JSON_OPTION,
) -> None:
    """What came back word for word: answers, receipts, bounces; with --json one object a line."""
    found = run(_replies(context.of(ctx).settings, about, limit))
    for kept in found:
        reply = kept.reply
        if as_json:
            print_json({**shapes.reply(kept), "words": reply_words(reply)})
            continue
        about_it = kept.report_id[:12] if kept.report_id else "no report"
        head = f"{to_iso(reply.received_at)}  {reply.kind} from {reply.sender or '?'}  {about_it}"
        console.print(f"{head}  {reply.word} [{kept.effect}]".rstrip(), markup=False)
        console.print(f"    {reply_words(reply)[:SHOWN_LETTERS]}", markup=False)
    if not found and not as_json:
        console.print("Nothing has come back.")


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
                "attachments": [each.path for each in report.attachments if not each.is_linked],
                "linked": [each.path for each in report.attachments if each.is_linked],
                "history": history,
            }
        )
        return
    console.print(f"{report.channel} → {report.address} [{delivery.state}]", markup=False)
    if report.subject:
        console.print(report.subject, markup=False)
    console.print(f"\n{report.body}\n", markup=False)
    for each in report.attachments:
        how = "too large to attach" if each.is_linked else "attached"
        console.print(f"  {how}: {each.path}", markup=False)
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
    settings: Settings, about: str | None, states: Collection[DeliveryState]
) -> list[Delivery]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return await ledger.reports(case_id=await _whole(ledger, about), states=states)


async def _replies(settings: Settings, about: str | None, limit: int) -> list[KeptReply]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return await ledger.replies.kept(limit, case_id=await _whole(ledger, about))


async def _whole(ledger: "Ledger", about: str | None) -> str | None:
    """A case by the beginning of its id, or a reported message by the whole of it."""
    if about is None or is_message(about):
        return about
    return (await ledger.case(about)).case_id


async def _preview(settings: Settings, report_id: str) -> tuple[Report, Delivery, list[str]]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        report, delivery = await ledger.report(report_id)
        return report, delivery, await ledger.history(report.report_id)


async def _send(settings: Settings) -> list[Delivery]:
    from ivr.app import open_ledger
    from ivr.clock import SystemClock
    from ivr.filing import new_dispatcher

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
