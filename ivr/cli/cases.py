"""``ivr cases``: the sealed cases of this installation."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from ivr import shapes
from ivr.cli import context, holding
from ivr.cli.locking import lock, unlock
from ivr.cli.output import JSON_OPTION, console, print_json, print_reasons, run
from ivr.cli.playing import play
from ivr.cli.searching import search
from ivr.clock import to_iso
from ivr.errors import EvidenceError
from ivr.facts.call import CallOpened
from ivr.facts.cases import CaseSummary
from ivr.settings import Settings

app = typer.Typer(no_args_is_help=True, help="List, show, play, hold and delete sealed cases.")


@app.command("list")
def list_cases(
    ctx: typer.Context,
    limit: int = typer.Option(50, "--limit", min=1, help="How many, newest first."),
    label: str | None = typer.Option(None, "--label", help="Only scam, spam, suspicious, …"),
    caller: str | None = typer.Option(None, "--caller", help="Only numbers that contain this."),
    with_deleted: bool = typer.Option(
        False, "--deleted", help="Also what is left of deleted cases."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """The cases in the ledger, newest first; with --json one object a line."""
    found = run(_list(context.of(ctx).settings, limit, label, caller, with_deleted=with_deleted))
    if as_json:
        for case in found:
            print_json(summary(case))
        return
    table = Table(box=None)
    for heading in ("case", "opened (UTC)", "caller", "seconds", "verdict", "whole"):
        table.add_column(heading, no_wrap=True)
    for case in found:
        opened = case.opened_at.strftime("%Y-%m-%d %H:%M")
        judged = f"{case.label} {case.score:.2f}"
        whole = "deleted" if case.purged_at else "yes" if case.is_complete else "no"
        table.add_row(
            case.case_id, opened, case.caller or "?", f"{case.duration_s:.0f}", judged, whole
        )
    console.print(table)


@app.command()
def show(
    ctx: typer.Context,
    case_id: str = typer.Argument(help="Case id, or the beginning of it."),
    actor: str = holding.WHO,
    reason: str = typer.Option("ivr cases show", "--why", help="Why, for custody."),
    as_json: bool = JSON_OPTION,
) -> None:
    """One case: who, when, what was said, how it was judged, what was filed, what holds it."""
    from ivr.casefile import read_case
    from ivr.casework.unlocking import unlocked
    from ivr.evidence.locked import is_locked
    from ivr.reporting.basis_words import basis_shown

    settings = context.of(ctx).settings
    found, reports = run(_case(settings, case_id))
    path = Path(found.path)
    with unlocked(path, settings) as clear:
        case, stamp = read_case(clear), _time_stamp(clear)
    holding.note(settings, path, "viewed", reason, actor=actor)
    holds = holding.holds_shape(path)
    shape = {
        **summary(found),
        "subscriber": case.opened.subscriber,
        "caller_source": case.opened.caller.source_header,
        "caller_flags": list(case.opened.caller.flags),
        "caller_confidence": round(case.opened.caller.confidence, 3),
        "trunk": case.opened.trunk,
        "source_address": case.opened.source_address,
        "lawful_basis": shapes.lawful_basis(case.basis),
        "identities": [shapes.identity(shown) for shown in case.opened.identities],
        "transcript": shapes.transcript(case.utterances),
        "hits": [shapes.hit(hit) for hit in case.hits],
        "verdict": shapes.verdict(case.verdict),
        "files": [asdict(file) for file in case.files],
        "time_stamp": stamp,
        "is_encrypted": is_locked(path),
        "holds": holds,
        "reports": [shapes.delivery(report) for report in reports],
    }
    if as_json:
        print_json(shape)
        return
    console.print(f"[bold]{found.case_id}[/]  {found.label} {found.score:.2f}  {found.path}")
    if stamp:
        said = stamp.get("problem") or f"seal stamped {stamp['at']} by {stamp['by']}"
        console.print(f"{said} (`ivr verify` checks it)", markup=False)
    holding.print_holds(holds)
    _print_caller(case.opened)
    console.print(f"căn cứ ghi âm: {basis_shown(case.basis, 'vi')}", markup=False)
    for said in shape["transcript"]:
        at = f"{said['start_s']:7.1f} s  {said['channel']}: "
        console.print(at + said["text"], markup=False)
    print_reasons(case.verdict)
    for report in reports:
        console.print(f"  {report.channel} → {report.address} [{report.state}]", markup=False)


def _time_stamp(path: Path) -> dict[str, str] | None:
    """What the token beside a case says; one that cannot be read does not hide the case."""
    from ivr.evidence.timestamp import stored_stamp

    try:
        stamp = stored_stamp(path)
    except EvidenceError as problem:
        return {"problem": f"{problem.what} {problem.why}"}
    return {"at": to_iso(stamp.at), "by": stamp.authority} if stamp else None


def _print_caller(opened: CallOpened) -> None:
    """Who calls, where that comes from, and every identity header as it came."""
    caller = opened.caller
    odd = f"  [{', '.join(caller.flags)}]" if caller.flags else ""
    source = f"{caller.source_header}, confidence {caller.confidence:.2f}"
    console.print(f"caller {caller.number or '?'} ({source}){odd}", markup=False)
    over = f"trunk {opened.trunk}" if opened.trunk else "no trunk"
    console.print(f"over {over}, from {opened.source_address or '?'}", markup=False)
    for shown in opened.identities:
        odd = f"  [{', '.join(shown.flags)}]" if shown.flags else ""
        said = f"  {shown.decoded}" if shown.decoded else ""
        line = f"  {shown.header} ({shown.confidence:.2f}): {shown.raw}{odd}{said}"
        console.print(line, markup=False, soft_wrap=True)


def summary(case: CaseSummary) -> dict[str, Any]:
    """A row of the ledger as JSON."""
    return {
        "case_id": case.case_id,
        "mode": str(case.mode),
        "caller": case.caller,
        "opened_at": to_iso(case.opened_at),
        "duration_s": round(case.duration_s, 2),
        "label": case.label,
        "score": round(case.score, 3),
        "is_complete": case.is_complete,
        "seal_sha256": case.seal_sha256,
        "path": case.path,
        "purged_at": to_iso(case.purged_at) if case.purged_at else None,
    }


async def _list(
    settings: Settings, limit: int, label: str | None, caller: str | None, *, with_deleted: bool
) -> list[CaseSummary]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return await ledger.cases(limit, label=label, caller=caller, with_purged=with_deleted)


async def _case(settings: Settings, case_id: str) -> tuple[CaseSummary, list[Any]]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        found = await ledger.case(case_id)
        reports = await ledger.reports(case_id=found.case_id)
    await asyncio.sleep(0)  # let the driver's thread end before the loop does
    return found, list(reports)


app.command()(play)
app.command()(search)
app.command()(holding.hold)
app.command()(holding.release)
app.command()(holding.purge)
app.command()(lock)
app.command()(unlock)
