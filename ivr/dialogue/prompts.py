"""The recorded prompts of ``prompts/prompts.toml``, checked against their digests."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

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
    listing = folder / "prompts.toml"
    try:
        entries = tomllib.loads(listing.read_text(encoding="utf-8"))["prompt"]
        chosen = [entry for entry in entries if entry["language"] == language]
        prompts = {
            entry["id"]: Prompt(
                id=entry["id"],
                language=language,
                text=entry["text"],
                voice=entry["voice"],
                path=folder / language / f"{entry['id']}.wav",
                duration_s=float(entry["duration_s"]),
            )
            for entry in chosen
        }
        digests = {entry["id"]: entry["sha256"] for entry in chosen}
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as problem:
        raise EnvironmentProblem(
            f"The prompts in {folder} cannot be read.",
            why=f"{type(problem).__name__}: {problem}",
            remedy="Restore prompts/ from the repository, or run scripts/make_prompts.",
        ) from problem
    if not prompts:
        raise EnvironmentProblem(
            f"There are no prompts in language '{language}' in {folder}.",
            why=f"{listing} lists none",
            remedy="Set call.language to a language that is listed there.",
        )
    for prompt in prompts.values():
        _check(prompt, digests[prompt.id])
    return prompts


def _check(prompt: Prompt, sha256: str) -> None:
    try:
        found = hashlib.sha256(prompt.path.read_bytes()).hexdigest()
    except OSError as problem:
        raise EnvironmentProblem(
            f"The prompt {prompt.path} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Run scripts/make_prompts, or put the recording back.",
        ) from problem
    if found != sha256:
        raise EnvironmentProblem(
            f"The prompt {prompt.path} is not the listed recording.",
            why=f"its SHA-256 begins {found[:12]}, prompts.toml says {sha256[:12]}",
            remedy="If you replaced it on purpose, run scripts/make_prompts to list its digest.",
        )
