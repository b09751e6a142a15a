"""A scope filter as SQL. A law in the tests holds it equal, row by row, to `policies.scope.ScopeFilter.matches`.

Everything a list, a search, a facet or a count selects from goes through here first; what it leaves out can be neither a hit nor a number.

Filters of one shape share one clause and differ in its parameters, so that it is built once for all who stand alike to the cases, and a
statement made of it is compiled once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, false, or_, true

from archive.tables import case_named_persons, case_units, case_walls, cases
from archive.walls import tags_of
from auth.units import all_units
from foundation.among import among
from policies.scope import ScopeFilter
from vault.keyring import KeyRing


@dataclass(frozen=True, slots=True)
class Shape:
    """What a filter asks, without of whom. `tags`: how many would put its principal outside a wall."""

    whole_fonds: bool
    own_handling: bool
    in_charge: bool
    cooperating: bool
    keeping: bool
    normal_only: bool
    not_anonymous: bool
    tags: int


@dataclass(frozen=True, slots=True)
class Scoped:
    """The parameters of `clause_of(shape)` for one filter; every name begins with `scope_`."""

    shape: Shape
    values: dict[str, Any]


def scoped(conn: Connection, keys: KeyRing, scope: ScopeFilter) -> Scoped:
    """What selects, over `cases`, what the filter lets its principal see."""
    tags = tags_of(keys, scope.fonds, scope.person_id, scope.member_of)
    keeping = not scope.whole_fonds and bool(scope.keeping_under)
    shape = Shape(
        whole_fonds=scope.whole_fonds,
        own_handling=scope.own_handling,
        in_charge=scope.in_charge,
        cooperating=bool(scope.cooperating_with),
        keeping=keeping,
        normal_only=scope.normal_only,
        not_anonymous=scope.not_anonymous,
        tags=len(tags),
    )
    values: dict[str, Any] = {"scope_fonds": scope.fonds, "scope_person": scope.person_id}
    values |= {_tag(number): tag for number, tag in enumerate(tags)}
    if shape.cooperating:
        values["scope_cooperating"] = sorted(scope.cooperating_with)
    if shape.keeping:
        values["scope_keeping"] = sorted(_codes_under(conn, scope))
    return Scoped(shape, values)


@lru_cache(maxsize=512)
def clause_of(shape: Shape) -> ColumnElement[bool]:
    """The WHERE clause over `cases` for all filters of this shape."""
    clauses: list[ColumnElement[bool]] = [
        cases.c.fonds == bindparam("scope_fonds"),
        cases.c.state == "active",
        _related(shape),
        _open(shape.tags),
    ]
    if shape.normal_only:
        clauses.append(cases.c.protection == "normal")
    if shape.not_anonymous:
        clauses.append(cases.c.anonymous == 0)
    return and_(*clauses)


def _related(shape: Shape) -> ColumnElement[bool]:
    if shape.whole_fonds:
        return true()
    relations: list[ColumnElement[bool]] = []
    if shape.own_handling:
        relations.append(cases.c.handler_id == bindparam("scope_person"))
    if shape.in_charge:
        relations.append(cases.c.leader_id == bindparam("scope_person"))
    if shape.cooperating:
        relations.append(
            exists().where(
                case_units.c.fonds == cases.c.fonds,
                case_units.c.case_id == cases.c.case_id,
                among(case_units.c.unit_code, "scope_cooperating"),
            )
        )
    if shape.keeping:
        relations.append(among(cases.c.keeping_unit, "scope_keeping"))
    return or_(*relations) if relations else false()


def _codes_under(conn: Connection, scope: ScopeFilter) -> set[str]:
    # A unit that has ended still keeps what it kept: the subtree is taken without a date.
    register = all_units(conn, scope.fonds)
    children: dict[str | None, list[Any]] = {}
    for unit in register:
        children.setdefault(unit.parent_id, []).append(unit)
    found = set(scope.keeping_under)
    waiting = [unit for unit in register if unit.code in scope.keeping_under]
    while waiting:
        for child in children.get(waiting.pop().unit_id, ()):
            if child.code not in found:
                found.add(child.code)
                waiting.append(child)
    return found


def _open(tags: int) -> ColumnElement[bool]:
    accused = exists().where(
        case_walls.c.fonds == cases.c.fonds,
        case_walls.c.case_id == cases.c.case_id,
        case_walls.c.tag.in_([bindparam(_tag(number), type_=case_walls.c.tag.type) for number in range(tags)]),
    )
    # Without its rows a wall is closed, whatever the head says.
    walled = exists().where(case_walls.c.fonds == cases.c.fonds, case_walls.c.case_id == cases.c.case_id)
    named = exists().where(
        case_named_persons.c.fonds == cases.c.fonds,
        case_named_persons.c.case_id == cases.c.case_id,
        case_named_persons.c.person_id == bindparam("scope_person"),
    )
    return or_(cases.c.accusation == 0, and_(~accused, or_(and_(cases.c.wall_resolved == 1, walled), named)))


def _tag(number: int) -> str:
    return f"scope_tag_{number}"
