"""Appending to the log: the archive's group commit against a naive chain of hashes, entry by entry, and pymerkle's tree of entries.

Every contender appends the same entries with the same number of writers, each writer waiting until its own entry is durable before
it makes the next: SQLite in WAL with `synchronous=FULL` (pymerkle also as it ships), or one PostgreSQL server. The naive chain is what
most audit tables are: a lock, the newest hash read, one row with `prev_hash` and `hash`, a commit.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, insert, select

from audit.events import Actor, Event
from audit.sequencing import Sequencer
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import UnitOfWork
from service.migrations import run as migrations

FONDS = "BENCH"
ARCHIVE, CHAIN, PYMERKLE, PYMERKLE_WAL = "group commit", "naive chain", "pymerkle as shipped", "pymerkle, WAL, FULL"
Append = Callable[[Event], None]
"""Returns once the entry is durable."""

_chain = Table(
    "chain",
    MetaData(),
    Column("idx", BigInteger().with_variant(BigInteger(), "postgresql"), primary_key=True, autoincrement=False),
    Column("prev_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
)
_NEWEST = select(_chain.c.idx, _chain.c.hash).order_by(_chain.c.idx.desc()).limit(1)


@dataclass(slots=True)
class Run:
    """What some writers did in one turn."""

    seconds: float
    waits: list[float] = field(default_factory=list)

    @property
    def each(self) -> float:
        """Seconds per entry, all writers together."""
        return self.seconds / len(self.waits)


def an_event(case_id: str) -> Event:
    """A masked view, the commonest entry."""
    actor = Actor(
        account=_IDS[0], person=_IDS[1], post=_IDS[2], unit="u-legal", role="handler", assurance=2, session=_IDS[3], client="intranet"
    )
    return Event(
        "case.viewed",
        actor,
        _CLOCK.now(),
        object={"kind": "case", "id": case_id, "version": 1},
        verdict="permit",
        reason="scope",
        policy_version="ab" * 32,
        request_id=new_id(),
    )


_CLOCK = SystemClock()
_IDS = [new_id() for _ in range(4)]


@contextmanager
def group_commit(folder: Path, url: str | None = None) -> Iterator[Append]:
    """The archive's own unit of work and sequencer."""
    db = Database(url or f"sqlite:///{folder / 'archive.db'}", pool_size=8)
    migrations.upgrade(db)
    uow = UnitOfWork(db, Sequencer())

    def append(event: Event) -> None:
        uow.run(FONDS, lambda unit: unit.add(event))

    try:
        yield append
    finally:
        uow.close()
        db.close()


@contextmanager
def naive_chain(folder: Path, url: str | None = None) -> Iterator[Append]:
    """One row and one commit for each entry, under a lock."""
    db = Database(url or f"sqlite:///{folder / 'chain.db'}", pool_size=8)
    with db.write() as conn:
        _chain.metadata.create_all(conn)
    lock = threading.Lock()

    def append(event: Event) -> None:
        with lock, db.write() as conn:
            newest = conn.execute(_NEWEST).one_or_none()
            index, before = (0, bytes(32)) if newest is None else (newest.idx + 1, bytes(newest.hash))
            body = json.dumps({"id": new_id(), "fonds": FONDS, **event.members}, sort_keys=True).encode()
            conn.execute(insert(_chain).values(idx=index, prev_hash=before, hash=hashlib.sha256(before + body).digest(), body=body))

    try:
        yield append
    finally:
        db.close()


def pymerkle_tree(folder: Path) -> Callable[..., AbstractContextManager[Append]] | None:
    """A SqliteTree of pymerkle as a contender, from the folder the suite installs its checkers in; None where it is not there."""
    if not (folder / "pymerkle").is_dir():
        return None
    sys.path.append(str(folder))
    trees = importlib.import_module("pymerkle")

    @contextmanager
    def made(path: Path, *, wal: bool) -> Iterator[Append]:
        with trees.SqliteTree(str(path)) as tree:
            if wal:
                tree.con.execute("PRAGMA journal_mode=WAL")
                tree.con.execute("PRAGMA synchronous=FULL")
            yield lambda event: tree.append_entry(json.dumps({"id": new_id(), "fonds": FONDS, **event.members}, sort_keys=True).encode())

    return made


def syncs(path: Path, count: int) -> tuple[float, float]:
    """p50 and p99 seconds of the disk's own fdatasync after writing 4 KiB."""
    took = []
    with path.open("wb") as file:
        for _ in range(count):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    took.sort()
    return took[count // 2], took[int(count * 0.99)]


def turn(append: Append, writers: int, entries: int) -> Run:
    """Let `writers` threads append `entries` in all; each waits for its own before it makes the next."""
    waits: list[list[float]] = [[] for _ in range(writers)]
    start = threading.Barrier(writers + 1)

    def write(own: list[float], count: int) -> None:
        start.wait()
        for _ in range(count):
            event = an_event(new_id())
            begun = time.perf_counter()
            append(event)
            own.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=write, args=(own, entries // writers)) for own in waits]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return Run(time.perf_counter() - begun, [one for own in waits for one in own])
