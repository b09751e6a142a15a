"""The unit of work: who owns the transaction, and how many acts share one durable commit.

An act parses, decides and seals first, then hands over `fn`. The unit of work runs `fn(unit)` inside a shared transaction, each act in a
savepoint of its own, so that one that fails takes only itself back; gives all their audit entries their places in the log as the
very last step; commits once; and only then answers any of them. Guarantees:

* what `run` has returned is durable, together with its entries, in one transaction;
* an act that added no entry is rolled back (`UnrecordedChange`): nothing changes or is released off the record;
* the order of locks is business rows, then log heads in the order of their fonds - so groups cannot deadlock on the heads;
* an error is answered only after the group's fate is known: a refusal never rests on a neighbour's change that was not committed.

There is no thread that commits for others. Whoever finds its lane idle leads: it commits its own act at once. Who comes meanwhile
waits, and when the leader is done, the first who waits leads all that wait by then. So an act alone never changes threads, and many
share one commit.

`fn` never commits, may be run again after a deadlock, and does nothing but SQL: it may run on the thread of another act, while others wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
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
# Seconds a leader waits for the next act to join, as long as acts do and a group was committed just before.
_GAP = 0.0003
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


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Job:
    fonds: str
    fn: Callable[[Unit], Any]
    recorded: bool
    since: float = field(default_factory=time.monotonic)
    turn: threading.Lock = field(default_factory=_locked)
    """Released once: when the job is answered, or when it is its caller's turn to lead."""
    answered: bool = False
    value: Any = None
    error: BaseException | None = None
    tickets: list[Ticket] = field(default_factory=list)


@dataclass(slots=True)
class _Lane:
    """Acts whose commits follow one another. `led`: somebody leads, and will see to whoever is waiting."""

    waiting: deque[_Job] = field(default_factory=deque)
    led: bool = False
    committing: float | None = None
    """Since when the oldest act of the group being committed has waited (monotonic seconds)."""
    answered: int = 0
    """How many acts the last group had; `took` seconds for its commit, which `ended` then (monotonic)."""
    took: float = 0.0
    ended: float = 0.0
    gathering: bool = False


class UnitOfWork:
    """Runs acts in group-committed transactions: one lane for an SQLite file, one per fonds on PostgreSQL."""

    def __init__(self, db: Database, sequencer: Sequencer) -> None:
        """Bind a database and the log's sequencer."""
        self._db = db
        self._sequencer = sequencer
        self._lanes: dict[str, _Lane] = {}
        self._guard = threading.Condition(threading.Lock())
        self._closed = False

    def run(self, fonds: str, fn: Callable[[Unit], T]) -> T:
        """Run `fn` and return its value once it and its entries are durable; raises what `fn` raised, or StorageUnavailable."""
        value: T = self._answer(_Job(fonds, fn, recorded=True))
        return value

    def bookkeep(self, fonds: str, fn: Callable[[Unit], T]) -> T:
        """Run `fn` without demanding an entry: only for rows that disclose and change nothing (rate limits, replay stores)."""
        value: T = self._answer(_Job(fonds, fn, recorded=False))
        return value

    def waiting(self) -> int:
        """Return how many acts wait for a commit now, those being committed left out."""
        with self._guard:
            return sum(len(lane.waiting) for lane in self._lanes.values())

    def oldest_seconds(self) -> float:
        """Return for how long the oldest act that has no answer yet has waited for its commit, that being made included; 0: none waits."""
        with self._guard:
            since = [lane.committing for lane in self._lanes.values() if lane.committing is not None]
            since += [lane.waiting[0].since for lane in self._lanes.values() if lane.waiting]
        return max(0.0, time.monotonic() - min(since)) if since else 0.0

    def close(self) -> None:
        """Finish what was handed over; later calls get StorageUnavailable."""
        with self._guard:
            self._closed = True
            self._guard.wait_for(lambda: not any(lane.led for lane in self._lanes.values()))

    def _answer(self, job: _Job) -> Any:
        name = "all" if self._db.dialect == "sqlite" else job.fonds
        with self._guard:
            if self._closed:
                raise StorageUnavailable
            lane = self._lanes.get(name)
            if lane is None:
                lane = self._lanes[name] = _Lane()
            lane.waiting.append(job)
            leads, lane.led = not lane.led, True
            if lane.gathering:
                self._guard.notify_all()
        if not leads:
            job.turn.acquire()
        if not job.answered:
            self._lead(lane)
        if job.error is not None:
            raise _answerable(job.error)
        return job.value

    def _lead(self, lane: _Lane) -> None:
        """Commit what waits, the caller's own job first, then hand the lane on and let the others go."""
        with self._guard:
            self._gather(lane)
            group = [lane.waiting.popleft() for _ in range(min(len(lane.waiting), GROUP_LIMIT))]
            lane.committing = group[0].since
        begun = time.monotonic()
        try:
            self._finish(group)
        finally:
            for job in group:
                if not job.answered:  # interrupted between commit and answer: an act that is not known to be done is not said to be
                    job.error, job.answered = StorageUnavailable(), True
            with self._guard:
                lane.committing, lane.answered, lane.ended = None, len(group), time.monotonic()
                lane.took = lane.ended - begun
                following = lane.waiting[0] if lane.waiting else None
                if following is None:
                    lane.led = False
                    self._guard.notify_all()
            if following is not None:
                following.turn.release()
            for job in group[1:]:
                job.turn.release()

    def _gather(self, lane: _Lane) -> None:
        """Wait for those who were answered just now, while they keep coming back; never longer than the commit before took.

        Otherwise they fall into halves that commit by turns, each waiting for the other's sync: measured with 16 writers, a sync for 8
        entries instead of 15. An act that comes alone never waits.
        """
        begun = time.monotonic()
        if lane.answered < 2 or begun - lane.ended > lane.took:
            return
        wanted = min(lane.answered + len(lane.waiting), GROUP_LIMIT)
        lane.gathering = True
        while (have := len(lane.waiting)) < wanted and time.monotonic() - begun < lane.took:
            if not self._guard.wait_for(lambda: len(lane.waiting) > have, _GAP):
                break
        lane.gathering = False

    def _finish(self, group: list[_Job]) -> None:
        try:
            self._commit(group)
        except BaseException as error:  # noqa: BLE001  whatever happened, every waiting caller must be answered
            if len(group) > 1 and not isinstance(error, _CommitFailed):
                # Nothing of the group was committed. Alone, each gets the answer that is its own - unless its leader was told to stop.
                if isinstance(error, Exception):
                    for job in group:
                        self._finish([job])
                    return
                for job in group[1:]:
                    job.error = StorageUnavailable()
                    job.answered = True
                group = group[:1]
            for job in group:
                job.error = error
        for job in group:
            job.answered = True

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
            except BaseException as error:
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
    """The commit itself failed or was interrupted. It may have taken effect (a connection lost after it was sent): nothing is run again."""


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
