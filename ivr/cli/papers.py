"""A paper of blocks: printed, or written to a file whose ending chooses its form."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import typer

from ivr.cli.output import console
from ivr.clock import VIETNAM
from ivr.errors import EnvironmentProblem, UsageError
from ivr.facts.papers import Block

Language = Literal["vi", "en"]
ENGLISH = typer.Option(False, "--english", help="In English instead of Vietnamese.")
OUT = typer.Option(
    None, "--out", help="Write it there; .txt, .md, .html, .pdf choose the form. Not printed then."
)
WHO = typer.Option("", "--who", help="Who, as a court would name them; default: this account.")


def language_of(is_english: bool) -> Language:
    return "en" if is_english else "vi"


def said(words: str) -> str:
    """Words that say something; raises BadParameter for none."""
    if not words.strip():
        raise typer.BadParameter("it must say something: it is kept.")
    return words.strip()


def moment(text: str) -> datetime:
    """``2026-11-25T09:30``; without a zone the time of Vietnam.

    Raises:
        UsageError: it is no time.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise UsageError(
            f"{text!r} is no time.", why=str(problem), remedy="Write it as 2026-11-25T09:30."
        ) from problem
    return found if found.tzinfo is not None else found.replace(tzinfo=VIETNAM)


def content_of(
    blocks: Sequence[Block], suffix: str, name: str, made_at: datetime, language: Language
) -> bytes:
    """The paper in the form of a file's ending.

    Raises:
        UsageError: an ending that is none of ours.
        EnvironmentProblem: PDF, and the extra ``pdf`` is not installed.
    """
    from ivr.rights import render

    match suffix:
        case ".txt":
            return render.as_text(blocks).encode()
        case ".md":
            return render.as_markdown(blocks).encode()
        case ".html":
            return render.as_html(blocks, language).encode()
        case ".pdf":
            from ivr.reporting.court_pdf import draw

            return draw(blocks, name, made_at, is_of_case=False)
    raise UsageError(
        f"A paper cannot be written as {suffix or 'a file without an ending'}.",
        why="the ending chooses the form",
        remedy="End the name in .txt, .md, .html or .pdf.",
    )


def write(file: Path, content: bytes) -> None:
    """Whole or not at all, readable by this user alone; an older one is replaced.

    Raises:
        EnvironmentProblem: the disk refused.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}.draft")
    try:
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(file)
    except OSError as problem:
        raise EnvironmentProblem(
            f"{file} cannot be written.",
            why=problem.strerror or str(problem),
            remedy="Name a folder that is there and that this user may write.",
        ) from problem


def hand_out(
    blocks: Sequence[Block], out: Path | None, name: str, made_at: datetime, language: Language
) -> None:
    """Write the paper to ``out``, or print it as text."""
    from ivr.rights import render

    if out is None:
        console.print(render.as_text(blocks), markup=False, end="")
        return
    write(out, content_of(blocks, out.suffix, name, made_at, language))
    console.print(str(out), markup=False)
