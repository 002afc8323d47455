"""``ivr config``: show and check the settings."""

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json
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
