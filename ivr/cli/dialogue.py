"""``ivr dialogue``: is the dialogue in order, and how does it go when one says this or that."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, progress
from ivr.settings import Settings, resolve

if TYPE_CHECKING:
    from ivr.dialogue.prompts import Prompt
    from ivr.rehearsal import Rehearsal

app = typer.Typer(no_args_is_help=True, help="Check the screening dialogue and try it out.")
FILE = typer.Option(None, "--dialogue", help="Another file than the settings name.")


@app.command()
def check(ctx: typer.Context, file: Path | None = FILE, as_json: bool = JSON_OPTION) -> None:
    """Find mistakes, by line. Exit 1 if there is one."""
    from ivr.dialogue import prompts
    from ivr.dialogue.script_reader import read
    from ivr.spotting.rulebook import Rulebook

    settings = context.of(ctx).settings
    path = file or resolve(settings.call.dialogue)
    concepts = {
        concept.name for concept in Rulebook.load(resolve(settings.spotting.rulebook)).concepts
    }
    spoken = prompts.load(resolve(settings.call.prompts), settings.call.language)
    script, mistakes = read(path, concepts, spoken)
    if as_json:
        print_json(
            {
                "ok": not mistakes,
                "path": str(path),
                "version": script.version if script else None,
                "sha256": script.sha256 if script else None,
                "states": len(script.nodes) if script else 0,
                "mistakes": [
                    {"line": m.line, "what": m.what, "remedy": m.remedy} for m in mistakes
                ],
            }
        )
    else:
        for mistake in mistakes:
            console.print(str(mistake), markup=False)
        count = len(script.nodes) if script else 0
        console.print(f"{path}: {count} states, {len(mistakes)} mistakes", markup=False)
    raise typer.Exit(1 if mistakes else 0)


@app.command()
def show(ctx: typer.Context, file: Path | None = FILE, as_json: bool = JSON_OPTION) -> None:
    """Play the caller: type what the caller says and read what the agent answers.

    One line is what is said between two pauses; an empty line is silence; the end of the input
    (Ctrl-D) hangs up. With --json each answer is one object a line.
    """
    from ivr.dialogue import prompts

    settings = context.of(ctx).settings
    spoken = prompts.load(resolve(settings.call.prompts), settings.call.language)
    rehearsal = _rehearsal(settings, file or resolve(settings.call.dialogue), spoken)

    def tell(said: list[str]) -> None:
        if as_json:
            print_json(
                {
                    "state": rehearsal.state.node,
                    "said": [{"prompt": name, "text": spoken[name].text} for name in said],
                    "call_s": round(rehearsal.call_s, 1),
                    "label": rehearsal.verdict.label.value,
                    "level": rehearsal.verdict.level.value,
                    "hung_up": rehearsal.reason,
                }
            )
            return
        for name in said:
            console.print(f"  {spoken[name].text}", style="cyan", markup=False)
        verdict = rehearsal.verdict
        progress.print(
            f"  [{rehearsal.state.node}; {verdict.label}, {verdict.level}; "
            f"{rehearsal.call_s:.0f} s]",
            style="dim",
            markup=False,
        )

    tell(rehearsal.begin())
    for line in _typed():
        tell(rehearsal.hear(line) if line else rehearsal.silence())
        if rehearsal.reason is not None:
            progress.print(f"  ({rehearsal.reason})", style="dim", markup=False)
            return


def _typed() -> Iterator[str]:
    while True:
        if sys.stdin.isatty():
            progress.print("> ", end="")
        line = sys.stdin.readline()
        if not line:
            return
        yield line.strip()


def _rehearsal(settings: Settings, path: Path, spoken: "dict[str, Prompt]") -> "Rehearsal":
    from ivr.app import judge_of
    from ivr.dialogue.screening import Plan
    from ivr.dialogue.script import Script
    from ivr.rehearsal import Rehearsal
    from ivr.spotting.rulebook import Rulebook
    from ivr.spotting.spotter import Spotter

    rulebook = Rulebook.load(resolve(settings.spotting.rulebook))
    concepts = {concept.name for concept in rulebook.concepts}
    call = settings.call
    return Rehearsal(
        script=Script.load(path, concepts, spoken),
        plan=Plan(call.close_after_silence_s, call.no_audio_s, call.max_s),
        spotter=Spotter(rulebook),
        judge=judge_of(settings, rulebook),
        length_s=lambda prompt: spoken[prompt].duration_s,
    )
