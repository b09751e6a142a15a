"""Case systems as clients: one service account, one fonds, one public key, and no role but depositor.

A client proves itself with an assertion signed by its own key (`private_key_jwt`: RFC 7523, OpenID Connect Core 1.0, section 9), used
once, and gets an access token bound to a session row, so that revoking the client ends every token of it at its next use. A client is
named to the outside `<fonds>.<client_id>`, which says where to look for its key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, select, update

from audit.events import Actor, Event
from auth.context import AuthContext
from auth.errors import AlreadyThere, ClientRefused, NoSuchThing, NotInForce, TokenRefused
from auth.keys import p256
from auth.naming import code_faults, name_faults
from auth.people import account, open_service_account, set_state
from auth.policy import DEPOSITOR
from auth.refusals import STRANGERS, record_refusal
from auth.sessions import open_session
from auth.tables import accounts, assertion_jtis, service_clients
from auth.tokens import AssertionClaims
from foundation.canonical import canonical
from foundation.clock import to_ms
from foundation.errors import Fault, InvalidInput
from foundation.ids import is_id, new_id
from foundation.inserting import insert_new
from foundation.tables import SYSTEM_FONDS
from foundation.uow import Unit


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client as it stands. `state` is its account's: `blocked` while it waits for its confirmation."""

    fonds: str
    client_id: str
    account_id: str
    source_system: str
    kid: str
    public_jwk: dict[str, str]
    state: str
    revoked: bool

    @property
    def name(self) -> str:
        """What it calls itself in `iss` and `sub`: `<fonds>.<client_id>`."""
        return f"{self.fonds}.{self.client_id}"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token for a client: the token, its seconds to live, and the session row behind it."""

    access_token: str = field(repr=False)
    expires_in: int
    session_id: str


_CLIENTS = select(service_clients, accounts.c.state).join(
    accounts, and_(accounts.c.fonds == service_clients.c.fonds, accounts.c.account_id == service_clients.c.account_id)
)
_FONDS = re.compile(r"[A-Za-z0-9_-]{1,40}")


class _Replayed(Exception):
    """The assertion was used before; leaves the unit of work."""


def register_client(
    unit: Unit, *, source_system: str, title: str, public_jwk: Mapping[str, Any], at: datetime, client_id: str | None = None
) -> Client:
    """Register a client with its public key (P-256 JWK); opens its service account.

    The first client of a source system can be used at once. A later one (a new key, or somebody's who would be taken for that system, whose
    cases it could correct) is blocked until it is confirmed, also where the earlier ones are revoked.

    BadKey; InvalidInput; AlreadyThere when the `kid` is registered already. A key without a `kid` gets its thumbprint (RFC 7638).
    """
    faults = name_faults(source_system=(source_system, 60), title=(title, 120)) or code_faults(source_system=source_system)
    key = p256(public_jwk)
    kid = public_jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= 64 and kid.isascii() and kid.isprintable()):
        faults.append(Fault("public_jwk.kid", "shape", "kid 须为 1 至 64 个 ASCII 字符。", "`kid` is 1 to 64 ASCII characters."))
    if faults:
        raise InvalidInput(faults)
    client_id = client_id or new_id()
    account_id = open_service_account(unit, login=f"client-{client_id}", at=at)
    if any(client.source_system == source_system for client in clients_in(unit.conn, unit.fonds)):
        set_state(unit, account_id, "blocked", at=at)
    if not insert_new(
        unit.conn,
        service_clients,
        fonds=unit.fonds,
        client_id=client_id,
        account_id=account_id,
        source_system=source_system,
        title=title,
        kid=kid or key.thumbprint,
        public_jwk=canonical(key.members).decode(),
        registered_ms=to_ms(at),
    ):
        raise AlreadyThere
    client = client_of(unit.conn, unit.fonds, client_id)
    if client is None:
        raise NoSuchThing
    return client


def confirm_client(unit: Unit, client_id: str, *, at: datetime) -> Client:
    """Let a client that was registered beside or after another one of its source system be used; NotInForce when it waits for nothing."""
    client = client_of(unit.conn, unit.fonds, client_id)
    if client is None:
        raise NoSuchThing
    set_state(unit, client.account_id, "active", at=at)
    return client


def revoke_client(unit: Unit, client_id: str, *, at: datetime) -> None:
    """Revoke a client for good: its account is closed, its sessions and so its tokens end."""
    client = client_of(unit.conn, unit.fonds, client_id)
    if client is None:
        raise NoSuchThing
    if client.revoked:
        raise NotInForce
    unit.conn.execute(
        update(service_clients)
        .where(service_clients.c.fonds == unit.fonds, service_clients.c.client_id == client_id)
        .values(revoked_ms=to_ms(at))
    )
    set_state(unit, client.account_id, "closed", at=at)


def client_of(conn: Connection, fonds: str, client_id: str) -> Client | None:
    """The client by its id, or None."""
    return _client(conn.execute(_CLIENTS.where(service_clients.c.fonds == fonds, service_clients.c.client_id == client_id)).first())


def clients_in(conn: Connection, fonds: str) -> list[Client]:
    """All clients of the fonds, revoked ones too, by registration."""
    query = _CLIENTS.where(service_clients.c.fonds == fonds)
    rows = conn.execute(query.order_by(service_clients.c.registered_ms, service_clients.c.client_id))
    return [client for row in rows if (client := _client(row)) is not None]


def issue_token(ctx: AuthContext, assertion: str, *, network: str, request_id: str = "") -> IssuedToken:
    """Answer a client's assertion with an access token, or record the refusal and raise ClientRefused.

    `network`: the class of the network the request came from. The assertion's `jti` is spent in the transaction that opens the session.
    """
    now = ctx.clock.now()
    client: Client | None = None
    try:
        client = _claimed(ctx, assertion)
        said = ctx.assertions.read(assertion, client=client.name, kid=client.kid, key=p256(client.public_jwk), now=now)
        return _open(ctx, client, said, network, request_id, now)
    except (TokenRefused, _Replayed) as error:
        reason = error.reason if isinstance(error, TokenRefused) else "jti-used"
        _refuse(ctx, client, reason, network, request_id, now)
        raise ClientRefused from None


def _claimed(ctx: AuthContext, assertion: str) -> Client:
    fonds, _, client_id = ctx.assertions.claimed_client(assertion).rpartition(".")
    if not is_id(client_id) or _FONDS.fullmatch(fonds) is None:
        raise TokenRefused("iss")
    with ctx.db.read() as conn:
        client = client_of(conn, fonds, client_id)
    if client is None:
        raise TokenRefused("unknown-client")
    return client


def _open(ctx: AuthContext, client: Client, said: AssertionClaims, network: str, request_id: str, now: datetime) -> IssuedToken:
    lifetime = timedelta(minutes=ctx.policy_of(client.fonds).token_minutes)

    def enter(unit: Unit) -> str:
        # Locked first, then the client read again: a revocation running at this moment is waited for, and then seen.
        state = account(unit.conn, unit.fonds, client.account_id, lock=True).state
        present = client_of(unit.conn, unit.fonds, client.client_id)
        if state != "active" or present is None or present.revoked:
            raise TokenRefused("revoked")
        mine = (assertion_jtis.c.fonds == unit.fonds, assertion_jtis.c.client_id == client.client_id)
        unit.conn.execute(delete(assertion_jtis).where(*mine, assertion_jtis.c.expires_ms < to_ms(now)))
        digest = hashlib.sha256(said.jti.encode()).digest()
        if not insert_new(
            unit.conn,
            assertion_jtis,
            fonds=unit.fonds,
            client_id=client.client_id,
            jti_digest=digest,
            expires_ms=to_ms(said.expires),
        ):
            raise _Replayed
        session_id = open_session(
            unit, account_id=client.account_id, assurance=1, client=network, lifetime=lifetime, at=now, client_id=client.client_id
        )
        actor = Actor(account=client.account_id, role=DEPOSITOR, assurance=1, session=session_id, client=network)
        about = {"kind": "client", "id": client.name}
        unit.add(Event("client.token-issued", actor, now, object=about, request_id=request_id))
        return session_id

    session_id = ctx.uow.run(client.fonds, enter)
    token = ctx.access_tokens.issue(
        fonds=client.fonds, account_id=client.account_id, client_id=client.name, session_id=session_id, now=now, lifetime=lifetime
    )
    return IssuedToken(token, lifetime // timedelta(seconds=1), session_id)


def _refuse(ctx: AuthContext, client: Client | None, reason: str, network: str, request_id: str, now: datetime) -> None:
    event = Event(
        "client.token-refused",
        Actor(role="unknown", client=network),
        now,
        object=None if client is None else {"kind": "client", "id": client.name},
        verdict="refuse",
        reason=reason,
        request_id=request_id,
    )
    home, subject = (SYSTEM_FONDS, STRANGERS) if client is None else (client.fonds, client.client_id)
    record_refusal(ctx, home, subject, "token", event)


def _client(row: Row[Any] | None) -> Client | None:
    if row is None:
        return None
    jwk = json.loads(row.public_jwk)
    return Client(row.fonds, row.client_id, row.account_id, row.source_system, row.kid, jwk, row.state, row.revoked_ms is not None)
