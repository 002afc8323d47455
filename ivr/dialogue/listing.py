"""``prompts.toml``: what each prompt says, who speaks it, digest and length. Read and written."""

import json
import os
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import EnvironmentProblem

LISTING = "prompts.toml"
BUILT_IN_VOICE = "espeak-ng"
RECORDED = "recorded"
TONE = "tone"

_HEAD = """\
# The agent's recorded prompts: text, voice, digest, duration. `scripts/make_prompts` speaks them.
# A studio recording replaces one with `ivr prompts record ID FILE`: voice = "recorded".
# Ids n_… and s_… are single words, from which numbers, times and money are put together.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt as listed.

    Args:
        voice: ``espeak-ng`` when ``scripts/make_prompts`` speaks it, ``tone`` for a signal that it
            makes, ``recorded`` for a studio's.
        sha256: hex digest of the file; empty while it was never made.
        duration_s: seconds.
    """

    id: str
    language: str
    text: str
    voice: str = BUILT_IN_VOICE
    sha256: str = ""
    duration_s: float = 0.0

    def path(self, folder: Path) -> Path:
        """Where its WAV lies."""
        return folder / self.language / f"{self.id}.wav"

    @property
    def is_word(self) -> bool:
        """A piece of a number or time, to be joined with others."""
        return self.id.startswith(("n_", "s_"))


def read(folder: Path) -> tuple[Entry, ...]:
    """All prompts of all languages, in the file's order.

    Raises:
        EnvironmentProblem: the listing cannot be read, or lists a prompt twice.
    """
    listing = folder / LISTING
    try:
        tables = tomllib.loads(listing.read_text(encoding="utf-8"))["prompt"]
        entries = tuple(
            Entry(
                id=str(table["id"]),
                language=str(table["language"]),
                text=str(table["text"]),
                voice=str(table.get("voice", BUILT_IN_VOICE)),
                sha256=str(table.get("sha256", "")),
                duration_s=float(table.get("duration_s", 0.0)),
            )
            for table in tables
        )
        _refuse_twins(entries)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as problem:
        raise EnvironmentProblem(
            f"The prompts in {folder} cannot be read.",
            why=f"{type(problem).__name__}: {problem}",
            remedy="Restore prompts/ from the repository, or run scripts/make_prompts.",
        ) from problem
    return entries


def _refuse_twins(entries: Sequence[Entry]) -> None:
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.id, entry.language) in seen:
            raise ValueError(f"'{entry.id}' ({entry.language}) is listed twice")
        seen.add((entry.id, entry.language))


def write(folder: Path, entries: Sequence[Entry]) -> None:
    """Replace the listing, whole or not at all.

    Raises:
        EnvironmentProblem: it cannot be written.
    """
    lines = [_HEAD]
    for entry in entries:
        lines += [
            "[[prompt]]",
            f"id = {_quoted(entry.id)}",
            f"language = {_quoted(entry.language)}",
            f"text = {_quoted(entry.text)}",
            f"voice = {_quoted(entry.voice)}",
            f"sha256 = {_quoted(entry.sha256)}",
            f"duration_s = {entry.duration_s:.2f}",
            "",
        ]
    replace_file(folder / LISTING, "\n".join(lines).encode())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside the old one and move it there in one step.

    Raises:
        EnvironmentProblem: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).chmod(0o644)
        os.replace(file.name, path)  # noqa: PTH105 - one atomic step, named as what it is
    except OSError as problem:
        raise EnvironmentProblem(
            f"{path} cannot be written.",
            why=problem.strerror or str(problem),
            remedy="Run this as a user who may write that folder.",
        ) from problem


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)
