"""``ivr bench``: the figures of the documents, printed again."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import typer

from ivr.cli import context
from ivr.cli.output import (
    JSON_OPTION,
    EngineChoice,
    JudgeChoice,
    console,
    print_json,
    progress,
    run,
)
from ivr.settings import PROJECT_ROOT, resolve

CallsMode = Literal["record", "recognise", "mirror"]

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
def calls(
    steps: list[int] = typer.Argument([4, 8, 16], help="Numbers of calls at once, in turn."),
    mode: CallsMode = typer.Option("record", "--mode", help="What is done with the calls."),
    seconds: float = typer.Option(30.0, "--seconds", min=1, help="How long all of them talk."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Real SIP and RTP from a process of its own, more calls with each step until something breaks:
    losses, drift, processor time and memory by process, delay of hits; says what broke first.
    Mode mirror prints one object for each number of SIPREC calls of two streams.
    """
    from ivr import telemetry
    from ivr.bench import mirror
    from ivr.bench.calls import Mode, measure_calls
    from ivr.bench.calls_table import render

    telemetry.configure("warning")
    if mode == "mirror":
        for count in steps:
            print_json(run(mirror.run(count, seconds)))
        return
    rows = []
    for count in steps:
        progress.print(f"{count} calls at once…")
        rows.append(run(measure_calls(count, Mode(mode), seconds)))
        if as_json:
            print_json(asdict(rows[-1]))
        if rows[-1].broke:
            break
    if not as_json:
        console.print(render(rows), markup=False)


@app.command()
def verdict(
    ctx: typer.Context,
    dialogues: Path = typer.Argument(
        PROJECT_ROOT / "data/dialogues/tuning.jsonl", help="Labelled dialogues, one JSON a line."
    ),
    errors: int = typer.Option(0, "--errors", help="Also show so many wrong dialogues."),
    judge: JudgeChoice | None = typer.Option(
        None, "--judge", help="Phrases and wording, or the phrases alone; as the settings say."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Precision and recall of the verdict at both levels, by region and pretext (text only); false
    filings in hours of hard negatives, and the warning relative to the demand.

    With --json one object for each row, then one with the rest.
    """
    from ivr.bench import relations
    from ivr.bench.verdict import evaluate, mistakes, read_dialogues, render, table
    from ivr.spotting.rulebook import Rulebook
    from ivr.spotting.sound import spelt_and_sounding
    from ivr.spotting.spotter import Spotter
    from ivr.verdict.scorer import Scorer

    settings = context.of(ctx).settings
    chosen = judge or JudgeChoice(settings.verdict.judge)
    scorer = None
    if chosen is JudgeChoice.BOTH:
        scorer = Scorer.load(resolve(settings.verdict.scorer), spelt_and_sounding)
    spotter = Spotter(Rulebook.load(resolve(settings.spotting.rulebook)))
    outcomes = evaluate(read_dialogues(dialogues), spotter, settings.verdict, scorer)
    if as_json:
        for row in table(outcomes):
            print_json(asdict(row))
        print_json(relations.as_json(relations.timed_by_text(outcomes)))
        return
    console.print(render(outcomes), markup=False)
    console.print("\nWith made-up speaking times:", markup=False)
    console.print(relations.render(relations.timed_by_text(outcomes)), markup=False)
    for one in mistakes(outcomes)[:errors]:
        label, judged = one.dialogue.label, one.verdict
        console.print(f"\n{one.dialogue.name} {label} -> {judged.label} {judged.score:.2f}")
        for reason in judged.reasons:
            heard = ", ".join(one.hits[n].heard for n in reason.hits)
            sign = "-" if reason.is_against else "+"
            heard = heard or "; ".join(", ".join(said.terms) for said in reason.passages)
            console.print(f"  {sign} {reason.code}: {heard}", markup=False)


@app.command()
def people(
    ctx: typer.Context,
    folder: Path = typer.Argument(help="transcripts.tsv (file, tab, text) and the recordings."),
    engine: EngineChoice | None = typer.Option(None, "--engine", help="vosk or viet-asr."),
    model: Path | None = typer.Option(None, "--model", help="Vosk model directory to use."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Recordings of people: syllable errors of the engine alone, and through the live path."""
    from ivr.bench.people import measure, read_clips, render

    changes = {"engine": engine.value if engine else None, "model": model}
    wanted = {name: value for name, value in changes.items() if value is not None}
    settings = context.of(ctx).settings.recognition.model_copy(update=wanted)
    rows = measure(read_clips(folder), settings)
    if as_json:
        for row in rows:
            print_json(asdict(row) | {"error_rate": round(row.errors.rate, 4)})
    else:
        console.print(render(rows), markup=False)


@app.command()
def hearing(
    ctx: typer.Context,
    folder: Path = typer.Argument(
        PROJECT_ROOT / "build/voiced/tuning", help="A set made by scripts/make_voiced_set."
    ),
    limit: int | None = typer.Option(None, "--limit", min=1, help="Only so many calls of it."),
    minutes: float = typer.Option(15.0, "--minutes", min=0.1, help="Begin no call after so long."),
    engine: EngineChoice | None = typer.Option(None, "--engine", help="vosk or viet-asr."),
    model: Path | None = typer.Option(None, "--model", help="Vosk model directory to use."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Voiced calls through the real recognisers: syllable errors, phrases, verdict, warnings.

    Says which world the speech is from; prints no word of any call.
    """
    from rich.progress import Progress

    from ivr.bench.hearing import measure
    from ivr.bench.hearing_tables import figures, render

    settings = context.of(ctx).settings
    # one engine is measured at a time: nobody listens a second time
    changes = {"engine": engine.value if engine else None, "model": model, "second_pass": "off"}
    wanted = {name: value for name, value in changes.items() if value is not None}
    recognition = settings.recognition.model_copy(update=wanted)
    settings = settings.model_copy(update={"recognition": recognition})
    with Progress(console=progress, transient=True) as bar:
        task = bar.add_task("hearing", total=None)

        def tell(done: int, calls: int) -> None:
            bar.update(task, completed=done, total=calls)

        heard = run(
            measure(folder, settings, limit=limit, longest_s=60 * minutes, on_progress=tell)
        )
    if as_json:
        print_json(figures(heard))
    else:
        console.print(render(heard), markup=False)


@app.command("site-log")
def site_log(
    cases: int = typer.Argument(10_000, min=10, help="How many cases the site has."),
    folder: Path | None = typer.Option(None, "--in", help="Where to build it; default: /tmp."),
    as_json: bool = JSON_OPTION,
) -> None:
    """A site of many small cases: seconds to open its log, to add to it, to prove from it, and to
    verify log and cases against each other.
    """
    from ivr import telemetry
    from ivr.bench.site_log import measure

    telemetry.configure("warning")
    progress.print(f"building a site of {cases} cases…")
    figures = asdict(measure(cases, folder))
    if as_json:
        print_json(figures)
        return
    for name, value in figures.items():
        console.print(f"{name:>16}: {value}", markup=False)
