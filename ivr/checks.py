"""One answer of `ivr doctor`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ivr.settings import Settings


class Level(StrEnum):
    """``warning`` works, but a person should know."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One answer. ``remedy`` is empty when there is nothing to do."""

    name: str
    level: Level
    detail: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return self.level is not Level.FAILED


Probe = Callable[[Settings], Check]
