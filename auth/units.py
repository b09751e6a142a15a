"""The dated unit tree (机构沿革): founding, renaming, moving, ending with a successor; paths.

《信访工作条例》 art. 24: where a body is merged or abolished, the one that takes over its duties goes on with its cases. So a unit
ends with a successor, which the register keeps. Store functions: who may call them is judged above.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, and_, bindparam, func, insert, literal, or_, select, update
from sqlalchemy.sql import ColumnElement

from auth.errors import AlreadyThere, NoSuchThing, NotInForce, StillInUse, UnitCycle
from auth.naming import code_faults, name_faults
from auth.tables import posts, unit_history, units
from foundation.among import among
from foundation.clock import to_ms
from foundation.errors import InvalidInput
from foundation.ids import new_id
from foundation.inserting import insert_new
from foundation.uow import Unit

# A tree deeper than this is a mistake or an attack on the walk; the deepest real one (nation to village) has eight levels.
DEEPEST = 32
_TITLE = 200


def found_unit(unit: Unit, *, code: str, title: str, parent_id: str | None, at: datetime, unit_id: str | None = None) -> str:
    """Found a unit under a live parent (None: a root) and return its id; AlreadyThere when the code was ever used."""
    if faults := name_faults(code=(code, 60), title=(title, _TITLE)) or code_faults(code=code):
        raise InvalidInput(faults)
    if parent_id is not None:
        _live(unit, parent_id, at)
    unit_id = unit_id or new_id()
    if not insert_new(
        unit.conn, units, fonds=unit.fonds, unit_id=unit_id, code=code, title=title, parent_id=parent_id, valid_from_ms=to_ms(at)
    ):
        raise AlreadyThere
    return unit_id


def rename_unit(unit: Unit, unit_id: str, *, title: str, at: datetime) -> None:
    """Give a live unit a new title; the old one stays in its history."""
    if faults := name_faults(title=(title, _TITLE)):
        raise InvalidInput(faults)
    row = _live(unit, unit_id, at)
    _keep_state(unit, row, at)
    unit.conn.execute(update(units).where(units.c.fonds == unit.fonds, units.c.unit_id == unit_id).values(title=title))


def move_unit(unit: Unit, unit_id: str, *, parent_id: str | None, at: datetime) -> None:
    """Put a live unit under another live one; UnitCycle when that is itself or stands under it. The old place stays in history."""
    # Two moves in two transactions could each be harmless and together a circle: every row of the tree is locked, in one order.
    unit.conn.execute(select(units.c.unit_id).where(units.c.fonds == unit.fonds).order_by(units.c.unit_id).with_for_update()).all()
    row = _live(unit, unit_id, at)
    if parent_id is not None:
        _live(unit, parent_id, at)
        if unit_id in _ancestry(unit.conn, unit.fonds, parent_id):
            raise UnitCycle
    _keep_state(unit, row, at)
    unit.conn.execute(update(units).where(units.c.fonds == unit.fonds, units.c.unit_id == unit_id).values(parent_id=parent_id))


def end_unit(unit: Unit, unit_id: str, *, successor_id: str | None, at: datetime) -> None:
    """End a live unit; its duties go to a live successor. StillInUse while live units or posts stand under it."""
    row = _live(unit, unit_id, at)
    if successor_id is not None:
        if successor_id == unit_id:
            raise UnitCycle
        _live(unit, successor_id, at)
    below = select(units.c.unit_id).where(units.c.fonds == unit.fonds, units.c.parent_id == unit_id, in_force(units, at))
    seats = select(posts.c.post_id).where(posts.c.fonds == unit.fonds, posts.c.unit_id == unit_id, in_force(posts, at))
    if unit.conn.execute(below).first() is not None or unit.conn.execute(seats).first() is not None:
        raise StillInUse
    unit.conn.execute(
        update(units)
        .where(units.c.fonds == unit.fonds, units.c.unit_id == row.unit_id)
        .values(valid_to_ms=to_ms(at), successor_id=successor_id)
    )


def all_units(conn: Connection, fonds: str) -> list[Row[Any]]:
    """The units of the fonds by code, those that ended too; columns as in `tables.units`."""
    return list(conn.execute(select(units).where(units.c.fonds == fonds).order_by(units.c.code)).all())


def paths(conn: Connection, fonds: str, unit_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Unit id -> codes from the root down to the unit itself; one statement for all of them. UnitCycle when rows form a circle."""
    return _ways(conn, fonds, _FROM_IDS, unit_ids)


def paths_of_codes(conn: Connection, fonds: str, codes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The same by the units' codes; a code the register never had is absent."""
    return _ways(conn, fonds, _FROM_CODES, codes)


def _ways(conn: Connection, fonds: str, walk: Select[Any], leaves: Iterable[str]) -> dict[str, tuple[str, ...]]:
    wanted = sorted(set(leaves))
    if not wanted:
        return {}
    codes: dict[str, list[str]] = {}
    for row in conn.execute(walk, {"of": fonds, "leaves": wanted}):
        if row.depth >= DEEPEST:
            raise UnitCycle
        codes.setdefault(row.leaf, []).append(row.code)
    return {leaf: tuple(path) for leaf, path in codes.items()}


def _walk(leaf: Column[Any]) -> Select[Any]:
    """From some units, named by their id or code, up to the roots, root first. Built once: it costs more to put together than to run."""
    start = select(leaf.label("leaf"), units.c.parent_id, units.c.code, literal(0).label("depth"))
    walk = start.where(units.c.fonds == bindparam("of"), among(leaf, "leaves")).cte("walk", recursive=True)
    step = select(walk.c.leaf, units.c.parent_id, units.c.code, walk.c.depth + 1).where(
        units.c.fonds == bindparam("of"), units.c.unit_id == walk.c.parent_id, walk.c.depth < DEEPEST
    )
    walk = walk.union_all(step)
    return select(walk.c.leaf, walk.c.code, walk.c.depth).order_by(walk.c.leaf, walk.c.depth.desc())


_FROM_IDS, _FROM_CODES = _walk(units.c.unit_id), _walk(units.c.code)


def in_force(table: Table, at: datetime) -> ColumnElement[bool]:
    """The condition that a dated row (`valid_from_ms`, `valid_to_ms`) is in force at that time; the end is excluded."""
    return and_(table.c.valid_from_ms <= to_ms(at), or_(table.c.valid_to_ms.is_(None), table.c.valid_to_ms > to_ms(at)))


def _live(unit: Unit, unit_id: str, at: datetime) -> Row[Any]:
    row = unit.conn.execute(select(units).where(units.c.fonds == unit.fonds, units.c.unit_id == unit_id).with_for_update()).first()
    if row is None:
        raise NoSuchThing
    if row.valid_from_ms > to_ms(at) or (row.valid_to_ms is not None and row.valid_to_ms <= to_ms(at)):
        raise NotInForce
    return row


def _ancestry(conn: Connection, fonds: str, unit_id: str) -> set[str]:
    seen: set[str] = set()
    current: str | None = unit_id
    while current is not None:
        if current in seen or len(seen) > DEEPEST:
            raise UnitCycle
        seen.add(current)
        current = conn.execute(select(units.c.parent_id).where(units.c.fonds == fonds, units.c.unit_id == current)).scalar()
    return seen


def _keep_state(unit: Unit, row: Row[Any], at: datetime) -> None:
    last = unit.conn.execute(
        select(func.max(unit_history.c.to_ms)).where(unit_history.c.fonds == unit.fonds, unit_history.c.unit_id == row.unit_id)
    ).scalar()
    begun = row.valid_from_ms if last is None else last
    if to_ms(at) <= begun:
        raise NotInForce  # history is written forwards: a change dated before the last one would make two truths for one day
    unit.conn.execute(
        insert(unit_history).values(
            fonds=unit.fonds, unit_id=row.unit_id, from_ms=begun, to_ms=to_ms(at), title=row.title, parent_id=row.parent_id
        )
    )
