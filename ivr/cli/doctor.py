"""``ivr doctor``: is this machine able to do the job, and what is missing."""

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json

SIGNS = {
    "ok": "[green]ok     [/]",
    "warning": "[yellow]warning[/]",
    "failed": "[bold red]FAILED [/]",
}


def doctor(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Check everything the job needs. Exit 1 when a check failed; warnings do not count."""
    from ivr.doctor import examine

    settings = context.of(ctx).settings
    checks = []
    for check in examine(settings):
        checks.append(check)
        if not as_json:
            console.print(f"{SIGNS[check.level]} {check.name}: ", end="")
            console.print(check.detail, markup=False)
            if check.remedy:
                console.print(f"          -> {check.remedy}", markup=False)
    ok = all(check.ok for check in checks)
    if as_json:
        shown = [
            {
                "name": check.name,
                "ok": check.ok,
                "level": str(check.level),
                "detail": check.detail,
                "remedy": check.remedy,
            }
            for check in checks
        ]
        print_json({"ok": ok, "checks": shown})
    raise typer.Exit(0 if ok else 1)
