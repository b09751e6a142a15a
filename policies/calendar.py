"""China's working days as data: legal holidays and the weekend days worked in exchange (调休). Days are civil days of Asia/Shanghai."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from policies.errors import CalendarUncovered
from policies.shape import Shape, opened

_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Year:
    """One year's exceptions to Monday to Friday, where they come from, and whether they are `published` or `provisional`."""

    status: str
    source: str
    off: frozenset[date]
    on: frozenset[date]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The covered years. Every question about another year raises `CalendarUncovered`: a guessed deadline is worse than none."""

    years: Mapping[int, Year]

    def is_working_day(self, day: date) -> bool:
        year = self._year(day.year)
        return day in year.on or (day.weekday() < _SATURDAY and day not in year.off)

    def add_working_days(self, start: date, days: int) -> date:
        """The `days`-th working day after `start` (before it, if negative); `start` itself never counts. With 0, `start` as it is."""
        step = _DAY if days > 0 else -_DAY
        day, left = start, abs(days)
        self._year(start.year)
        while left:
            day += step
            left -= self.is_working_day(day)
        return day

    def _year(self, number: int) -> Year:
        year = self.years.get(number)
        if year is None:
            raise CalendarUncovered(year=number)
        return year


def load(sources: Mapping[str, Any]) -> Calendar:
    """Read calendar.toml. Refused: a day of another year, a day both off and on, a weekday marked as worked in exchange, a gap of years."""
    root = opened(sources, "calendar")
    root.number("version", least=1)
    years = {}
    for name, row in root.tables("years"):
        if not name.isdecimal():
            row.refuse("is not a year")
        years[int(name)] = _year(int(name), row)
    root.done()
    if not years or sorted(years) != list(range(min(years), max(years) + 1)):
        root.refuse("the years must follow each other without a gap", "years")
    return Calendar(years=years)


def _year(number: int, row: Shape) -> Year:
    year = Year(
        status=row.one_of("status", ("published", "provisional")),
        source=row.text("source"),
        off=frozenset(row.days("off")),
        on=frozenset(row.days("on")),
    )
    row.done()
    if any(day.year != number for day in year.off | year.on):
        row.refuse("names a day of another year")
    if year.off & year.on:
        row.refuse("a day is both off and on")
    if any(day.weekday() < _SATURDAY for day in year.on):
        row.refuse("only a Saturday or Sunday is worked in exchange", "on")
    return year
