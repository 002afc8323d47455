"""``ivr prompts``: what the agent can say, is each recording in order, put in a studio's."""

from dataclasses import asdict
from pathlib import Path

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.settings import resolve

app = typer.Typer(no_args_is_help=True, help="List, verify and replace the agent's prompts.")
LANGUAGE = typer.Option(None, "--language", help="Only this language (vi, en).")


@app.command("list")
def list_prompts(
    ctx: typer.Context, language: str | None = LANGUAGE, as_json: bool = JSON_OPTION
) -> None:
    """Every prompt with its text, voice and length; with --json one object a line."""
    from ivr.dialogue import listing

    folder = resolve(context.of(ctx).settings.call.prompts)
    for entry in listing.read(folder):
        if language not in {None, entry.language}:
            continue
        if as_json:
            print_json({**asdict(entry), "path": str(entry.path(folder))})
        else:
            line = f"{entry.language}  {entry.id:24} {entry.duration_s:5.2f} s  {entry.voice:10}"
            console.print(f"{line} {entry.text}", markup=False)


@app.command()
def verify(
    ctx: typer.Context, language: str | None = LANGUAGE, as_json: bool = JSON_OPTION
) -> None:
    """Check form, level, silence, length against the text, and digest. Exit 1 at any fault."""
    from ivr.dialogue import listing, sound

    folder = resolve(context.of(ctx).settings.call.prompts)
    entries = [e for e in listing.read(folder) if language in {None, e.language}]
    found = {(e.language, e.id): faults for e in entries if (faults := sound.faults(e, folder))}
    if as_json:
        wrong = [{"language": k[0], "id": k[1], "faults": v} for k, v in found.items()]
        print_json({"ok": not found, "prompts": len(entries), "wrong": wrong})
    else:
        for (spoken, name), faults in found.items():
            for fault in faults:
                console.print(f"{spoken}/{name}: {fault}", markup=False)
        console.print(f"{folder}: {len(entries)} prompts, {len(found)} with faults", markup=False)
    raise typer.Exit(1 if found else 0)


@app.command()
def record(
    ctx: typer.Context,
    prompt: str = typer.Argument(help="Id of the prompt, see `ivr prompts list`."),
    file: Path = typer.Argument(help="The recording: wav, flac, mp3, m4a, ogg …"),
    language: str | None = typer.Option(
        None, "--language", help="Language of the prompt; default: the one in use."
    ),
    text: str | None = typer.Option(None, "--text", help="What is said, when it differs."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Put a studio recording in place of a prompt: converted, levelled, checked, listed.

    The file that was there is kept beside it as ID.wav.bak. Restart `ivr serve` to use it.
    """
    from ivr.dialogue import recording
    from ivr.media.uploads import open_recording

    settings = context.of(ctx).settings
    folder = resolve(settings.call.prompts)
    channels = open_recording(file, longest_s=recording.LONGEST_S).channels
    entry = recording.replace_prompt(
        folder, prompt, language or settings.call.language, channels, text
    )
    if as_json:
        print_json({**asdict(entry), "path": str(entry.path(folder))})
    else:
        console.print(f"{entry.path(folder)}: {entry.duration_s:.2f} s, {entry.text}", markup=False)
