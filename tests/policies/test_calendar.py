"""Working days 2024 to 2027 as data."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decision_world as w
from policies import calendar
from policies.errors import CalendarUncovered, RulebookRefused

CALENDAR = w.rules().calendar
days = st.dates(min_value=date(2024, 1, 1), max_value=date(2027, 12, 31))


@pytest.mark.parametrize(
    ("day", "working"),
    [
        (date(2024, 2, 9), True),  # the eve of 2024 was only encouraged, not a holiday
        (date(2024, 2, 10), False),
        (date(2024, 2, 18), True),
        (date(2024, 9, 14), True),
        (date(2024, 10, 7), False),
        (date(2025, 1, 26), True),
        (date(2025, 1, 28), False),
        (date(2025, 2, 5), True),
        (date(2025, 10, 8), False),
        (date(2025, 10, 11), True),
        (date(2026, 1, 2), False),
        (date(2026, 1, 4), True),
        (date(2026, 2, 23), False),
        (date(2026, 2, 24), True),
        (date(2026, 2, 28), True),
        (date(2026, 5, 9), True),
        (date(2026, 9, 20), True),
        (date(2026, 10, 10), True),
        (date(2026, 3, 7), False),
        (date(2027, 2, 5), False),
        (date(2027, 6, 9), False),
        (date(2027, 9, 15), False),
    ],
)
def test_holidays_and_days_worked_in_exchange_are_as_published(day: date, working: bool) -> None:
    assert CALENDAR.is_working_day(day) == working


@pytest.mark.parametrize(("year", "working"), [(2024, 251), (2025, 248), (2026, 248)])
def test_a_published_year_has_the_number_of_working_days_its_notice_gives(year: int, working: int) -> None:
    """Weekdays, less holidays on weekdays, plus weekend days worked: 262 - 19 + 8, 261 - 18 + 5, 261 - 19 + 6."""
    first = date(year, 1, 1)
    length = (date(year + 1, 1, 1) - first).days
    assert sum(CALENDAR.is_working_day(first + timedelta(days=n)) for n in range(length)) == working


def test_each_year_says_where_it_comes_from_and_2027_is_provisional() -> None:
    assert {year: CALENDAR.years[year].status for year in (2024, 2025, 2026, 2027)} == {
        2024: "published",
        2025: "published",
        2026: "published",
        2027: "provisional",
    }
    assert all(year.source for year in CALENDAR.years.values())


def test_working_days_are_counted_over_holidays_and_over_the_turn_of_a_year() -> None:
    assert CALENDAR.add_working_days(date(2026, 2, 13), 1) == date(2026, 2, 14)
    assert CALENDAR.add_working_days(date(2026, 2, 14), 1) == date(2026, 2, 24)
    assert CALENDAR.add_working_days(date(2025, 12, 31), 1) == date(2026, 1, 4)
    assert CALENDAR.add_working_days(date(2026, 2, 24), -1) == date(2026, 2, 14)
    assert CALENDAR.add_working_days(date(2026, 2, 15), 0) == date(2026, 2, 15)


@pytest.mark.parametrize("day", [date(2023, 12, 31), date(2028, 1, 1)])
def test_outside_the_covered_years_no_deadline_is_guessed(day: date) -> None:
    for ask in (
        lambda: CALENDAR.is_working_day(day),
        lambda: CALENDAR.add_working_days(day, 1),
        lambda: CALENDAR.add_working_days(date(2027, 12, 30), 20),
        lambda: CALENDAR.add_working_days(date(2024, 1, 2), -5),
    ):
        with pytest.raises(CalendarUncovered):
            ask()


@given(start=st.dates(min_value=date(2024, 3, 1), max_value=date(2027, 9, 1)), count=st.integers(1, 40))
def test_adding_working_days_lands_on_one_and_counts_back(start: date, count: int) -> None:
    end = CALENDAR.add_working_days(start, count)
    assert CALENDAR.is_working_day(end)
    assert sum(CALENDAR.is_working_day(start + timedelta(days=day)) for day in range(1, (end - start).days + 1)) == count
    if CALENDAR.is_working_day(start):
        assert CALENDAR.add_working_days(end, -count) == start


@pytest.mark.parametrize(
    ("key", "value"),
    [("off", [date(2025, 1, 1)]), ("on", [date(2026, 2, 11)]), ("on", [date(2026, 2, 15)]), ("status", "guessed"), ("off", ["2026-01-01"])],
)
def test_a_wrong_day_in_the_data_is_refused(key: str, value: object) -> None:
    sources = w.sources()
    sources["calendar"]["years"]["2026"][key] = value
    with pytest.raises(RulebookRefused):
        calendar.load(sources)


def test_a_gap_of_years_is_refused() -> None:
    sources = w.sources()
    del sources["calendar"]["years"]["2025"]
    with pytest.raises(RulebookRefused):
        calendar.load(sources)
