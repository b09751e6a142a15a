"""A clock that is set back: the log's order is its own, and nothing that was spent or ended comes back by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from access_forms import granted
from acts.errors import Refused
from archive.intake import deposit
from archive.requests.grants import give_back
from archive.requests.openings import ClearView, ClockBehind, open_case
from audit.publishing import Publishing
from case_world import FONDS, World
from crash_archive import CrashArchive, record_for
from crash_oracle import Oracle
from foundation.clock import iso, parse_iso
from fresh_databases import DatabaseUrls


@pytest.fixture
def archive(database_urls: DatabaseUrls, tmp_path: Path) -> CrashArchive:
    return CrashArchive.make(database_urls.application, tmp_path)


@pytest.fixture
def world(archive: CrashArchive) -> Iterator[World]:
    with archive.opened() as opened:
        yield opened


def one_grant(world: World) -> tuple[str, str]:
    """A grant of one case from now on, for three days: (grant id, case id)."""
    case_id = deposit(world.desk, world.system, record_for("clock-2025")).case_id
    return granted(world, case_id, fields=("petitioners[].name",)), case_id


def opened(world: World, grant: tuple[str, str]) -> ClearView:
    return open_case(world.desk, world.caller("S-1"), *grant)


def test_entries_keep_the_order_they_were_committed_in_when_the_clock_goes_back(archive: CrashArchive, world: World) -> None:
    publishing = archive.publishing(world, Publishing)
    receipts = []
    for number in range(6):
        receipts.append(deposit(world.desk, world.system, record_for(f"back{number}-2025")))
        world.clock.advance(-3600)
        assert publishing.publish(FONDS) is not None
    times = [entry.time for entry in world.entries("case.deposited")]
    assert times == sorted(times, reverse=True)
    assert [receipt.log_index for receipt in receipts] == sorted(receipt.log_index for receipt in receipts)
    publishing.check(FONDS)
    world.desk.uow.close()
    world.desk.db.close()
    Oracle(archive).look([], iso(world.clock.now()), everything=True)


def test_nothing_is_opened_at_a_time_the_log_has_left_behind(world: World) -> None:
    grant = one_grant(world)
    world.clock.advance(7200)
    first = opened(world, grant)
    for back in (600, 3600):  # inside the session, then before it and after the grant was made
        world.clock.advance(-back)
        with pytest.raises(ClockBehind):
            opened(world, grant)
    world.clock.advance(-7200)  # before there was a grant
    with pytest.raises(Refused):
        opened(world, grant)
    assert [entry.members["data"]["counted"] for entry in world.entries("access.intent")] == [True]
    world.clock.set(parse_iso(first.ends_at))
    second = opened(world, grant)
    assert second.opening_id != first.opening_id
    assert second.uses_left == 0


def test_a_grant_that_has_expired_is_not_revived_by_a_clock_set_back(world: World) -> None:
    grant = one_grant(world)
    world.clock.advance(4 * 86400)
    with pytest.raises(Refused):
        opened(world, grant)
    world.clock.advance(-3 * 86400)
    with pytest.raises(ClockBehind):
        opened(world, grant)
    world.clock.advance(3 * 86400)
    with pytest.raises(Refused):
        opened(world, grant)
    assert world.entries("access.intent") == []


def test_a_grant_that_was_given_back_stays_so_whatever_the_clock_says(world: World) -> None:
    grant = one_grant(world)
    world.clock.advance(3600)
    opened(world, grant)
    give_back(world.desk, world.caller("S-1"), grant[0])
    world.clock.advance(-1800)
    with pytest.raises(Refused):
        opened(world, grant)
