"""``ivr cases search``: words found in what was said."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ivr.cli import context
from ivr.cli.holding import WHO, note, who
from ivr.cli.output import JSON_OPTION, console, fail, print_json, run
from ivr.clock import SystemClock, to_iso
from ivr.errors import IvrError
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.casework.searching import Found
    from ivr.facts.cases import CaseSummary


def search(
    ctx: typer.Context,
    words: str = typer.Argument(help="Words as they were spoken, in this order."),
    limit: int = typer.Option(1000, "--limit", min=1, help="Look into so many, newest first."),
    label: str | None = typer.Option(None, "--label", help="Only scam, spam, suspicious, …"),
    actor: str = WHO,
    reason: str = typer.Option("ivr cases search", "--why", help="Why, for custody."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Find words in the transcripts of sealed cases; with --json one object a case.

    With marks ("công an") the marks count, without ("cong an") they do not. Each case whose words
    are shown gets a custody entry with a digest of the search. Exit 1: found nowhere.
    """
    from ivr.casework.searching import Query
    from ivr.casework.searching import search as searching

    query = Query.of(words)
    if not query.words:
        raise typer.BadParameter("Give words to look for.")
    settings, at, name = context.of(ctx).settings, to_iso(SystemClock().now()), who(actor)
    digest = query.digest(name, at)
    shown = unread = 0
    for case in run(_newest(settings, limit, label)):
        path = Path(case.path)
        try:
            found = searching(path, query, settings)
            if found:
                facts = {"search_sha256": digest}
                note(settings, path, "viewed", reason, actor=name, facts=facts)
        except IvrError as problem:
            unread += 1
            fail(problem, as_json=as_json, about={"case_id": case.case_id})
            continue
        if found:
            shown += 1
            _print(case, found, {"search_sha256": digest, "at": at} if as_json else None)
    if not as_json:
        console.print(f"Found in {shown} cases, {unread} not read; search {digest} at {at}")
    raise typer.Exit(0 if shown else 1)


def _print(case: "CaseSummary", found: "Sequence[Found]", told: dict[str, str] | None) -> None:
    """The places of one case; ``told``: as JSON, with what is told of the search."""
    if told is not None:
        places = [
            {**asdict(each), "start_s": round(each.start_s, 2), "end_s": round(each.end_s, 2)}
            for each in found
        ]
        print_json({"case_id": case.case_id, "label": case.label, **told, "hits": places})
        return
    console.print(f"[bold]{case.case_id}[/]  {case.label}")
    for each in found:
        line = f"{each.start_s:7.1f} s  {each.leg}: {each.text}  [{each.file}]"
        console.print(line, markup=False)


async def _newest(settings: Settings, limit: int, label: str | None) -> "list[CaseSummary]":
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return await ledger.cases(limit, label=label)
