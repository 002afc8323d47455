"""Notes in ``recipients.toml`` that an address was verified, keeping every comment.

Own code: the locked libraries read TOML and do not write it back with its comments. Only two
values of one table are set, and the result counts only when it reads back as the old file with
exactly these two changed.
"""

import json
import os
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final

from ivr.errors import EnvironmentProblem, InputError, SettingsError, UsageError
from ivr.reporting.recipients import Recipient, load

_HEADER: Final = re.compile(r"\s*\[\[\s*recipient\s*\]\]\s*(#.*)?$")
_ANY_HEADER: Final = re.compile(r"\s*\[")
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s#"']+)"""


def note_verified(file: Path, recipient_id: str, on: date, by: str, today: date) -> Recipient:
    """Write ``verified_on`` and ``verified_by`` into the recipient's table; returns it as it is.

    Args:
        on: the day on which the office was asked.
        by: the person who asked it.
        today: in Vietnam.

    Raises:
        UsageError: a day in the future, no name, or a recipient that needs no verification.
        InputError: no such recipient.
        SettingsError: the table cannot be used, or is laid out so that only a person can edit it.
        EnvironmentProblem: the file cannot be written.
    """
    before = next((each for each in load(file) if each.id == recipient_id), None)
    if before is None:
        raise InputError(
            f"There is no recipient {recipient_id!r} in {file}.",
            why="no table has this id",
            remedy="`ivr recipients list` shows the ids.",
        )
    _check(before, on, by, today)
    text = _read(file)
    changed = _edited(text, file, recipient_id, {"verified_on": on, "verified_by": by.strip()})
    _replace(file, changed)
    return next(each for each in load(file) if each.id == recipient_id)


def _check(recipient: Recipient, on: date, by: str, today: date) -> None:
    why = ""
    if not recipient.needs_verification:
        why = f"one of kind {recipient.kind} needs none"
    elif on > today:
        why = f"{on} lies in the future"
    elif not by.strip() or not by.isprintable():
        why = "nobody is named who asked the office"
    if why:
        raise UsageError(
            f"The verification of {recipient.id} cannot be noted.",
            why=why,
            remedy="Ask the office itself, then name who did (--by) and when (--on YYYY-MM-DD).",
        )


def _edited(text: str, file: Path, recipient_id: str, values: dict[str, Any]) -> str:
    wanted = tomllib.loads(text)
    n = next(n for n, row in enumerate(wanted["recipient"]) if row["id"] == recipient_id)
    wanted["recipient"][n] |= values
    lines = text.splitlines(keepends=True)
    starts = [at for at, line in enumerate(lines) if _HEADER.match(line.rstrip("\r\n"))]
    if n < len(starts):
        changed = "".join(_with_values(lines, starts[n], values))
        try:
            if tomllib.loads(changed) == wanted:
                return changed
        except tomllib.TOMLDecodeError:
            pass  # told below: the layout is one that this edit does not understand
    by_hand = "; ".join(f"{name} = {_written(value)}" for name, value in values.items())
    raise SettingsError(
        f"{file} is laid out so that it must be edited by hand.",
        why=f"the table of {recipient_id} was not found in the usual form",
        remedy=f"Write into it: {by_hand}",
    )


def _with_values(lines: list[str], start: int, values: dict[str, Any]) -> list[str]:
    """The lines with the values set in the table that begins at ``start``."""
    after = (at for at in range(start + 1, len(lines)) if _ANY_HEADER.match(lines[at]))
    end = next(after, len(lines))
    table, ending = lines[start:end], "\r\n" if lines[start].endswith("\r\n") else "\n"
    for name, value in values.items():
        pattern = re.compile(rf"^(\s*{name}\s*=\s*){_VALUE}")
        found = next((at for at, line in enumerate(table) if pattern.match(line)), None)
        if found is not None:
            matched = pattern.match(table[found])
            assert matched is not None
            table[found] = matched[1] + _written(value) + table[found][matched.end() :]
            continue
        last = max(at for at, line in enumerate(table) if _says_something(line))
        if not table[last].endswith("\n"):
            table[last] += ending
        table.insert(last + 1, f"{name} = {_written(value)}{ending}")
    return [*lines[:start], *table, *lines[end:]]


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _written(value: object) -> str:
    """A TOML date, or a basic string: JSON's form is one, for printable text."""
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def _read(file: Path) -> str:
    with file.open(encoding="utf-8", newline="") as opened:  # line ends stay as they are
        return opened.read()


def _replace(file: Path, text: str) -> None:
    """Whole or not at all, with the mode it had; a link goes on pointing to it."""
    real = file.resolve()
    draft = real.with_name(f".{real.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8", newline="") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        draft.chmod(real.stat().st_mode & 0o777)
        draft.replace(real)
    except OSError as problem:
        draft.unlink(missing_ok=True)
        raise EnvironmentProblem(
            f"{file} cannot be written.",
            why=problem.strerror or str(problem),
            remedy="Give this user write permission there, or edit it by hand.",
        ) from problem
