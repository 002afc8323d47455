"""The alarms that stand now. Raised twice, an alarm is told once."""

from datetime import datetime

from ivr import locale
from ivr.board import Board
from ivr.clock import Clock
from ivr.facts.alarms import Alarm, AlarmCleared, AlarmCode
from ivr.telemetry import logger

MOST = 1000
"""Alarms kept at once, so that a flood of bad calls fills no memory; further ones are logged."""

_log = logger("ivr.alarms")


class Alarms:
    """On the live board, in the log at error level, and in the metrics. Touched by the event loop
    only; ``standing`` may be read from any thread."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board, self._clock = board, clock
        self._texts = {language: locale.table(language, "alarms.toml") for language in ("vi", "en")}
        self._standing: dict[tuple[AlarmCode, str], Alarm] = {}

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """Oldest first."""
        return tuple(self._standing.values())

    def since(self, code: AlarmCode, call_id: str = "") -> datetime | None:
        """When it was raised; None: it does not stand."""
        alarm = self._standing.get((code, call_id))
        return alarm.since if alarm is not None else None

    def raise_(self, code: AlarmCode, call_id: str = "", **detail: object) -> None:
        """It is so. Told once for as long as it stands.

        Args:
            detail: figures that help; never personal data.
        """
        if (code, call_id) in self._standing:
            return
        shown = ", ".join(f"{name} {value}" for name, value in detail.items())
        alarm = Alarm(
            code,
            self._texts["vi"][code],
            self._texts["en"][code],
            self._clock.now(),
            call_id,
            shown,
        )
        if len(self._standing) < MOST:
            self._standing[code, call_id] = alarm
        _log.error("alarm", code=code.value, call_id=call_id, text=alarm.text_en, **detail)
        self._board.publish(call_id, alarm)

    def clear(self, code: AlarmCode, call_id: str = "") -> None:
        """It is not so, or no longer."""
        if self._standing.pop((code, call_id), None) is None:
            return
        _log.info("alarm over", code=code.value, call_id=call_id)
        self._board.publish(call_id, AlarmCleared(code, call_id))

    def set(self, code: AlarmCode, is_so: bool, call_id: str = "", **detail: object) -> None:
        """Raise or clear."""
        if is_so:
            self.raise_(code, call_id, **detail)
        else:
            self.clear(code, call_id)
