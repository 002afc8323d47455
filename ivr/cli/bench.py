"""``ivr bench``: the figures of the documents, printed again."""

from dataclasses import asdict
from pathlib import Path

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, progress, run
from ivr.settings import PROJECT_ROOT, resolve

app = typer.Typer(no_args_is_help=True, help="Measure this machine; the documents quote these.")


@app.command()
def live(
    calls: list[int] = typer.Argument([1, 4], help="Numbers of calls at once to try, in turn."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Real calls at once with recording and recognition: delay of hits, processor time, losses."""
    from ivr.bench.live import measure_live

    for count in calls:
        progress.print(f"{count} calls at once…")
        figures = asdict(run(measure_live(count)))
        if as_json:
            print_json(figures)
        else:
            for name, value in figures.items():
                console.print(f"{name:>16}: {value}", markup=False)


@app.command()
def verdict(
    ctx: typer.Context,
    dialogues: Path = typer.Argument(
        PROJECT_ROOT / "data/dialogues/tuning.jsonl", help="Labelled dialogues, one JSON a line."
    ),
    errors: int = typer.Option(0, "--errors", help="Also show so many wrong dialogues."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Precision and recall of the verdict at both levels, by region and pretext (text only)."""
    from ivr.bench.verdict import evaluate, mistakes, read_dialogues, render, table
    from ivr.spotting.rulebook import Rulebook
    from ivr.spotting.spotter import Spotter

    settings = context.of(ctx).settings
    spotter = Spotter(Rulebook.load(resolve(settings.spotting.rulebook)))
    outcomes = evaluate(read_dialogues(dialogues), spotter, settings.verdict)
    if as_json:
        for row in table(outcomes):
            print_json(asdict(row))
        return
    console.print(render(outcomes), markup=False)
    for one in mistakes(outcomes)[:errors]:
        label, judged = one.dialogue.label, one.verdict
        console.print(f"\n{one.dialogue.name} {label} -> {judged.label} {judged.score:.2f}")
        for reason in judged.reasons:
            heard = ", ".join(one.hits[n].heard for n in reason.hits)
            sign = "-" if reason.is_against else "+"
            console.print(f"  {sign} {reason.code}: {heard}", markup=False)
