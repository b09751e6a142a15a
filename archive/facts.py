"""Reading the facts a decision is made from. Nothing sealed is read here, and nothing is decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from archive.tables import case_units, case_versions, cases
from archive.walls import wall_facts
from auth.units import paths, unit_of_code
from policies.facts import CaseFacts
from vault.keyring import KeyRing

_HEADS = select(cases).where(cases.c.fonds == bindparam("of"), cases.c.case_id.in_(bindparam("ids", expanding=True)))
_COOPERATING = select(case_units.c.case_id, case_units.c.unit_code).where(
    case_units.c.fonds == bindparam("of"), case_units.c.case_id.in_(bindparam("ids", expanding=True))
)


def case_facts(conn: Connection, keys: KeyRing, fonds: str, wanted: Mapping[str, int | None]) -> dict[str, CaseFacts]:
    """The facts of some cases of one fonds; `wanted` maps case id to the version meant (None: the current one).

    What does not exist is absent from the answer, as is a version that does not exist.
    """
    if not wanted:
        return {}
    heads = {row.case_id: row for row in conn.execute(_HEADS, {"of": fonds, "ids": sorted(wanted)})}
    return facts_of_heads(conn, keys, fonds, wanted, heads)


def facts_of_heads(
    conn: Connection, keys: KeyRing, fonds: str, wanted: Mapping[str, int | None], heads: Mapping[str, Row[Any]]
) -> dict[str, CaseFacts]:
    """The same where the head rows (case id -> row of `cases`) were read already, in this very transaction."""
    cooperating = _cooperating(conn, fonds, heads)
    walls = wall_facts(conn, keys, fonds, {row.case_id: bool(row.wall_resolved) for row in heads.values() if row.accusation})
    corrections = _last_corrections(conn, fonds, [case_id for case_id, version in wanted.items() if version is not None])
    unit_paths = {code: keeping_path(conn, fonds, code) for code in {row.keeping_unit for row in heads.values()}}
    facts: dict[str, CaseFacts] = {}
    for case_id, row in heads.items():
        version = wanted[case_id] or row.version
        if version > row.version:
            continue
        facts[case_id] = CaseFacts(
            fonds=fonds,
            case_id=case_id,
            version=version,
            handler_id=row.handler_id,
            leader_id=row.leader_id,
            cooperating_units=frozenset(cooperating.get(case_id, ())),
            keeping_unit=row.keeping_unit,
            unit_path=unit_paths[row.keeping_unit],
            accusation=bool(row.accusation),
            wall=walls.get(case_id),
            protection=row.protection,
            anonymous=bool(row.anonymous),
            sensitivity=row.sensitivity_level,
            corrected=corrections.get(case_id, 0) > version,
        )
    return facts


def keeping_path(conn: Connection, fonds: str, code: str) -> tuple[str, ...]:
    """The codes from the root unit to the keeping unit; the code alone where the register has no such unit."""
    unit = unit_of_code(conn, fonds, code)
    return paths(conn, fonds, [unit.unit_id]).get(unit.unit_id, (code,)) if unit is not None else (code,)


def _cooperating(conn: Connection, fonds: str, heads: Mapping[str, Row[Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in conn.execute(_COOPERATING, {"of": fonds, "ids": sorted(heads)}):
        found.setdefault(row.case_id, set()).add(row.unit_code)
    return found


def _last_corrections(conn: Connection, fonds: str, case_ids: Collection[str]) -> dict[str, int]:
    if not case_ids:
        return {}
    query = (
        select(case_versions.c.case_id, func.max(case_versions.c.version).label("newest"))
        .where(case_versions.c.fonds == fonds, case_versions.c.case_id.in_(sorted(case_ids)), case_versions.c.act == "correction")
        .group_by(case_versions.c.case_id)
    )
    return {row.case_id: row.newest for row in conn.execute(query)}
