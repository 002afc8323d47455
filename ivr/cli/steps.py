"""Numbered steps of a proof, for people or as JSON."""

from collections.abc import Sequence
from typing import Protocol

from ivr.cli.output import console, print_json


class AnyStep(Protocol):
    """A step of any proof."""

    @property
    def n(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def ok(self) -> bool: ...

    @property
    def detail(self) -> str: ...


def print_steps(steps: Sequence[AnyStep], about: dict[str, str] | None) -> bool:
    """Show the steps of a proof; returns whether all of them hold.

    Args:
        about: members to put first, for JSON; None: for a person.
    """
    ok = all(step.ok for step in steps)
    if about is not None:
        shown = [{"n": s.n, "name": s.name, "ok": s.ok, "detail": s.detail} for s in steps]
        print_json({**about, "ok": ok, "steps": shown})
        return ok
    for step in steps:
        sign = "[green]ok  [/]" if step.ok else "[bold red]FAIL[/]"
        console.print(f"{step.n:3d}. {sign} {step.name}: ", end="")
        console.print(step.detail, markup=False)
    return ok
