"""A scope filter as SQL. A law in the tests holds it equal, row by row, to `policies.scope.ScopeFilter.matches`.

Everything a list, a search, a facet or a count selects from goes through here first; what it leaves out can be neither a hit nor a number.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, true

from archive.tables import case_named_persons, case_units, case_walls, cases
from archive.walls import tags_of
from auth.units import all_units, subtree
from policies.scope import ScopeFilter
from vault.keyring import KeyRing


def scope_clause(conn: Connection, keys: KeyRing, scope: ScopeFilter) -> ColumnElement[bool]:
    """The WHERE clause over `cases` for what the filter lets its principal see."""
    clauses: list[ColumnElement[bool]] = [
        cases.c.fonds == scope.fonds,
        cases.c.state == "active",
        _related(conn, scope),
        _open(keys, scope),
    ]
    if scope.normal_only:
        clauses.append(cases.c.protection == "normal")
    if scope.not_anonymous:
        clauses.append(cases.c.anonymous == 0)
    return and_(*clauses)


def _related(conn: Connection, scope: ScopeFilter) -> ColumnElement[bool]:
    if scope.whole_fonds:
        return true()
    relations: list[ColumnElement[bool]] = []
    if scope.own_handling:
        relations.append(cases.c.handler_id == scope.person_id)
    if scope.in_charge:
        relations.append(cases.c.leader_id == scope.person_id)
    if scope.cooperating_with:
        relations.append(
            exists().where(
                case_units.c.fonds == cases.c.fonds,
                case_units.c.case_id == cases.c.case_id,
                case_units.c.unit_code.in_(sorted(scope.cooperating_with)),
            )
        )
    if scope.keeping_under:
        relations.append(cases.c.keeping_unit.in_(sorted(_codes_under(conn, scope))))
    return or_(*relations) if relations else false()


def _codes_under(conn: Connection, scope: ScopeFilter) -> set[str]:
    # A unit that has ended still keeps what it kept: the subtree is taken without a date.
    found = set(scope.keeping_under)
    register = all_units(conn, scope.fonds)
    codes = {unit.unit_id: unit.code for unit in register}
    for unit in register:
        if unit.code in scope.keeping_under:
            found.update(codes[unit_id] for unit_id in subtree(conn, scope.fonds, unit.unit_id))
    return found


def _open(keys: KeyRing, scope: ScopeFilter) -> ColumnElement[bool]:
    accused = exists().where(
        case_walls.c.fonds == cases.c.fonds,
        case_walls.c.case_id == cases.c.case_id,
        case_walls.c.tag.in_(tags_of(keys, scope.fonds, scope.person_id, scope.member_of)),
    )
    # Without its rows a wall is closed, whatever the head says.
    walled = exists().where(case_walls.c.fonds == cases.c.fonds, case_walls.c.case_id == cases.c.case_id)
    named = exists().where(
        case_named_persons.c.fonds == cases.c.fonds,
        case_named_persons.c.case_id == cases.c.case_id,
        case_named_persons.c.person_id == scope.person_id,
    )
    return or_(cases.c.accusation == 0, and_(~accused, or_(and_(cases.c.wall_resolved == 1, walled), named)))
