"""``ivr verify`` and ``ivr recover``."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.journeys.recovery import Recovered


def verify(
    ctx: typer.Context,
    paths: list[Path] = typer.Argument(
        help="Case folders, or court folders of `ivr export`, wherever they lie."
    ),
    key: Path | None = typer.Option(
        None, "--key", help="Public key (PEM) of the site; default: this installation's, if any."
    ),
    tsa_ca: Path | None = typer.Option(
        None, "--tsa-ca", help="Certificates (PEM) time-stamps must lead to; default: [timestamp]."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Prove that nothing in a case was changed. Reads only; needs no network.

    Exit 1 when any step fails. Without a trusted key a replaced key cannot be found, and the step
    says so.
    """
    from ivr.app import key_path, site_log_path
    from ivr.casework.proof import prove_files
    from ivr.evidence.signer import public_path
    from ivr.evidence.timestamp import Trust

    settings = context.of(ctx).settings
    own = public_path(key_path(settings))
    trusted = key or (own if own.exists() else None)
    seals = site_log_path(settings)
    log = seals if key is None and seals.exists() else None
    trust = Trust.of(settings.timestamp, tsa_ca)
    is_good = True
    for path in paths:
        steps = prove_files(path, trusted, log, trust)
        ok = all(step.ok for step in steps)
        is_good = is_good and ok
        if as_json:
            shown = [
                {"n": step.n, "name": step.name, "ok": step.ok, "detail": step.detail}
                for step in steps
            ]
            print_json({"path": str(path), "ok": ok, "steps": shown})
            continue
        for step in steps:
            sign = "[green]ok  [/]" if step.ok else "[bold red]FAIL[/]"
            console.print(f"{step.n:3d}. {sign} {step.name}: ", end="")
            console.print(step.detail, markup=False)
        verdict = "[green]nothing was changed[/]" if ok else "[bold red]NOT as it was sealed[/]"
        console.print(f"{path}: {verdict}")
    raise typer.Exit(0 if is_good else 1)


def recover(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Seal what a killed process left, enter what was sealed but never entered, and ask for the
    time-stamps that lack.

    `ivr serve` does this too. Exit 1 when a case could not be recovered.
    """
    found = run(_recover(context.of(ctx).settings))
    for entry in found:
        if as_json:
            print_json({"case_id": entry.case_id, "action": entry.action, "detail": entry.detail})
        else:
            console.print(f"{entry.case_id}: {entry.action} ({entry.detail})", markup=False)
    if not found and not as_json:
        console.print("Nothing to recover.")
    raise typer.Exit(1 if any(entry.action == "failed" for entry in found) else 0)


async def _recover(settings: Settings) -> "tuple[Recovered, ...]":
    from ivr.app import open_house
    from ivr.journeys.recovery import recover, stamp_waiting

    async with open_house(settings) as house:
        return (*await recover(house), *await stamp_waiting(house))
