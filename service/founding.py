"""Founding an archive: its database brought to the schema, its key ring made, and the two bound together by one id.

Done once, before anything is served. Running it again on a founded archive changes nothing but missing fonds. Who the first people are is
the office's business (`office`), done through the archive's own acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import insert, select

from audit.events import Actor, Event
from audit.sequencing import Sequencer
from foundation.clock import SystemClock, to_ms
from foundation.database import Database
from foundation.errors import WrongDatabase
from foundation.ids import new_id
from foundation.tables import SYSTEM_FONDS, archive_meta, fonds
from foundation.uow import Unit, UnitOfWork
from service.migrations import run as migrations
from service.wiring import ARCHIVE_ID, Settings, unlock_of
from vault.keyring import KeyRing
from vault.suites import AES, Suite


@dataclass(frozen=True, slots=True)
class NewFonds:
    """A fonds (全宗) to found: code, titles, superior fonds, whether it is for training, and the suite its values are sealed with."""

    code: str
    title_zh: str
    title_en: str
    superior: str | None = None
    training: bool = False
    suite: Suite = AES


def found_archive(settings: Settings, archive_name: str, fonds_to_found: Sequence[NewFonds], *, migrate: bool = True) -> str:
    """Found the archive named `archive_name` (final: it begins every log's name) with these fonds; return its id.

    Keys are durable before the rows that name them. `migrate=False` where the schema's owner has migrated (PostgreSQL).
    KeyRingError, WrongDatabase.
    """
    db = Database(settings.database, pool_size=4)
    try:
        if db.dialect == "sqlite":
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        db.own()
        if migrate:
            migrations.upgrade(db)
        archive_id = _stored_id(db)
        unlock = unlock_of(settings)
        if archive_id is not None:
            ring = KeyRing.load(settings.ring_file, unlock, archive_id=archive_id)
            if ring.archive_name != archive_name:
                raise WrongDatabase(why_zh="其中已建立另一名称的档案系统", why_en="an archive of another name is founded in it")
        elif settings.ring_file.exists():
            # A ring whose database was never finished: founding goes on where it was cut off.
            ring = KeyRing.load(settings.ring_file, unlock)
            archive_id = ring.archive_id
        else:
            archive_id = new_id()
            ring = KeyRing.create(settings.ring_file, unlock, archive_id=archive_id, archive_name=archive_name)
        for code, suite in ((SYSTEM_FONDS, AES), *((one.code, one.suite) for one in fonds_to_found)):
            ring.add_fonds(code, suite)
        _store(db, archive_id, fonds_to_found)
        return archive_id
    finally:
        db.close()


def _stored_id(db: Database) -> str | None:
    with db.read() as conn:
        row = select(archive_meta.c.value).where(archive_meta.c.fonds == SYSTEM_FONDS, archive_meta.c.name == ARCHIVE_ID)
        return conn.execute(row).scalar_one_or_none()


def _store(db: Database, archive_id: str, fonds_to_found: Sequence[NewFonds]) -> None:
    clock = SystemClock()
    uow = UnitOfWork(db, Sequencer())

    def found(one: NewFonds, unit: Unit) -> None:
        now = clock.now()
        unit.conn.execute(
            insert(fonds),
            {
                "fonds": one.code,
                "title_zh": one.title_zh,
                "title_en": one.title_en,
                "superior": one.superior,
                "training": int(one.training),
                "created_ms": to_ms(now),
            },
        )
        data = {"superior": one.superior, "training": one.training}
        unit.add(Event("fonds.created", Actor(), now, object={"kind": "fonds", "id": one.code}, data=data))

    def name(unit: Unit) -> None:
        unit.conn.execute(insert(archive_meta), {"fonds": SYSTEM_FONDS, "name": ARCHIVE_ID, "value": archive_id})
        unit.add(Event("archive.started", Actor(), clock.now(), object={"kind": "archive", "id": archive_id}, reason="founded"))

    try:
        with db.read() as conn:
            there = set(conn.execute(select(fonds.c.fonds)).scalars())
        system = NewFonds(SYSTEM_FONDS, "系统", "The installation itself")
        for one in (system, *fonds_to_found):
            if one.code not in there:
                uow.run(one.code, partial(found, one))
        # The id comes last: until it is there, nothing opens the archive.
        if _stored_id(db) is None:
            uow.run(SYSTEM_FONDS, name)
    finally:
        uow.close()
