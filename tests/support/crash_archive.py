"""An archive on disk that outlives the processes working in it: made once, then opened by worker after worker and by the oracle.

Its folder holds the key ring with its credential, the anchors, the exports and `archive.json`: who is who, and where the clock stood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from acts.desk import Desk
from audit.anchor import Anchors
from audit.publishing import Publishing
from audit.sequencing import Sequencer
from auth.context import AuthContext
from auth.factor_seal import factor_seal
from auth.lockout import Sources
from auth.passwords import Passwords
from auth.people import open_account, register_person
from auth.principal import Principal
from auth.tokens import AccessTokens, Assertions
from case_world import ARCHIVE_ID, FONDS, World, make_world
from foundation.clock import MovableClock, iso, parse_iso
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import Unit, UnitOfWork
from petition_records import typical
from policies.rulebook.load import base
from service.wiring import auth_policy
from vault.keyring import KeyRing
from vault.signer import LogSigner, TokenKeys
from vault.unlock import Credential

P = TypeVar("P", bound=Publishing)
START = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)
LOGIN, SECRET = "night-watch", "lantern over quiet 河 nine"
# Enough for every session of a life; locking out is not what is tested here.
SIGN_IN = replace(auth_policy(base()), version="test", post_roles=frozenset(), second_factor_roles=frozenset())


@dataclass(frozen=True, slots=True)
class CrashArchive:
    """Where one archive lies."""

    url: str
    folder: Path

    @property
    def anchors(self) -> Path:
        return self.folder / "anchors"

    @property
    def ring(self) -> Path:
        return self.folder / "keys" / "ring"

    @property
    def credential(self) -> Credential:
        return Credential(self.folder / "keys" / "credential")

    @classmethod
    def make(cls, url: str, folder: Path) -> CrashArchive:
        """Furnish an empty database with people, a case system and an account that can sign in."""
        archive = cls(url, folder)
        database = Database(url, pool_size=4)
        world = make_world(database, MovableClock(START), folder)
        secret_hash = _passwords().hash(SECRET)

        def watch(unit: Unit) -> str:
            person_id = register_person(unit, staff_no="W-1", display_name="示例守夜人", at=START)
            return open_account(unit, person_id=person_id, login=LOGIN, secret_hash=secret_hash, at=START)

        world.do(watch)
        assert world.source is not None
        known = {"persons": world.persons, "accounts": world.accounts, "source": world.source.account_id}
        (folder / "archive.json").write_text(json.dumps(known), encoding="utf-8")
        world.desk.uow.close()
        database.close()
        return archive

    @contextmanager
    def opened(self, at: str | None = None) -> Iterator[World]:
        """The archive as a process that has just started sees it, its clock at `at`."""
        known = json.loads((self.folder / "archive.json").read_text(encoding="utf-8"))
        database = Database(self.url, pool_size=12)
        database.own()
        database.check_durability()
        ring = KeyRing.load(self.ring, self.credential, archive_id=ARCHIVE_ID)
        rules = base()
        clock = MovableClock(parse_iso(at) if at else START)
        desk = Desk(db=database, uow=UnitOfWork(database, Sequencer()), clock=clock, keys=ring, rulebook=lambda _fonds: rules)
        source = Principal(FONDS, known["source"], None, "service", (), "depositor", 1, new_id(), "intranet", clock.now())
        try:
            yield World(desk=desk, clock=clock, persons=known["persons"], accounts=known["accounts"], source=source)
        finally:
            desk.uow.close()
            database.close()

    def publishing(self, world: World, kind: type[P]) -> P:
        """The signer's side over the opened archive."""
        keys = world.desk.keys
        return kind(world.desk.db, lambda fonds, epoch: LogSigner.of(keys, fonds, epoch), Anchors(self.anchors), world.desk.clock)


def auth_context(world: World) -> AuthContext:
    """What signing in works with, over the opened archive."""
    desk = world.desk
    seal, open_ = factor_seal(desk.keys)
    return AuthContext(
        db=desk.db,
        uow=desk.uow,
        clock=desk.clock,
        passwords=_passwords(),
        sources=Sources(b"k" * 32),
        policy_of=lambda _fonds: SIGN_IN,
        seal_factor=seal,
        open_factor=open_,
        access_tokens=AccessTokens(
            issuer="https://archive.example",
            audience="https://archive.example/v1",
            keys=lambda: TokenKeys.of(desk.keys),
            longest=timedelta(minutes=60),
        ),
        assertions=Assertions(token_endpoint="https://archive.example/v1/token"),
        issuer="信访档案",
    )


def _passwords() -> Passwords:
    return Passwords(memory_kib=64, passes=1)  # what a password costs is not what is tested here


def record_for(case_no: str) -> dict[str, Any]:
    """The one record of a case number `<anything>-<year of closing>`, so that whoever knows the number can hand it in again."""
    year = case_no.rpartition("-")[2]
    text = json.dumps(typical(), ensure_ascii=False).replace('"2024-', f'"{year}-')
    record: dict[str, Any] = json.loads(text)
    return record | {"case_no": case_no, "title": f"反映张三宅基地被占一事（{case_no}）"}


def later(at: str, **by: float) -> str:
    """An instant so much later than `at`."""
    return iso(parse_iso(at) + timedelta(**by))
