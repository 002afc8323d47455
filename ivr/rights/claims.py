"""What a paper says of the settings, read from them at the same moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.settings import Settings


def value_of(settings: Settings, name: str) -> Any:
    """``smtp.host`` → its value; raises AttributeError for a name that is no setting."""
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


def shown(value: Any) -> str:
    """A value for people: tables are counted, a file is named by its path."""
    if value in (None, "", ()):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        is_plain = all(isinstance(each, str | int | Path) for each in value)
        return ", ".join(str(each) for each in value) if is_plain else str(len(value))
    return str(value)


@dataclass(slots=True)
class Claims:
    """Settings that a paper names; ``told`` remembers each with its value."""

    settings: Settings
    told: dict[str, str] = field(default_factory=dict)

    def say(self, *names: str) -> str:
        """``smtp.host = –; smtp.port = 587``.

        Raises:
            AttributeError: there is no such setting.
        """
        for name in names:
            self.told[name] = shown(value_of(self.settings, name))
        return "; ".join(f"{name} = {self.told[name]}" for name in names)

    @property
    def all(self) -> Mapping[str, str]:
        return dict(sorted(self.told.items()))
