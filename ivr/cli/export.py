"""``ivr export``: a case on its way out of the house."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from ivr.cli import context
from ivr.cli.export_many import export_all
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.settings import Settings, resolve

if TYPE_CHECKING:
    from ivr.casefile import SealedCase
    from ivr.facts.reports import CaseFacts


class ExportFormat(StrEnum):
    """The forms a case can leave in."""

    BAGIT = "bagit"
    PDF = "pdf"
    VCON = "vcon"


class _VconOptions(NamedTuple):
    """Members of `ivr.casework.vcon_draft.VconWish`, which is loaded only when it is wanted."""

    is_external: bool = False
    base_url: str = ""
    is_callee_named: bool = True
    redacted: Path | None = None


def export(
    ctx: typer.Context,
    case_id: str | None = typer.Argument(None, help="Case id, or the beginning of it."),
    target: Path = typer.Option(
        ...,
        "--to",
        help="Folder to make; must not exist yet, or be empty. With --all-since or --label: folder "
        "of many court folders; those that are there stay.",
    ),
    actor: str = typer.Option(..., "--who", help="Who hands the case over: name and office."),
    reason: str = typer.Option(..., "--why", help="Why, e.g. the number of the request."),
    form: ExportFormat = typer.Option(
        ExportFormat.BAGIT,
        "--format",
        help="bagit: court folder; pdf: its printed papers alone; "
        "vcon: one signed JSON file (IETF vCon).",
    ),
    since: datetime | None = typer.Option(
        None,
        "--all-since",
        formats=["%Y-%m-%d"],
        help="Every case opened since this day (Vietnamese time), a court folder each.",
    ),
    label: str | None = typer.Option(
        None, "--label", help="Every case with this verdict, e.g. scam; also with --all-since."
    ),
    has_papers: bool = typer.Option(
        True, "--papers/--no-papers", help="Lay the printed papers (PDF) into the court folder."
    ),
    is_external: bool = typer.Option(
        False, "--external", help="vcon: lay sound and packets beside it, named by SHA-512."
    ),
    base_url: str = typer.Option(
        "", "--base-url", help="vcon --external: https address under which these will be served."
    ),
    is_callee_named: bool = typer.Option(
        True,
        "--callee/--no-callee",
        help="vcon: leave out the number that was called, and every file that holds it.",
    ),
    redacted: Path | None = typer.Option(
        None, "--redacted", help="vcon: hand over this copy by `ivr redact` in place of the case."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Copy a sealed case out for a court or an investigator, with the key, the verifier,
    instructions and papers to sign; who took it and why goes into its custody log first."""
    from ivr.casework.unlocking import unlocked
    from ivr.evidence.bag import must_be_free

    if not actor.strip() or not reason.strip():
        raise typer.BadParameter("--who and --why must say something: they go into custody.")
    of_vcon = _VconOptions(is_external or bool(base_url), base_url, is_callee_named, redacted)
    if form is not ExportFormat.VCON and of_vcon != _VconOptions():
        raise typer.BadParameter(
            "--external, --base-url, --no-callee and --redacted go with --format vcon."
        )
    is_many = since is not None or label is not None
    if is_many is (case_id is not None) or (is_many and form is not ExportFormat.BAGIT):
        raise typer.BadParameter(
            "Name one case; or, as court folders, many with --all-since or --label."
        )
    settings = context.of(ctx).settings
    if case_id is None:
        one = partial(_bag, settings, actor=actor, reason=reason, has_papers=has_papers)
        is_whole = export_all(settings, target, since, label, one, as_json=as_json)
        raise typer.Exit(0 if is_whole else 1)
    case = run(_path(settings, case_id))
    must_be_free(target, case)
    with unlocked(case, settings) as path:
        if form is ExportFormat.PDF:
            shown = _pdf(settings, path, target, actor, reason)
        elif form is ExportFormat.VCON:
            shown = _vcon(settings, path, target, actor, reason, of_vcon)
        else:
            shown = _bag(settings, path, target, actor, reason, has_papers=has_papers)
    shown = {"case_id": path.name, "format": str(form), **shown}
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        console.print(f"{name}: {value}", markup=False)


def _pdf(
    settings: Settings, path: Path, target: Path, actor: str, reason: str
) -> dict[str, object]:
    from ivr.app import open_custodian
    from ivr.casework.exporting import export_pdf

    custodian = open_custodian(settings)
    file = export_pdf(
        path,
        target,
        custodian,
        actor=actor,
        reason=reason,
        describe=_describe(settings),
    )
    return {"path": str(file), "key_sha256": custodian.signer.key_sha256}


def _vcon(
    settings: Settings, path: Path, target: Path, actor: str, reason: str, options: _VconOptions
) -> dict[str, object]:
    from ivr.app import open_custodian
    from ivr.casework.vcon_draft import VconWish
    from ivr.casework.vcon_export import export_vcon
    from ivr.evidence.certificates import name_of

    custodian = open_custodian(settings)
    wish = VconWish(*options)
    done = export_vcon(path, target, custodian, wish, actor=actor, reason=reason)
    certificate = name_of(done.certificate)
    if done.is_self_signed:
        certificate += ": made by the key itself, no authority vouches for it"
    return {
        "path": str(done.path),
        "uuid": done.uuid,
        "size": done.size,
        "beside": list(done.beside),
        "left_out": list(done.left_out),
        "certificate": certificate,
        "is_self_signed": done.is_self_signed,
        "key_sha256": custodian.signer.key_sha256,
    }


def _bag(
    settings: Settings, path: Path, target: Path, actor: str, reason: str, *, has_papers: bool
) -> dict[str, object]:
    from ivr.app import open_custodian
    from ivr.casework.exporting import court_papers, export_bag, no_papers
    from ivr.reporting.court_pdf import must_draw

    if has_papers:
        must_draw()
    custodian = open_custodian(settings)
    bag = export_bag(
        path,
        target,
        custodian,
        actor=actor,
        reason=reason,
        papers=court_papers(_describe(settings)) if has_papers else no_papers,
    )
    return {
        "path": str(bag.path),
        "files": bag.files,
        "size": bag.size,
        "tag_manifest_sha256": bag.tag_manifest_sha256,
        "key_sha256": custodian.signer.key_sha256,
    }


def _describe(settings: Settings) -> "Callable[[SealedCase], CaseFacts]":
    """Facts of a case with the rulebook's names for pretexts."""
    from ivr.spotting.rulebook import Rulebook

    names = Rulebook.load(resolve(settings.spotting.rulebook)).pretexts
    return lambda case: replace(case.facts, pretext_names=names)


async def _path(settings: Settings, case_id: str) -> Path:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return Path((await ledger.case(case_id)).path)
