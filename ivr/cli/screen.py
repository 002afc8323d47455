"""``ivr screen`` and ``ivr assess``: judge recordings and transcripts."""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import Progress, TaskID

from ivr import shapes
from ivr.cli import context
from ivr.cli.output import (
    JSON_OPTION,
    EngineChoice,
    console,
    fail,
    print_json,
    print_reasons,
    progress,
    run,
)
from ivr.errors import InputError
from ivr.facts.judgement import Verdict
from ivr.settings import Settings, resolve

if TYPE_CHECKING:
    from ivr.house import Mind
    from ivr.screening import Screened


def screen(
    ctx: typer.Context,
    files: list[Path] = typer.Argument(help="Recordings: wav, flac, ogg, mp3, m4a, amr, 3gp."),
    model: Path | None = typer.Option(None, "--model", help="Vosk model directory to use."),
    engine: EngineChoice | None = typer.Option(
        None, "--engine", help="What listens: vosk, or viet-asr (an optional extra)."
    ),
    is_twice: bool = typer.Option(
        False, "--second-pass", help="Let the other engine listen too; the verdict uses both."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Judge recordings of calls. Nothing is sealed or filed.

    A mono recording is taken for both voices in one; the channels of a stereo recording are heard
    one by one. With --json one object a line, in the order of the files; a file that cannot be used
    gives an object with "file" and "error", and exit code 3.
    """
    settings = context.of(ctx).settings
    changes: dict[str, Any] = {} if model is None else {"model": model}
    if engine is not None:
        changes["engine"] = engine.value
    changes["second_pass"] = _second_pass(settings, changes, is_wanted=is_twice)
    recognition = settings.recognition.model_copy(update=changes)
    changed = settings.model_copy(update={"recognition": recognition})
    raise typer.Exit(run(_screen(changed, files, as_json)))


def _second_pass(settings: Settings, changes: dict[str, Any], *, is_wanted: bool) -> str:
    """The engine to listen with too, when that is asked for: the settings' choice if it is
    another than the first, else the one of the two that is not the first."""
    if not is_wanted:
        return "off"
    first = changes.get("engine", settings.recognition.engine)
    chosen = settings.recognition.second_pass
    if chosen in ("auto", "off", first):
        return "viet-asr" if first == "vosk" else "vosk"
    return chosen


async def _screen(settings: Settings, files: list[Path], as_json: bool) -> int:
    """Judge each file; one that cannot be used is reported and the others are judged all the
    same. Returns the exit code."""
    from ivr.app import open_mind

    worst = 0
    async with open_mind(settings) as mind:
        for file in files:
            try:
                await _screen_one(file, mind, settings.verdict.filing_threshold, as_json)
            except InputError as problem:
                worst = max(worst, fail(problem, as_json=as_json, about={"file": str(file)}))
    return worst


async def _screen_one(file: Path, mind: "Mind", filing_threshold: float, as_json: bool) -> None:
    from ivr.media.uploads import open_recording
    from ivr.screening import screen_recording

    audio = await asyncio.to_thread(open_recording, file)
    total_s = sum(len(channel) for channel in audio.channels) / audio.rate_hz
    with Progress(console=progress, transient=True) as bar:
        passes = 1 if mind.second is None else 2
        task = bar.add_task(file.name, total=passes * total_s)
        advance = partial(_advance, bar, task)
        found = await screen_recording(audio, mind, filing_threshold, advance)
    if not as_json:
        _print(str(file), shapes.transcript(found.utterances), found.verdict)
        return
    factor = found.seconds / total_s if total_s else 0.0
    print_json(
        {
            "file": str(file),
            "sha256": audio.sha256,
            "duration_s": round(audio.duration_s, 2),
            "rate_hz": audio.source_rate_hz,
            "transcript": shapes.transcript(found.utterances),
            "hits": [shapes.hit(hit) for hit in found.hits],
            "verdict": shapes.verdict(found.verdict),
            "model": {
                "name": mind.model.name,
                "sha256": mind.model.sha256,
                "is_demonstration": mind.model.is_demonstration,
                "engine": mind.model.engine,
            },
            **_passes(found),
            "rulebook": _rulebook(mind.spotter.rulebook),
            "scorer": _scorer(found.verdict),
            "recognition": {
                "seconds": round(found.seconds, 3),
                "real_time_factor": round(factor, 4),
            },
        }
    )


def _passes(found: "Screened") -> dict[str, Any]:
    """What each engine heard on its own, when two have listened."""
    both = found.findings
    if both is None or both.second is None:
        return {}
    return {
        "passes": [
            {
                "engine": judged.model.engine,
                "model": judged.model.name,
                "sha256": judged.model.sha256,
                "is_leading": judged is both.leading,
                "transcript": shapes.transcript(judged.utterances),
                "hits": [shapes.hit(hit) for hit in judged.hits],
                "verdict": shapes.verdict(judged.verdict),
            }
            for judged in (both.first, both.second)
        ]
    }


def _advance(bar: Progress, task: TaskID, done_s: float) -> None:
    bar.update(task, completed=done_s)


def assess(
    ctx: typer.Context,
    transcripts: list[str] = typer.Argument(help="Files of turns; - is standard input."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Judge transcripts: lines `caller: …` / `callee: …`, or JSON lines {"who","text"}."""
    from ivr.app import judge_of
    from ivr.screening import assess_turns, read_transcript
    from ivr.spotting.rulebook import Rulebook
    from ivr.spotting.spotter import Spotter

    settings = context.of(ctx).settings
    rulebook = Rulebook.load(resolve(settings.spotting.rulebook))
    spotter, judge = Spotter(rulebook), judge_of(settings, rulebook)
    for name in transcripts:
        found = assess_turns(read_transcript(_read(name), name), spotter, judge)
        said = shapes.transcript(found.utterances, timed=False)
        if not as_json:
            _print(name, said, found.verdict)
            continue
        print_json(
            {
                "file": name,
                "transcript": said,
                "hits": [shapes.hit(hit, timed=False) for hit in found.hits],
                "verdict": shapes.verdict(found.verdict, timed=False),
                "rulebook": _rulebook(rulebook),
                "scorer": _scorer(found.verdict),
            }
        )


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as problem:
        raise InputError(
            f"The transcript {name} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Give the path of a text file, or - for standard input.",
        ) from problem


def _scorer(verdict: Verdict) -> dict[str, str] | None:
    return {"sha256": verdict.scorer_sha256} if verdict.scorer_sha256 else None


def _rulebook(rulebook: Any) -> dict[str, str]:
    return {"version": str(rulebook.version), "sha256": rulebook.sha256}


def _print(name: str, transcript: list[dict[str, Any]], verdict: Verdict) -> None:
    console.print(f"[bold]{name}[/]: {verdict.label} ({verdict.level}, {verdict.score:.2f})")
    for said in transcript:
        at = f"{said['start_s']:7.1f} s  " if "start_s" in said else "  "
        console.print(f"{at}{said['channel']}: {said['text']}", markup=False)
    print_reasons(verdict)
