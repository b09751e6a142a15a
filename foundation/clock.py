"""The only place that asks what time it is.

Instants are aware UTC datetimes; days, quarters and deadlines are meant in Asia/Shanghai (China has had one time zone and no
summer time since 1991). Stored instants are whole milliseconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Something that tells the present instant (aware, UTC)."""

    def now(self) -> datetime:
        """Return the present instant."""
        ...


class SystemClock:
    """The machine's clock, cut to the millisecond the archive stores."""

    def now(self) -> datetime:
        """Return the present instant in UTC, whole milliseconds."""
        return whole_milliseconds(datetime.now(UTC))


class MovableClock:
    """A clock that stands still until it is moved, also backwards; for tests and demonstrations of expiry."""

    def __init__(self, start: datetime) -> None:
        """Stand at `start` (aware)."""
        self._now = whole_milliseconds(start.astimezone(UTC))
        self._lock = Lock()

    def now(self) -> datetime:
        """Return where the clock stands."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """Move by `seconds` (negative: backwards) and return the new instant."""
        with self._lock:
            self._now = whole_milliseconds(self._now + timedelta(seconds=seconds))
            return self._now

    def set(self, instant: datetime) -> None:
        """Stand at `instant` (aware)."""
        with self._lock:
            self._now = whole_milliseconds(instant.astimezone(UTC))


def wall_ms() -> int:
    """The machine's clock in milliseconds since the epoch, for sort keys only: no decision is ever read from it."""
    return time.time_ns() // 1_000_000


def whole_milliseconds(instant: datetime) -> datetime:
    """Cut an instant to whole milliseconds, so that what is stored equals what was decided with."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def to_ms(instant: datetime) -> int:
    """Return milliseconds since the epoch; a naive datetime is refused, because its zone would be a guess."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return (instant - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC instant of `milliseconds` since the epoch."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def iso(instant: datetime) -> str:
    """Write an instant as `YYYY-MM-DDTHH:MM:SS.mmmZ` (RFC 3339)."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_iso(text: str) -> datetime:
    """Read what `iso` writes, or any RFC 3339 instant with a zone; ValueError otherwise."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    try:
        return whole_milliseconds(instant.astimezone(UTC))
    except OverflowError as error:  # the first or last day of the calendar, in a zone that lies outside of it
        raise ValueError("an instant outside the calendar") from error


def office_day(instant: datetime) -> date:
    """Return the calendar day in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).date()
