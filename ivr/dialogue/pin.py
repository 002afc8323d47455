"""The code that opens the voice menu: read from a file, compared without telling how near it was,
and guessed at only so often."""

import hmac
from pathlib import Path
from typing import Final

from ivr.errors import SettingsError

SHORTEST: Final = 6
LONGEST: Final = 12
TRIES: Final = 3
"""In one call."""

FAILED_CALLS: Final = 5
LOCKED_S: Final = 3600.0


def read(file: Path) -> str:
    """The code in a file.

    Raises:
        SettingsError: the file cannot be read, or holds no code of 6 to 12 digits.
    """
    try:
        code = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(
            f"The file {file} of a menu code cannot be read.",
            why=str(problem),
            remedy="Make subscribers.menu_pin_file readable for this user, or leave it out.",
        ) from problem
    if not (code.isascii() and code.isdecimal() and SHORTEST <= len(code) <= LONGEST):
        raise SettingsError(
            f"The file {file} holds no usable menu code.",
            why=f"it must be {SHORTEST} to {LONGEST} digits and nothing else",
            remedy="Write such a code into it; six digits keep a guesser busy for years.",
        )
    return code


def is_right(entered: str, code: str) -> bool:
    """In constant time."""
    return hmac.compare_digest(entered.encode(), code.encode())


class PinGate:
    """Counts calls that failed at the code, for each access number; after ``FAILED_CALLS`` within
    ``LOCKED_S`` seconds the menu is shut until the oldest of them is as old. Kept in memory: a
    restart forgets it. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._failed: dict[str, list[float]] = {}

    def is_shut(self, access: str, now_s: float) -> bool:
        """Whether nobody may try a code now."""
        recent = [at for at in self._failed.get(access, ()) if now_s - at < LOCKED_S]
        self._failed[access] = recent
        return len(recent) >= FAILED_CALLS

    def fail(self, access: str, now_s: float) -> None:
        """A call in which no right code was entered."""
        self._failed.setdefault(access, []).append(now_s)

    def succeed(self, access: str) -> None:
        self._failed.pop(access, None)
