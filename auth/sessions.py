"""Sessions: one row behind cookie and bearer token alike, read anew at every request.

Nothing about a session is remembered between requests: expiry, idleness, revocation, a blocked account, a revoked client, a post taken
up or left all count from the next read on, with no job that could be late. A cookie is the row's name and 256 random bits, of which the
row keeps only the digest; a bearer token is one of our access tokens that names the row.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, select, update

from audit.events import Actor, Event
from auth.context import AuthContext
from auth.errors import FactorMissing, NoSuchThing, NotSignedIn, RoleNotHeld, SecretMustChange, TokenRefused
from auth.policy import DEPOSITOR, AuthPolicy
from auth.posts import posts_held
from auth.principal import PostHeld, Principal
from auth.tables import accounts, service_clients, sessions, totp_factors
from foundation.clock import from_ms, to_ms
from foundation.ids import is_id, new_id
from foundation.uow import Unit

_COOKIE = re.compile(r"([A-Za-z0-9_-]{1,40})\.([0-9a-f-]{36})\.([A-Za-z0-9_-]{43})", re.ASCII)
_TOUCH = timedelta(seconds=60)
SECRET, FACTOR = "secret", "factor"


@dataclass(frozen=True, slots=True)
class Session:
    """A live session as read at one instant. `pending` names what must be done before anything else: `secret` and/or `factor`."""

    fonds: str
    session_id: str
    account_id: str
    person_id: str | None
    kind: str
    client: str
    client_id: str | None
    assurance: int
    created: datetime
    expires: datetime
    last_seen: datetime
    factor_at: datetime | None
    posts: tuple[PostHeld, ...]
    pending: frozenset[str]

    def actor(self) -> Actor:
        """The session's holder for an entry about the session itself, in no role yet."""
        role = DEPOSITOR if self.kind == "service" else "account-holder"
        return Actor(
            account=self.account_id,
            person=self.person_id,
            role=role,
            assurance=self.assurance,
            session=self.session_id,
            client=self.client,
        )


def open_session(
    unit: Unit,
    *,
    account_id: str,
    assurance: int,
    client: str,
    lifetime: timedelta,
    at: datetime,
    client_id: str | None = None,
    secret: str | None = None,
) -> str:
    """Insert a session row and return its id; assurance 2 says that a second factor was shown just now.

    `secret` is the cookie's random part, None for sessions without a cookie.
    """
    session_id = new_id()
    unit.conn.execute(
        insert(sessions).values(
            fonds=unit.fonds,
            session_id=session_id,
            account_id=account_id,
            created_ms=to_ms(at),
            expires_ms=to_ms(at + lifetime),
            last_seen_ms=to_ms(at),
            assurance=assurance,
            factor_ms=to_ms(at) if assurance == 2 else None,
            client=client,
            client_id=client_id,
            token_digest=None if secret is None else _digest(secret),
        )
    )
    return session_id


def new_cookie_secret() -> str:
    """256 random bits, base64url (43 characters)."""
    return secrets.token_urlsafe(32)


def cookie(fonds: str, session_id: str, secret: str) -> str:
    """The cookie's value."""
    return f"{fonds}.{session_id}.{secret}"


def of_cookie(ctx: AuthContext, conn: Connection, value: str) -> Session:
    """The live session a cookie stands for; NotSignedIn for every other value."""
    match = _COOKIE.fullmatch(value)
    if match is None:
        raise NotSignedIn
    fonds, session_id, secret = match.groups()
    row = _row(conn, fonds, session_id)
    if row is None or row.token_digest is None or not hmac.compare_digest(row.token_digest, _digest(secret)):
        raise NotSignedIn
    return _live(ctx, conn, row)


def of_bearer(ctx: AuthContext, conn: Connection, token: str) -> Session:
    """The live session one of our access tokens names; NotSignedIn when token or session does not hold."""
    try:
        said = ctx.access_tokens.read(token, now=ctx.clock.now())
    except TokenRefused:
        raise NotSignedIn from None
    row = _row(conn, said.fonds, said.session_id)
    if row is None or row.account_id != said.account_id:
        raise NotSignedIn
    return _live(ctx, conn, row)


def by_id(ctx: AuthContext, conn: Connection, fonds: str, session_id: str) -> Session:
    """The live session by its id, for callers that already know it is the right one; NotSignedIn."""
    row = _row(conn, fonds, session_id)
    if row is None:
        raise NotSignedIn
    return _live(ctx, conn, row)


def bearer_of(ctx: AuthContext, session: Session) -> tuple[str, int]:
    """An access token for a person's live session and its seconds to live, never longer than the session's."""
    now = ctx.clock.now()
    lifetime = min(timedelta(minutes=ctx.policy_of(session.fonds).token_minutes), session.expires - now)
    token = ctx.access_tokens.issue(
        fonds=session.fonds,
        account_id=session.account_id,
        client_id=session.client_id or session.client,
        session_id=session.session_id,
        now=now,
        lifetime=lifetime,
    )
    return token, lifetime // timedelta(seconds=1)


def principal_of(session: Session, role: str | None = None) -> Principal:
    """The principal, acting in `role` (default: that of the post held longest; of those taken up in the same millisecond, the role that is
    first by its code).

    SecretMustChange or FactorMissing while something is pending: a session that is not ready cannot become a principal, so
    it can do nothing at all but what takes the session itself. RoleNotHeld for a role without a post.
    """
    if SECRET in session.pending:
        raise SecretMustChange
    if FACTOR in session.pending:
        raise FactorMissing
    if session.kind == "service":
        acting_in = DEPOSITOR
        if role not in (None, DEPOSITOR):
            raise RoleNotHeld(role or "")
    else:
        held = [post.role for post in session.posts]
        if not held:
            raise RoleNotHeld
        if role is not None and role not in held:
            raise RoleNotHeld(role)
        acting_in = role or held[0]
    return Principal(
        fonds=session.fonds,
        account_id=session.account_id,
        person_id=session.person_id,
        kind="service" if session.kind == "service" else "person",
        posts=session.posts,
        role=acting_in,
        assurance=session.assurance,
        session_id=session.session_id,
        client=session.client,
        authenticated_at=session.created,
    )


def touch(ctx: AuthContext, session: Session) -> None:
    """Note that the session is in use, at most once a minute; it keeps an idle clock and discloses nothing."""
    now = ctx.clock.now()
    if now - session.last_seen < _TOUCH or session.kind == "service":
        return

    def note(unit: Unit) -> None:
        mine = (sessions.c.fonds == session.fonds, sessions.c.session_id == session.session_id)
        unit.conn.execute(update(sessions).where(*mine, sessions.c.last_seen_ms < to_ms(now)).values(last_seen_ms=to_ms(now)))

    ctx.uow.bookkeep(session.fonds, note)


def sessions_of(conn: Connection, fonds: str, account_id: str, policy: AuthPolicy, *, at: datetime) -> list[Row[Any]]:
    """The account's sessions that are live at that time, newest first; columns as in `tables.sessions`, without the digest."""
    columns = [column for column in sessions.c if column.name != "token_digest"]
    idle = at - timedelta(minutes=policy.session_idle_minutes)
    return list(
        conn.execute(
            select(*columns)
            .where(
                sessions.c.fonds == fonds,
                sessions.c.account_id == account_id,
                sessions.c.revoked_ms.is_(None),
                sessions.c.expires_ms > to_ms(at),
                (sessions.c.last_seen_ms > to_ms(idle)) | sessions.c.client_id.is_not(None),
            )
            .order_by(sessions.c.created_ms.desc(), sessions.c.session_id.desc())
        ).all()
    )


def revoke(unit: Unit, session_id: str, *, at: datetime, account_id: str | None = None) -> str:
    """End a session now and return its account's id; NoSuchThing when it does not exist, has ended, or is not of `account_id`."""
    mine = (sessions.c.fonds == unit.fonds, sessions.c.session_id == session_id)
    row = unit.conn.execute(select(sessions.c.account_id, sessions.c.revoked_ms).where(*mine).with_for_update()).first()
    if row is None or row.revoked_ms is not None or account_id not in (None, row.account_id):
        raise NoSuchThing
    unit.conn.execute(update(sessions).where(*mine).values(revoked_ms=to_ms(at)))
    return str(row.account_id)


def sign_out(ctx: AuthContext, session: Session, *, request_id: str = "") -> None:
    """End the holder's own session."""
    now = ctx.clock.now()

    def end(unit: Unit) -> None:
        revoke(unit, session.session_id, at=now)
        about = {"kind": "session", "id": session.session_id}
        unit.add(Event("session.closed", session.actor(), now, object=about, request_id=request_id))

    ctx.uow.run(session.fonds, end)


def revoke_own(ctx: AuthContext, session: Session, other_id: str, *, request_id: str = "") -> None:
    """End another session of the same account (a browser left open elsewhere); NoSuchThing when it is not one's own."""
    if not is_id(other_id):
        raise NoSuchThing
    now = ctx.clock.now()

    def end(unit: Unit) -> None:
        revoke(unit, other_id, at=now, account_id=session.account_id)
        about = {"kind": "session", "id": other_id}
        unit.add(Event("session.revoked", session.actor(), now, object=about, reason="by-holder", request_id=request_id))

    ctx.uow.run(session.fonds, end)


def _row(conn: Connection, fonds: str, session_id: str) -> Row[Any] | None:
    return conn.execute(_SESSION, {"of": fonds, "id": session_id}).first()


# Asked at every request, so built once.
_SESSION = (
    select(
        sessions,
        accounts.c.kind,
        accounts.c.state,
        accounts.c.person_id,
        accounts.c.must_change,
        accounts.c.secret_set_ms,
        totp_factors.c.confirmed_ms,
        service_clients.c.revoked_ms.label("client_revoked_ms"),
    )
    .join(accounts, and_(accounts.c.fonds == sessions.c.fonds, accounts.c.account_id == sessions.c.account_id))
    .outerjoin(totp_factors, and_(totp_factors.c.fonds == sessions.c.fonds, totp_factors.c.account_id == sessions.c.account_id))
    .outerjoin(service_clients, and_(service_clients.c.fonds == sessions.c.fonds, service_clients.c.client_id == sessions.c.client_id))
    .where(sessions.c.fonds == bindparam("of"), sessions.c.session_id == bindparam("id"))
)


def _live(ctx: AuthContext, conn: Connection, row: Row[Any]) -> Session:
    now, policy = ctx.clock.now(), ctx.policy_of(row.fonds)
    idle = timedelta(minutes=policy.session_idle_minutes)
    ended = (
        row.revoked_ms is not None
        or row.expires_ms <= to_ms(now)
        or row.state != "active"
        or (row.kind == "person" and row.last_seen_ms <= to_ms(now - idle))
        or (row.kind == "service" and row.client_revoked_ms is not None)
    )
    if ended:
        raise NotSignedIn
    held = () if row.person_id is None else posts_held(conn, row.fonds, row.person_id, at=now)
    return Session(
        fonds=row.fonds,
        session_id=row.session_id,
        account_id=row.account_id,
        person_id=row.person_id,
        kind=row.kind,
        client=row.client,
        client_id=row.client_id,
        assurance=row.assurance,
        created=from_ms(row.created_ms),
        expires=from_ms(row.expires_ms),
        last_seen=from_ms(row.last_seen_ms),
        factor_at=None if row.factor_ms is None else from_ms(row.factor_ms),
        posts=held,
        pending=frozenset() if row.kind == "service" else _pending(row, held, policy, now),
    )


def _pending(row: Row[Any], held: tuple[PostHeld, ...], policy: AuthPolicy, now: datetime) -> frozenset[str]:
    pending = set()
    too_old = policy.password_max_age_days and row.secret_set_ms <= to_ms(now - timedelta(days=policy.password_max_age_days))
    if row.must_change or too_old:
        pending.add(SECRET)
    needs_factor = any(post.role in policy.second_factor_roles for post in held)
    if needs_factor and (row.confirmed_ms is None or row.assurance < 2):
        pending.add(FACTOR)
    return frozenset(pending)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()
