"""Tells a running house when an answer to a person, or the notice of a breach, is late."""

import asyncio
import time
from typing import Final

from ivr.casework.duties import Duties, duties, read_law
from ivr.errors import IvrError
from ivr.facts.alarms import AlarmCode
from ivr.house import House

EVERY_S: Final = 60.0


class DutyAlarm:
    """Look as often as you like: the ledger is asked once a minute. The law is read each time, so
    that a corrected file counts at once."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._due_at = float("-inf")

    async def look(self) -> None:
        """Set gauges and alarm. What cannot be counted is an alarm, too: nobody would know."""
        if time.monotonic() < self._due_at:
            return
        self._due_at = time.monotonic() + EVERY_S
        house = self._house
        try:
            law = await asyncio.to_thread(read_law, house.settings)
            found = await duties(house.ledger, law, house.settings, house.clock.now())
        except IvrError as problem:
            house.alarms.raise_(AlarmCode.RIGHTS_OVERDUE, why=problem.what)
            return
        house.metrics.show_rights(
            overdue={"request": found.late_requests, "breach": found.late_breaches},
            open_now={"request": found.open_requests, "breach": found.open_breaches},
        )
        house.alarms.set(AlarmCode.RIGHTS_OVERDUE, found.is_alarming, "", **_told(found))


def _told(found: Duties) -> dict[str, int]:
    return {
        "requests": found.late_requests,
        "breaches": found.late_breaches,
        "breaches_soon": found.urgent_breaches,
    }
