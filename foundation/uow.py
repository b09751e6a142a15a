"""The unit of work: who owns the transaction, and how many acts share one durable commit.

An act parses, decides and seals first, then hands over `fn`. The unit of work runs `fn(unit)` inside a shared transaction, each act in a
savepoint of its own, so that one that fails takes only itself back; gives all their audit entries their places in the log as the
very last step; commits once; and only then answers any of them. Guarantees:

* what `run` has returned is durable, together with its entries, in one transaction;
* an act that added no entry is rolled back (`UnrecordedChange`): nothing changes or is released off the record;
* the order of locks is business rows, then log heads in the order of their fonds - so groups cannot deadlock on the heads;
* an error is answered only after the group's fate is known: a refusal never rests on a neighbour's change that was not committed.

`fn` never commits, may be run again after a deadlock, and does nothing but SQL: it runs on the lane's thread while others wait.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from foundation.database import Database
from foundation.errors import StorageUnavailable, UnrecordedChange
from foundation.ids import new_id
from foundation.steps import reach

T = TypeVar("T")

GROUP_LIMIT = 256
_ATTEMPTS = 4
# PostgreSQL: serialization failure, deadlock detected, lock not available. The act is run again, alone.
_RETRYABLE = frozenset({"40001", "40P01", "55P03"})


class Ticket:
    """An entry on its way into the log: its id is known at once, its index once the unit of work has committed."""

    __slots__ = ("_index", "entry_id", "event")

    def __init__(self, event: Any) -> None:
        """Wrap the event; the sequencer gives the index."""
        self.event = event
        self.entry_id = new_id()
        self._index: int | None = None

    @property
    def index(self) -> int:
        """The entry's place in its fonds' log; RuntimeError before the commit."""
        if self._index is None:
            raise RuntimeError("an entry has no index before its unit of work has committed")
        return self._index

    def place(self, index: int) -> None:
        """Give the index; for the sequencer alone."""
        self._index = index


class Sequencer(Protocol):
    """What gives entries their places: called last in the transaction, once per fonds of the group."""

    def __call__(self, conn: Connection, fonds: str, tickets: Sequence[Ticket]) -> None:
        """Lock the fonds' log head, place every ticket at the next index and write the entries."""
        ...


class Unit:
    """One act's part of the transaction."""

    __slots__ = ("conn", "fonds", "tickets")

    def __init__(self, conn: Connection, fonds: str) -> None:
        """Bind to the running transaction."""
        self.conn = conn
        self.fonds = fonds
        self.tickets: list[Ticket] = []

    def add(self, event: Any) -> Ticket:
        """Put an event on record; it gets its index when the transaction closes."""
        ticket = Ticket(event)
        self.tickets.append(ticket)
        return ticket


@dataclass(slots=True)
class _Job:
    fonds: str
    fn: Callable[[Unit], Any]
    recorded: bool
    future: Future[Any] = field(default_factory=Future)
    value: Any = None
    error: BaseException | None = None
    tickets: list[Ticket] = field(default_factory=list)


class UnitOfWork:
    """Runs acts in group-committed transactions: one lane for an SQLite file, one per fonds on PostgreSQL."""

    def __init__(self, db: Database, sequencer: Sequencer) -> None:
        """Bind a database and the log's sequencer; lanes start when first used."""
        self._db = db
        self._sequencer = sequencer
        self._lanes: dict[str, queue.SimpleQueue[_Job | None]] = {}
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._closed = False

    def run(self, fonds: str, fn: Callable[[Unit], T]) -> T:
        """Run `fn` and return its value once it and its entries are durable; raises what `fn` raised, or StorageUnavailable."""
        job = self._submit(fonds, fn, recorded=True)
        value: T = job.future.result()
        return value

    def bookkeep(self, fonds: str, fn: Callable[[Unit], T]) -> T:
        """Run `fn` without demanding an entry: only for rows that disclose and change nothing (rate limits, replay stores)."""
        job = self._submit(fonds, fn, recorded=False)
        value: T = job.future.result()
        return value

    def close(self) -> None:
        """Finish what was handed over, then stop the lanes; later calls get StorageUnavailable."""
        with self._guard:
            self._closed = True
            for lane in self._lanes.values():
                lane.put(None)
        for thread in self._threads:
            thread.join()

    def _submit(self, fonds: str, fn: Callable[[Unit], Any], *, recorded: bool) -> _Job:
        job = _Job(fonds, fn, recorded)
        name = "all" if self._db.dialect == "sqlite" else fonds
        with self._guard:
            if self._closed:
                raise StorageUnavailable
            lane = self._lanes.get(name)
            if lane is None:
                lane = self._lanes[name] = queue.SimpleQueue()
                thread = threading.Thread(target=self._serve, args=(lane,), name=f"commit-{name}", daemon=True)
                self._threads.append(thread)
                thread.start()
            lane.put(job)
        return job

    def _serve(self, lane: queue.SimpleQueue[_Job | None]) -> None:
        stopping = False
        while not stopping:
            first = lane.get()
            if first is None:
                return
            group = [first]
            while len(group) < GROUP_LIMIT and not stopping:
                try:
                    job = lane.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stopping = True
                else:
                    group.append(job)
            self._finish(group)

    def _finish(self, group: list[_Job]) -> None:
        try:
            self._commit(group)
        except BaseException as error:  # noqa: BLE001  whatever happened, every waiting caller must be answered
            if len(group) > 1 and not isinstance(error, _CommitFailed):
                # Nothing of the group was committed. Alone, each gets the answer that is its own.
                for job in group:
                    self._finish([job])
                return
            for job in group:
                job.error = error
        for job in group:
            if job.error is None:
                job.future.set_result(job.value)
            else:
                job.future.set_exception(_answerable(job.error))

    def _commit(self, group: list[_Job]) -> None:
        for attempt in range(_ATTEMPTS):
            for job in group:
                job.value, job.error, job.tickets = None, None, []
            committing = False
            try:
                with self._db.write() as conn:
                    reach("uow.begun")
                    if len(group) == 1:
                        self._alone(conn, group[0])
                    else:
                        for job in group:
                            self._beside_others(conn, job)
                    self._sequence(conn, group)
                    reach("uow.sequenced")
                    committing = True
                reach("uow.committed")
            except _RolledBack:
                return
            except DBAPIError as error:
                if committing:
                    raise _CommitFailed from error
                if _retryable(error) and len(group) == 1 and attempt + 1 < _ATTEMPTS:
                    continue
                raise
            return

    def _alone(self, conn: Connection, job: _Job) -> None:
        _attempt(conn, job)
        if job.error is not None:
            if _retryable(job.error):
                raise job.error
            raise _RolledBack

    def _beside_others(self, conn: Connection, job: _Job) -> None:
        conn.exec_driver_sql("SAVEPOINT act")
        _attempt(conn, job)
        if job.error is not None:
            if _retryable(job.error):
                raise job.error  # the group is dissolved and each act run alone
            conn.exec_driver_sql("ROLLBACK TO SAVEPOINT act")
            job.tickets = []
        conn.exec_driver_sql("RELEASE SAVEPOINT act")

    def _sequence(self, conn: Connection, group: list[_Job]) -> None:
        by_fonds: dict[str, list[Ticket]] = {}
        for job in group:
            if job.tickets:
                by_fonds.setdefault(job.fonds, []).extend(job.tickets)
        for fonds in sorted(by_fonds):
            self._sequencer(conn, fonds, by_fonds[fonds])


class _CommitFailed(Exception):
    """The commit itself failed. It may have taken effect (a connection lost after it was sent), so nothing is run again."""


class _RolledBack(Exception):
    """Leaves the transaction's block so that it rolls back."""


def _attempt(conn: Connection, job: _Job) -> None:
    unit = Unit(conn, job.fonds)
    try:
        job.value = job.fn(unit)
    except Exception as error:  # noqa: BLE001  the caller gets it, after the group's fate is known
        job.error = error
        return
    if job.recorded and not unit.tickets:
        job.error = UnrecordedChange()
        return
    job.tickets = unit.tickets


def _retryable(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRYABLE


def _answerable(error: BaseException) -> BaseException:
    # A broken constraint is the act's to explain; every other failure of the database means: not taken, try again later.
    if isinstance(error, IntegrityError) or not isinstance(error, SQLAlchemyError | OSError | _CommitFailed):
        return error
    unavailable = StorageUnavailable()
    unavailable.__cause__ = error
    return unavailable
