"""The register as authorised colleagues see it: units, posts and their holders, people, accounts, case systems. Each look is on record.

Lists are in the order of ids, which is the order of registration; `after` is the last id of the page before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, and_, or_, select

from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.clients import clients_in
from auth.tables import accounts, persons, post_holdings, posts, service_clients, totp_factors, unit_history, units
from foundation.clock import from_ms, to_ms
from foundation.errors import Fault, InvalidInput
from office.staff_desk import StaffDesk, perform
from policies.permit import Permit

V = TypeVar("V")
MOST = 500


@dataclass(frozen=True, slots=True)
class FormerView:
    """What a unit was called and under which one it stood over [begins, ends)."""

    title: str
    parent_id: str | None
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit; `ended` and `successor_id` once its duties went to another; `former`: its names and places before, oldest first."""

    unit_id: str
    code: str
    title: str
    parent_id: str | None
    founded: datetime
    ended: datetime | None
    successor_id: str | None
    former: tuple[FormerView, ...]


@dataclass(frozen=True, slots=True)
class HolderView:
    """Who holds a post now or will: with the name as it was on the day it began."""

    holding_id: str
    person_id: str
    person_name: str
    begins: datetime
    ends: datetime | None
    acting: bool


@dataclass(frozen=True, slots=True)
class PostView:
    """A post with those who hold it now or later."""

    post_id: str
    unit_id: str
    role: str
    title: str
    created: datetime
    ended: datetime | None
    holders: tuple[HolderView, ...]


@dataclass(frozen=True, slots=True)
class PersonView:
    """A member of staff."""

    person_id: str
    staff_no: str
    display_name: str
    registered: datetime
    left: datetime | None


@dataclass(frozen=True, slots=True)
class AccountView:
    """A person's account: `state` is active, blocked or closed; `second_factor` tells whether one is enrolled."""

    account_id: str
    login: str
    person_id: str
    state: str
    must_change: bool
    second_factor: bool
    created: datetime


@dataclass(frozen=True, slots=True)
class ClientView:
    """A case system: `name` is what it calls itself, `kid` names its public key."""

    client_id: str
    name: str
    source_system: str
    title: str
    kid: str
    state: str
    registered: datetime
    revoked: datetime | None


def list_units(staff: StaffDesk, caller: Caller, *, after: str | None = None, limit: int = MOST) -> list[UnitView]:
    """Units, ended ones too."""
    permit, limit = _begin(staff, caller, limit)
    query = select(units).where(units.c.fonds == caller.fonds).order_by(units.c.unit_id).limit(limit)
    with staff.desk.db.read() as conn:
        rows = conn.execute(query if after is None else query.where(units.c.unit_id > after)).all()
        former = _former(conn, caller.fonds, [row.unit_id for row in rows])
    views = [
        UnitView(
            row.unit_id,
            row.code,
            row.title,
            row.parent_id,
            from_ms(row.valid_from_ms),
            _instant(row.valid_to_ms),
            row.successor_id,
            tuple(former.get(row.unit_id, ())),
        )
        for row in rows
    ]
    return _shown(staff, caller, permit, "units", views)


def list_posts(staff: StaffDesk, caller: Caller, *, after: str | None = None, limit: int = MOST) -> list[PostView]:
    """Posts, ended ones too, with their present and coming holders."""
    permit, limit = _begin(staff, caller, limit)
    query = select(posts).where(posts.c.fonds == caller.fonds).order_by(posts.c.post_id).limit(limit)
    with staff.desk.db.read() as conn:
        rows = conn.execute(query if after is None else query.where(posts.c.post_id > after)).all()
        held = _holders(conn, caller.fonds, [row.post_id for row in rows], permit.at)
    views = [
        PostView(
            row.post_id,
            row.unit_id,
            row.role,
            row.title,
            from_ms(row.valid_from_ms),
            _instant(row.valid_to_ms),
            tuple(held.get(row.post_id, ())),
        )
        for row in rows
    ]
    return _shown(staff, caller, permit, "posts", views)


def list_people(staff: StaffDesk, caller: Caller, *, after: str | None = None, limit: int = MOST) -> list[PersonView]:
    """Members of staff, also those who have left."""
    permit, limit = _begin(staff, caller, limit)
    query = select(persons).where(persons.c.fonds == caller.fonds).order_by(persons.c.person_id).limit(limit)
    with staff.desk.db.read() as conn:
        rows = conn.execute(query if after is None else query.where(persons.c.person_id > after)).all()
    views = [PersonView(row.person_id, row.staff_no, row.display_name, from_ms(row.registered_ms), _instant(row.left_ms)) for row in rows]
    return _shown(staff, caller, permit, "people", views)


def list_accounts(staff: StaffDesk, caller: Caller, *, after: str | None = None, limit: int = MOST) -> list[AccountView]:
    """Accounts of persons; those of case systems are their clients'."""
    permit, limit = _begin(staff, caller, limit)
    query = (
        select(accounts, totp_factors.c.confirmed_ms)
        .outerjoin(totp_factors, and_(totp_factors.c.fonds == accounts.c.fonds, totp_factors.c.account_id == accounts.c.account_id))
        .where(accounts.c.fonds == caller.fonds, accounts.c.kind == "person")
        .order_by(accounts.c.account_id)
        .limit(limit)
    )
    with staff.desk.db.read() as conn:
        rows = conn.execute(query if after is None else query.where(accounts.c.account_id > after)).all()
    views = [
        AccountView(
            row.account_id,
            row.login,
            row.person_id,
            row.state,
            bool(row.must_change),
            row.confirmed_ms is not None,
            from_ms(row.created_ms),
        )
        for row in rows
    ]
    return _shown(staff, caller, permit, "accounts", views)


def list_clients(staff: StaffDesk, caller: Caller) -> list[ClientView]:
    """Case systems, revoked ones too, by registration; a fonds has a handful."""
    permit, _ = _begin(staff, caller, MOST)
    with staff.desk.db.read() as conn:
        known = {client.client_id: client for client in clients_in(conn, caller.fonds)}
        rows = conn.execute(
            select(service_clients).where(service_clients.c.fonds == caller.fonds).order_by(service_clients.c.client_id)
        ).all()
    views = [
        ClientView(
            row.client_id,
            known[row.client_id].name,
            row.source_system,
            row.title,
            row.kid,
            known[row.client_id].state,
            from_ms(row.registered_ms),
            _instant(row.revoked_ms),
        )
        for row in rows
    ]
    return _shown(staff, caller, permit, "clients", views)


def _begin(staff: StaffDesk, caller: Caller, limit: int) -> tuple[Permit, int]:
    permit = permit_in_fonds(staff.desk, caller, "office.read")
    if not 1 <= limit <= MOST:
        raise InvalidInput([Fault("limit", "range", f"须为 1 至 {MOST}。", f"1 to {MOST}.")])
    return permit, limit


def _shown(staff: StaffDesk, caller: Caller, permit: Permit, what: str, views: list[V]) -> list[V]:
    """Record the look before anything of it leaves."""
    about = {"kind": "fonds", "id": caller.fonds}
    perform(staff, caller, permit, "office.listed", about, lambda _unit: None, data={"what": what, "shown": len(views)})
    return views


def _former(conn: Connection, fonds: str, unit_ids: list[str]) -> dict[str, list[FormerView]]:
    past = select(unit_history).where(unit_history.c.fonds == fonds, unit_history.c.unit_id.in_(unit_ids))
    found: dict[str, list[FormerView]] = {}
    for row in conn.execute(past.order_by(unit_history.c.from_ms)):
        found.setdefault(row.unit_id, []).append(FormerView(row.title, row.parent_id, from_ms(row.from_ms), from_ms(row.to_ms)))
    return found


def _holders(conn: Connection, fonds: str, post_ids: list[str], at: datetime) -> dict[str, list[HolderView]]:
    rows = conn.execute(
        select(post_holdings)
        .where(
            post_holdings.c.fonds == fonds,
            post_holdings.c.post_id.in_(post_ids),
            or_(post_holdings.c.to_ms.is_(None), post_holdings.c.to_ms > to_ms(at)),
        )
        .order_by(post_holdings.c.from_ms, post_holdings.c.holding_id)
    )
    found: dict[str, list[HolderView]] = {}
    for row in rows:
        view = HolderView(row.holding_id, row.person_id, row.person_name, from_ms(row.from_ms), _instant(row.to_ms), bool(row.acting))
        found.setdefault(row.post_id, []).append(view)
    return found


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
