"""Persons and their accounts: one person, one live account (一人一账号). Store functions: who may call them is judged above."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from auth.errors import AlreadyThere, NoSuchThing, NotInForce, StillInUse
from auth.naming import code_faults, name_faults
from auth.tables import accounts, password_history, persons, post_holdings, sessions
from foundation.clock import to_ms
from foundation.errors import Fault, InvalidInput
from foundation.ids import new_id
from foundation.inserting import insert_new
from foundation.tables import SYSTEM_FONDS
from foundation.uow import Unit

_FONDS = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it stands. `secret_hash` and `secret_set_ms` are None for a service account."""

    fonds: str
    account_id: str
    login: str
    person_id: str | None
    kind: str
    state: str
    secret_hash: str | None
    secret_set_ms: int | None
    must_change: bool


def normal_login(text: str) -> str:
    """The form a login is stored and looked up in: NFKC (full-width letters of an input method become plain), case folded, trimmed."""
    return unicodedata.normalize("NFKC", text[:256]).casefold().strip()


def register_person(unit: Unit, *, staff_no: str, display_name: str, at: datetime, person_id: str | None = None) -> str:
    """Register a member of staff and return the id; AlreadyThere when the staff number is taken."""
    if faults := name_faults(staff_no=(staff_no, 60), display_name=(display_name, 120)) or code_faults(staff_no=staff_no):
        raise InvalidInput(faults)
    person_id = person_id or new_id()
    if not insert_new(
        unit.conn,
        persons,
        fonds=unit.fonds,
        person_id=person_id,
        staff_no=staff_no,
        display_name=display_name,
        registered_ms=to_ms(at),
    ):
        raise AlreadyThere
    return person_id


def person(conn: Connection, fonds: str, person_id: str) -> Row[Any]:
    """The person's row (columns as in `tables.persons`); NoSuchThing when there is none."""
    row = conn.execute(select(persons).where(persons.c.fonds == fonds, persons.c.person_id == person_id)).first()
    if row is None:
        raise NoSuchThing
    return row


def person_leaves(unit: Unit, person_id: str, *, at: datetime) -> None:
    """Note that a person has left; StillInUse while a post is held or a live account exists (nobody leaves with open ones)."""
    row = unit.conn.execute(
        select(persons).where(persons.c.fonds == unit.fonds, persons.c.person_id == person_id).with_for_update()
    ).first()
    if row is None:
        raise NoSuchThing
    if row.left_ms is not None:
        raise NotInForce
    held = select(post_holdings.c.holding_id).where(
        post_holdings.c.fonds == unit.fonds,
        post_holdings.c.person_id == person_id,
        or_(post_holdings.c.to_ms.is_(None), post_holdings.c.to_ms > to_ms(at)),
    )
    live = select(accounts.c.account_id).where(
        accounts.c.fonds == unit.fonds, accounts.c.person_id == person_id, accounts.c.state != "closed"
    )
    if unit.conn.execute(held).first() is not None or unit.conn.execute(live).first() is not None:
        raise StillInUse
    unit.conn.execute(update(persons).where(persons.c.fonds == unit.fonds, persons.c.person_id == person_id).values(left_ms=to_ms(at)))


def open_account(unit: Unit, *, person_id: str, login: str, secret_hash: str, at: datetime, account_id: str | None = None) -> str:
    """Open the one live account of a person, with a first secret that must be changed; AlreadyThere when login or person has one.

    `secret_hash` comes from `Passwords.hash`, made before the unit of work: hashing takes long and `fn` does nothing but SQL.
    """
    login = _checked_login(login)
    if person(unit.conn, unit.fonds, person_id).left_ms is not None:
        raise NotInForce
    account_id = account_id or new_id()
    if not insert_new(
        unit.conn,
        accounts,
        fonds=unit.fonds,
        account_id=account_id,
        login=login,
        person_id=person_id,
        kind="person",
        state="active",
        secret_hash=secret_hash,
        secret_set_ms=to_ms(at),
        must_change=1,
        created_ms=to_ms(at),
    ):
        raise AlreadyThere
    _remember(unit, account_id, secret_hash, at)
    return account_id


def open_service_account(unit: Unit, *, login: str, at: datetime) -> str:
    """Open an account without person and secret, for one client (`auth.clients.register_client`)."""
    account_id = new_id()
    if not insert_new(
        unit.conn,
        accounts,
        fonds=unit.fonds,
        account_id=account_id,
        login=_checked_login(login),
        person_id=None,
        kind="service",
        state="active",
        must_change=0,
        created_ms=to_ms(at),
    ):
        raise AlreadyThere
    return account_id


def account(conn: Connection, fonds: str, account_id: str, *, lock: bool = False) -> Account:
    """The account by id; NoSuchThing when there is none. `lock` holds its row until the transaction ends."""
    query = select(accounts).where(accounts.c.fonds == fonds, accounts.c.account_id == account_id)
    row = conn.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NoSuchThing
    return _account(row)


def account_of_login(conn: Connection, fonds: str, login: str) -> Account | None:
    """The account with that login, whatever its state, or None; any text may be asked for, at the price of one look-up."""
    wanted = normal_login(login)
    if _LOGIN.fullmatch(wanted) is None or _FONDS.fullmatch(fonds) is None:
        wanted = fonds = ""
    row = conn.execute(select(accounts).where(accounts.c.fonds == fonds, accounts.c.login == wanted)).first()
    return None if row is None else _account(row)


def log_of_strangers(conn: Connection, fonds: str) -> str:
    """Where an attempt on a login is on record that `fonds` does not have: there, unless it has no account at all.

    The log of an account it does have grows by an entry too, and everybody may know how long a log is.
    """
    asked = fonds if _FONDS.fullmatch(fonds) is not None else ""
    return conn.execute(select(accounts.c.fonds).where(accounts.c.fonds == asked).limit(1)).scalar_one_or_none() or SYSTEM_FONDS


def account_of_person(conn: Connection, fonds: str, person_id: str) -> Account | None:
    """The person's live account, or None."""
    row = conn.execute(
        select(accounts).where(accounts.c.fonds == fonds, accounts.c.person_id == person_id, accounts.c.state != "closed")
    ).first()
    return None if row is None else _account(row)


def set_state(unit: Unit, account_id: str, state: str, *, at: datetime) -> None:
    """Block, unblock or close an account (`blocked`, `active`, `closed`; closed is final). Its sessions end unless it becomes active."""
    if state not in ("active", "blocked", "closed"):
        raise ValueError("state is active, blocked or closed")
    if account(unit.conn, unit.fonds, account_id, lock=True).state in ("closed", state):
        raise NotInForce
    unit.conn.execute(
        update(accounts)
        .where(accounts.c.fonds == unit.fonds, accounts.c.account_id == account_id)
        .values(state=state, closed_ms=to_ms(at) if state == "closed" else None)
    )
    if state != "active":
        end_sessions(unit, account_id, at=at)


def set_secret(
    unit: Unit, account_id: str, secret_hash: str, *, at: datetime, must_change: bool, keep: int, except_session: str = ""
) -> None:
    """Store a new secret's hash, remember `keep` of the last ones, and end every session but `except_session`."""
    changed = unit.conn.execute(
        update(accounts)
        .where(accounts.c.fonds == unit.fonds, accounts.c.account_id == account_id, accounts.c.kind == "person")
        .values(secret_hash=secret_hash, secret_set_ms=to_ms(at), must_change=int(must_change))
    )
    if changed.rowcount != 1:
        raise NoSuchThing
    _remember(unit, account_id, secret_hash, at)
    _forget(unit, account_id, keep)
    end_sessions(unit, account_id, at=at, except_session=except_session)


def recent_hashes(conn: Connection, fonds: str, account_id: str, count: int) -> list[str]:
    """The hashes of the last `count` secrets, newest first; the present one is among them."""
    return list(
        conn.execute(
            select(password_history.c.secret_hash)
            .where(password_history.c.fonds == fonds, password_history.c.account_id == account_id)
            .order_by(password_history.c.set_ms.desc(), password_history.c.history_id.desc())
            .limit(count)
        ).scalars()
    )


def end_sessions(unit: Unit, account_id: str, *, at: datetime, except_session: str = "") -> int:
    """Revoke every live session of the account (but one); return how many."""
    return unit.conn.execute(
        update(sessions)
        .where(
            sessions.c.fonds == unit.fonds,
            sessions.c.account_id == account_id,
            sessions.c.revoked_ms.is_(None),
            sessions.c.session_id != except_session,
        )
        .values(revoked_ms=to_ms(at))
    ).rowcount


def _remember(unit: Unit, account_id: str, secret_hash: str, at: datetime) -> None:
    unit.conn.execute(
        insert(password_history).values(
            fonds=unit.fonds, account_id=account_id, history_id=new_id(), secret_hash=secret_hash, set_ms=to_ms(at)
        )
    )


def _forget(unit: Unit, account_id: str, keep: int) -> None:
    mine = (password_history.c.fonds == unit.fonds, password_history.c.account_id == account_id)
    kept = (
        select(password_history.c.history_id)
        .where(*mine)
        .order_by(password_history.c.set_ms.desc(), password_history.c.history_id.desc())
        .limit(keep)
    )
    newest = list(unit.conn.execute(kept).scalars())
    unit.conn.execute(delete(password_history).where(*mine, password_history.c.history_id.not_in(newest)))


def _checked_login(text: str) -> str:
    login = normal_login(text)
    if _LOGIN.fullmatch(login) is None:
        raise InvalidInput(
            [
                Fault(
                    "login",
                    "shape",
                    "登录名须为 2 至 64 个小写字母、数字、点、下划线或连字符，以字母或数字开头。",
                    "A login is 2 to 64 lower-case letters, digits, dots, underscores or hyphens and begins with a letter or digit.",
                )
            ]
        )
    return login


def _account(row: Row[Any]) -> Account:
    return Account(
        fonds=row.fonds,
        account_id=row.account_id,
        login=row.login,
        person_id=row.person_id,
        kind=row.kind,
        state=row.state,
        secret_hash=row.secret_hash,
        secret_set_ms=row.secret_set_ms,
        must_change=bool(row.must_change),
    )
