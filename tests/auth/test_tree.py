from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from auth import units as tree
from auth.errors import AlreadyThere, NoSuchThing, NotInForce, StillInUse, UnitCycle
from auth.posts import end_post
from auth.tables import unit_history, units
from auth_office import FONDS, Office, refusal
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import InvalidInput
from foundation.tables import metadata
from foundation.uow import Unit


def _found(office: Office, code: str, parent: str | None) -> str:
    return office.do(lambda unit: tree.found_unit(unit, code=code, title=f"科室{code}", parent_id=parent, at=office.clock.now()))


def test_a_units_path_runs_from_the_root_to_itself(office: Office) -> None:
    deep = _found(office, "XF-01-A", office.units["letters"])
    with office.database.read() as conn:
        found = tree.paths(conn, FONDS, [deep, office.units["bureau"]])
    assert found == {deep: ("XF", "XF-01", "XF-01-A"), office.units["bureau"]: ("XF",)}


def test_a_unit_cannot_be_moved_under_itself_or_its_subordinate(office: Office) -> None:
    deep = _found(office, "XF-01-A", office.units["letters"])
    for parent in (deep, office.units["letters"]):
        act = partial(tree.move_unit, unit_id=office.units["letters"], parent_id=parent, at=office.clock.now())
        assert isinstance(refusal(partial(office.do, act)), UnitCycle)
    with office.database.read() as conn:
        assert tree.paths(conn, FONDS, [deep])[deep] == ("XF", "XF-01", "XF-01-A")


def test_a_circle_written_past_the_code_is_refused_and_does_not_hang(office: Office) -> None:
    deep = _found(office, "XF-01-A", office.units["letters"])
    with office.database.write() as conn:
        conn.execute(units.update().where(units.c.unit_id == office.units["letters"]).values(parent_id=deep))
    with office.database.read() as conn, pytest.raises(UnitCycle):
        tree.paths(conn, FONDS, [deep])


def test_a_moved_or_renamed_unit_keeps_its_names_and_places_of_before_in_its_history(office: Office) -> None:
    office.clock.advance(3600)
    office.do(lambda unit: tree.rename_unit(unit, office.units["letters"], title="信件办理科", at=office.clock.now()))
    office.clock.advance(3600)
    office.do(lambda unit: tree.move_unit(unit, office.units["letters"], parent_id=office.units["visits"], at=office.clock.now()))
    with office.database.read() as conn:
        past = conn.execute(select(unit_history).order_by(unit_history.c.from_ms)).all()
        assert [(row.title, row.parent_id) for row in past] == [("办信科", office.units["bureau"]), ("信件办理科", office.units["bureau"])]
        assert past[0].to_ms == past[1].from_ms
        assert tree.paths(conn, FONDS, [office.units["letters"]])[office.units["letters"]] == ("XF", "XF-02", "XF-01")


def test_a_unit_cannot_succeed_itself_and_an_ended_one_succeeds_nobody(office: Office) -> None:
    now = office.clock.now()
    letters, visits = office.units["letters"], office.units["visits"]
    assert isinstance(refusal(lambda: office.do(lambda u: tree.end_unit(u, letters, successor_id=letters, at=now))), UnitCycle)
    office.do(lambda unit: tree.end_unit(unit, letters, successor_id=visits, at=now))
    office.clock.advance(60)
    again = refusal(lambda: office.do(lambda u: tree.end_unit(u, visits, successor_id=letters, at=office.clock.now())))
    assert isinstance(again, NotInForce)


def test_a_unit_does_not_end_over_the_heads_of_what_stands_under_it(office: Office) -> None:
    now = office.clock.now()
    post_id = office.post("handler", "visits")
    for name in ("bureau", "visits"):
        act = partial(tree.end_unit, unit_id=office.units[name], successor_id=None, at=office.clock.now())
        assert isinstance(refusal(partial(office.do, act)), StillInUse)
    office.do(lambda unit: end_post(unit, post_id, at=now))
    office.do(lambda unit: tree.end_unit(unit, office.units["visits"], successor_id=None, at=office.clock.now()))


def test_a_code_is_never_given_twice(office: Office) -> None:
    office.do(lambda unit: tree.end_unit(unit, office.units["visits"], successor_id=None, at=office.clock.now()))
    assert isinstance(refusal(lambda: _found(office, "XF-02", office.units["bureau"])), AlreadyThere)


def test_a_unit_of_another_fonds_is_no_parent(office: Office) -> None:
    stranger = refusal(
        lambda: office.do(
            lambda u: tree.found_unit(u, code="YF", title="他局", parent_id=office.units["bureau"], at=office.clock.now()), fonds="F002"
        )
    )
    assert isinstance(stranger, NoSuchThing)


@pytest.mark.parametrize("title", ["", " 办信科", "办\n信科", "办" * 201, "办\u202e信科"])
def test_titles_that_would_mislead_a_reader_are_refused(office: Office, title: str) -> None:
    founding = refusal(lambda: office.do(lambda u: tree.found_unit(u, code="X9", title=title, parent_id=None, at=office.clock.now())))
    assert isinstance(founding, InvalidInput)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_no_sequence_of_moves_ever_makes_a_circle(moves: list[tuple[int, int]]) -> None:
    clock = MovableClock(datetime(2026, 3, 18, 4, 0, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/tree.sqlite", pool_size=1)
        with database.write() as conn:
            metadata.create_all(conn)
            unit = Unit(conn, FONDS)
            ids = [tree.found_unit(unit, code=f"U{n}", title=f"科{n}", parent_id=None, at=clock.now()) for n in range(6)]
            for child, parent in moves:
                clock.advance(1)
                with suppress(UnitCycle):
                    tree.move_unit(unit, ids[child], parent_id=ids[parent], at=clock.now())
            parents = {row.unit_id: row.parent_id for row in conn.execute(select(units.c.unit_id, units.c.parent_id))}
            paths = tree.paths(conn, FONDS, ids)
        database.close()
    for start in ids:
        way: list[str] = []
        current: str | None = start
        while current is not None:
            assert current not in way
            way.append(current)
            current = parents[current]
        assert len(paths[start]) == len(way)
