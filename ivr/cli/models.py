"""``ivr models``: which recognisers there are, and fetching a real one."""

from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, progress
from ivr.recognition.model import ModelInfo
from ivr.settings import resolve

app = typer.Typer(no_args_is_help=True, help="List, fetch, import and verify Vosk models.")


@app.command("list")
def list_models(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """The models of the manifest, those that lie beside it, and viet-asr, an engine with weights
    of its own; `*` is the one that hears calls."""
    from ivr.recognition import manifest, viet_asr_engine

    settings = context.of(ctx).settings.recognition
    folder = resolve(settings.models_dir)
    in_use = resolve(settings.model)
    entries = {entry.name: entry for entry in manifest.load(folder)}
    names = sorted(entries.keys() | {p.name for p in folder.iterdir() if (p / "am").is_dir()})
    for name in names:
        entry = entries.get(name)
        is_here = (folder / name).is_dir()
        shape = {
            "name": name,
            "installed": is_here,
            "in_use": settings.engine == "vosk" and folder / name == in_use,
            "kind": entry.kind if entry else "own",
            "is_demonstration": bool(entry and entry.is_demonstration),
            "licence": entry.licence if entry else None,
            "size": entry.size if entry else None,
            "note": entry.note if entry else "",
        }
        _print_entry(shape, as_json)
    extra = {
        "name": viet_asr_engine.NAME,
        "installed": viet_asr_engine.is_installed(),
        "in_use": settings.engine == viet_asr_engine.NAME,
        "kind": "extra",
        "is_demonstration": False,
        "licence": viet_asr_engine.LICENCE,
        "size": None,
        "note": f"Hears people; {viet_asr_engine.ORIGIN}. Install: {viet_asr_engine.INSTALL}; "
        'use: [recognition] engine = "viet-asr".',
    }
    _print_entry(extra, as_json)


def _print_entry(shape: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(shape)
        return
    mark = "*" if shape["in_use"] else " "
    missing = "not installed" if shape["kind"] == "extra" else "not fetched"
    state = "here" if shape["installed"] else missing
    console.print(
        f"{mark} {shape['name']}  [{shape['kind']}, {state}]  {shape['note']}", markup=False
    )


@app.command()
def fetch(
    ctx: typer.Context,
    name: str = typer.Argument(help="Name in the manifest, e.g. vosk-model-small-vn-0.4."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Download an official model; goes on where an earlier download was cut off.

    Size and SHA-256 are checked and the archive is unpacked safely; anything that differs is
    refused.
    """
    from ivr.recognition import fetch as fetching
    from ivr.recognition import manifest

    folder = resolve(context.of(ctx).settings.recognition.models_dir)
    entry = manifest.find(folder, name)
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=progress, transient=True) as bar:
        task = bar.add_task(name, total=entry.size or None)
        info = fetching.fetch(
            entry, folder, lambda done, total: bar.update(task, completed=done, total=total)
        )
    _print(info, as_json)


@app.command("import")
def import_model(
    ctx: typer.Context,
    source: Path = typer.Argument(help="A Vosk model: a folder or a zip archive."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Copy a model of your own beside the others, checked."""
    from ivr.recognition.archive import import_model as importing

    folder = resolve(context.of(ctx).settings.recognition.models_dir)
    _print(importing(source, folder), as_json)


@app.command()
def verify(
    ctx: typer.Context,
    model: Path | None = typer.Argument(None, help="Model folder; default: the one in use."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Check a model's files and print its digest (the one that cases name)."""
    from ivr.recognition import engines
    from ivr.recognition.model import open_model

    _print(
        open_model(model) if model else engines.in_use(context.of(ctx).settings.recognition),
        as_json,
    )


def _print(info: ModelInfo, as_json: bool) -> None:
    shape = {
        "name": info.name,
        "engine": info.engine,
        "path": str(info.path),
        "sha256": info.sha256,
        "rate_hz": info.rate_hz,
        "words": info.words,
        "is_demonstration": info.is_demonstration,
    }
    if as_json:
        print_json(shape)
    else:
        for key, value in shape.items():
            console.print(f"{key:>17}: {value}", markup=False)
