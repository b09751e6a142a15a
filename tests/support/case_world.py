"""An archive at the level of its acts: a fonds with people in posts, a registered case system, real keys and a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import insert

from acts.desk import Caller, Desk
from audit.entry import Entry
from audit.events import Actor, Event
from audit.sequencing import Sequencer
from auth.clients import register_client
from auth.people import open_account, register_person
from auth.posts import create_post, hold_post, posts_held
from auth.principal import Principal
from auth.tables import sessions
from auth.units import found_unit
from foundation.clock import MovableClock, to_ms
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import Unit, UnitOfWork
from petition_archive_client.assertion import ClientKey
from petition_records import typical
from policies.rulebook.load import Rulebook, base
from service.wiring import auth_policy
from stored_entries import stored_entries
from vault.keyring import KeyRing
from vault.unlock import Credential

T = TypeVar("T")
FONDS = "F001"
OTHER_FONDS = "F002"
ARCHIVE_ID = "01890000-0000-7000-8000-0000000000aa"
# staff number -> (role, unit code). Two handlers in one unit, so that colleagues can be told apart.
PEOPLE = {
    "S-1": ("handler", "U-1"),
    "S-2": ("leader", "U-1"),
    "S-3": ("principal", "U-0"),
    "S-4": ("inspector", "U-0"),
    "S-5": ("handler", "U-1"),
    "S-6": ("collaborator", "U-3"),
    "S-7": ("archivist", "U-0"),
    "S-8": ("legal", "U-0"),
    "S-9": ("external_supervisor", "U-0"),
    "S-10": ("secadmin", "U-0"),
    "P-7": ("handler", "U-9"),
}
UNITS = {"U-0": None, "U-1": "U-0", "U-3": "U-0", "U-9": "U-0"}
POLICY = replace(auth_policy(base()), version="test", separation=frozenset(), second_factor_roles=frozenset())


@dataclass
class World:
    """The fonds and its doors."""

    desk: Desk
    clock: MovableClock
    persons: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    source: Principal | None = None
    sessions: dict[str, str] = field(default_factory=dict)

    def principal(self, staff_no: str, **changes: Any) -> Principal:
        """A person signed in with two factors, acting in the role of their post now."""
        with self.desk.db.read() as conn:
            held = posts_held(conn, FONDS, self.persons[staff_no], at=self.clock.now())
        values: dict[str, Any] = {
            "fonds": FONDS,
            "account_id": self.accounts[staff_no],
            "person_id": self.persons[staff_no],
            "kind": "person",
            "posts": held,
            "role": PEOPLE[staff_no][0],
            "assurance": 2,
            "session_id": self.session_of(staff_no),
            "client": "loopback",
            "authenticated_at": self.clock.now(),
        }
        return Principal(**(values | changes))

    def session_of(self, staff_no: str) -> str:
        """A live session of this person, one for all their requests."""
        if staff_no not in self.sessions:
            row = {
                "fonds": FONDS,
                "session_id": new_id(),
                "account_id": self.accounts[staff_no],
                "created_ms": to_ms(self.clock.now()),
                "expires_ms": to_ms(self.clock.now() + timedelta(days=400)),
                "last_seen_ms": to_ms(self.clock.now()),
                "assurance": 2,
                "client": "loopback",
            }
            self.desk.uow.bookkeep(FONDS, lambda unit: unit.conn.execute(insert(sessions), row))
            self.sessions[staff_no] = str(row["session_id"])
        return self.sessions[staff_no]

    def caller(self, staff_no: str, **changes: Any) -> Caller:
        return Caller(self.principal(staff_no, **changes), new_id())

    @property
    def system(self) -> Caller:
        """The registered case system."""
        assert self.source is not None
        return Caller(self.source, new_id())

    def record(self, **changes: Any) -> dict[str, Any]:
        return typical() | changes

    def entries(self, *kinds: str, fonds: str = FONDS) -> list[Entry]:
        """The log's entries of these kinds (none given: all), oldest first."""
        return stored_entries(self.desk.db, fonds, kinds)

    def do(self, act: Callable[[Unit], T], fonds: str = FONDS) -> T:
        """An act of setting up, on record like any other."""

        def run(unit: Unit) -> T:
            value = act(unit)
            unit.add(
                Event(kind="fonds.created", actor=Actor(), time=self.clock.now(), object={"kind": "fonds", "id": fonds}, verdict="fact")
            )
            return value

        return self.desk.uow.run(fonds, run)


def furnish(world: World) -> None:
    """Units, people in posts with accounts, and the case system `county-petition`."""
    at = world.clock.now()

    def people(unit: Unit) -> None:
        units: dict[str, str] = {}
        for code, parent in UNITS.items():
            units[code] = found_unit(unit, code=code, title=f"示例单位{code}", parent_id=units[parent] if parent else None, at=at)
        for staff_no, (role, code) in PEOPLE.items():
            person_id = register_person(unit, staff_no=staff_no, display_name=f"示例{staff_no}", at=at)
            post_id = create_post(unit, unit_id=units[code], role=role, title=role, at=at, policy=POLICY)
            hold_post(unit, post_id=post_id, person_id=person_id, begins=at, policy=POLICY)
            world.persons[staff_no] = person_id
            world.accounts[staff_no] = open_account(unit, person_id=person_id, login=staff_no.lower(), secret_hash="x", at=at)
        key = ClientKey.generate().public_jwk()
        client = register_client(unit, source_system="county-petition", title="示例业务系统", public_jwk=key, at=at)
        world.source = Principal(FONDS, client.account_id, None, "service", (), "depositor", 1, new_id(), "intranet", at)

    world.do(people)


def make_world(database: Database, clock: MovableClock, folder: Path, rulebook: Rulebook | None = None) -> World:
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    ring = KeyRing.create(keys / "ring", Credential.make(keys / "credential"), archive_id=ARCHIVE_ID, archive_name="archive.example")
    ring.add_fonds(FONDS)
    ring.add_fonds(OTHER_FONDS)
    rules = rulebook or base()
    desk = Desk(db=database, uow=UnitOfWork(database, Sequencer()), clock=clock, keys=ring, rulebook=lambda _fonds: rules)
    world = World(desk=desk, clock=clock)
    furnish(world)
    return world


@pytest.fixture
def world(database: Database, clock: MovableClock, tmp_path: Path) -> Iterator[World]:
    made = make_world(database, clock, tmp_path)
    try:
        yield made
    finally:
        made.desk.uow.close()
