"""The recorded prompts, checked against their digests when they are loaded."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ivr.dialogue import listing
from ivr.errors import EnvironmentProblem


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: 8 kHz, 16-bit, mono WAV; ``duration_s`` in seconds."""

    id: str
    language: str
    text: str
    voice: str
    path: Path
    duration_s: float


def load(folder: Path, language: str) -> dict[str, Prompt]:
    """All prompts of a language, by id.

    Raises:
        EnvironmentProblem: the listing or a file is missing, or a file is not the listed one.
    """
    chosen = [entry for entry in listing.read(folder) if entry.language == language]
    if not chosen:
        raise EnvironmentProblem(
            f"There are no prompts in language '{language}' in {folder}.",
            why=f"{folder / listing.LISTING} lists none",
            remedy="Set call.language to a language that is listed there.",
        )
    for entry in chosen:
        _check(entry.path(folder), entry.sha256)
    return {
        entry.id: Prompt(
            id=entry.id,
            language=language,
            text=entry.text,
            voice=entry.voice,
            path=entry.path(folder),
            duration_s=entry.duration_s,
        )
        for entry in chosen
    }


def require(found: Mapping[str, Prompt], wanted: Iterable[str], language: str) -> None:
    """A prompt that is missing must be known before a call needs it.

    Raises:
        EnvironmentProblem: names every prompt that is not there.
    """
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise EnvironmentProblem(
            f"{len(missing)} prompts are missing in language '{language}'.",
            why=", ".join(missing),
            remedy="List them in prompts.toml and run scripts/make_prompts.",
        )


def _check(path: Path, sha256: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise EnvironmentProblem(
            f"The prompt {path} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Run scripts/make_prompts, or put the recording back.",
        ) from problem
    if found != sha256:
        raise EnvironmentProblem(
            f"The prompt {path} is not the listed recording.",
            why=f"its SHA-256 begins {found[:12]}, prompts.toml says {sha256[:12]}",
            remedy="If you replaced it on purpose, list it with `ivr prompts record`.",
        )
