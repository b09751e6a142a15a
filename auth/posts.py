"""Posts (岗位) and who holds them by date; separation of duties is held where a holding begins.

A holding runs over a half-open time [from, to). Two holdings of one person that overlap, even in the future, may not carry roles the
rulebook keeps apart (三员分立: the three administrators are three persons without business roles).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update
from sqlalchemy.sql import ColumnElement

from auth.errors import NoSuchThing, NotInForce, PostTaken, SeparationBroken, StillInUse
from auth.naming import name_faults
from auth.policy import AuthPolicy
from auth.principal import PostHeld
from auth.tables import persons, post_holdings, posts, units
from auth.units import in_force, paths
from foundation.clock import to_ms
from foundation.errors import Fault, InvalidInput
from foundation.ids import new_id
from foundation.uow import Unit


def create_post(unit: Unit, *, unit_id: str, role: str, title: str, at: datetime, policy: AuthPolicy, post_id: str | None = None) -> str:
    """Create a post in a live unit and return its id; a role the rulebook does not give to persons is InvalidInput."""
    faults = []
    if role not in policy.post_roles:
        faults.append(Fault("role", "unknown", "规则库中没有可授予人员的该角色。", "The rulebook knows no such role for persons."))
    faults += name_faults(title=(title, 120))
    if faults:
        raise InvalidInput(faults)
    home = unit.conn.execute(select(units).where(units.c.fonds == unit.fonds, units.c.unit_id == unit_id).with_for_update()).first()
    if home is None:
        raise NoSuchThing
    if home.valid_from_ms > to_ms(at) or (home.valid_to_ms is not None and home.valid_to_ms <= to_ms(at)):
        raise NotInForce
    post_id = post_id or new_id()
    unit.conn.execute(
        insert(posts).values(fonds=unit.fonds, post_id=post_id, unit_id=unit_id, role=role, title=title, valid_from_ms=to_ms(at))
    )
    return post_id


def end_post(unit: Unit, post_id: str, *, at: datetime) -> None:
    """End a post that nobody holds then or later."""
    row = _post(unit, post_id)
    if row.valid_to_ms is not None or row.valid_from_ms > to_ms(at):
        raise NotInForce
    held = select(post_holdings.c.holding_id).where(_of_post(unit.fonds, post_id), _overlaps(to_ms(at), None))
    if unit.conn.execute(held).first() is not None:
        raise StillInUse
    unit.conn.execute(update(posts).where(posts.c.fonds == unit.fonds, posts.c.post_id == post_id).values(valid_to_ms=to_ms(at)))


def hold_post(
    unit: Unit,
    *,
    post_id: str,
    person_id: str,
    begins: datetime,
    policy: AuthPolicy,
    ends: datetime | None = None,
    acting: bool = False,
) -> str:
    """Let a person hold a post over [begins, ends) and return the holding's id.

    Raises PostTaken (one regular and one acting holder at a time), SeparationBroken, NotInForce, NoSuchThing.
    """
    start, end = to_ms(begins), None if ends is None else to_ms(ends)
    if end is not None and end <= start:
        raise InvalidInput([Fault("ends", "order", "结束时间须晚于开始时间。", "The end must lie after the beginning.")])
    # The person's row is locked first: two assignments at once, each harmless, would together break the separation.
    someone = unit.conn.execute(
        select(persons).where(persons.c.fonds == unit.fonds, persons.c.person_id == person_id).with_for_update()
    ).first()
    if someone is None:
        raise NoSuchThing
    post = _post(unit, post_id)
    if someone.left_ms is not None or post.valid_to_ms is not None or post.valid_from_ms > start:
        raise NotInForce
    rivals = select(post_holdings.c.holding_id).where(
        _of_post(unit.fonds, post_id),
        _overlaps(start, end),
        or_(post_holdings.c.acting == int(acting), post_holdings.c.person_id == person_id),
    )
    if unit.conn.execute(rivals).first() is not None:
        raise PostTaken
    _keep_apart(unit, person_id, post.role, start, end, policy)
    holding_id = new_id()
    unit_title = unit.conn.execute(select(units.c.title).where(units.c.fonds == unit.fonds, units.c.unit_id == post.unit_id)).scalar_one()
    unit.conn.execute(
        insert(post_holdings).values(
            fonds=unit.fonds,
            holding_id=holding_id,
            post_id=post_id,
            person_id=person_id,
            from_ms=start,
            to_ms=end,
            acting=int(acting),
            person_name=someone.display_name,
            post_title=post.title,
            unit_title=unit_title,
        )
    )
    return holding_id


def leave_post(unit: Unit, holding_id: str, *, at: datetime) -> None:
    """End a holding at that time; NotInForce when it had ended by then or begins later. The row stays."""
    row = unit.conn.execute(
        select(post_holdings).where(post_holdings.c.fonds == unit.fonds, post_holdings.c.holding_id == holding_id).with_for_update()
    ).first()
    if row is None:
        raise NoSuchThing
    if row.from_ms > to_ms(at) or (row.to_ms is not None and row.to_ms <= to_ms(at)):
        raise NotInForce
    unit.conn.execute(
        update(post_holdings).where(post_holdings.c.fonds == unit.fonds, post_holdings.c.holding_id == holding_id).values(to_ms=to_ms(at))
    )


def posts_held(conn: Connection, fonds: str, person_id: str, *, at: datetime) -> tuple[PostHeld, ...]:
    """The posts a person holds at that time, each with its unit's path from the root.

    Oldest holding first; those taken up in the same millisecond in the order of their roles' codes: chance does not decide which is first.
    """
    rows = conn.execute(_HELD, {"of": fonds, "person": person_id, "at": to_ms(at)}).all()
    ways = paths(conn, fonds, {row.unit_id for row in rows})
    return tuple(PostHeld(row.post_id, row.unit_id, ways[row.unit_id], row.role, bool(row.acting)) for row in rows)


# Asked at every request, so built once.
_HELD = (
    select(posts.c.post_id, posts.c.unit_id, posts.c.role, post_holdings.c.acting)
    .join(posts, and_(posts.c.fonds == post_holdings.c.fonds, posts.c.post_id == post_holdings.c.post_id))
    .where(
        post_holdings.c.fonds == bindparam("of"),
        posts.c.fonds == bindparam("of"),
        post_holdings.c.person_id == bindparam("person"),
        post_holdings.c.from_ms <= bindparam("at"),
        or_(post_holdings.c.to_ms.is_(None), post_holdings.c.to_ms > bindparam("at")),
        posts.c.valid_from_ms <= bindparam("at"),
        or_(posts.c.valid_to_ms.is_(None), posts.c.valid_to_ms > bindparam("at")),
    )
    .order_by(post_holdings.c.from_ms, posts.c.role, post_holdings.c.holding_id)
)


def holders(
    conn: Connection, fonds: str, *, role: str, at: datetime, unit_ids: frozenset[str] | None = None
) -> list[tuple[str, str, str, bool]]:
    """Who holds a post of `role` at that time (in those units): (person_id, post_id, unit_id, acting), in a fixed order."""
    query = (
        select(post_holdings.c.person_id, posts.c.post_id, posts.c.unit_id, post_holdings.c.acting)
        .join(posts, and_(posts.c.fonds == post_holdings.c.fonds, posts.c.post_id == post_holdings.c.post_id))
        .where(post_holdings.c.fonds == fonds, posts.c.fonds == fonds, posts.c.role == role, _held_at(at), in_force(posts, at))
        .order_by(post_holdings.c.from_ms, post_holdings.c.holding_id)
    )
    if unit_ids is not None:
        query = query.where(posts.c.unit_id.in_(unit_ids))
    return [(row.person_id, row.post_id, row.unit_id, bool(row.acting)) for row in conn.execute(query)]


def _keep_apart(unit: Unit, person_id: str, role: str, start: int, end: int | None, policy: AuthPolicy) -> None:
    forbidden = policy.forbidden_beside(role)
    if not forbidden:
        return
    clash = unit.conn.execute(
        select(posts.c.role)
        .join(post_holdings, and_(posts.c.fonds == post_holdings.c.fonds, posts.c.post_id == post_holdings.c.post_id))
        .where(
            posts.c.fonds == unit.fonds,
            post_holdings.c.fonds == unit.fonds,
            post_holdings.c.person_id == person_id,
            posts.c.role.in_(forbidden),
            _overlaps(start, end),
        )
        .limit(1)
    ).scalar()
    if clash is not None:
        raise SeparationBroken(role=role, held=clash)


def _post(unit: Unit, post_id: str) -> Row[Any]:
    row = unit.conn.execute(select(posts).where(posts.c.fonds == unit.fonds, posts.c.post_id == post_id).with_for_update()).first()
    if row is None:
        raise NoSuchThing
    return row


def _of_post(fonds: str, post_id: str) -> ColumnElement[bool]:
    return and_(post_holdings.c.fonds == fonds, post_holdings.c.post_id == post_id)


def _overlaps(start: int, end: int | None) -> ColumnElement[bool]:
    runs_on = or_(post_holdings.c.to_ms.is_(None), post_holdings.c.to_ms > start)
    return runs_on if end is None else and_(runs_on, post_holdings.c.from_ms < end)


def _held_at(at: datetime) -> ColumnElement[bool]:
    return and_(post_holdings.c.from_ms <= to_ms(at), or_(post_holdings.c.to_ms.is_(None), post_holdings.c.to_ms > to_ms(at)))
