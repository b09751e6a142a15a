"""A log whose entries are published on request and sent by streams under test, on a database of either kind."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from audit.anchor import Anchors
from audit.events import Actor, Event
from audit.publishing import Publishing
from audit.sequencing import Sequencer
from audit.tables import log_entries, log_heads
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import UnitOfWork
from service.streams.config import Stream
from service.streams.sending import Sender, Streams, streams_of
from service.streams.tables import log_streams
from stream_receivers import SECRET, Authority, Taken
from vault.signer import LogSigner

FONDS, OTHER = "F001", "F002"
STREAM_KINDS = ("log.stream-begun", "log.stream-ended")


def signer(fonds: str, epoch: int) -> LogSigner:
    life = "" if epoch == 1 else f"/{epoch}"
    return LogSigner(f"archive.example/{fonds}{life}", hashlib.sha256(fonds.encode()).digest())


@dataclass
class StreamedLog:
    """Logs, their publishing, and what streams said of going wrong."""

    db: Database
    clock: MovableClock
    uow: UnitOfWork
    publishing: Publishing
    reports: list[tuple[str, str, str]] = field(default_factory=list)

    def grow(self, count: int, fonds: str = FONDS, *, publish: bool = True, **data: Any) -> None:
        """Append so many entries, and publish them."""

        def events() -> Iterator[Event]:
            for n in range(count):
                actor = Actor(account=new_id(), role="handler", assurance=1, client="intranet")
                about = {"kind": "case", "id": new_id()}
                yield Event("case.viewed", actor, self.clock.now(), object=about, verdict="permit", data={"n": n, **data})

        made = list(events())
        self.uow.run(fonds, lambda unit: [unit.add(event) for event in made])
        if publish:
            self.publishing.publish(fonds)

    def publish(self) -> None:
        with self.db.read() as conn:
            logs = conn.scalars(select(log_heads.c.fonds)).all()
        for fonds in logs:
            self.publishing.publish(fonds)

    def leaves(self, fonds: str = FONDS) -> list[tuple[int, str]]:
        """(index, leaf hash) of every durable entry."""
        with self.db.read() as conn:
            rows = conn.execute(
                select(log_entries.c.idx, log_entries.c.leaf_hash).where(log_entries.c.fonds == fonds).order_by(log_entries.c.idx)
            )
            return [(row.idx, bytes(row.leaf_hash).hex()) for row in rows]

    def position(self, stream: str, fonds: str = FONDS) -> int | None:
        with self.db.read() as conn:
            found: int | None = conn.scalar(
                select(log_streams.c.position).where(log_streams.c.fonds == fonds, log_streams.c.stream == stream)
            )
        return found

    def entries(self, *kinds: str, fonds: str = FONDS) -> list[dict[str, Any]]:
        """`data` of the entries of these kinds."""
        from stored_entries import stored_entries

        return [entry.data for entry in stored_entries(self.db, fonds, kinds)]

    def streams(self, *configured: Stream, db: Database | None = None, uow: UnitOfWork | None = None, interval: float = 0.05) -> Streams:
        told = self.reports
        return streams_of(
            db or self.db,
            uow or self.uow,
            self.clock,
            configured,
            hostname="archive.example",
            interval=interval,
            report=lambda *said: told.append(said),
        )

    @contextmanager
    def sending(self, *configured: Stream, **options: Any) -> Iterator[tuple[Sender, ...]]:
        """Streams that run until the block ends."""
        streams = self.streams(*configured, **options)
        streams.start()
        try:
            yield streams.senders
        finally:
            streams.stop()


@contextmanager
def streamed_log(database: Database, clock: MovableClock, folder: Path) -> Iterator[StreamedLog]:
    """The log, its signer and its anchors over a fresh database."""
    uow = UnitOfWork(database, Sequencer())
    try:
        yield StreamedLog(database, clock, uow, Publishing(database, signer, Anchors(folder / "anchors"), clock))
    finally:
        uow.close()


def webhook(port: int, **changes: Any) -> Stream:
    """A stream to a webhook of this machine, in clear."""
    values: dict[str, Any] = {"name": "hook", "kind": "webhook", "form": "ndjson", "host": "127.0.0.1", "port": port, "tls": False}
    return Stream(**(values | {"path": "/hook", "secrets": (SECRET,)} | changes))


def trusting(authority: Authority, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """What a stream checks its receiver with, and shows of itself."""
    context = ssl.create_default_context(cafile=authority.file)
    if client is not None:
        context.load_cert_chain(*client)
    return context


def syslog(port: int, authority: Authority, **changes: Any) -> Stream:
    """A stream to a syslog server of this machine."""
    values: dict[str, Any] = {"name": "siem", "kind": "syslog", "form": "cef", "host": "127.0.0.1", "port": port}
    return Stream(**(values | {"context": trusting(authority)} | changes))


def complete(taken: Taken, log: StreamedLog, fonds: str = FONDS, *, until: int | None = None) -> bool:
    """Whether the receiver has every entry (below `until`)."""
    wanted = log.leaves(fonds)[:until]
    return {(line["index"], line["leaf_hash"]) for line in taken.lines if line["fonds"] == fonds} >= set(wanted)


def in_order(indices: list[int]) -> bool:
    """Whether every step is to the next entry, or back to one that was sent before: nothing is ever passed over."""
    return not indices or (indices[0] == 0 and all(after <= before + 1 for before, after in pairwise(indices)))


@pytest.fixture
def log(database: Database, clock: MovableClock, tmp_path: Path) -> Iterator[StreamedLog]:
    """A log on both databases."""
    with streamed_log(database, clock, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whose certificates the streams trust."""
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[Path, Path]:
    """That of receivers on this machine."""
    return authority.issue("receiver", "127.0.0.1", "localhost")
