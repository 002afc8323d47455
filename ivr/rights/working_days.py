"""Working days in Vietnam: Monday to Friday without days off, and weekends that are worked.

Only a confirmed day off counts as one. One that nobody has confirmed would make a term longer
than the law's, and too early is never too late.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ivr.rights.law import listed, read_tables, refused

SATURDAY = 5
ONE = timedelta(days=1)


class SpecialDay(BaseModel):
    """A day off, or a weekend day that is worked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: date
    name: str = Field(min_length=3)
    source: str = Field(min_length=3)
    verified: bool


class Year(BaseModel):
    """A year whose days off are listed; ``note`` says what is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    year: int = Field(ge=2020, le=2200)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days off and worked weekends by date; ``years`` by number."""

    off: dict[date, SpecialDay]
    worked: dict[date, SpecialDay]
    years: dict[int, Year]

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read ``config/holidays.toml``.

        Raises:
            SettingsError: it is missing, is no TOML, or holds a mistake; all are listed.
        """
        tables = read_tables(file, ("year", "day_off", "working_day"))
        mistakes: list[str] = []
        days: dict[str, dict[date, SpecialDay]] = {"day_off": {}, "working_day": {}}
        years: dict[int, Year] = {}
        for name, rows in tables.items():
            for n, row in enumerate(rows, start=1):
                try:
                    if name == "year":
                        year = Year.model_validate(row)
                        years[year.year] = year
                    else:
                        day = SpecialDay.model_validate(row)
                        days[name][day.date] = day
                        mistakes += _misplaced(name, day)
                except ValidationError as problem:
                    mistakes += [f"{name} {n}: {each}" for each in listed(problem)]
        if mistakes:
            raise refused(file, "; ".join(mistakes))
        return cls(days["day_off"], days["working_day"], years)

    def is_working(self, day: date) -> bool:
        if day.weekday() >= SATURDAY:
            return day in self.worked
        listed_off = self.off.get(day)
        return listed_off is None or not listed_off.verified

    def after(self, day: date, count: int) -> date:
        """The ``count``-th working day after ``day``, which does not count itself."""
        while count > 0:
            day += ONE
            count -= self.is_working(day)
        return day

    def doubts(self, first: date, last: date) -> tuple[str, ...]:
        """Why a count between two days may be too strict: nothing when all is confirmed."""
        found = [
            f"{day.date.isoformat()} {day.name}"
            for day in self.off.values()
            if first < day.date <= last and not day.verified
        ]
        unlisted = set(range(first.year, last.year + 1)) - set(self.years)
        found += [
            f"{year}: không có lịch nghỉ / no days off are listed" for year in sorted(unlisted)
        ]
        return tuple(found)


def _misplaced(name: str, day: SpecialDay) -> list[str]:
    is_weekend = day.date.weekday() >= SATURDAY
    if name == "day_off" and is_weekend:
        return [f"day_off {day.date} is a weekend day, which is off anyway"]
    if name == "working_day" and not is_weekend:
        return [f"working_day {day.date} is no weekend day"]
    return []
