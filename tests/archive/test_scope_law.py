"""What SQL selects for a list equals what the rule permits, case by case: no hit and no count tells of a case that is not the caller's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from archive.facts import case_facts
from archive.scoping import clause_of, scoped
from archive.tables import case_named_persons, case_units, case_walls, cases
from archive.walls import Whom, person_tag, unit_tag
from case_world import FONDS, PEOPLE, UNITS, World, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from fresh_databases import BACKENDS, FreshDatabases
from policies.decide import decide
from policies.facts import FondsFacts
from policies.permit import Permit

STAFF = sorted(PEOPLE)

shapes = st.fixed_dictionaries(
    {
        "handler": st.sampled_from([None, *STAFF]),
        "leader": st.sampled_from([None, *STAFF]),
        "keeping": st.sampled_from([*UNITS, "gone"]),
        "cooperating": st.sets(st.sampled_from(sorted(UNITS)), max_size=2),
        "accusation": st.booleans(),
        "resolved": st.booleans(),
        "high": st.booleans(),
        "anonymous": st.booleans(),
        "accused": st.sets(st.sampled_from(STAFF), max_size=2),
        "accused_units": st.sets(st.sampled_from(sorted(UNITS)), max_size=1),
        "named": st.sets(st.sampled_from(STAFF), max_size=2),
    }
)


def put_case(world: World, shape: dict[str, object]) -> str:
    """A head row with its relations, as intake would leave it; only what scope depends on varies."""
    case_id = new_id()
    keys, persons = world.desk.keys, world.persons
    own = {"fonds": FONDS, "case_id": case_id}
    walls = {person_tag(keys, FONDS, persons[one]) for one in shape["accused"]}  # type: ignore[attr-defined]
    walls |= {unit_tag(keys, FONDS, one) for one in shape["accused_units"]}  # type: ignore[attr-defined]
    accusation = bool(shape["accusation"]) or bool(walls)
    row = {
        **own,
        "source_system": "county-petition",
        "case_no": case_id,
        "version": 1,
        "seal_generation": 1,
        "state": "active",
        "handler_id": persons.get(str(shape["handler"])),
        "leader_id": persons.get(str(shape["leader"])),
        "keeping_unit": shape["keeping"],
        "accusation": int(accusation),
        # A wall that names nobody is never resolved (WallFacts.closed), and intake stores it so.
        "wall_resolved": int(bool(shape["resolved"]) and bool(walls)),
        "protection": "high" if shape["high"] else "normal",
        "anonymous": int(bool(shape["anonymous"])),
        "retention_class": "y10",
        "destroy_year": 2037,
        "disposition_state": "active",
        "petition_form": "letter",
        "petition_purpose": "request",
        "statutory_class": "unknown",
        "content_category_l1": "other",
        "locality_code": "430000",
        "petition_date": "2026-01-01",
        "registered_ms": 1,
        "registering_unit_code": "U-1",
        "petitioner_count": 1,
        "grade": "general",
        "sensitivity_level": "internal",
        "closed_ms": 2,
        "closure_type": "handled",
        "archived_ms": 3,
    }

    def write(unit: object) -> None:
        conn = unit.conn  # type: ignore[attr-defined]
        conn.execute(insert(cases), row)
        for table, name, values in (
            (case_units, "unit_code", shape["cooperating"]),
            (case_walls, "tag", walls),
            (case_named_persons, "person_id", {persons[one] for one in shape["named"]}),  # type: ignore[attr-defined]
        ):
            if values:
                conn.execute(insert(table), [{**own, name: value} for value in values])  # type: ignore[attr-defined]

    world.desk.uow.bookkeep(FONDS, write)
    return case_id


@pytest.mark.parametrize("backend", BACKENDS)
def test_lists_select_exactly_what_the_rule_permits(
    backend: str, fresh_databases: FreshDatabases, clock: MovableClock, tmp_path: Path
) -> None:
    with fresh_databases.fresh(backend) as urls:
        database = Database(urls.application)
        world = make_world(database, clock, tmp_path)

        @settings(max_examples=15 if backend == "sqlite" else 6)
        @given(st.lists(shapes, min_size=1, max_size=8))
        def law(made: list[dict[str, object]]) -> None:
            ids = {put_case(world, shape) for shape in made}
            rules = world.desk.rulebook(FONDS)
            with database.read() as conn:
                for staff_no in STAFF:
                    principal = world.principal(staff_no)
                    facts = case_facts(conn, world.desk.keys, FONDS, dict.fromkeys(ids, None), Whom.of(principal))
                    for action in ("case.list", "case.search_identity"):
                        allowed = decide(principal, action, FondsFacts(fonds=FONDS, purpose="review"), (), clock.now(), rules)
                        if not isinstance(allowed, Permit) or allowed.scope is None:
                            continue
                        scope = scoped(conn, world.desk.keys, allowed.scope)
                        query = select(cases.c.case_id).where(clause_of(scope.shape), cases.c.case_id.in_(ids))
                        selected = set(conn.execute(query, scope.values).scalars())
                        assert selected == {case_id for case_id, one in facts.items() if allowed.scope.matches(one)}
                        assert selected == {
                            case_id
                            for case_id, one in facts.items()
                            if isinstance(decide(principal, action, one, (), clock.now(), rules), Permit)
                        }

        try:
            law()
        finally:
            world.desk.uow.close()
            database.close()
