"""``ivr export``: a case on its way out of the house."""

from enum import StrEnum
from pathlib import Path

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.clock import SystemClock
from ivr.settings import Settings


class ExportFormat(StrEnum):
    """The forms a case can leave in."""

    BAGIT = "bagit"


def export(
    ctx: typer.Context,
    case_id: str = typer.Argument(help="Case id, or the beginning of it."),
    target: Path = typer.Option(
        ..., "--to", help="Folder to make; must not exist yet, or be empty."
    ),
    actor: str = typer.Option(..., "--who", help="Who hands the case over: name and office."),
    reason: str = typer.Option(..., "--why", help="Why, e.g. the number of the request."),
    form: ExportFormat = typer.Option(ExportFormat.BAGIT, "--format", help="bagit: court folder."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Copy a sealed case out for a court or an investigator, with the key, the verifier and
    instructions; who took it and why goes into its custody log first."""
    from ivr.app import key_path
    from ivr.evidence.signer import FileSigner
    from ivr.exporting import export_bag

    if not actor.strip() or not reason.strip():
        raise typer.BadParameter("--who and --why must say something: they go into custody.")
    settings = context.of(ctx).settings
    path = run(_path(settings, case_id))
    signer = FileSigner.open(key_path(settings))
    bag = export_bag(path, target, actor=actor, reason=reason, signer=signer, clock=SystemClock())
    if as_json:
        print_json(
            {
                "case_id": path.name,
                "format": str(form),
                "path": str(bag.path),
                "files": bag.files,
                "size": bag.size,
                "tag_manifest_sha256": bag.tag_manifest_sha256,
                "key_sha256": signer.key_sha256,
            }
        )
        return
    console.print(f"{bag.path}: {bag.files} files, {bag.size} bytes", markup=False)
    console.print(f"SHA-256 of its tag manifest: {bag.tag_manifest_sha256}", markup=False)
    console.print(f"fingerprint of the key, to give by another way: {signer.key_sha256}")


async def _path(settings: Settings, case_id: str) -> Path:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return Path((await ledger.case(case_id)).path)
