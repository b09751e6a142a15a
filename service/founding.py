"""Founding an archive: its database brought to the schema, its key ring made, and the two bound together by one id.

Done once, before anything is served. Running it again on a founded archive changes nothing but missing fonds. What founding means, and
what of it is put on record, is the office's (`office.founding`); this makes what the office founds upon.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from acts.desk import Desk
from audit.sequencing import Sequencer
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.errors import WrongDatabase
from foundation.ids import new_id
from foundation.tables import fonds
from foundation.uow import UnitOfWork
from office.founding import NewFonds, archive_id, found_fonds, is_founded
from office.founding import found_archive as found_on_record
from policies.rulebook.load import base
from service.migrations import run as migrations
from service.wiring import Settings, unlock_of
from vault.keyring import KeyRing

__all__ = ["NewFonds", "found_archive"]


def found_archive(settings: Settings, archive_name: str, fonds_to_found: Sequence[NewFonds] = (), *, migrate: bool = True) -> str:
    """Found the archive named `archive_name` (final: it begins every log's name) with these fonds, still without people; return its id.

    Keys are durable before the rows that name them. `migrate=False` where the schema's owner has migrated (PostgreSQL).
    KeyRingError, WrongDatabase, InvalidInput.
    """
    db = Database(settings.database, pool_size=4)
    try:
        if db.dialect == "sqlite":
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        db.own()
        if migrate:
            migrations.upgrade(db)
        migrations.check(db)
        ring = _ring(settings, db, archive_name)
        uow = UnitOfWork(db, Sequencer())
        try:
            desk = Desk(db=db, uow=uow, clock=SystemClock(), keys=ring, rulebook=lambda _fonds: base())
            if not is_founded(db):
                found_on_record(desk)
            with db.read() as conn:
                there = set(conn.execute(select(fonds.c.fonds)).scalars())
            for new in fonds_to_found:
                if new.code not in there:
                    found_fonds(desk, new)
        finally:
            uow.close()
        return ring.archive_id
    finally:
        db.close()


def _ring(settings: Settings, db: Database, archive_name: str) -> KeyRing:
    unlock = unlock_of(settings)
    if is_founded(db):
        with db.read() as conn:
            ring = KeyRing.load(settings.ring_file, unlock, archive_id=archive_id(conn))
    elif settings.ring_file.exists():
        # A ring whose database was never finished: founding goes on where it was cut off.
        ring = KeyRing.load(settings.ring_file, unlock)
    else:
        return KeyRing.create(settings.ring_file, unlock, archive_id=new_id(), archive_name=archive_name)
    if ring.archive_name != archive_name:
        raise WrongDatabase(why_zh="其中已建立另一名称的档案系统", why_en="an archive of another name is founded in it")
    return ring
