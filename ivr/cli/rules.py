"""``ivr rules``: is the rulebook in order, do its examples hold, why did something match."""

from dataclasses import asdict
from pathlib import Path

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.errors import RulebookError
from ivr.settings import resolve

app = typer.Typer(no_args_is_help=True, help="Check, test and explain the rulebook.")
RULEBOOK = typer.Option(None, "--rulebook", help="Another rulebook than the settings name.")


def _path(ctx: typer.Context, rulebook: Path | None) -> Path:
    return rulebook or resolve(context.of(ctx).settings.spotting.rulebook)


@app.command()
def check(
    ctx: typer.Context, rulebook: Path | None = RULEBOOK, as_json: bool = JSON_OPTION
) -> None:
    """Find mistakes, by line, and words that the model in use can never put out. Exit 1 if any."""
    from ivr.recognition.model import vocabulary
    from ivr.spotting.rulebook import Rulebook

    settings = context.of(ctx).settings
    path = _path(ctx, rulebook)
    try:
        loaded = Rulebook.load(path)
    except RulebookError as problem:
        if as_json:
            print_json({"ok": False, "path": str(path), "mistakes": problem.why.split("; ")})
        else:
            console.print(problem.what, markup=False)
            for line in problem.why.split("; "):
                console.print(f"  {line}", markup=False)
        raise typer.Exit(1) from problem
    notes = loaded.check(vocabulary(resolve(settings.recognition.model)))
    fatal = [note for note in notes if note.is_fatal]
    if as_json:
        print_json(
            {
                "ok": not fatal,
                "path": str(path),
                "version": str(loaded.version),
                "sha256": loaded.sha256,
                "phrases": sum(1 for _ in loaded.phrases),
                "mistakes": [str(note) for note in fatal],
                "notes": [str(note) for note in notes if not note.is_fatal],
            }
        )
    else:
        for note in notes:
            kind = "mistake" if note.is_fatal else "note"
            console.print(f"{kind}: {note}", markup=False)
        count = sum(1 for _ in loaded.phrases)
        console.print(f"{path}: {count} phrases, {len(fatal)} mistakes", markup=False)
    raise typer.Exit(1 if fatal else 0)


@app.command("test")
def run_tests(
    ctx: typer.Context, rulebook: Path | None = RULEBOOK, as_json: bool = JSON_OPTION
) -> None:
    """Run the examples that stand beside each rule. Exit 1 when one fails."""
    from ivr.spotting.examples import run_examples
    from ivr.spotting.rulebook import Rulebook

    path = _path(ctx, rulebook)
    results = run_examples(Rulebook.load(path))
    failed = [result for result in results if not result.ok]
    if as_json:
        shown = [
            {
                "line": r.line,
                "phrase_id": r.phrase_id,
                "text": r.text,
                "should_match": r.should_match,
            }
            for r in failed
        ]
        print_json({"ok": not failed, "examples": len(results), "failed": shown})
    else:
        for result in failed:
            wanted = "must match" if result.should_match else "must not match"
            said = f"line {result.line}: {result.phrase_id} {wanted}: {result.text}"
            console.print(said, markup=False)
        console.print(f"{len(results)} examples, {len(failed)} failed")
    raise typer.Exit(1 if failed else 0)


@app.command()
def explain(
    ctx: typer.Context,
    text: str = typer.Argument(help="What was said, in quotes."),
    rulebook: Path | None = RULEBOOK,
    as_json: bool = JSON_OPTION,
) -> None:
    """Show, word by word, why phrases matched a text or came only near."""
    from ivr.spotting.explain import explain as explaining
    from ivr.spotting.explain import render
    from ivr.spotting.rulebook import Rulebook
    from ivr.spotting.spotter import Spotter

    found = explaining(Spotter(Rulebook.load(_path(ctx, rulebook))), text)
    if as_json:
        print_json(asdict(found))
    else:
        console.print(render(found), markup=False)
