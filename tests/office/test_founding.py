"""An archive is founded once, a fonds once, and both are the first thing in their own log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from audit.entry import Entry
from audit.tables import log_entries
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import InvalidInput
from foundation.tables import SYSTEM_FONDS
from foundation.tables import fonds as fonds_table
from office.errors import AlreadyFounded, FondsExists, NotFounded
from office.founding import FirstOffice, archive_id, found_archive, found_fonds, found_office, is_founded
from staff_world import FIRST, FONDS, THREE, StaffWorld, a_fonds, empty_archive


def test_the_founding_of_a_fonds_is_the_beginning_of_its_log(staff_world: StaffWorld) -> None:
    kinds = [entry.kind for entry in staff_world.entries()]
    assert kinds[0] == "fonds.created"
    assert kinds[1:4] == ["key.generated"] * 3
    assert kinds[4:6] == ["rulebook.activated", "unit.created"]
    assert kinds[6:] == ["person.registered", "post.created", "post.held", "account.created"] * 3
    assert all(entry.members["reason"] == "founding" for entry in staff_world.entries())


def test_the_founding_of_the_archive_is_in_the_log_of_the_system_fonds(staff_world: StaffWorld) -> None:
    entries = staff_world.entries(fonds=SYSTEM_FONDS)
    assert entries[0].kind == "fonds.created"
    assert entries[0].members["data"]["archive"] == staff_world.desk.keys.archive_id
    assert "token/1" in {entry.members["object"]["id"] for entry in entries if entry.kind == "key.generated"}
    with staff_world.desk.db.read() as conn:
        assert archive_id(conn) == staff_world.desk.keys.archive_id


def test_an_archive_is_not_founded_twice(staff_world: StaffWorld) -> None:
    before = len(staff_world.entries(fonds=SYSTEM_FONDS))
    with pytest.raises(AlreadyFounded):
        found_archive(staff_world.desk)
    assert len(staff_world.entries(fonds=SYSTEM_FONDS)) == before


@pytest.mark.parametrize("code", [FONDS, FONDS.lower()])
def test_a_fonds_is_not_founded_twice_nor_beside_one_that_differs_in_case_alone(staff_world: StaffWorld, code: str) -> None:
    before = len(staff_world.entries())
    with pytest.raises(FondsExists):
        found_office(staff_world.staff, a_fonds(code=code), FIRST)
    assert len(staff_world.entries()) == before


def test_a_fonds_needs_a_founded_archive(database: Database, clock: MovableClock, tmp_path: Path) -> None:
    staff = empty_archive(database, clock, tmp_path)
    assert not is_founded(database)
    with pytest.raises(NotFounded):
        found_office(staff, a_fonds(), FIRST)
    with pytest.raises(NotFounded):
        found_fonds(staff.desk, a_fonds())
    assert staff.desk.keys.fonds() == ()
    staff.desk.uow.close()


def test_keys_left_by_a_founding_that_was_killed_are_taken_over(database: Database, clock: MovableClock, tmp_path: Path) -> None:
    staff = empty_archive(database, clock, tmp_path)
    staff.desk.keys.add_fonds(SYSTEM_FONDS)
    found_archive(staff.desk)
    staff.desk.keys.add_fonds(FONDS)
    there = {info.id for info in staff.desk.keys.keys(FONDS)}
    found_office(staff, a_fonds(), FIRST)
    assert {info.id for info in staff.desk.keys.keys(FONDS)} == there
    with database.read() as conn:
        bodies = conn.execute(select(log_entries.c.body).where(log_entries.c.fonds == FONDS).order_by(log_entries.c.idx)).scalars().all()
    generated = {entry.members["object"]["id"] for entry in map(Entry.parse, map(bytes, bodies)) if entry.kind == "key.generated"}
    assert generated == there
    staff.desk.uow.close()


def test_a_superior_fonds_is_one_that_is_there(staff_world: StaffWorld) -> None:
    for superior in ("nowhere", SYSTEM_FONDS):
        with pytest.raises(InvalidInput):
            found_office(staff_world.staff, a_fonds(code="SP01", superior=superior), FIRST)
    found_office(staff_world.staff, a_fonds(code="SP01", superior=FONDS, training=True), FIRST)
    with staff_world.desk.db.read() as conn:
        row = conn.execute(select(fonds_table).where(fonds_table.c.fonds == "SP01")).one()
    assert (row.superior, row.training) == (FONDS, 1)


ONE_PERSON = tuple(replace(one, staff_no="A-1") for one in THREE)
ONE_LOGIN = tuple(replace(one, login="Admin" if place else "ａｄｍｉｎ") for place, one in enumerate(THREE))


@pytest.mark.parametrize(
    "changes",
    [
        {"administrators": ()},
        {"administrators": THREE[:2]},
        {"administrators": (*THREE[:2], replace(THREE[2], role="sysadmin"))},
        {"administrators": (*THREE[:2], replace(THREE[2], role="leader"))},
        {"administrators": ONE_PERSON},
        {"administrators": ONE_LOGIN},
        {"code": "system"},
        {"code": "System"},
        {"code": "全宗"},
        {"code": "-x"},
        {"code": "a.b"},
        {"code": ""},
        {"title_zh": " "},
        {"title_en": "x\ny"},
    ],
)
def test_a_fonds_without_three_persons_or_a_proper_code_is_not_founded(staff_world: StaffWorld, changes: dict[str, Any]) -> None:
    changes = dict(changes)
    three = changes.pop("administrators", THREE)
    first = FirstOffice(unit_code="SP", unit_title="信访局", administrators=three)
    with pytest.raises(InvalidInput):
        found_office(staff_world.staff, a_fonds(**({"code": "SP01"} | changes)), first)
    assert "SP01" not in staff_world.desk.keys.fonds()


def test_first_administrators_must_change_their_secrets_and_enrol_a_factor(staff_world: StaffWorld) -> None:
    assert len({told.secret for told in staff_world.founded.secrets.values()}) == 3
    for told in staff_world.founded.secrets.values():
        assert staff_world.sign_in(told.login, told.secret).session.pending == {"secret", "factor"}
        assert told.secret not in repr(staff_world.founded)
