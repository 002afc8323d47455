"""The ``ivr`` command."""

import sys
from importlib import metadata
from pathlib import Path

import typer

from ivr.cli import (
    bench,
    cases,
    config,
    dialogue,
    keys,
    log,
    models,
    prompts,
    recipients,
    reports,
    retention,
    rights,
    rules,
)
from ivr.cli.context import CommandContext
from ivr.cli.control import drain, status, undrain
from ivr.cli.demo import demo
from ivr.cli.doctor import doctor
from ivr.cli.export import export
from ivr.cli.output import fail
from ivr.cli.proof import recover, verify
from ivr.cli.redact import redact
from ivr.cli.replay import replay
from ivr.cli.screen import assess, screen
from ivr.cli.serve import serve
from ivr.errors import IvrError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Call screening for Vietnam: answer, record, recognise, judge, seal, file.",
    epilog="Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 environment.",
)
app.command()(demo)
app.command()(serve)
app.command()(status)
app.command()(drain)
app.command()(undrain)
app.command()(screen)
app.command()(assess)
app.command()(verify)
app.command()(export)
app.command()(replay)
app.command()(redact)
app.command()(recover)
app.command()(doctor)
app.add_typer(cases.app, name="cases")
app.add_typer(keys.app, name="keys")
app.add_typer(log.app, name="log")
app.add_typer(retention.app, name="retention")
app.add_typer(rights.app, name="rights")
app.add_typer(reports.app, name="reports")
app.add_typer(recipients.app, name="recipients")
app.add_typer(models.app, name="models")
app.add_typer(rules.app, name="rules")
app.add_typer(dialogue.app, name="dialogue")
app.add_typer(prompts.app, name="prompts")
app.add_typer(bench.app, name="bench")
app.add_typer(config.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ivr {metadata.version('ivr')}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    settings_file: Path | None = typer.Option(
        None, "--settings", envvar="IVR_SETTINGS", help="Settings file (see config/ivr.toml)."
    ),
    data: Path | None = typer.Option(
        None, "--data", envvar="IVR_DATA", help="Data folder: cases, keys, ledger."
    ),
    is_verbose: bool = typer.Option(
        False, "--verbose", "-v", help="Log at debug level; personal data is not masked."
    ),
    _: bool = typer.Option(False, "--version", callback=_version, is_eager=True),
) -> None:
    ctx.obj = CommandContext(settings_file, data, is_verbose)


def main() -> None:
    """Entry point: typed errors become a message and an exit code."""
    try:
        app()
    except IvrError as problem:
        sys.exit(fail(problem, as_json="--json" in sys.argv))
    except KeyboardInterrupt:
        sys.exit(130)
