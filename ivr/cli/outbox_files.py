"""Papers for the citizen in the outbox folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from ivr.errors import EnvironmentProblem


def lay_out(folder: Path, stem: str, contents: Mapping[str, str]) -> list[Path]:
    """Write each whole or not at all, readable by this user alone; an older one is replaced.

    Args:
        contents: text by the end of the file's name, ``.txt``.

    Raises:
        EnvironmentProblem: the folder cannot be written.
    """
    saved = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for suffix, text in contents.items():
            file = folder / f"{stem}{suffix}"
            draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
            draft.touch(mode=0o600)
            draft.write_text(text, encoding="utf-8")
            draft.replace(file)
            saved.append(file)
    except OSError as problem:
        raise EnvironmentProblem(
            f"{stem} cannot be written into {folder}.",
            why=problem.strerror or str(problem),
            remedy="Free disk space or give this user write permission there.",
        ) from problem
    return saved
