"""A log that is quiet says so, once in an interval, whoever asks and however many do; nothing else grows by it."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import event, func, select

from audit.errors import AnchorMissing
from audit.heartbeat import Heart, last_beats
from audit.publishing import Publisher, Publishing
from audit.sequencing import locked_head
from audit.tables import log_entries
from foundation.clock import to_ms
from foundation.database import Database
from foundation.tables import metadata
from fresh_databases import BACKENDS

FONDS = "f-1"
HOUR = 3600


@pytest.fixture
def publisher(log):
    """One whose heart beats after an hour; nothing of it runs by itself."""
    return Publisher(log.publishing, heart=Heart(log.db, log.clock, HOUR))


def beats(log, fonds=FONDS):
    row = log_entries.c
    with log.db.read() as conn:
        return conn.execute(select(row.idx, row.time_ms).where(row.fonds == fonds, row.kind == "log.heartbeat").order_by(row.idx)).all()


def size(log, fonds=FONDS):
    return next(lag.size for lag in log.publishing.lags() if lag.fonds == fonds)


def test_a_log_that_was_quiet_for_an_interval_gets_one_beat_and_its_checkpoint_at_once(log, publisher):
    log.grow(3)
    log.grow(2, fonds="f-2")
    publisher.round()
    log.clock.advance(HOUR - 1)
    publisher.round()
    assert beats(log) == []
    log.clock.advance(1)
    log.grow(1, fonds="f-2")
    publisher.round()
    publisher.round()
    assert [row.idx for row in beats(log)] == [3]
    assert beats(log, "f-2") == []
    lag = log.publishing.lags()[0]
    assert (lag.size, lag.unsigned, lag.signed_ms) == (4, 0, to_ms(log.clock.now()))
    with log.db.read() as conn:
        assert last_beats(conn) == {FONDS: to_ms(log.clock.now())}


def test_an_entry_in_time_keeps_the_heart_still(log, publisher):
    log.grow(1)
    for _ in range(6):
        log.clock.advance(HOUR - 60)
        log.grow(1)
        publisher.round()
    assert beats(log) == []


def test_a_hundred_quiet_hours_add_a_hundred_entries_with_their_checkpoints_and_nothing_else(log, publisher):
    log.grow(200)
    publisher.round()

    def rows():
        with log.db.read() as conn:
            return {name: conn.scalar(select(func.count()).select_from(table)) for name, table in metadata.tables.items()}

    before = rows()
    for _ in range(100):
        log.clock.advance(HOUR)
        for _ in range(3):
            publisher.round()
    grown = {name: count - before[name] for name, count in rows().items()}
    assert {name: count for name, count in grown.items() if count > 1} == {"log_entries": 100, "log_checkpoints": 100}
    # What comes with every 256th entry, whatever it is about.
    assert grown["log_tiles"] == 1


def test_many_processes_on_one_log_append_one_beat_in_an_interval(log):
    log.grow(1)
    databases = [Database(log.urls.application, pool_size=2) for _ in range(6)]
    hearts = [Heart(database, log.clock, HOUR) for database in databases]
    newest = log.publishing.lags()[0].newest_ms
    for _ in range(5):
        log.clock.advance(HOUR)
        barrier = threading.Barrier(len(hearts))
        done: list[bool] = []

        def beat(heart, newest=newest, barrier=barrier, done=done):
            barrier.wait()
            done.append(heart.beat(FONDS, newest))

        threads = [threading.Thread(target=beat, args=(heart,)) for heart in hearts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == [False] * 5 + [True]
    assert [row.idx for row in beats(log)] == [1, 2, 3, 4, 5]
    for database in databases:
        database.close()


def test_whether_a_beat_is_due_is_asked_again_when_the_head_is_held(log):
    log.grow(1)
    newest = log.publishing.lags()[0].newest_ms
    log.clock.advance(HOUR)
    log.grow(1)
    assert Heart(log.db, log.clock, HOUR).beat(FONDS, newest) is False
    assert size(log) == 2


def test_a_log_that_cannot_be_published_gets_one_beat_and_no_more(log, publisher):
    log.grow(5)
    publisher.round()
    log.anchors.path(FONDS).unlink()
    for _ in range(4):
        log.clock.advance(HOUR)
        publisher.round()
    assert isinstance(publisher.failing[FONDS], AnchorMissing)
    assert len(beats(log)) == 1


@pytest.mark.parametrize("backend", [BACKENDS[1]], indirect=True)  # on SQLite nobody appends while a neighbour does
def test_a_held_head_keeps_neither_the_heart_nor_the_publisher_from_other_logs(log, publisher):
    log.grow(1)
    log.grow(1, fonds="f-2")
    publisher.round()
    log.clock.advance(HOUR)
    with log.db.write() as held:
        locked_head(held, FONDS)
        rounds = threading.Thread(target=publisher.round)
        rounds.start()
        rounds.join(timeout=20)
        assert not rounds.is_alive()
        assert (beats(log), len(beats(log, "f-2"))) == ([], 1)
    publisher.round()
    assert len(beats(log)) == 1


def test_a_clock_set_back_by_a_day_does_not_silence_the_log(log, publisher):
    log.grow(1)
    log.clock.advance(-24 * HOUR)
    publisher.round()
    publisher.round()
    assert len(beats(log)) == 1
    log.clock.advance(HOUR)
    publisher.round()
    assert len(beats(log)) == 2


def test_a_log_that_does_not_exist_is_not_begun_by_a_beat(log):
    Heart(log.db, log.clock, HOUR).beat("f-9", None)
    assert log.publishing.lags() == []


def test_without_a_heart_a_quiet_log_stays_as_it_is(log):
    log.grow(1)
    log.clock.advance(1000 * HOUR)
    Publisher(log.publishing).round()
    assert size(log) == 1


def test_lags_tell_how_long_the_oldest_unsigned_entry_waits_and_when_the_newest_came(log):
    log.grow(2)
    log.publishing.publish(FONDS)
    signed = to_ms(log.clock.now())
    assert [(lag.unsigned, lag.waiting_ms, lag.newest_ms, lag.signed_ms) for lag in log.publishing.lags()] == [(0, None, signed, signed)]
    log.clock.advance(10)
    (first,) = log.grow(1)
    waits = to_ms(log.clock.now())
    log.clock.advance(20)
    log.grow(3)
    lag = log.publishing.lags()[0]
    assert first.index == 2
    assert (lag.unsigned, lag.waiting_ms, lag.newest_ms, lag.signed_ms) == (4, waits, to_ms(log.clock.now()), signed)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # the plan of one database shows it: keys alone are looked up
def test_the_lags_of_an_old_log_are_found_by_keys_and_never_by_reading_it_through(log):
    asked = []
    event.listen(log.db.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    Publishing(log.db, log.publishing.signers, log.anchors, log.clock).lags()
    (statement, values) = next(one for one in asked if "log_heads" in one[0])
    with log.db.read() as conn:
        plan = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert [line for line in plan if line.startswith("SCAN")] == ["SCAN log_heads USING INDEX sqlite_autoindex_log_heads_1"]
