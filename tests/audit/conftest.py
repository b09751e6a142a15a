"""A log with everything around it: database, unit of work, signers, anchors, and events of invented people."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import insert, select, text

from audit.anchor import Anchors
from audit.append_only import log_statements
from audit.entry import Entry
from audit.events import Actor, Event, SealedDetail
from audit.publishing import Publishing
from audit.sequencing import Sequencer
from audit.tables import log_entries
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.tables import metadata
from foundation.uow import Ticket, UnitOfWork
from fresh_databases import BACKENDS, DatabaseUrls, FreshDatabases
from postgres_cluster import APPLICATION
from tlog.note import VerifierKey
from vault.signer import LogSigner

FONDS = "f-1"


def signer(fonds: str, epoch: int) -> LogSigner:
    """The signer of a fonds' log in one of its lives; the seed is the same in all of them."""
    life = "" if epoch == 1 else f"/{epoch}"
    return LogSigner(f"archive.invalid/{fonds}{life}", hashlib.sha256(fonds.encode()).digest())


@dataclass
class Log:
    """A log under test."""

    db: Database
    owner: Database
    urls: DatabaseUrls
    clock: MovableClock
    anchors: Anchors
    uow: UnitOfWork
    publishing: Publishing
    entries: list[Ticket] = field(default_factory=list)

    TABLES: ClassVar = (
        "log_entries",
        "log_subjects",
        "log_details",
        "log_tiles",
        "log_spans",
        "log_checkpoints",
        "log_signers",
        "log_heads",
    )

    def event(self, **given: Any) -> Event:
        """An event that differs from every other by its case."""
        base: dict[str, Any] = {
            "kind": "case.viewed",
            "actor": Actor(account=new_id(), person=new_id(), unit="u-1", role="handler", assurance=1, client="intranet"),
            "time": self.clock.advance(0.001),
            "object": {"kind": "case", "id": new_id(), "version": 1},
            "verdict": "permit",
            "reason": "relation-handler",
            "policy_version": "ab" * 32,
            "request_id": new_id(),
            "data": {"masked": 3},
        }
        if given.get("kind", "case.viewed") != "case.viewed":
            base["object"] = None
        return Event(**{**base, **given})

    def add(self, *events: Event, fonds: str = FONDS) -> list[Ticket]:
        """Append events in one unit of work."""
        tickets = self.uow.run(fonds, lambda unit: [unit.add(event) for event in events])
        self.entries += tickets
        return tickets

    def grow(self, count: int, fonds: str = FONDS) -> list[Ticket]:
        """Append `count` events in one unit of work."""
        return self.add(*(self.event() for _ in range(count)), fonds=fonds)

    def tamper(self, table: str, statement: str, **values: Any) -> None:
        """Change the database as whoever owns its schema can: with the triggers of `table` out of the way."""
        with self.owner.write() as conn:
            if self.db.dialect == "sqlite":
                for name in conn.scalars(
                    text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :t"), {"t": table}
                ).all():
                    conn.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                conn.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            done = conn.execute(text(statement), values)
            assert done.rowcount != 0, "the attack must change something"

    def snapshot(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, as a backup has them."""
        with self.db.read() as conn:
            return [dict(row) for row in conn.execute(select(metadata.tables[table])).mappings()]

    def restore(self, backup: dict[str, list[dict[str, Any]]]) -> None:
        """Put the log's tables back to what a backup has."""
        for table, rows in backup.items():
            with contextlib.suppress(AssertionError):
                self.tamper(table, f"DELETE FROM {table}")
            if rows:
                with self.owner.write() as conn:
                    conn.execute(insert(metadata.tables[table]), rows)

    def rewrite(self, index: int, fonds: str = FONDS) -> None:
        """Replace one entry and derive everything again: a history that is consistent with itself."""
        with self.db.read() as conn:
            bodies = conn.scalars(select(log_entries.c.body).where(log_entries.c.fonds == fonds).order_by(log_entries.c.idx)).all()
        for table in self.TABLES:
            with contextlib.suppress(AssertionError):
                self.tamper(table, f"DELETE FROM {table} WHERE fonds = :f", f=fonds)
        entries = [Entry.parse(bytes(body)) for body in bodies]
        again = []
        for at, entry in enumerate(entries):
            actor = replace(entry.actor, account=new_id()) if at == index else entry.actor
            event = Event(
                kind=entry.kind,
                actor=actor,
                time=entry.time,
                object=entry.object,
                cases=entry.cases,
                purpose=entry.purpose,
                grant=entry.grant,
                request_id=entry.request_id,
                data=entry.data,
                details=tuple(SealedDetail(name, commitment, b"sealed", "k:1") for name, commitment in entry.details.items()),
            )
            ticket = Ticket(event)
            ticket.entry_id = entry.id
            again.append(ticket)
        with self.owner.write() as conn:
            Sequencer()(conn, fonds, again)

    def key(self, fonds: str = FONDS, epoch: int = 1) -> VerifierKey:
        """The verifier key of a log."""
        return VerifierKey.parse(signer(fonds, epoch).vkey)


@contextlib.contextmanager
def opened_log(urls: DatabaseUrls, clock: MovableClock, home: Path) -> Iterator[Log]:
    """Open a database as a log that is append-only as a migration makes it."""
    database, owner = Database(urls.application, pool_size=12), Database(urls.owner, pool_size=4)
    with owner.write() as conn:
        for statement in log_statements(database.dialect, APPLICATION):
            conn.exec_driver_sql(statement)
    anchors = Anchors(home / "anchors")
    uow = UnitOfWork(database, Sequencer())
    yield Log(database, owner, urls, clock, anchors, uow, Publishing(database, signer, anchors, clock))
    uow.close()
    database.close()
    owner.close()


@pytest.fixture
def log(database_urls: DatabaseUrls, clock: MovableClock, tmp_path: Path) -> Iterator[Log]:
    """An empty log of the fonds `f-1`."""
    with opened_log(database_urls, clock, tmp_path) as log:
        yield log


@pytest.fixture(scope="session", params=BACKENDS)
def log_factory(
    request: pytest.FixtureRequest, fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], contextlib.AbstractContextManager[Log]]:
    """Makes an empty log for each example of a law: `with log_factory() as log`."""

    @contextlib.contextmanager
    def make() -> Iterator[Log]:
        clock = MovableClock(datetime(2026, 3, 18, 4, 0, tzinfo=UTC))
        with fresh_databases.fresh(request.param) as urls, opened_log(urls, clock, tmp_path_factory.mktemp("law")) as log:
            yield log

    return make
