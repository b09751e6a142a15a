"""Founding an installation: its database brought to the schema, its key ring made, and the two bound together by one id.

Done once, before anything is served. A run that was cut off is taken up again: the ring comes first, the archive's id in the database last,
and nothing opens an archive without an id. Its fonds and their people are the office's business (`office.founding`).
"""

from __future__ import annotations

from acts.desk import Desk
from audit.sequencing import Sequencer
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import UnitOfWork
from office import founding
from office.errors import AlreadyFounded
from policies.rulebook.load import base
from service.migrations import run as migrations
from service.wiring import Settings, unlock_of
from vault.keyring import KeyRing


def found_archive(settings: Settings, archive_name: str, *, migrate: bool = True) -> str:
    """Found the archive named `archive_name` (final: it begins every log's name) and return its id.

    `migrate=False` where the schema's owner has migrated (PostgreSQL). AlreadyFounded, KeyRingError, WrongDatabase.
    """
    db = Database(settings.database, pool_size=4)
    uow = UnitOfWork(db, Sequencer())
    try:
        if db.dialect == "sqlite":
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        db.own()
        if migrate:
            migrations.upgrade(db)
        else:
            migrations.check(db)
        db.check_durability()
        if founding.is_founded(db):
            raise AlreadyFounded
        unlock = unlock_of(settings)
        if settings.ring_file.exists():
            ring = KeyRing.load(settings.ring_file, unlock)
        else:
            ring = KeyRing.create(settings.ring_file, unlock, archive_id=new_id(), archive_name=archive_name)
        return founding.found_archive(Desk(db=db, uow=uow, clock=SystemClock(), keys=ring, rulebook=lambda _fonds: base()))
    finally:
        uow.close()
        db.close()
