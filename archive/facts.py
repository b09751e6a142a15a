"""Reading the facts a decision is made from. Nothing sealed is read here, and nothing is decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, cast, func, null, select, union_all

from archive.tables import case_named_persons, case_units, case_versions, case_walls, cases
from archive.walls import WallReader, Whom
from auth.units import paths_of_codes
from foundation.among import among
from policies.facts import CaseFacts
from vault.keyring import KeyRing

# What facts are made of. Rows they are made from begin with these columns, in this order.
FACTS = (
    cases.c.case_id,
    cases.c.version,
    cases.c.handler_id,
    cases.c.leader_id,
    cases.c.keeping_unit,
    cases.c.accusation,
    cases.c.wall_resolved,
    cases.c.protection,
    cases.c.anonymous,
    cases.c.sensitivity_level,
)
_HEADS: Select[Any] = select(*FACTS).where(cases.c.fonds == bindparam("of"), among(cases.c.case_id, "ids"))
_HEAD_LOCKED: Select[Any] = select(*FACTS).where(cases.c.fonds == bindparam("of"), cases.c.case_id == bindparam("id")).with_for_update()
_UNIT, _TAG, _PERSON = case_units.c.unit_code, case_walls.c.tag, case_named_persons.c.person_id
# The units, wall tags and named persons of some cases in one statement, asked of every case: nothing is asked of walled ones alone.
_BESIDE = union_all(
    *(
        select(
            column.table.c.case_id,
            *(one if one is column else cast(null(), one.type).label(one.name) for one in (_UNIT, _TAG, _PERSON)),
        ).where(column.table.c.fonds == bindparam("of"), among(column.table.c.case_id, "ids"))
        for column in (_UNIT, _TAG, _PERSON)
    )
)
_CORRECTED = (
    select(case_versions.c.case_id, func.max(case_versions.c.version).label("newest"))
    .where(case_versions.c.fonds == bindparam("of"), among(case_versions.c.case_id, "ids"), case_versions.c.act == "correction")
    .group_by(case_versions.c.case_id)
)


def case_facts(conn: Connection, keys: KeyRing, fonds: str, wanted: Mapping[str, int | None], whom: Whom) -> dict[str, CaseFacts]:
    """The facts of some cases of one fonds; `wanted` maps case id to the version meant (None: the current one); `whom`: those who are to
    be judged on them, everybody else stands outside the walls.

    What does not exist is absent from the answer, as is a version that does not exist. The same statements and the same tags are made for
    what exists, is walled or does not exist, so that the work tells nothing.
    """
    return facts_of_heads(conn, keys, fonds, wanted, conn.execute(_HEADS, {"of": fonds, "ids": sorted(wanted)}).all(), whom)


def locked_heads(conn: Connection, fonds: str, case_id: str) -> Sequence[Row[Any]]:
    """The head row of a case for `facts_of_heads`, held until the transaction ends; none where there is no such case."""
    return conn.execute(_HEAD_LOCKED, {"of": fonds, "id": case_id}).all()


def facts_of_heads(
    conn: Connection, keys: KeyRing, fonds: str, wanted: Mapping[str, int | None], heads: Sequence[Row[Any]], whom: Whom
) -> dict[str, CaseFacts]:
    """The same where the head rows, which begin with the columns `FACTS`, were read already, in this very transaction."""
    walls = WallReader(keys, fonds, whom)
    beside = _beside(conn, fonds, wanted)
    corrections = _last_corrections(conn, fonds, [case_id for case_id, version in wanted.items() if version is not None])
    # No unit has an empty code: the register is asked even where no case was found.
    unit_paths = paths_of_codes(conn, fonds, {row.keeping_unit for row in heads} or {""})
    facts: dict[str, CaseFacts] = {}
    for row in heads:
        case_id, current, handler, leader, unit, accusation, resolved, protection, anonymous, sensitivity = row[: len(FACTS)]
        version = wanted[case_id] or current
        if version > current:
            continue
        cooperating, tags, named = beside.get(case_id, _NOTHING)
        facts[case_id] = CaseFacts(
            fonds=fonds,
            case_id=case_id,
            version=version,
            handler_id=handler,
            leader_id=leader,
            cooperating_units=frozenset(cooperating),
            keeping_unit=unit,
            # The code alone where the register has no such unit.
            unit_path=unit_paths.get(unit, (unit,)),
            accusation=bool(accusation),
            wall=walls.facts(tags, named, resolved=bool(resolved)) if accusation else None,
            protection=protection,
            anonymous=bool(anonymous),
            sensitivity=sensitivity,
            corrected=corrections.get(case_id, 0) > version,
        )
    return facts


_Beside = tuple[set[str], set[bytes], set[str]]
_NOTHING: _Beside = (set(), set(), set())


def _beside(conn: Connection, fonds: str, case_ids: Collection[str]) -> dict[str, _Beside]:
    """Case id -> cooperating units, wall tags, named persons."""
    found: dict[str, _Beside] = {}
    for case_id, unit, tag, person in conn.execute(_BESIDE, {"of": fonds, "ids": sorted(case_ids)}):
        units, tags, persons = found.setdefault(case_id, (set(), set(), set()))
        if unit is not None:
            units.add(unit)
        elif tag is not None:
            tags.add(bytes(tag))
        else:
            persons.add(person)
    return found


def _last_corrections(conn: Connection, fonds: str, case_ids: Collection[str]) -> dict[str, int]:
    if not case_ids:
        return {}
    return {row.case_id: row.newest for row in conn.execute(_CORRECTED, {"of": fonds, "ids": sorted(case_ids)})}
