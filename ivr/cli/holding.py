"""``ivr cases hold``, ``release`` and ``purge``: what keeps a case, and what ends it."""

import getpass
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, fail, print_json, run
from ivr.errors import IvrError, UsageError
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.casework.purging import Purged
    from ivr.facts.cases import CaseSummary

CASE = typer.Argument(help="Case id, or the beginning of it.")
WHO = typer.Option("", "--who", help="Who, as a court would name them; default: this account.")
WHY = typer.Option(..., "--why", help="Why, e.g. the number of the order.")
_LEAST_DIGITS = 8


def hold(
    ctx: typer.Context,
    case_id: str = CASE,
    actor: str = WHO,
    reason: str = WHY,
    until: datetime | None = typer.Option(
        None, "--until", formats=["%Y-%m-%d"], help="Last day it stands; default: until released."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Keep a case whatever the rules of retention say; a held case cannot be deleted."""
    from ivr.app import open_custodian
    from ivr.evidence.holds import hold as holding

    settings = context.of(ctx).settings
    path = run(path_of(settings, case_id))
    entry = holding(
        path,
        open_custodian(settings),
        actor=who(actor),
        reason=said(reason),
        until=until.date() if until else None,
    )
    _tell(path, entry, as_json)


def release(
    ctx: typer.Context,
    case_id: str = CASE,
    actor: str = WHO,
    reason: str = WHY,
    entries: list[int] = typer.Option(
        [], "--hold", help="Number of the hold, where several stand; repeatable."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Lift a hold; from then on the rules of retention count, and days since the seal with them."""
    from ivr.app import open_custodian
    from ivr.evidence.holds import release as releasing

    settings = context.of(ctx).settings
    path = run(path_of(settings, case_id))
    entry = releasing(
        path, open_custodian(settings), actor=who(actor), reason=said(reason), entries=entries
    )
    _tell(path, entry, as_json)


def purge(
    ctx: typer.Context,
    case_ids: list[str] = typer.Argument(help="Case ids, or the beginnings of them."),
    actor: str = WHO,
    reason: str = WHY,
    is_certain: bool = typer.Option(False, "--yes", help="Do not ask; needed with --json."),
    is_unstamped: bool = typer.Option(
        False, "--unstamped", help="Even if the time-stamp of the seal has not come yet."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Delete cases for good: sound, words, numbers, reports, key. A signed tombstone stays.

    A case that is held, or of which a report is open, is not deleted. Exit 1 when one was not.
    """
    from ivr.casework.retention import stamp_waits

    if as_json and not is_certain:
        raise typer.BadParameter("--json asks nothing: add --yes.")
    settings = context.of(ctx).settings
    found = run(_cases(settings, case_ids))
    for case in found:
        _must_not_name(said(reason), case)
        if stamp_waits(Path(case.path), settings) and not is_unstamped:
            raise UsageError(
                f"The time-stamp of {case.case_id} has not come, and nothing was deleted.",
                why="[timestamp] url is set, and the authority has not answered for this case",
                remedy="Wait, or repeat with --unstamped.",
            )
        if not as_json:
            opened = case.opened_at.strftime("%Y-%m-%d %H:%M")
            console.print(f"{case.case_id}  {opened} UTC  {case.label}", markup=False)
    if not is_certain:
        count = "this case" if len(found) == 1 else f"these {len(found)} cases"
        typer.confirm(f"Delete {count} for good?", abort=True)
    done = run(_purge(settings, found, who(actor), reason))
    print_purged(settings, done, as_json)


def print_purged(settings: Settings, done: "Sequence[Purged]", as_json: bool) -> None:
    """One line a case; ends the command, with 1 when a case was not deleted."""
    from ivr.app import data_root
    from ivr.evidence.tombstone import tombstone_path

    for each in done:
        if each.problem is not None:
            about = {"case_id": each.case_id}
            fail(each.problem, as_json=as_json, about=about)
            continue
        stone = str(tombstone_path(data_root(settings), each.case_id))
        if as_json:
            print_json({"case_id": each.case_id, "tombstone": stone})
        else:
            console.print(f"{each.case_id}: deleted; {stone}", markup=False)
    raise typer.Exit(1 if any(each.problem for each in done) else 0)


def who(given: str) -> str:
    """The name given, or that of the account."""
    return given.strip() or getpass.getuser()


def said(reason: str) -> str:
    """The reason, which must say something."""
    if not reason.strip():
        raise typer.BadParameter("--why must say something: it goes into custody.")
    return reason.strip()


def note(
    settings: Settings,
    path: Path,
    action: str,
    reason: str,
    *,
    actor: str = "",
    facts: dict[str, Any] | None = None,
) -> None:
    """Enter into the case's custody log who looked at it, before it is shown."""
    from ivr.app import open_custodian
    from ivr.evidence.custody import CustodyAction, append_custody

    custodian = open_custodian(settings)
    append_custody(
        path, CustodyAction(action), custodian, actor=who(actor), reason=reason, facts=facts
    )


def holds_shape(path: Path) -> list[dict[str, Any]]:
    """Holds of a case that stand, as JSON."""
    from ivr.clock import SystemClock
    from ivr.evidence.holds import holds_of, today

    return [
        {**asdict(hold), "until": hold.until.isoformat() if hold.until else None}
        for hold in holds_of(path, today(SystemClock()))
    ]


def _must_not_name(reason: str, case: "CaseSummary") -> None:
    """The reason outlives the case, on the tombstone."""
    digits = re.sub(r"\D", "", reason)
    for number in (case.caller, case.subscriber):
        tail = re.sub(r"\D", "", number or "")[-9:]
        if len(tail) >= _LEAST_DIGITS and tail in digits:
            raise UsageError(
                "The reason names a number of the call, and nothing was deleted.",
                why="the reason stays on the tombstone, and the numbers shall not",
                remedy="Name the request instead of the person.",
            )


def _tell(path: Path, entry: dict[str, Any], as_json: bool) -> None:
    holds = holds_shape(path)
    if as_json:
        shown = {key: entry[key] for key in ("n", "at", "actor", "reason", "seal_sha256", "chain")}
        print_json(
            {"case_id": path.name, "action": str(entry["action"]), "entry": shown, "holds": holds}
        )
        return
    console.print(f"{path.name}: {entry['action']} (custody entry {entry['n']})", markup=False)
    print_holds(holds)


def print_holds(holds: Sequence[dict[str, Any]]) -> None:
    """One line a hold that stands."""
    for each in holds:
        until = each["until"] or "released"
        line = f"  hold {each['entry']} by {each['actor']} until {until}: {each['reason']}"
        console.print(line, markup=False)


async def path_of(settings: Settings, case_id: str) -> Path:
    (case,) = await _cases(settings, [case_id])
    return Path(case.path)


async def _cases(settings: Settings, case_ids: Sequence[str]) -> "list[CaseSummary]":
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        found = {case.case_id: case for case in [await ledger.case(each) for each in case_ids]}
    return list(found.values())


async def _purge(
    settings: Settings, cases: "Sequence[CaseSummary]", actor: str, reason: str
) -> "list[Purged]":
    from ivr.app import open_custodian, open_ledger
    from ivr.casework.keeping import Keeper
    from ivr.casework.purging import BY_HAND, Order, Purged

    done = []
    async with await open_ledger(settings) as ledger:
        purger = Keeper(settings, ledger, open_custodian(settings)).purger
        for case in cases:
            try:
                await purger.purge(Order(case.case_id, actor, reason, BY_HAND, case.label))
                done.append(Purged(case.case_id))
            except IvrError as problem:
                done.append(Purged(case.case_id, problem))
    return done
