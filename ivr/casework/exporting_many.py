"""Many cases into one folder: a court folder for each, and a table of what became of them."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ivr.clock import to_iso
from ivr.errors import EvidenceError, IvrError
from ivr.evidence.bag import SIGNATURE, write_paper
from ivr.facts.cases import CaseSummary

INDEX: Final = "index.csv"
EXPORTED, THERE, FAILED = "exported", "was there", "failed"
COLUMNS: Final = (
    "case_id", "opened_at", "caller", "label", "score", "outcome", "files", "size",
    "tag_manifest_sha256", "problem",
)  # fmt: skip

ExportOne = Callable[[Path, Path], Mapping[str, object]]
"""Case folder and target to ``files``, ``size`` and ``tag_manifest_sha256`` of a bag."""
Row = dict[str, Any]


def export_many(
    cases: Sequence[CaseSummary],
    target: Path,
    vault: Path,
    export_one: ExportOne,
    progress: Callable[[int, Row], None] = lambda _n, _row: None,
) -> tuple[Row, ...]:
    """Bag each case into ``<target>/<case id>`` and list them in ``<target>/index.csv``. A case
    that cannot go is named and does not keep the others; a bag that is there stays as it is, so
    that a cut-off run is taken up by the same command.

    Args:
        progress: told of each case, with how many are done.

    Raises:
        EvidenceError: the target lies within the vault, or the table could not be written.
    """
    if target.resolve().is_relative_to(vault.resolve()):
        raise EvidenceError(
            f"The exports cannot go to {target}.",
            why="it lies among the cases themselves",
            remedy="Name a folder elsewhere.",
        )
    rows: list[Row] = []
    try:
        for case in cases:
            rows.append(_exported(case, target / case.case_id, export_one))
            progress(len(rows), rows[-1])
    finally:  # also of a run that is broken off: what is there is told
        write_paper(target / INDEX, _table(rows))
    return tuple(rows)


def _exported(case: CaseSummary, folder: Path, export_one: ExportOne) -> Row:
    row: Row = {
        "case_id": case.case_id,
        "opened_at": to_iso(case.opened_at),
        "caller": case.caller or "",
        "label": case.label,
        "score": f"{case.score:.2f}",
    }
    if (folder / SIGNATURE).exists():
        return {**row, "outcome": THERE}
    try:
        made = export_one(Path(case.path), folder)
    except IvrError as problem:
        return {**row, "outcome": FAILED, "problem": f"{problem.what} ({problem.why})"}
    told = {name: made[name] for name in ("files", "size", "tag_manifest_sha256")}
    return {**row, "outcome": EXPORTED, **told}


def _table(rows: Sequence[Row]) -> bytes:
    """CSV in UTF-8 with a byte order mark, which Excel needs for Vietnamese letters. What a
    spreadsheet would run as a formula, a number with its ``+`` too, gets a ``'``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        cells = [str(row.get(name, "")) for name in COLUMNS]
        writer.writerow(
            [f"'{c}" if c[:1] in {"=", "+", "-", "@", "\t", "\r"} else c for c in cells]
        )
    return text.getvalue().encode("utf-8-sig")
