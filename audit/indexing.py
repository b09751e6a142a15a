"""The indexer's side: keeps the stored index up with the log, and commits to it in the log itself (`log.indexed`).

A commitment to size N covers the first N entries and is itself a later one. Whoever holds all entries derives its root again (`audit.
index_recompute`); whoever holds none checks an answer against it (`audit.index_check`). Nothing waits for the indexer: a log whose index
lags is appended to, published and read as ever.

Segments are a function of the entries, so any number of processes may build them at once: what one has written the other writes no more.
Entries are read and merged outside of every write transaction; a segment is there when its row is, after all its pages.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy import Connection, select

from audit.events import Actor, Event
from audit.index_keys import OF_NOBODY, VERSION, read
from audit.index_segments import BLOCK, FANOUT, LEVELS, Builder, Record, Segment, commitment, merged, records_of
from audit.index_store import Commitment, IndexRows, Stored, missing_from, newest_commitment
from audit.publishing import Publishing
from audit.store import TileRows, head_of, last_checkpoint
from audit.tables import log_entries, log_heads
from foundation.clock import parse_iso
from foundation.steps import reach
from foundation.uow import Ticket, Unit, UnitOfWork

# Blocks whose entries are read at once, and pages written in one transaction: a few MiB, some tens of milliseconds.
_BLOCKS: Final = 16
_PAGES: Final = 64
# What a question waits for: so many entries to be indexed, some seconds of work, and so long for another's turn to end.
_SOON: Final = 65_536
_PATIENCE_SECONDS: Final = 5.0


class Stopped(Exception):
    """Building was told to stop; what was done so far stays, and is gone on from."""


class _Overtaken(Exception):
    """Another process has committed to as much meanwhile."""


class Indexing:
    """Builds and commits the indexes of any fonds of one database."""

    def __init__(self, publishing: Publishing, uow: UnitOfWork) -> None:
        """Bind what is needed; nothing is read yet."""
        self.db = publishing.db
        self.publishing = publishing
        self.clock = publishing.clock
        self.uow = uow
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let whatever is being built end soon, with `Stopped`."""
        self._stopping.set()

    def commit(self, fonds: str) -> Ticket | None:
        """Bring the index of a fonds up to its log and commit to it; None where nothing new concerns anybody, or another was faster."""
        with self._turns[fonds]:
            return self._commit(fonds)

    def refresh(self, fonds: str, seconds: float) -> None:
        """See to it, if it can be done soon, that a published commitment covers the log as it was `seconds` ago.

        Where a long merge is under way, or a log was never indexed, that is left to the indexer: what was committed to before stands.
        """
        with self.db.read() as conn:
            newest, head = newest_commitment(conn, fonds), head_of(conn, fonds)
            young = newest is not None and _age_seconds(newest, self.clock.now()) <= seconds
            behind = (0 if head is None else head.size) - (0 if newest is None else newest.size)
        turn = self._turns[fonds]
        if not young and behind <= _SOON and turn.acquire(timeout=_PATIENCE_SECONDS):
            try:
                self._commit(fonds)
            finally:
                turn.release()
        with self.db.read() as conn:
            newest, published = newest_commitment(conn, fonds), last_checkpoint(conn, fonds)
        if newest is not None and (published is None or published.size <= newest.index):
            self.publishing.publish(fonds)

    def prune(self, fonds: str) -> int:
        """Delete the segments that no answer needs any more; return how many.

        Answers rest on the newest published commitment. A merged segment stands in for its parts once that covers it.
        """
        with self.db.read() as conn:
            published = last_checkpoint(conn, fonds)
            covered = None if published is None else newest_commitment(conn, fonds, published.size)
            stored = IndexRows(conn, fonds).segments()
        size = 0 if covered is None else covered.size
        idle = [(level, n) for level, n in stored if (level + 1, n // FANOUT) in stored and Segment.at(level + 1, n // FANOUT).end <= size]
        for level, n in idle:
            with self.db.write() as conn:
                IndexRows(conn, fonds).remove(level, n)
        return len(idle)

    def fonds(self) -> list[str]:
        """Every fonds that has a log."""
        with self.db.read() as conn:
            return list(conn.scalars(select(log_heads.c.fonds).order_by(log_heads.c.fonds)))

    def _commit(self, fonds: str) -> Ticket | None:
        with self.db.read() as conn:
            if not _moved(conn, fonds):
                return None
        self._build(fonds)
        with self.db.read() as conn:
            rows, head = IndexRows(conn, fonds), head_of(conn, fonds)
            # What was appended meanwhile may have filled further blocks: they wait for the next commitment.
            size = min(0 if head is None else head.size, missing_from(rows.segments()) + BLOCK - 1)
            heads = rows.heads(size)
        return None if heads is None else self._append(fonds, size, commitment(heads))

    def _append(self, fonds: str, size: int, root: bytes) -> Ticket | None:
        data = {"version": VERSION, "size": size, "root": root.hex()}
        event = Event("log.indexed", Actor(), self.clock.now(), object={"kind": "log", "id": fonds}, data=data)

        def act(unit: Unit) -> Ticket:
            newest = newest_commitment(unit.conn, fonds)
            if newest is not None and newest.size >= size:
                raise _Overtaken
            return unit.add(event)

        try:
            ticket = self.uow.run(fonds, act)
        except _Overtaken:
            return None
        reach("audit.indexed")
        return ticket

    def _build(self, fonds: str) -> None:
        """Store every complete segment that is not stored yet, and every one that stored ones can be merged to."""
        while True:
            with self.db.read() as conn:
                rows, head = IndexRows(conn, fonds), head_of(conn, fonds)
                stored = rows.segments()
                due = _due(stored)
                if due is not None:
                    first = due.n * FANOUT
                    parts = [rows.records(due.level - 1, n) for n in range(first, first + FANOUT)]
                    self._merge(fonds, due, merged(parts))
                    continue
                start = missing_from(stored)
                blocks = min((0 if head is None else head.size) - start, _BLOCKS * BLOCK) // BLOCK
                bodies = TileRows(conn, fonds).bodies(start, blocks * BLOCK)
            if not blocks:
                return
            self._add_blocks(fonds, start, bodies)

    def _add_blocks(self, fonds: str, start: int, bodies: list[bytes]) -> None:
        """Write the segments of whole blocks of entries in one transaction."""
        made = []
        for at in range(start, start + len(bodies), BLOCK):
            self._go_on()
            builder = Builder(at, at + BLOCK)
            records = records_of(at, (read(body).names for body in bodies[at - start : at - start + BLOCK]))
            made.append((Segment(0, at, at + BLOCK), builder, list(builder.pages(records))))
        with self.db.write() as conn:
            rows = IndexRows(conn, fonds)
            for segment, builder, pages in made:
                rows.add_pages(segment.level, segment.n, 0, pages)
                rows.add_segment(segment, builder.head, builder.roots)
        reach("audit.index-written")

    def _merge(self, fonds: str, segment: Segment, records: Iterable[Record]) -> None:
        """Write a merged segment's pages in small transactions, its row with the last of them."""
        builder, first, last = Builder(segment.start, segment.end), 0, False
        pages = builder.pages(records)
        while not last:
            self._go_on()
            some = list(islice(pages, _PAGES))
            last = len(some) < _PAGES
            with self.db.write() as conn:
                rows = IndexRows(conn, fonds)
                rows.add_pages(segment.level, segment.n, first, some)
                if last:
                    rows.add_segment(segment, builder.head, builder.roots)
            first += len(some)
            reach("audit.index-written")

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise Stopped


def _due(stored: Stored) -> Segment | None:
    """The first segment that is not stored and whose eight parts are."""
    for level in range(1, LEVELS):
        parts = sorted(n for one, n in stored if one == level - 1)
        whole = {n // FANOUT for n in parts if all((level - 1, n - n % FANOUT + at) in stored for at in range(FANOUT))}
        missing = sorted(n for n in whole if (level, n) not in stored)
        if missing:
            return Segment.at(level, missing[0])
    return None


def _moved(conn: Connection, fonds: str) -> bool:
    """Whether there is an entry that may concern somebody and that no commitment covers."""
    newest, row = newest_commitment(conn, fonds), log_entries.c
    since = 0 if newest is None else newest.size
    query = select(row.idx).where(row.fonds == fonds, row.idx >= since, row.kind.not_in(OF_NOBODY)).limit(1)
    return conn.execute(query).first() is not None


def _age_seconds(commitment: Commitment, now: datetime) -> float:
    return (now - parse_iso(read(commitment.body).members["time"])).total_seconds()


class Indexer:
    """A thread that commits to every log that has moved, every `interval` seconds, and survives what goes wrong."""

    def __init__(
        self, indexing: Indexing, *, interval: float = 60.0, report: Callable[[str, BaseException | None], None] | None = None
    ) -> None:
        """`report(fonds, error)` is called after every attempt, with None when it went well; the fonds is "" where all failed at once."""
        self.indexing = indexing
        self._interval = interval
        self._report = report
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
        self.failing: dict[str, BaseException] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, in the midst of a segment if need be."""
        self._stopping.set()
        self.indexing.stop()
        self._thread.join()

    def round(self) -> None:
        """Commit to every log that has moved; errors are kept in `failing` by fonds (and reported), never raised."""
        try:
            every = self.indexing.fonds()
        except Exception as error:  # noqa: BLE001  a database that is away comes back; the indexer must still be there then
            self._note("", error)
            return
        self.failing.pop("", None)
        for fonds in every:
            try:
                self.indexing.commit(fonds)
                self.indexing.prune(fonds)
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001  one damaged log must not stop the others
                self._note(fonds, error)
            else:
                self._note(fonds, None)

    def _note(self, fonds: str, error: BaseException | None) -> None:
        if error is None:
            self.failing.pop(fonds, None)
        else:
            self.failing[fonds] = error
        if self._report is not None:
            self._report(fonds, error)

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.round()
