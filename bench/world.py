"""The archive that is measured: a real SQLite (or PostgreSQL) database with the whole schema, a real key ring, and the office whose
invented cases the generator makes, so that every staff number and unit code of a record is found in the register.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from acts.desk import Caller, Desk
from archive import preparing, store
from archive.intake import deposit_many
from archive.receipts import Receipt
from archive.requests.approvals import decide_request
from archive.requests.filing import Form, file
from audit.events import Actor, Event
from audit.sequencing import Sequencer
from auth.clients import register_client
from auth.people import open_account, register_person
from auth.posts import create_post, hold_post, posts_held
from auth.principal import Principal
from auth.tables import sessions
from auth.units import found_unit
from bench.baselines import Baseline, Rows
from foundation.clock import SystemClock, to_ms
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import Unit, UnitOfWork
from petition_archive_client.assertion import ClientKey
from policies.level import Level
from policies.rulebook.load import base
from service.crew import Crew
from service.generator.office import INVENTED_OFFICE
from service.migrations import run as migrations
from service.wiring import Settings, auth_policy
from vault.keyring import KeyRing
from vault.unlock import Credential

FONDS = "BENCH"
_ROOT = INVENTED_OFFICE.registering_unit
_LEADER = "S1900"
_INSPECTOR, _PRINCIPAL = "B-1", "B-2"
_BATCH = 200


@dataclass
class World:
    """The measured archive and the people who act in it."""

    desk: Desk
    folder: Path
    began: datetime
    persons: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)  # staff number -> (person, account, role, session)
    source: Principal | None = None
    crew: Crew | None = None
    """The processes that prepare bulk deposits, as many as an installation starts on this machine by default."""
    shelf: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Case ids and records of the cases that reading is measured on, in the order of their deposit."""

    def shelf_of(self, handler: str) -> list[str]:
        """The cases on the shelf that this handler may open on an ordinary form: not accusations, one petitioner who is a person."""
        return [
            case_id
            for case_id, record in self.shelf
            if record["case_handler_staff_id"] == handler
            and record["case_leader_staff_id"] == _LEADER
            and not record.get("involved_parties")
            and len(record["petitioners"]) == 1
            and record["petitioners"][0].get("id_type") == "resident_id"
            and not record["petitioners"][0].get("confidentiality_requested")
            and record["sensitivity_level"] == "personal"
        ]

    @property
    def system(self) -> Caller:
        """The registered case system, in a new request."""
        assert self.source is not None
        return Caller(self.source, new_id())

    @property
    def inspector(self) -> Caller:
        """Sees the whole fonds, masked."""
        return self.person(_INSPECTOR)

    def person(self, staff_no: str) -> Caller:
        """Somebody signed in with two factors, in a new request."""
        person_id, account_id, role, session_id = self.persons[staff_no]
        with self.desk.db.read() as conn:
            held = posts_held(conn, FONDS, person_id, at=self.desk.clock.now())
        principal = Principal(FONDS, account_id, person_id, "person", held, role, 2, session_id, "loopback", self.began)
        return Caller(principal, new_id())

    def grant(self, case_id: str, fields: tuple[str, ...], handler: str) -> str:
        """File as the handler and approve as leader and principal; the grant's id."""
        form = Form(
            cases=(case_id,),
            fields=fields,
            level=Level.CLEAR,
            purpose="review",
            reason="bench",
            usage="read-only",
            max_uses=5,
            not_before=None,
            expires_at=self.desk.clock.now() + timedelta(days=1),
        )
        filed = file(self.desk, self.person(handler), form)
        first = decide_request(self.desk, self.person(_LEADER), filed.request_id, verdict="approve", reason="", if_match=1)
        second = decide_request(self.desk, self.person(_PRINCIPAL), filed.request_id, verdict="approve", reason="", if_match=first.version)
        assert second.grant_id is not None
        return second.grant_id


@contextmanager
def archive(folder: Path, url: str | None = None) -> Iterator[World]:
    """Found the archive in an empty folder (or in the empty database at `url`) and staff its office."""
    db = Database(url or f"sqlite:///{folder / 'archive.db'}", pool_size=12)
    db.own()
    migrations.upgrade(db)
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    ring = KeyRing.create(keys / "ring", Credential.make(keys / "credential"), archive_id=new_id(), archive_name="bench.example")
    ring.add_fonds(FONDS)
    rules = base()
    uow = UnitOfWork(db, Sequencer())
    desk = Desk(db=db, uow=uow, clock=SystemClock(), keys=ring, rulebook=lambda _fonds: rules)
    world = World(desk=desk, folder=folder, began=desk.clock.now())
    world.crew = Crew(Settings().crew_size, (ring.path, Credential(keys / "credential"), ring.archive_id, folder / "rulebook"))
    try:
        uow.run(FONDS, lambda unit: _furnish(world, unit))
        yield world
    finally:
        world.crew.close()
        uow.close()
        db.close()


def fill(world: World, beside: Baseline | None, records: list[dict[str, Any]]) -> None:
    """Deposit the records to be read, and store the same ones under the same case ids in a baseline."""
    desk = world.desk
    for at in range(0, len(records), _BATCH):
        part = records[at : at + _BATCH]
        answers = deposit_many(desk, world.system, part)
        for record, answer in zip(part, answers, strict=True):
            assert isinstance(answer, Receipt)
            world.shelf.append((answer.case_id, record))
        if beside is not None:
            with desk.db.read() as conn:
                ids = [case_id for case_id, _ in world.shelf[at : at + _BATCH]]
                heads = {row.case_id: dict(row._mapping) for row in store.heads(conn, FONDS, ids)}  # noqa: SLF001  SQLAlchemy's public name
            rows: Rows = {name: [] for name in beside.models}
            for case_id, record in zip(ids, part, strict=True):
                beside.rows_of_record(rows, preparing.check(desk, FONDS, record), heads[case_id], case_id)
            beside.store(rows)


def _furnish(world: World, unit: Unit) -> None:
    at = world.began
    staff = [(_ROOT, _PRINCIPAL, "principal"), (_ROOT, _INSPECTOR, "inspector")]
    for shape in INVENTED_OFFICE.units:
        staff.extend((shape.code, one.staff_id, "handler") for one in shape.handlers)
    staff.extend((_ROOT, one, "leader") for one in sorted({shape.leader.staff_id for shape in INVENTED_OFFICE.units}))
    policy = replace(auth_policy(base()), version="bench", separation=frozenset())
    units = {_ROOT: found_unit(unit, code=_ROOT, title="示例局", parent_id=None, at=at)}
    for shape in INVENTED_OFFICE.units:
        units[shape.code] = found_unit(unit, code=shape.code, title=shape.name, parent_id=units[_ROOT], at=at)
    for code, staff_no, role in staff:
        person_id = register_person(unit, staff_no=staff_no, display_name=f"示例{staff_no}", at=at)
        post_id = create_post(unit, unit_id=units[code], role=role, title=role, at=at, policy=policy)
        hold_post(unit, post_id=post_id, person_id=person_id, begins=at, policy=policy)
        account_id = open_account(unit, person_id=person_id, login=staff_no.lower(), secret_hash="x", at=at)  # noqa: S106  nobody signs in
        world.persons[staff_no] = (person_id, account_id, role, _session(unit, account_id, at))
    client = register_client(
        unit, source_system=INVENTED_OFFICE.source_system, title="bench", public_jwk=ClientKey.generate().public_jwk(), at=at
    )
    world.source = Principal(FONDS, client.account_id, None, "service", (), "depositor", 1, new_id(), "intranet", at)
    unit.add(Event(kind="fonds.created", actor=Actor(), time=at, object={"kind": "fonds", "id": FONDS}))


def _session(unit: Unit, account_id: str, at: datetime) -> str:
    """A session of two factors, as the sign-in leaves it."""
    row = {
        "fonds": FONDS,
        "session_id": new_id(),
        "account_id": account_id,
        "created_ms": to_ms(at),
        "expires_ms": to_ms(at + timedelta(days=1)),
        "last_seen_ms": to_ms(at),
        "assurance": 2,
        "client": "loopback",
    }
    unit.conn.execute(insert(sessions), row)
    return str(row["session_id"])
