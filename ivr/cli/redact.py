"""``ivr redact``: a copy with numbers silenced and masked."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.facts.call import LegName
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.casework.redacting import Span

_SPAN = re.compile(r"([a-z0-9_]+):(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")


def redact(
    ctx: typer.Context,
    case_id: str = typer.Argument(help="Case id, or the beginning of it."),
    target: Path = typer.Option(
        ..., "--to", help="Folder to make; must not exist yet, or be empty."
    ),
    actor: str = typer.Option(..., "--who", help="Who makes the copy: name and office."),
    reason: str = typer.Option(..., "--why", help="Why, e.g. the number of the request."),
    spans: list[str] = typer.Option(
        [], "--span", help="LEG:START-END in seconds, as `ivr cases show` prints; repeatable."
    ),
    is_automatic: bool = typer.Option(
        True, "--numbers/--no-numbers", help="Silence numbers of six digits and more, too."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Copy recordings and transcripts with spans silenced and masked, each file naming its
    original by digest. Listen to the copy before handing it over: what no recogniser heard as
    digits is still in it."""
    from ivr.app import open_custodian
    from ivr.casework.redacting import redact as redacting
    from ivr.casework.unlocking import unlocked
    from ivr.evidence.bag import must_be_free

    if not actor.strip() or not reason.strip():
        raise typer.BadParameter("--who and --why must say something: they go into custody.")
    settings = context.of(ctx).settings
    case, chosen = run(_path(settings, case_id)), [_span(text) for text in spans]
    must_be_free(target, case)
    with unlocked(case, settings) as path:
        done = redacting(
            path,
            target,
            chosen,
            open_custodian(settings),
            is_automatic=is_automatic,
            actor=actor,
            reason=reason,
        )
    if as_json:
        print_json(
            {
                "path": str(done.path),
                "files": done.files,
                "list_sha256": done.list_sha256,
                "spans": [
                    {"start_s": s.start_s, "end_s": s.end_s, "leg": s.leg.value, "why": s.why}
                    for s in done.spans
                ],
            }
        )
        return
    for each in done.spans:
        line = f"{each.start_s:8.2f} to {each.end_s:.2f} s, {each.leg}: {each.why}"
        console.print(line, markup=False)
    console.print(f"{done.path}: {done.files} files; listen before handing over", markup=False)


def _span(text: str) -> "Span":
    from ivr.casework.redacting import Span

    match = _SPAN.fullmatch(text)
    if match is None or match[1] not in set(LegName) or float(match[2]) >= float(match[3]):
        raise typer.BadParameter(f"--span {text}: write LEG:START-END, e.g. caller:12.5-14.0")
    return Span(LegName(match[1]), float(match[2]), float(match[3]))


async def _path(settings: Settings, case_id: str) -> Path:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return Path((await ledger.case(case_id)).path)
