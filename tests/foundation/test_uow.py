"""The unit of work: durable, recorded, isolated from its neighbours, and honest about failure."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from foundation.database import Database
from foundation.errors import Conflict, StorageUnavailable, UnrecordedChange
from foundation.tables import archive_meta
from foundation.uow import Ticket, Unit, UnitOfWork

FONDS = "F001"


class CountingSequencer:
    """Gives places like the log does, from what the table holds; and remembers the sizes of its groups."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.next: dict[str, int] = {}
        self.broken = False

    def __call__(self, conn: Connection, fonds: str, tickets: Sequence[Ticket]) -> None:
        assert conn.in_transaction()
        if self.broken:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        self.groups.append(len(tickets))
        for ticket in tickets:
            ticket.place(self.next.setdefault(fonds, 0))
            self.next[fonds] += 1


@pytest.fixture
def sequencer() -> CountingSequencer:
    return CountingSequencer()


@pytest.fixture
def uow(database: Database, sequencer: CountingSequencer) -> Iterator[UnitOfWork]:
    made = UnitOfWork(database, sequencer)
    yield made
    made.close()


def put(unit: Unit, name: str) -> Ticket:
    unit.conn.execute(insert(archive_meta), {"fonds": unit.fonds, "name": name, "value": "v"})
    return unit.add(name)


def names(database: Database, fonds: str = FONDS) -> set[str]:
    with database.read() as conn:
        return set(conn.execute(select(archive_meta.c.name).where(archive_meta.c.fonds == fonds)).scalars())


def test_what_run_returns_is_committed_and_has_its_place_in_the_log(uow: UnitOfWork, database: Database) -> None:
    tickets = [uow.run(FONDS, partial(put, name=name)) for name in ("a", "b")]
    assert [ticket.index for ticket in tickets] == [0, 1]
    assert names(database) == {"a", "b"}


def test_an_entry_has_no_index_before_the_commit(uow: UnitOfWork) -> None:
    def peek(unit: Unit) -> Ticket:
        ticket = put(unit, "a")
        with pytest.raises(RuntimeError):
            _ = ticket.index
        return ticket

    assert uow.run(FONDS, peek).index == 0


def test_an_act_without_an_entry_is_taken_back(uow: UnitOfWork, database: Database) -> None:
    def silent(unit: Unit) -> None:
        unit.conn.execute(insert(archive_meta), {"fonds": unit.fonds, "name": "unseen", "value": "v"})

    with pytest.raises(UnrecordedChange):
        uow.run(FONDS, silent)
    assert names(database) == set()
    uow.bookkeep(FONDS, silent)
    assert names(database) == {"unseen"}


def test_an_act_that_fails_takes_back_itself_and_nobody_else(uow: UnitOfWork, database: Database, sequencer: CountingSequencer) -> None:
    started, wait = threading.Event(), threading.Event()

    def hold(unit: Unit) -> Ticket:
        started.set()
        assert wait.wait(10)
        return put(unit, "first")

    def fail(unit: Unit) -> Ticket:
        put(unit, "lost")
        raise Conflict

    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(uow.run, FONDS, hold)
        assert started.wait(10)
        others = [pool.submit(uow.run, FONDS, (lambda unit, i=i: put(unit, f"n{i}")) if i % 2 else fail) for i in range(10)]
        wait.set()
        assert first.result(10).index == 0
        for i, other in enumerate(others):
            if i % 2:
                assert other.result(10).index > 0
            else:
                with pytest.raises(Conflict):
                    other.result(10)
    assert names(database) == {"first", "n1", "n3", "n5", "n7", "n9"}
    assert sum(sequencer.groups) == 6


def test_many_acts_that_wait_share_commits(uow: UnitOfWork, sequencer: CountingSequencer) -> None:
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda i: uow.run(FONDS, lambda unit: put(unit, f"n{i}")), range(400)))
    assert sum(sequencer.groups) == 400
    assert len(sequencer.groups) < 400


def test_an_act_alone_is_committed_on_its_own_thread(uow: UnitOfWork) -> None:
    assert uow.bookkeep(FONDS, lambda _unit: threading.get_ident()) == threading.get_ident()


@pytest.mark.parametrize(("committed", "error"), [(False, KeyboardInterrupt), (True, KeyboardInterrupt), (True, MemoryError)])
def test_a_leader_told_to_stop_takes_nobody_with_it_and_runs_nothing_twice(
    uow: UnitOfWork,
    database: Database,
    sequencer: CountingSequencer,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    *,
    committed: bool,
) -> None:
    # Ctrl-C reaches the main thread alone; here it is raised in the leader's, before or after the commit of a group.
    held, wait = threading.Event(), threading.Event()

    def hold(unit: Unit) -> Ticket:
        held.set()
        assert wait.wait(10)
        return put(unit, "first")

    def step(name: str) -> None:
        if name == ("uow.committed" if committed else "uow.sequenced") and sequencer.groups[-1] > 1:
            monkeypatch.undo()
            raise error

    ran: list[int] = []

    def act(i: int, unit: Unit) -> Ticket:
        ran.append(i)
        return put(unit, f"n{i}")

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(uow.run, FONDS, hold)
        assert held.wait(10)
        rest = [pool.submit(uow.run, FONDS, partial(act, i)) for i in range(4)]
        while uow.waiting() < 4:
            threading.Event().wait(0.01)
        monkeypatch.setattr("foundation.uow.reach", step)
        wait.set()
        assert first.result(10).index == 0
        errors = [one.exception(10) for one in rest]
    assert sorted(ran) == [0, 1, 2, 3]
    assert all(isinstance(error, StorageUnavailable | KeyboardInterrupt) for error in errors)
    assert names(database) == ({"first", "n0", "n1", "n2", "n3"} if committed else {"first"})
    assert uow.run(FONDS, lambda unit: put(unit, "after")).index > 0


def test_places_are_contiguous_whatever_fails_between(uow: UnitOfWork, database: Database) -> None:
    def act(i: int) -> int | None:
        try:
            return uow.run(FONDS, lambda unit: put(unit, f"n{i % 150}")).index
        except IntegrityError:
            return None

    with ThreadPoolExecutor(16) as pool:
        placed = [index for index in pool.map(act, range(300)) if index is not None]
    assert sorted(placed) == list(range(150))
    assert len(names(database)) == 150


def test_when_the_log_cannot_take_the_entry_nothing_is_changed(uow: UnitOfWork, database: Database, sequencer: CountingSequencer) -> None:
    sequencer.broken = True
    with pytest.raises(StorageUnavailable):
        uow.run(FONDS, lambda unit: put(unit, "a"))
    sequencer.broken = False
    assert names(database) == set()
    assert uow.run(FONDS, lambda unit: put(unit, "b")).index == 0


def test_a_broken_constraint_is_the_acts_own_error_and_other_failures_are_unavailability(uow: UnitOfWork) -> None:
    uow.run(FONDS, lambda unit: put(unit, "a"))
    with pytest.raises(IntegrityError):
        uow.run(FONDS, lambda unit: put(unit, "a"))
    with pytest.raises(StorageUnavailable):
        uow.run(FONDS, lambda unit: unit.conn.exec_driver_sql("SELECT * FROM no_such_table"))


def test_after_closing_acts_are_refused_and_what_was_handed_over_is_done(database: Database, sequencer: CountingSequencer) -> None:
    uow = UnitOfWork(database, sequencer)
    with ThreadPoolExecutor(8) as pool:
        pending = [pool.submit(uow.run, FONDS, lambda unit, i=i: put(unit, f"n{i}")) for i in range(40)]
        uow.close()
    done = 0
    for one in pending:
        with suppress(StorageUnavailable):
            one.result(10)
            done += 1
    assert len(names(database)) == done
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(archive_meta)).scalar_one() == done
