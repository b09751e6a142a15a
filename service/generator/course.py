"""When things happened in an invented case: the stages, terms and reviews of 《信访工作条例》 (art. 22, 23, 34 to 36), with their lapses.

Instants are minutes since midnight (Asia/Shanghai) of the calendar's first day; offices act on weekdays between 09:00 and 17:30.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

DAY = 1440
FIRST_DAY = date(2022, 5, 1)
"""The regulation came into force on this day, and no invented case is older."""
SHORTEST_CALENDAR = 400

INVESTIGATED = frozenset({"handled", "certified_closed", "mediated", "settled", "review_concluded", "second_review_concluded"})
ELSEWHERE = frozenset({"routed", "administrative_review", "administrative_litigation"})
TURNED_AWAY = frozenset({"not_accepted", "no_longer_accepted"})


class Calendar:
    """The days invented cases lie in, spelled once."""

    def __init__(self, until: date) -> None:
        """Span FIRST_DAY to `until`, which is the last day anything happens."""
        self.length = (until - FIRST_DAY).days
        if self.length < SHORTEST_CALENDAR:
            raise ValueError(f"the last day must be {SHORTEST_CALENDAR} days after {FIRST_DAY} or later")
        span = [FIRST_DAY + timedelta(days=index) for index in range(self.length + 400)]
        self._iso = [day.isoformat() for day in span]
        self._spoken = [f"{day.year}年{day.month}月{day.day}日" for day in span]
        self._shift = [max(0, day.weekday() - 4) and 7 - day.weekday() for day in span]
        self._clock = [f"T{minute // 60:02d}:{minute % 60:02d}:00+08:00" for minute in range(DAY)]

    def day(self, minute: int) -> str:
        """The day as YYYY-MM-DD."""
        return self._iso[minute // DAY]

    def spoken(self, minute: int) -> str:
        """The day as 2024年3月5日."""
        return self._spoken[minute // DAY]

    def instant(self, minute: int) -> str:
        """The instant in RFC 3339, with the office's offset."""
        return self._iso[minute // DAY] + self._clock[minute % DAY]

    def office_hours(self, day: int, random: Random, not_before: int) -> int:
        """An instant in office hours on a weekday, `day` or the first one after it, and later than `not_before`."""
        day += self._shift[day]
        return max(day * DAY + 540 + int(random.random() * 510), not_before + 1)


@dataclass(slots=True)
class Review:
    """A review (复查) or second review (复核) that was asked for."""

    kind: str
    requested: int
    concluded: int
    outcome: str


@dataclass(slots=True)
class Course:
    """The instants of one case, in minutes."""

    petitioned: int
    registered: int
    accepted: int
    due: int
    extension: int
    investigated: int
    handled: int
    issued: int
    delivered: int
    closed: int
    reviews: list[Review] = field(default_factory=list)


def a_course(random: Random, calendar: Calendar, closure: str, not_before: int) -> Course:
    """Lay out a case of this closure type after the instant `not_before`; nothing lies behind the calendar's last day."""
    draw = random.random
    to_register = int(draw() * draw() * 4)
    to_accept = 1 + int(draw() * 12)
    extension = 0
    if closure in INVESTIGATED:
        working = 8 + int(draw() * 50)
        lapse = draw()
        if lapse < 0.12:
            extension = 10 + 5 * int(draw() * 5)
            working = 55 + int(draw() * extension)
        elif lapse < 0.18:
            working = 63 + int(draw() * 20)
    else:
        working = 1 + int(draw() * 10)
    to_deliver = 1 + int(draw() * 6)
    rounds = {"review_concluded": 1, "second_review_concluded": 2}.get(closure, 0)
    spans = [(2 + int(draw() * 26), 4 + int(draw() * 24)) for _ in range(rounds)]
    longest = to_register + to_accept + working + to_deliver + sum(map(sum, spans)) + 24
    room = calendar.length - longest
    earliest = min(not_before // DAY + 10, room)
    start = earliest + int(draw() * (room - earliest + 1))
    start = min(start, earliest + 120) if not_before else start

    petitioned = start * DAY + 480 + int(draw() * 780)
    day = start + to_register
    registered = calendar.office_hours(day, random, petitioned)
    day += to_accept
    accepted = calendar.office_hours(day, random, registered)
    handled_day = day + working
    handled = calendar.office_hours(handled_day, random, accepted)
    issued = calendar.office_hours(handled_day + 1, random, handled)
    day = handled_day + 1 + to_deliver
    delivered = calendar.office_hours(day, random, issued)
    course = Course(
        petitioned=petitioned,
        registered=registered,
        accepted=accepted,
        due=accepted + (60 + extension) * DAY,
        extension=extension,
        # Two days that fall on one weekend move to the same Monday.
        investigated=min(calendar.office_hours(accepted // DAY + 1 + (working - 1) // 2, random, accepted), handled),
        handled=handled,
        issued=issued,
        delivered=delivered,
        closed=0,
    )
    last = delivered
    for number, (asked, answered) in enumerate(spans):
        requested = last + asked * DAY
        concluded = calendar.office_hours(requested // DAY + answered, random, requested)
        outcome = "upheld" if draw() < 0.7 else "changed" if draw() < 0.6 else "revoked"
        course.reviews.append(Review("second_review" if number else "review", requested, concluded, outcome))
        last = concluded
    course.closed = calendar.office_hours(last // DAY + 1, random, last)
    return course
