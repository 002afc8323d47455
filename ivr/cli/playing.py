"""``ivr cases play``: a recording, or a part of it, through the loudspeaker."""

import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import typer

from ivr.cli import context
from ivr.cli.holding import CASE, WHO, note, path_of, who
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.errors import EnvironmentProblem, UsageError

PLAYERS = (
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("aplay", "-q"),
    ("play", "-q"),
)
RECORDING = "derived/call.wav"
_FRAMES = 1 << 16


def play(
    ctx: typer.Context,
    case_id: str = CASE,
    start_s: float = typer.Option(0.0, "--at", min=0.0, help="Start at this second."),
    end_s: float | None = typer.Option(None, "--until", min=0.0, help="Stop at this second."),
    actor: str = WHO,
    reason: str = typer.Option("ivr cases play", "--why", help="Why, for custody."),
    is_path_only: bool = typer.Option(False, "--path", help="Only print where the recording is."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Play the recording of a case (the other side left, the agent right); custody says who heard
    which part."""
    from ivr.casework.unlocking import unlocked
    from ivr.evidence.durable import sha256_file

    settings = context.of(ctx).settings
    path = run(path_of(settings, case_id))
    with unlocked(path, settings) as clear:
        recording = clear / RECORDING
        if not recording.exists():
            raise EnvironmentProblem(
                f"The case {path.name} has no recording.",
                why="no packet arrived in this call",
                remedy=f"`ivr cases show {path.name}` shows what is known of it.",
            )
        if is_path_only or as_json:
            _must_stay(path, clear)
            shown = {"case_id": path.name, "recording": str(recording)}
            print_json(shown) if as_json else console.print(str(recording), markup=False)
            return
        player = _player(recording)
        with tempfile.TemporaryDirectory(prefix="ivr-play-", dir=_beside(clear, path)) as folder:
            part = Path(folder) / "part.wav"
            begun_s, ended_s = cut(recording, part, start_s, end_s)
            facts = {
                "file": RECORDING,
                "file_sha256": sha256_file(recording)[0],
                "start_s": begun_s,
                "end_s": ended_s,
            }
            note(settings, path, "played", reason, actor=who(actor), facts=facts)
            subprocess.run([*player, str(part)], check=False)


def cut(recording: Path, part: Path, start_s: float, end_s: float | None) -> tuple[float, float]:
    """Copy a span of a WAV file; returns what it covers, in seconds rounded to a hundredth.

    Raises:
        UsageError: the span is empty, or begins behind the end.
    """
    with wave.open(str(recording), "rb") as source:
        rate, length = source.getframerate(), source.getnframes()
        first = min(int(start_s * rate), length)
        last = length if end_s is None else min(int(end_s * rate), length)
        if first >= last:
            raise UsageError(
                "There is nothing to play.",
                why=f"the recording is {length / rate:.2f} s long",
                remedy="Give --at before --until, both within it.",
            )
        source.setpos(first)
        with wave.open(str(part), "wb") as target:
            target.setparams(source.getparams())
            while frames := source.readframes(min(last - source.tell(), _FRAMES)):
                target.writeframes(frames)
    return round(first / rate, 2), round(last / rate, 2)


def _player(recording: Path) -> tuple[str, ...]:
    for each in PLAYERS:
        if shutil.which(each[0]):
            return each
    raise EnvironmentProblem(
        "No program that plays sound is installed.",
        why="none of " + ", ".join(each[0] for each in PLAYERS) + " is on the path",
        remedy=f"Install one (Debian: apt-get install alsa-utils), or open {recording}",
    )


def _must_stay(path: Path, clear: Path) -> None:
    if clear != path:
        raise UsageError(
            f"The recording of {path.name} has no place of its own.",
            why="the case is encrypted, and what is opened of it goes when the command ends",
            remedy="Play it, export it, or `ivr cases unlock` it.",
        )


def _beside(clear: Path, path: Path) -> str | None:
    """The sound of an encrypted case goes nowhere but where it was opened."""
    return str(clear.parent) if clear != path else None
