"""``ivr export --all-since/--label``: every case that fits, a court folder each."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ivr.cli.output import console, print_json, progress, run
from ivr.facts.cases import CaseSummary
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.casework.exporting_many import ExportOne

MOST = 1_000_000


def export_all(
    settings: Settings,
    target: Path,
    since: datetime | None,
    label: str | None,
    export_one: "ExportOne",
    *,
    as_json: bool,
) -> bool:
    """Export what was opened since that day (Vietnamese time) with that label, the oldest first.
    False: a case could not be exported; the table says why."""
    from ivr.app import data_root
    from ivr.casework.exporting_many import EXPORTED, FAILED, INDEX, export_many
    from ivr.casework.unlocking import unlocked
    from ivr.evidence.layout import CASES

    cases = run(_cases(settings, since, label))

    def readable(case: Path, folder: Path) -> Mapping[str, object]:
        with unlocked(case, settings) as path:
            return export_one(path, folder)

    def told(done: int, row: Mapping[str, object]) -> None:
        said = f"{done} of {len(cases)}: {row['case_id']} {row['outcome']}"
        progress.print(f"{said} {row.get('problem', '')}".rstrip(), markup=False)

    rows = export_many(cases, target, data_root(settings) / CASES, readable, told)
    counts = {
        "path": str(target),
        "index": str(target / INDEX),
        "cases": len(rows),
        "exported": sum(row["outcome"] == EXPORTED for row in rows),
        "failed": sum(row["outcome"] == FAILED for row in rows),
    }
    if as_json:
        print_json(counts)
    else:
        for name, value in counts.items():
            console.print(f"{name}: {value}", markup=False)
    return not counts["failed"]


async def _cases(
    settings: Settings, since: datetime | None, label: str | None
) -> list[CaseSummary]:
    from ivr.app import open_ledger
    from ivr.clock import VIETNAM

    begin = since.replace(tzinfo=VIETNAM) if since else None
    async with await open_ledger(settings) as ledger:
        found = await ledger.cases(MOST, label=label, since=begin)
    return found[::-1]
