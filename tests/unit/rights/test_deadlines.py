"""Terms in working days and days, and the clock of a breach, in Vietnam's time."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.clock import VIETNAM
from ivr.errors import SettingsError
from ivr.facts.rights import Breach, RequestKind, RequestState
from ivr.rights.deadlines import GROUPS, end_of, last_day, local_day, remaining
from ivr.rights.working_days import Calendar, SpecialDay, Year

DAYS = st.integers(0, 60).map(lambda n: date(2026, 1, 15) + timedelta(days=n))
MOMENTS = st.builds(
    lambda start, minutes, zone: (start + timedelta(minutes=minutes)).astimezone(zone),
    st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    st.integers(0, 700 * 24 * 60),
    st.sampled_from([UTC, VIETNAM, timezone(timedelta(hours=-11))]),
)


def special(day, *, verified=True):
    return SpecialDay(date=day, name="một ngày", source="kiểm tra", verified=verified)


@st.composite
def calendars(draw):
    """Days off and worked weekends around spring 2026, confirmed or not."""
    chosen = draw(st.dictionaries(st.integers(0, 40), st.booleans(), max_size=20))
    days = {date(2026, 2, 1) + timedelta(days=n): read for n, read in chosen.items()}
    return Calendar(
        {day: special(day, verified=read) for day, read in days.items() if day.weekday() < 5},
        {day: special(day, verified=read) for day, read in days.items() if day.weekday() >= 5},
        {2026: Year(year=2026)},
    )


@given(calendars(), DAYS, st.integers(1, 30))
def test_a_term_in_working_days_ends_on_one_and_holds_so_many(calendar, day, count):
    last = calendar.after(day, count)
    between = [day + timedelta(days=n) for n in range(1, (last - day).days + 1)]
    assert sum(calendar.is_working(each) for each in between) == count
    assert last.weekday() < 5 or last in calendar.worked
    assert last not in calendar.off or not calendar.off[last].verified


@given(calendars(), DAYS, st.integers(1, 30))
def test_a_day_off_that_nobody_confirmed_never_makes_it_longer(calendar, day, count):
    confirmed = {each: found for each, found in calendar.off.items() if found.verified}
    without = Calendar(confirmed, calendar.worked, calendar.years)
    assert calendar.after(day, count) == without.after(day, count)


@given(MOMENTS)
def test_the_end_of_a_day_is_midnight_in_vietnam(moment):
    day = local_day(moment)
    end = end_of(day)
    assert timedelta(0) < end - moment <= timedelta(days=1)
    assert last_day(end) == day
    assert last_day(end.astimezone(UTC)) == day


@given(MOMENTS, st.sampled_from(RequestKind), st.booleans(), st.booleans())
def test_terms_of_any_request_are_in_order(
    law, a_request, received_at, kind, has_third_party, is_extended
):
    extended_at = received_at + timedelta(days=1) if is_extended else None
    request = a_request(
        kind=kind,
        received_at=received_at,
        has_third_party=has_third_party,
        extended_at=extended_at,
    )
    terms = law.terms(request)
    assert received_at < terms.acknowledge_by <= terms.answer_by
    assert law.calendar.is_working(last_day(terms.acknowledge_by))
    days = law.book.term(f"answer_{GROUPS[kind]}{'_third' if has_third_party else ''}")
    days += law.book.term(f"extend_{GROUPS[kind]}") if is_extended else 0
    assert last_day(terms.answer_by) - local_day(received_at) == timedelta(days=days)


def test_the_day_of_a_request_is_that_of_vietnam(law, a_request):
    late = a_request(received_at=datetime(2026, 11, 25, 16, 59, 59, tzinfo=UTC))
    early = a_request(received_at=datetime(2026, 11, 25, 17, 0, tzinfo=UTC))  # 26-11, 00:00
    assert last_day(law.terms(late).answer_by) == date(2026, 12, 5)
    assert last_day(law.terms(early).answer_by) == date(2026, 12, 6)


def test_a_weekend_and_the_new_year_do_not_count(law, a_request):
    friday = a_request(received_at=datetime(2026, 11, 27, 3, 0, tzinfo=UTC))
    assert last_day(law.terms(friday).acknowledge_by) == date(2026, 12, 1)
    before = a_request(received_at=datetime(2026, 12, 31, 3, 0, tzinfo=UTC))
    assert last_day(law.terms(before).acknowledge_by) == date(2027, 1, 5)  # 1-1 and a weekend


def test_a_weekend_that_is_worked_counts(law):
    assert law.calendar.is_working(date(2026, 1, 10))
    assert law.calendar.after(date(2026, 1, 9), 1) == date(2026, 1, 10)


def test_tet_that_is_not_announced_is_shown_and_not_counted(law, a_request):
    request = a_request(received_at=datetime(2027, 2, 4, 3, 0, tzinfo=UTC))
    terms = law.terms(request)
    assert last_day(terms.acknowledge_by) == date(2027, 2, 8)
    assert [doubt[:10] for doubt in terms.doubts] == ["2027-02-05", "2027-02-08"]


def test_a_year_without_a_list_is_told(law, a_request):
    request = a_request(received_at=datetime(2029, 3, 5, 3, 0, tzinfo=UTC))
    assert any(doubt.startswith("2029") for doubt in law.terms(request).doubts)


def test_the_last_moment_is_in_time_and_the_next_is_late(law, a_request):
    request = a_request(acknowledged_at=datetime(2026, 11, 25, 3, tzinfo=UTC))
    terms = law.terms(request)
    tick = timedelta(microseconds=1)
    assert not terms.is_overdue(request, terms.answer_by - tick)
    assert terms.is_overdue(request, terms.answer_by)
    unheard = a_request()
    assert not terms.is_overdue(unheard, terms.acknowledge_by - tick)
    assert terms.is_overdue(unheard, terms.acknowledge_by)
    closed = a_request(state=RequestState.DONE)
    assert not terms.is_overdue(closed, terms.answer_by)


@given(MOMENTS)
def test_the_clock_of_a_breach_runs_through_weekends_to_the_minute(law, detected_at):
    by = law.breach_by(Breach("SC-2026-0001", detected_at, detected_at))
    assert by - detected_at == timedelta(hours=72)


@pytest.mark.parametrize(
    ("minutes", "shown"),
    [(0, "0 h 00 min"), (61, "1 h 01 min"), (4320, "72 h 00 min"), (-61, "-1 h 01 min")],
)
def test_the_countdown(minutes, shown):
    now = datetime(2026, 11, 25, tzinfo=UTC)
    assert remaining(now + timedelta(minutes=minutes), now) == shown


def test_the_term_of_the_impact_file(law):
    assert law.impact_by(date(2026, 1, 1)) == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (
            '[[day_off]]\ndate = 2026-11-28\nname = "x x"\nsource = "abc"\nverified = true',
            "weekend",
        ),
        (
            '[[working_day]]\ndate = 2026-11-27\nname = "x x"\nsource = "abc"\nverified = true',
            "no weekend day",
        ),
        ('[[day_off]]\ndate = "soon"\nname = "x x"\nsource = "abc"\nverified = true', "date"),
        ("[[year]]\nyear = 26", "year"),
        ("[[holiday]]\nyear = 26", "unknown names: holiday"),
    ],
)
def test_a_mistake_in_the_days_off_is_named(tmp_path, table, named):
    file = tmp_path / "holidays.toml"
    file.write_text(table, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        Calendar.load(file)
    assert named in caught.value.why
