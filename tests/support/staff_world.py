"""An archive founded by its own acts, and an office staffed by its own administrators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from acts.desk import Caller, Desk
from audit.entry import Entry
from audit.sequencing import Sequencer
from auth.context import AuthContext
from auth.factor_seal import factor_seal
from auth.lockout import Sources
from auth.passwords import Passwords
from auth.people import account
from auth.posts import posts_held
from auth.principal import Principal
from auth.sessions import open_session
from auth.signin import Attempt, SignedIn, sign_in
from auth.tokens import AccessTokens, Assertions
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import UnitOfWork
from office.accounts import FirstSecret, create_account
from office.founding import Administrator, FirstOffice, FoundedFonds, NewFonds, found_archive, found_office
from office.people import register_person
from office.posts import create_post, hold_post
from office.staff_desk import StaffDesk
from policies.rulebook.load import base
from service.wiring import auth_policy
from stored_entries import stored_entries
from vault.keyring import KeyRing
from vault.signer import TokenKeys
from vault.unlock import Credential

FONDS = "QH01"
ISSUER = "https://archive.example"
THREE = (
    Administrator(role="sysadmin", staff_no="A-1", display_name="系测一", login="xt.admin"),
    Administrator(role="secadmin", staff_no="A-2", display_name="安测二", login="aq.admin"),
    Administrator(role="auditadmin", staff_no="A-3", display_name="审测三", login="sj.admin"),
)


FIRST = FirstOffice(unit_code="XFJ", unit_title="信访局", administrators=THREE)


def a_fonds(**changes: Any) -> NewFonds:
    return NewFonds(**({"code": FONDS, "title_zh": "青禾县信访局", "title_en": "Qinghe County Petition Bureau"} | changes))


@dataclass
class Hired:
    """Somebody who works here: ids, the first secret, and the holding of the post."""

    person_id: str
    account_id: str
    holding_id: str
    post_id: str
    role: str
    secret: FirstSecret


@dataclass
class StaffWorld:
    """The founded archive."""

    staff: StaffDesk
    auth: AuthContext
    clock: MovableClock
    founded: FoundedFonds
    hired: dict[str, Hired] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10_000)))

    @property
    def desk(self) -> Desk:
        return self.staff.desk

    def caller_of(self, account_id: str, role: str, **changes: Any) -> Caller:
        """The holder of an account as a request of theirs would be seen, with two factors, acting in `role`."""
        with self.desk.db.read() as conn:
            found = account(conn, FONDS, account_id)
            assert found.person_id is not None
            held = posts_held(conn, FONDS, found.person_id, at=self.clock.now())
        now = self.clock.now()
        opened = partial(open_session, account_id=account_id, assurance=2, client="loopback", lifetime=timedelta(hours=8), at=now)
        values: dict[str, Any] = {
            "fonds": FONDS,
            "account_id": account_id,
            "person_id": found.person_id,
            "kind": "person",
            "posts": held,
            "role": role,
            "assurance": 2,
            "session_id": self.desk.uow.bookkeep(FONDS, opened),
            "client": "loopback",
            "authenticated_at": self.clock.now(),
        }
        return Caller(Principal(**(values | changes)), new_id())

    def as_(self, role: str, **changes: Any) -> Caller:
        """One of the three, or somebody hired for the role (hired now where there is nobody)."""
        if role in self.founded.secrets:
            return self.caller_of(self.founded.secrets[role].account_id, role, **changes)
        if role == "depositor":
            return Caller(Principal(FONDS, new_id(), None, "service", (), "depositor", 1, new_id(), "intranet", self.clock.now()), new_id())
        if role not in self.hired:
            self.hire(role)
        return self.caller_of(self.hired[role].account_id, role, **changes)

    def person(self, name: str = "例某") -> str:
        return register_person(self.staff, self.as_("sysadmin"), staff_no=f"E-{next(self._numbers)}", display_name=name)

    def post(self, role: str) -> str:
        return create_post(self.staff, self.as_("sysadmin"), unit_id=self.founded.unit_id, role=role, title=f"{role}岗")

    def hire(self, role: str, person_id: str | None = None) -> Hired:
        """Bring somebody in the way it is done: person, account and post by the one administrator, the role by the other."""
        person_id = person_id or self.person()
        secret = create_account(self.staff, self.as_("sysadmin"), person_id=person_id, login=f"user{next(self._numbers)}")
        post_id = self.post(role)
        holding_id = hold_post(self.staff, self.as_("secadmin"), post_id=post_id, person_id=person_id)
        hired = self.hired[role] = Hired(person_id, secret.account_id, holding_id, post_id, role, secret)
        return hired

    def sign_in(self, login: str, secret: str, code: str | None = None) -> SignedIn:
        attempt = Attempt(client="intranet", address="192.0.2.7", request_id=new_id())
        return sign_in(self.auth, fonds=FONDS, login=login, secret=secret, code=code, attempt=attempt)

    def entries(self, *kinds: str, fonds: str = FONDS) -> list[Entry]:
        """The log's entries of these kinds (none given: all), oldest first."""
        return stored_entries(self.desk.db, fonds, kinds)


def empty_archive(database: Database, clock: MovableClock, folder: Path) -> StaffDesk:
    """A migrated database and a fresh key ring, not yet founded."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    ring = KeyRing.create(keys / "ring", Credential.make(keys / "credential"), archive_id=new_id(), archive_name="archive.example")
    rules = base()
    policy = auth_policy(rules)
    desk = Desk(db=database, uow=UnitOfWork(database, Sequencer()), clock=clock, keys=ring, rulebook=lambda _fonds: rules)
    return StaffDesk(desk=desk, passwords=Passwords(memory_kib=64, passes=1), policy_of=lambda _fonds: policy)


def make_staff_world(database: Database, clock: MovableClock, folder: Path) -> StaffWorld:
    staff = empty_archive(database, clock, folder)
    found_archive(staff.desk)
    founded = found_office(staff, a_fonds(), FIRST)
    desk = staff.desk
    seal, open_ = factor_seal(desk.keys)
    tokens = TokenKeys.of(desk.keys)
    auth = AuthContext(
        db=desk.db,
        uow=desk.uow,
        clock=clock,
        passwords=staff.passwords,
        sources=Sources(b"k" * 32),
        policy_of=staff.policy_of,
        seal_factor=seal,
        open_factor=open_,
        access_tokens=AccessTokens(issuer=ISSUER, audience=f"{ISSUER}/v1", keys=lambda: tokens, longest=timedelta(minutes=60)),
        assertions=Assertions(token_endpoint=f"{ISSUER}/v1/token"),
        issuer="信访档案",
    )
    clock.advance(60)
    return StaffWorld(staff, auth, clock, founded)


@pytest.fixture
def staff_world(database: Database, clock: MovableClock, tmp_path: Path) -> Iterator[StaffWorld]:
    made = make_staff_world(database, clock, tmp_path)
    try:
        yield made
    finally:
        made.desk.uow.close()
