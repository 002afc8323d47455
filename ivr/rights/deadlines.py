"""Terms of requests and the clock of a breach, in Vietnam's time.

The first day does not count, and a term ends with its last day (Civil Code 2015, articles 147 and
148). A last day that is off is not moved to the next working day, as the law would allow: too
early is never too late.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from ivr.clock import VIETNAM
from ivr.facts.rights import Breach, RequestKind, RequestState, SubjectRequest
from ivr.rights.law import LawBook, Rule
from ivr.rights.working_days import Calendar

GROUPS = {
    RequestKind.WITHDRAW: "stop",
    RequestKind.RESTRICT: "stop",
    RequestKind.OBJECT: "stop",
    RequestKind.VIEW: "give",
    RequestKind.CORRECT: "give",
    RequestKind.COPY: "give",
    RequestKind.DELETE: "delete",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """By when a request is acknowledged and answered: the moment at which the last day is over.

    Args:
        rules: what they rest on.
        doubts: days off that may or may not lengthen them, and are not counted.
    """

    acknowledge_by: datetime
    answer_by: datetime
    rules: tuple[Rule, ...]
    doubts: tuple[str, ...]

    def is_overdue(self, request: SubjectRequest, now: datetime) -> bool:
        """Whether something should have been done about an open request by now."""
        if request.state is not RequestState.OPEN:
            return False
        is_unheard = request.acknowledged_at is None and now >= self.acknowledge_by
        return is_unheard or now >= self.answer_by


@dataclass(frozen=True, slots=True)
class Law:
    """The rules and the days off, which is all that terms are counted from."""

    book: LawBook
    calendar: Calendar

    def terms(self, request: SubjectRequest) -> Terms:
        """The terms of a request, its extension included."""
        group = GROUPS[request.kind]
        answer = f"answer_{group}" + ("_third" if request.has_third_party else "")
        names = ["acknowledge", answer]
        first = local_day(request.received_at)
        acknowledge = self._last_day(first, "acknowledge")
        last = self._last_day(first, answer)
        if request.extended_at is not None:
            names.append(f"extend_{group}")
            last = self._last_day(last, names[-1])
        return Terms(
            end_of(acknowledge),
            end_of(last),
            tuple(self.book[name] for name in names),
            self._doubts(first, acknowledge, last, names[1:]),
        )

    def breach_by(self, breach: Breach) -> datetime:
        """When the authority must have been told."""
        return breach.detected_at + timedelta(hours=self.book.term("breach"))

    def impact_by(self, since: date) -> date:
        """The last day for the impact file, of a processing that began on a day."""
        return since + timedelta(days=self.book.term("impact"))

    def _last_day(self, first: date, name: str) -> date:
        count = self.book.term(name)
        if self.book[name].unit == "working_days":
            return self.calendar.after(first, count)
        return first + timedelta(days=count)

    def _doubts(
        self, first: date, acknowledge: date, last: date, names: list[str]
    ) -> tuple[str, ...]:
        is_in_working_days = any(self.book[name].unit == "working_days" for name in names)
        return self.calendar.doubts(first, last if is_in_working_days else acknowledge)


def local_day(moment: datetime) -> date:
    """The day of a moment in Vietnam."""
    return moment.astimezone(VIETNAM).date()


def end_of(day: date) -> datetime:
    """24:00 of a day in Vietnam: the first moment that is too late."""
    return datetime.combine(day + timedelta(days=1), time.min, VIETNAM)


def last_day(end: datetime) -> date:
    """The day that ends at ``end``; the inverse of `end_of`."""
    return (end.astimezone(VIETNAM) - timedelta(microseconds=1)).date()


def remaining(until: datetime, now: datetime) -> str:
    """``12 h 05 min``, or ``-3 h 20 min`` when it is over."""
    minutes = int((until - now).total_seconds() // 60)
    sign, minutes = ("-", -minutes) if minutes < 0 else ("", minutes)
    return f"{sign}{minutes // 60} h {minutes % 60:02d} min"
