"""``ivr config``: show and check the settings."""

from pathlib import Path

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.errors import EnvironmentProblem
from ivr.settings import Settings, as_toml

app = typer.Typer(no_args_is_help=True, help="Show or check the settings.")


@app.command()
def show(
    ctx: typer.Context,
    defaults: bool = typer.Option(False, "--defaults", help="The defaults, as config/ivr.toml."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Print every setting with its value and what it is for."""
    chosen = Settings.model_construct() if defaults else context.of(ctx).settings
    if as_json:
        print_json(chosen.model_dump(mode="json"))
    else:
        console.print(as_toml(chosen), end="", markup=False)


@app.command()
def check(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Read the settings and say whether they are usable."""
    chosen = context.of(ctx).settings
    if as_json:
        print_json({"ok": True, "subscribers": len(chosen.subscribers)})
    else:
        console.print(f"The settings are usable ({len(chosen.subscribers)} subscribers).")


@app.command()
def kamailio(
    ctx: typer.Context,
    folder: Path = typer.Argument(help="Where the front's lists stand, e.g. /etc/kamailio."),
    workers: int | None = typer.Option(
        None, "--workers", min=1, max=64, help="Workers, when `ivr serve --workers` says so."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Write address.list (trunks) and dispatcher.list (workers) for the front.

    A running Kamailio reads them on `kamcmd permissions.addressReload` and `kamcmd
    dispatcher.reload`.
    """
    from ivr.telephony.front import address_list, dispatcher_list

    chosen = context.of(ctx).settings.with_workers(workers)
    lists = {"address.list": address_list(chosen), "dispatcher.list": dispatcher_list(chosen)}
    for name, content in lists.items():
        _write(folder / name, content)
    if as_json:
        print_json({name: str(folder / name) for name in lists})
        return
    console.print(f"{len(chosen.trunks)} trunks and {chosen.sip.workers} workers in {folder}.")
    if not chosen.sip.front_from:
        console.print(
            "sip.front_from is empty: the agent takes the front for the caller. Name the front's "
            "inside address there.",
        )


def _write(path: Path, content: str) -> None:
    """All of it or nothing: Kamailio may read at any moment."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(path)
    except OSError as problem:
        raise EnvironmentProblem(
            f"{path} cannot be written.",
            why=problem.strerror or str(problem),
            remedy="Name a folder that exists and that this user may write.",
        ) from problem
