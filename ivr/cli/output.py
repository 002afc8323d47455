"""How every command speaks: JSON alone on standard output, the rest on standard error."""

import asyncio
import json
import sys
from collections.abc import Coroutine, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import typer
from rich.console import Console

from ivr.errors import IvrError
from ivr.facts.judgement import Verdict

T = TypeVar("T")


class EngineChoice(StrEnum):
    """The recognition engines, as an option."""

    VOSK = "vosk"
    VIET_ASR = "viet-asr"


class JudgeChoice(StrEnum):
    """What decides the verdict, as an option."""

    BOTH = "both"
    RULES = "rules"


QUOTE_LETTERS = 160
JSON_OPTION = typer.Option(False, "--json", help="Print JSON alone on standard output.")

console = Console(soft_wrap=True, highlight=False)
progress = Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: object) -> None:
    """One JSON value on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def print_reasons(verdict: Verdict) -> None:
    """For (+) and against (-), with the sentences whose wording is the argument."""
    for reason in verdict.reasons:
        sign = "-" if reason.is_against else "+"
        console.print(f"  {sign} {reason.text_vi} / {reason.text_en}", markup=False)
        for said in reason.passages:
            terms = f"  ({', '.join(said.terms)})" if said.terms else ""
            quote = (
                said.text if len(said.text) <= QUOTE_LETTERS else f"{said.text[:QUOTE_LETTERS]}…"
            )
            console.print(f"      {said.start_s:.1f} s {said.leg}: “{quote}”{terms}", markup=False)


def fail(problem: IvrError, *, as_json: bool, about: Mapping[str, str] | None = None) -> int:
    """Say what went wrong, why and what to do; returns the exit code.

    Args:
        about: members to put before ``error``, when it is one of several answers.
    """
    if as_json:
        print_json({**(about or {}), "error": problem.as_dict()})
    progress.print(f"[bold red]{problem.what}[/]", markup=True)
    progress.print(f"  why:    {problem.why}", markup=False)
    progress.print(f"  remedy: {problem.remedy}", markup=False)
    return problem.exit_code


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; a typed error inside a task group is raised as itself."""
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        typed, rest = group.split(IvrError)
        if typed is None or rest is not None:
            raise
        first: BaseException = typed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group
