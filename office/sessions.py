"""Sessions of others, as the security administrator sees and ends them; one's own are `auth.sessions`' matter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

import auth.sessions
from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.errors import NoSuchThing
from auth.people import account
from auth.tables import sessions
from foundation.clock import from_ms
from foundation.ids import is_id
from foundation.uow import Unit
from office.staff_desk import StaffDesk, perform


@dataclass(frozen=True, slots=True)
class SessionView:
    """A live session: when it began, was last used and ends, with how many factors, from which class of network."""

    session_id: str
    account_id: str
    created: datetime
    last_seen: datetime
    expires: datetime
    assurance: int
    client: str


def sessions_of(staff: StaffDesk, caller: Caller, account_id: str) -> list[SessionView]:
    """The account's live sessions, newest first; the look is on record. Refused; NoSuchThing."""
    permit = permit_in_fonds(staff.desk, caller, "office.session_list")
    if not is_id(account_id):
        raise NoSuchThing
    with staff.desk.db.read() as conn:
        account(conn, caller.fonds, account_id)
        rows = auth.sessions.sessions_of(conn, caller.fonds, account_id, staff.policy_of(caller.fonds), at=permit.at)
    perform(
        staff,
        caller,
        permit,
        "office.listed",
        {"kind": "account", "id": account_id},
        lambda _unit: None,
        data={"what": "sessions", "shown": len(rows)},
    )
    return [
        SessionView(
            row.session_id,
            row.account_id,
            from_ms(row.created_ms),
            from_ms(row.last_seen_ms),
            from_ms(row.expires_ms),
            row.assurance,
            row.client,
        )
        for row in rows
    ]


def revoke_session(staff: StaffDesk, caller: Caller, session_id: str, *, reason: str | None = None) -> None:
    """End somebody's session at once: cookie and bearer token stop at their next use. Refused; NoSuchThing when it has ended."""
    permit = permit_in_fonds(staff.desk, caller, "office.session_revoke")
    if not is_id(session_id):
        raise NoSuchThing
    with staff.desk.db.read() as conn:
        mine = (sessions.c.fonds == caller.fonds, sessions.c.session_id == session_id)
        account_id = conn.execute(select(sessions.c.account_id).where(*mine)).scalar_one_or_none()
    if account_id is None:
        raise NoSuchThing

    def end(unit: Unit) -> None:
        auth.sessions.revoke(unit, session_id, at=permit.at)

    about = {"kind": "session", "id": session_id}
    perform(staff, caller, permit, "session.revoked", about, end, data={"account": account_id}, reason=reason)
