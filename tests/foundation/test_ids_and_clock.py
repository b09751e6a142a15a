from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.clock import MovableClock, from_ms, iso, office_day, parse_iso, to_ms
from foundation.ids import is_id, new_id, new_ids


def test_ids_are_version_7_and_sort_by_the_time_they_were_made() -> None:
    made = [new_id() for _ in range(50)]
    assert all(uuid.UUID(one).version == 7 and str(uuid.UUID(one)) == one and is_id(one) for one in made)
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)


def test_ids_made_by_many_threads_never_repeat() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id(), range(20_000)))
    assert len(set(made)) == len(made)


def test_ids_made_at_once_are_ids_like_any_other() -> None:
    made = new_ids(2000)
    assert all(uuid.UUID(one).version == 7 and uuid.UUID(one).variant == uuid.RFC_4122 and is_id(one) for one in made)
    assert len(set(made)) == len(made)
    assert {one[19] for one in made} == set("89ab")
    assert new_ids(0) == []


@pytest.mark.parametrize(
    "text",
    ["", "01890000-0000-7000-8000-00000000000A", "01890000000070008000000000000000", "01890000-0000-4000-8000-000000000000", None, 7],
)
def test_other_spellings_of_an_id_are_no_ids(text: object) -> None:
    assert not is_id(text)


instants = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds; the zone is given beside


@given(instants)
def test_an_instant_survives_storing_and_writing_to_the_millisecond(instant: datetime) -> None:
    cut = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    assert from_ms(to_ms(instant)) == cut
    assert parse_iso(iso(instant)) == cut


def test_an_office_day_turns_at_midnight_in_shanghai() -> None:
    assert office_day(datetime(2025, 12, 31, 15, 59, tzinfo=UTC)) == date(2025, 12, 31)
    assert office_day(datetime(2025, 12, 31, 16, 0, tzinfo=UTC)) == date(2026, 1, 1)


def test_a_time_without_a_zone_is_refused_never_guessed() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_ms(datetime(2026, 1, 1))  # noqa: DTZ001  the point of the test
    with pytest.raises(ValueError, match="zone"):
        parse_iso("2026-01-01T00:00:00")


def test_a_movable_clock_also_moves_backwards() -> None:
    clock = MovableClock(datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))))
    assert clock.advance(-60) == datetime(2025, 12, 31, 23, 59, tzinfo=UTC)
    clock.set(datetime(2027, 1, 1, tzinfo=UTC))
    assert clock.now() == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_outside_the_calendar_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        parse_iso(text)
