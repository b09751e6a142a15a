"""An office for the tests of auth: a fonds with units, people in posts, accounts and clients, worked through the real acts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import Connection, Row, select

from audit.events import Actor, Event
from audit.tables import log_entries
from auth.clients import Client, register_client
from auth.context import AuthContext
from auth.own_secret import change_secret, confirm_factor, enrol_factor
from auth.people import open_account, register_person
from auth.policy import AuthPolicy
from auth.posts import create_post, hold_post
from auth.sessions import Session, by_id
from auth.signin import Attempt, SignedIn, sign_in
from auth.tables import post_holdings
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import ArchiveError
from foundation.ids import new_id
from foundation.uow import Unit, UnitOfWork
from policies.rulebook.load import base
from service.wiring import auth_policy

T = TypeVar("T")
FONDS = "F001"
ISSUER = "https://archive.example"
AUDIENCE = "https://archive.example/v1"
TOKEN_ENDPOINT = "https://archive.example/v1/token"
FIRST, OWN = "krmt-2v9x-qnea-77hd", "lantern over quiet 河 nine"
_THREE = ("sysadmin", "secadmin", "auditadmin")
ROLES = frozenset({"handler", "leader", "collaborator", "principal", "inspector", "legal", "archivist", "external_supervisor", *_THREE})
POLICY = replace(
    auth_policy(base()),
    version="rules-1",
    post_roles=ROLES,
    separation=frozenset(frozenset({one, other}) for one in _THREE for other in ROLES if one != other),
    second_factor_roles=frozenset({"leader", "principal", *_THREE}),
)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk_of(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32, "big")), "y": b64(numbers.y.to_bytes(32, "big"))}


def sign_es256(key: ec.EllipticCurvePrivateKey, header: Any, body: Any) -> str:
    """A compact token made without the project's own code; header and body are JSON values, or bytes taken as they are."""
    parts = [b64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, body)]
    r, s = decode_dss_signature(key.sign(".".join(parts).encode(), ec.ECDSA(SHA256())))
    return ".".join([*parts, b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))])


@dataclass
class Office:
    """A fonds with a small unit tree, in which people can be given posts and accounts."""

    ctx: AuthContext
    clock: MovableClock
    database: Database
    policy: AuthPolicy
    units: dict[str, str]

    @property
    def uow(self) -> UnitOfWork:
        return self.ctx.uow

    def do(self, act: Callable[[Unit], T], fonds: str = FONDS) -> T:
        """Run store functions as a recorded act of some administrator."""

        def recorded(unit: Unit) -> T:
            value = act(unit)
            unit.add(Event("archive.started", Actor(), self.clock.now()))
            return value

        return self.uow.run(fonds, recorded)

    def person(self, name: str = "甲某", staff_no: str | None = None) -> str:
        return self.do(lambda unit: register_person(unit, staff_no=staff_no or new_id(), display_name=name, at=self.clock.now()))

    def post(self, role: str, unit: str = "letters") -> str:
        return self.do(
            lambda u: create_post(u, unit_id=self.units[unit], role=role, title=f"{role}岗", at=self.clock.now(), policy=self.policy)
        )

    def hold(self, person_id: str, post_id: str, **given: Any) -> str:
        given.setdefault("begins", self.clock.now())
        return self.do(lambda unit: hold_post(unit, post_id=post_id, person_id=person_id, policy=self.policy, **given))

    def account(self, login: str, *roles: str, secret: str = FIRST) -> tuple[str, str]:
        """(person_id, account_id) of a new colleague with posts of these roles and a first secret."""
        person_id = self.person()
        for role in roles:
            self.hold(person_id, self.post(role))
        secret_hash = self.ctx.passwords.hash(secret)
        account_id = self.do(
            lambda unit: open_account(unit, person_id=person_id, login=login, secret_hash=secret_hash, at=self.clock.now())
        )
        return person_id, account_id

    def sign_in(
        self, login: str, secret: str, code: str | None = None, *, address: str = "192.0.2.7", device: str | None = None, fonds: str = FONDS
    ) -> SignedIn:
        attempt = Attempt(client="intranet", address=address, device=device, request_id=new_id())
        return sign_in(self.ctx, fonds=fonds, login=login, secret=secret, code=code, attempt=attempt)

    def settled(self, login: str, *roles: str) -> tuple[str, pyotp.TOTP | None]:
        """A colleague who has changed the first secret to OWN and, where the roles need it, enrolled a factor: (account_id, app)."""
        _, account_id = self.account(login, *roles)
        session = self.sign_in(login, FIRST).session
        change_secret(self.ctx, session, present=FIRST, new=OWN)
        app = None
        if self.policy.second_factor_roles & set(roles):
            session = self.read(session)
            app = pyotp.TOTP(enrol_factor(self.ctx, session, present=OWN).secret)
            confirm_factor(self.ctx, session, app.at(self.clock.now()))
            self.clock.advance(60)
        return account_id, app

    def read(self, session: Session) -> Session:
        """The session as a next request would find it."""
        with self.database.read() as conn:
            return by_id(self.ctx, conn, session.fonds, session.session_id)

    def client(self, **given: Any) -> tuple[Client, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        values = {"source_system": "xf-city", "title": "市信访业务系统", "public_jwk": jwk_of(key), "at": self.clock.now(), **given}
        return self.do(lambda unit: register_client(unit, **values)), key

    def assertion(self, client: Client, key: ec.EllipticCurvePrivateKey, **changed: Any) -> str:
        now = int(self.clock.now().timestamp())
        body = {"iss": client.name, "sub": client.name, "aud": TOKEN_ENDPOINT, "jti": new_id(), "iat": now, "exp": now + 60, **changed}
        return sign_es256(key, {"alg": "ES256", "typ": "JWT", "kid": client.kid}, body)

    def entries(self, kind: str, fonds: str = FONDS) -> list[dict[str, Any]]:
        with self.database.read() as conn:
            rows = conn.execute(
                select(log_entries.c.body).where(log_entries.c.fonds == fonds, log_entries.c.kind == kind).order_by(log_entries.c.idx)
            ).scalars()
            return [json.loads(bytes(body)) for body in rows]

    def ruled(self, **changed: Any) -> Office:
        """The same office under changed rules."""
        policy = replace(self.policy, **changed)
        return replace(self, policy=policy, ctx=replace(self.ctx, policy_of=lambda _fonds: policy))


def refusal(act: Callable[[], Any]) -> ArchiveError:
    """What the act raises."""
    with pytest.raises(ArchiveError) as caught:
        act()
    return caught.value


def holdings_of(conn: Connection, fonds: str, **of: str) -> list[Row[Any]]:
    """All holdings of a person or a post (`person_id`, `post_id`), past, present and to come, by beginning."""
    query = select(post_holdings).where(post_holdings.c.fonds == fonds, *(post_holdings.c[name] == value for name, value in of.items()))
    return list(conn.execute(query.order_by(post_holdings.c.from_ms, post_holdings.c.holding_id)))
