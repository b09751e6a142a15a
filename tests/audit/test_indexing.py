"""The indexer: what it commits to is what the entries give, whoever else builds at once, wherever it is cut off."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from sqlalchemy import func, insert, select

import naive_index
from audit.index_keys import read
from audit.index_segments import cover
from audit.index_store import IndexRows, newest_commitment
from audit.indexing import Indexer, Indexing
from audit.publishing import Publishing
from audit.tables import log_entries, log_index_pages, log_index_segments
from foundation import steps
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import UnitOfWork

FONDS = "f-1"


@pytest.fixture
def indexing(log):
    return Indexing(log.publishing, log.uow)


def all_subjects(log, fonds=FONDS):
    with log.db.read() as conn:
        bodies = conn.scalars(select(log_entries.c.body).where(log_entries.c.fonds == fonds).order_by(log_entries.c.idx)).all()
    return [naive_index.subjects(read(bytes(body)).members) for body in bodies]


def committed(log, fonds=FONDS):
    with log.db.read() as conn:
        return newest_commitment(conn, fonds)


def stored(log, fonds=FONDS):
    with log.db.read() as conn:
        return sorted(IndexRows(conn, fonds).segments())


def holds(log, fonds=FONDS):
    """The newest commitment is what the definition says of the entries."""
    made = committed(log, fonds)
    assert made.root == naive_index.root(all_subjects(log, fonds), made.size)
    return made.size


def count(log, table):
    with log.db.read() as conn:
        return conn.scalar(select(func.count()).select_from(table))


def test_a_commitment_is_to_what_the_entries_give_by_the_definition(log, indexing):
    people = [new_id() for _ in range(3)]
    for size in (1, 255, 257, 558, 2047, 2049, 2100):
        log.add(log.event(kind="case.listed", cases=(new_id(), new_id()), data={"applicant": people[size % 3]}))
        if len(all_subjects(log)) < size:
            log.grow(size - len(all_subjects(log)))
        assert indexing.commit(FONDS).index == size
        assert holds(log) == size
    assert (1, 0) in stored(log)


def test_the_log_says_when_by_whom_and_to_what_it_committed(log, indexing):
    log.grow(3)
    ticket = indexing.commit(FONDS)
    members = read(committed(log).body).members
    assert (ticket.index, members["kind"], members["object"]) == (3, "log.indexed", {"kind": "log", "id": FONDS})
    assert members["actor"] == {"assurance": 0, "client": "cli", "role": "archive"}
    assert (members["data"]["size"], members["data"]["version"], len(members["data"]["root"])) == (3, 1, 64)


def test_nothing_is_committed_where_nothing_new_concerns_anybody(log, indexing):
    assert indexing.commit(FONDS) is None
    log.grow(2)
    assert indexing.commit(FONDS) is not None
    assert indexing.commit(FONDS) is None
    log.add(log.event(kind="log.heartbeat"))
    assert indexing.commit(FONDS) is None
    log.grow(1)
    assert indexing.commit(FONDS) is not None
    assert holds(log) == 5


def test_logs_are_indexed_apart_from_each_other(log, indexing):
    log.grow(300)
    log.grow(520, fonds="f-2")
    round_ = Indexer(indexing)
    round_.round()
    assert (holds(log), holds(log, "f-2"), round_.failing) == (300, 520, {})


def test_segments_go_once_a_published_commitment_stands_on_what_they_were_merged_to(log, indexing):
    log.grow(2000)
    indexing.commit(FONDS)
    log.publishing.publish(FONDS)
    log.grow(100)
    indexing.commit(FONDS)
    # An answer still rests on the published commitment to 2,000, whose cover is made of the small ones.
    assert indexing.prune(FONDS) == 0
    log.publishing.publish(FONDS)
    assert indexing.prune(FONDS) == 8
    assert stored(log) == [(1, 0)]
    assert count(log, log_index_pages) == -(-2047 * 3 // 256)  # three subjects to an entry, and one entry is a commitment
    log.grow(600)
    indexing.commit(FONDS)
    assert holds(log) == 2702


def test_indexers_at_once_make_one_index_and_true_commitments(log, indexing):
    """Two threads of one process, and two more with connections of their own, as another process has them."""
    other_db = Database(log.urls.application, pool_size=6)
    other = Indexing(Publishing(other_db, log.publishing.signers, log.anchors, log.clock), log.uow)
    for _ in range(3):
        log.grow(900)
        errors: list[Exception] = []
        barrier = threading.Barrier(4)

        def commit(indexing, errors=errors, barrier=barrier):
            barrier.wait()
            try:
                indexing.commit(FONDS)
            except Exception as error:  # noqa: BLE001  shown by the assertion
                errors.append(error)

        threads = [threading.Thread(target=commit, args=(one,)) for one in (indexing, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        while indexing.commit(FONDS) is not None:
            pass
        assert holds(log) >= 900
    other_db.close()
    assert (1, 0) in stored(log)


def test_appending_goes_on_while_the_index_is_built(log, indexing):
    done = threading.Event()
    refused: list[Exception] = []

    def index():
        while not done.is_set():
            try:
                indexing.commit(FONDS)
            except Exception as error:  # noqa: BLE001  shown by the assertion
                refused.append(error)

    thread = threading.Thread(target=index)
    thread.start()
    for _ in range(40):
        log.grow(31)
    done.set()
    thread.join()
    indexing.commit(FONDS)
    assert refused == []
    every = all_subjects(log)
    with log.db.read() as conn:
        bodies = conn.scalars(select(log_entries.c.body).where(log_entries.c.kind == "log.indexed")).all()
    claims = [read(bytes(body)).members["data"] for body in bodies]
    assert len(claims) >= 2
    assert all(naive_index.root(every, claim["size"]).hex() == claim["root"] for claim in claims)


class Crash(BaseException):
    pass


@pytest.mark.parametrize(("step", "nth"), [("audit.index-written", 1), ("audit.index-written", 2), ("audit.indexed", 1)])
def test_an_indexer_cut_off_anywhere_leaves_an_index_that_is_gone_on_with(log, indexing, monkeypatch, step, nth):
    log.grow(2100)
    monkeypatch.setattr("audit.indexing._PAGES", 9)  # the merged segment has 24: the second cut is between its pages
    left = [nth]

    def crash(reached):
        left[0] -= reached == step
        if not left[0]:
            raise Crash

    steps.install_hook(crash)
    try:
        with pytest.raises(Crash):
            indexing.commit(FONDS)
    finally:
        steps.install_hook(None)
    Indexing(log.publishing, log.uow).commit(FONDS)
    log.grow(1)
    indexing.commit(FONDS)
    assert holds(log) >= 2101
    assert (1, 0) in stored(log)


def test_pages_that_another_attempt_left_wrong_are_made_anew(log, indexing):
    with log.db.write() as conn:
        page = {"fonds": FONDS, "n": 0, "first_key": b"k" * 32, "root": b"r" * 32, "data": b""}
        conn.execute(insert(log_index_pages), [page | {"level": 1, "page": 0}, page | {"level": 0, "page": 90}])
    log.grow(2050)
    indexing.commit(FONDS)
    assert holds(log) == 2050
    assert (1, 0) in stored(log)


def test_an_index_that_was_deleted_is_built_again(log, indexing):
    log.grow(2400)
    indexing.commit(FONDS)
    with log.db.write() as conn:
        conn.exec_driver_sql("DELETE FROM log_index_segments")
        conn.exec_driver_sql("DELETE FROM log_index_pages")
    log.grow(1)
    indexing.commit(FONDS)
    assert holds(log) == 2402
    assert stored(log) == [*((0, n) for n in range(9)), (1, 0)]


def test_a_commitment_falls_back_to_what_is_indexed_where_the_log_runs_ahead(log, indexing, monkeypatch):
    log.grow(600)
    built = indexing._build

    def build_then_grow(fonds):
        built(fonds)
        log.grow(1000)

    monkeypatch.setattr(indexing, "_build", build_then_grow)
    indexing.commit(FONDS)
    assert holds(log) == 512 + 255


def test_a_commitment_is_refreshed_and_published_when_asked_for_and_not_twice(log, indexing):
    indexing.refresh(FONDS, 10)
    assert committed(log) is None
    log.grow(5)
    indexing.refresh(FONDS, 10)
    assert (committed(log).size, log.publishing.publish(FONDS)) == (5, None)
    log.grow(5)
    indexing.refresh(FONDS, 10)
    assert committed(log).size == 5
    log.clock.advance(11)
    indexing.refresh(FONDS, 10)
    assert (committed(log).size, log.publishing.publish(FONDS)) == (11, None)
    log.clock.advance(100)
    indexing.refresh(FONDS, 10)
    assert committed(log).size == 11


def test_a_question_waits_for_no_long_work_of_the_indexer(log, indexing, monkeypatch):
    log.grow(5)
    indexing.refresh(FONDS, 10)
    log.clock.advance(11)
    log.grow(600)
    monkeypatch.setattr("audit.indexing._SOON", 500)
    indexing.refresh(FONDS, 10)
    assert (committed(log).size, stored(log)) == (5, [])
    monkeypatch.undo()
    monkeypatch.setattr("audit.indexing._PATIENCE_SECONDS", 0.05)
    with indexing._turns[FONDS]:
        indexing.refresh(FONDS, 10)
    assert committed(log).size == 5
    indexing.refresh(FONDS, 10)
    assert committed(log).size == 606


def test_one_damaged_log_does_not_stop_the_others(log, indexing):
    log.grow(300)
    log.grow(3, fonds="f-2")
    log.tamper("log_entries", "UPDATE log_entries SET body = :x WHERE idx = 7 AND fonds = 'f-1'", x=b"{}")
    told: list[tuple[str, bool]] = []
    round_ = Indexer(indexing, report=lambda fonds, error: told.append((fonds, error is None)))
    round_.round()
    assert told == [("f-1", False), ("f-2", True)]
    assert list(round_.failing) == ["f-1"]
    assert (committed(log), committed(log, "f-2").size) == (None, 3)


def test_an_indexer_survives_a_database_that_is_away_for_a_while(log, indexing, monkeypatch):
    log.grow(3)
    round_ = Indexer(indexing)
    monkeypatch.setattr(indexing, "fonds", lambda: 1 / 0)
    round_.round()
    assert list(round_.failing) == [""]
    monkeypatch.undo()
    round_.round()
    assert (round_.failing, holds(log)) == ({}, 3)


def test_an_indexer_runs_by_itself_and_stops_in_the_midst_of_its_work(log, indexing):
    log.grow(3)
    running = Indexer(indexing, interval=0.01)
    running.start()
    deadline = time.monotonic() + 20
    while committed(log) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.stop()
    assert holds(log) == 3
    log.grow(600)
    Indexer(indexing).round()  # told to stop, it builds nothing more
    assert (holds(log), stored(log)) == (3, [])


def test_a_commitment_overtaken_by_another_process_is_not_made(log, indexing, monkeypatch):
    log.grow(10)
    other = Indexing(log.publishing, log.uow)
    appended = indexing._append

    def after_the_other(fonds, size, root):
        other.commit(FONDS)
        return appended(fonds, size, root)

    monkeypatch.setattr(indexing, "_append", after_the_other)
    assert indexing.commit(FONDS) is None
    assert count(log, log_index_segments) == 0
    assert len(all_subjects(log)) == 11


def test_the_heads_of_a_cover_are_all_there_or_none_is_given(log, indexing):
    log.grow(520)
    indexing.commit(FONDS)
    with log.db.read() as conn:
        rows = IndexRows(conn, FONDS)
        assert [(one.start, one.end) for one in rows.heads(520) or ()] == [(one.start, one.end) for one in cover(520)]
    with log.db.write() as conn:
        IndexRows(conn, FONDS).remove(0, 1)
    with log.db.read() as conn:
        assert IndexRows(conn, FONDS).heads(520) is None


def test_a_unit_of_work_that_is_closed_stops_no_round(log):
    uow = UnitOfWork(log.db, lambda *_: None)
    uow.close()
    log.grow(2)
    round_ = Indexer(Indexing(log.publishing, uow))
    with suppress(Exception):
        round_.round()
    assert list(round_.failing) == [FONDS]
