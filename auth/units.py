"""The dated unit tree (机构沿革): founding, renaming, moving, ending with a successor; paths and subtrees.

《信访工作条例》 art. 24: where a body is merged or abolished, the one that takes over its duties goes on with its cases. So a unit
ends with a successor, and `successor_of` follows the chain. Store functions: who may call them is judged above.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, func, insert, literal, or_, select, update
from sqlalchemy.sql import ColumnElement

from audit.forms import is_code
from auth.errors import AlreadyThere, NoSuchThing, NotInForce, StillInUse, UnitCycle
from auth.inserting import insert_new
from auth.tables import posts, unit_history, units
from foundation.clock import to_ms
from foundation.errors import Fault, InvalidInput
from foundation.ids import new_id
from foundation.uow import Unit

# A tree deeper than this is a mistake or an attack on the walk; the deepest real one (nation to village) has eight levels.
DEEPEST = 32


def found_unit(unit: Unit, *, code: str, title: str, parent_id: str | None, at: datetime, unit_id: str | None = None) -> str:
    """Found a unit under a live parent (None: a root) and return its id; AlreadyThere when the code was ever used."""
    _check_texts(code=code, title=title)
    if not is_code(code):
        # Entries name a unit by its code, and the log has no form for other text.
        raise InvalidInput(
            [Fault("code", "shape", "机构代码只能用英文字母、数字和 _.:/-。", "A unit's code has ASCII letters, digits and _.:/- only.")]
        )
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
    _check_texts(title=title)
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


def unit_of_code(conn: Connection, fonds: str, code: str) -> Row[Any] | None:
    """The unit that carries or carried `code`, or None; columns as in `tables.units`."""
    return conn.execute(select(units).where(units.c.fonds == fonds, units.c.code == code)).first()


def all_units(conn: Connection, fonds: str, *, at: datetime | None = None) -> list[Row[Any]]:
    """The units of the fonds by code (`at`: only those in force then); columns as in `tables.units`."""
    query = select(units).where(units.c.fonds == fonds).order_by(units.c.code)
    return list(conn.execute(query if at is None else query.where(in_force(units, at))).all())


def paths(conn: Connection, fonds: str, unit_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Unit id -> codes from the root down to the unit itself; one statement for all of them. UnitCycle when rows form a circle."""
    wanted = set(unit_ids)
    if not wanted:
        return {}
    start = select(units.c.unit_id.label("leaf"), units.c.parent_id, units.c.code, literal(0).label("depth")).where(
        units.c.fonds == fonds, units.c.unit_id.in_(wanted)
    )
    walk = start.cte("walk", recursive=True)
    step = select(walk.c.leaf, units.c.parent_id, units.c.code, walk.c.depth + 1).where(
        units.c.fonds == fonds, units.c.unit_id == walk.c.parent_id, walk.c.depth < DEEPEST
    )
    walk = walk.union_all(step)
    codes: dict[str, list[str]] = {}
    for row in conn.execute(select(walk.c.leaf, walk.c.code, walk.c.depth).order_by(walk.c.leaf, walk.c.depth.desc())):
        if row.depth >= DEEPEST:
            raise UnitCycle
        codes.setdefault(row.leaf, []).append(row.code)
    return {leaf: tuple(path) for leaf, path in codes.items()}


def subtree(conn: Connection, fonds: str, unit_id: str, *, at: datetime | None = None) -> frozenset[str]:
    """The ids of the unit and of everything under it (`at`: only what is in force then)."""
    query = select(units.c.unit_id, units.c.parent_id).where(units.c.fonds == fonds)
    children: dict[str | None, list[str]] = {}
    for row in conn.execute(query if at is None else query.where(in_force(units, at))):
        children.setdefault(row.parent_id, []).append(row.unit_id)
    found, waiting = {unit_id}, [unit_id]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return frozenset(found)


def successor_of(conn: Connection, fonds: str, unit_id: str, *, at: datetime) -> str | None:
    """The unit that has the duties of `unit_id` at that time: itself while in force, else down its successors; None at a dead end."""
    seen: set[str] = set()
    current: str | None = unit_id
    while current is not None and current not in seen:
        seen.add(current)
        row = conn.execute(select(units).where(units.c.fonds == fonds, units.c.unit_id == current)).first()
        if row is None:
            return None
        if row.valid_to_ms is None or row.valid_to_ms > to_ms(at):
            return current
        current = row.successor_id
    return None


def title_at(conn: Connection, fonds: str, unit_id: str, *, at: datetime) -> str:
    """What the unit was called at that time; NoSuchThing when there is no such unit."""
    row = (
        conn.execute(
            select(unit_history.c.title)
            .where(unit_history.c.fonds == fonds, unit_history.c.unit_id == unit_id, unit_history.c.to_ms > to_ms(at))
            .order_by(unit_history.c.to_ms)
            .limit(1)
        ).first()
        or conn.execute(select(units.c.title).where(units.c.fonds == fonds, units.c.unit_id == unit_id)).first()
    )
    if row is None:
        raise NoSuchThing
    return str(row.title)


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


def _check_texts(**texts: str) -> None:
    faults = [
        Fault(
            name,
            "length",
            "须为 1 至 200 个字符（代码至多 60 个），首尾无空白。",
            "1 to 200 characters (a code at most 60), no outer blanks.",
        )
        for name, text in texts.items()
        if not text.strip() or text != text.strip() or len(text) > (60 if name == "code" else 200) or not text.isprintable()
    ]
    if faults:
        raise InvalidInput(faults)
