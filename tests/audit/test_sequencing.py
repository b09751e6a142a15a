from __future__ import annotations

import hashlib
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from audit.errors import EntryRefused
from audit.events import SealedDetail
from audit.fsck import fsck
from audit.sequencing import Sequencer
from audit.store import TileRows, head_of
from audit.tables import log_details, log_entries, log_heads, log_subjects, log_tiles
from foundation.ids import new_id
from foundation.uow import Ticket

FONDS = "f-1"


def naive_root(bodies):
    """RFC 6962 section 2.1, word for word."""
    if not bodies:
        return hashlib.sha256(b"").digest()
    if len(bodies) == 1:
        return hashlib.sha256(b"\0" + bodies[0]).digest()
    k = 1
    while k * 2 < len(bodies):
        k *= 2
    return hashlib.sha256(b"\1" + naive_root(bodies[:k]) + naive_root(bodies[k:])).digest()


def bodies_of(log, fonds=FONDS):
    with log.db.read() as conn:
        return [
            bytes(body) for body in conn.scalars(select(log_entries.c.body).where(log_entries.c.fonds == fonds).order_by(log_entries.c.idx))
        ]


def check_whole(log, fonds=FONDS):
    bodies = bodies_of(log, fonds)
    with log.db.read() as conn:
        head = head_of(conn, fonds)
        assert head is not None
        assert head.size == len(bodies)
        assert head.root == naive_root(bodies) == TileRows(conn, fonds).root(head.size)
    return bodies


@pytest.mark.parametrize("size", [1, 2, 3, 254, 255, 256, 257, 511, 512, 513, 1025])
@pytest.mark.parametrize("step", [1, 7, 100, 1025])
def test_root_and_tiles_are_right_around_every_border_however_the_entries_are_batched(log, size, step):
    if step == 1 and size > 257:
        step = 255
    for start in range(0, size, step):
        log.grow(min(step, size - start))
    bodies = check_whole(log)
    leaves = [hashlib.sha256(b"\0" + body).digest() for body in bodies]
    with log.db.read() as conn:
        tiles = conn.execute(select(log_tiles).order_by(log_tiles.c.level, log_tiles.c.n)).all()
    assert [(tile.level, tile.n) for tile in tiles] == [(0, n) for n in range(size // 256)]
    for tile in tiles:
        assert bytes(tile.hashes) == b"".join(leaves[tile.n * 256 : tile.n * 256 + 256])
        assert bytes(tile.root) == naive_root(bodies[tile.n * 256 : tile.n * 256 + 256])


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # arithmetic of tiles alone: one database is enough for 65,538 entries
def test_a_tile_of_the_second_level_appears_with_the_65536th_entry(log):
    tickets = [Ticket(log.event()) for _ in range(65_536 + 2)]
    for start in range(0, len(tickets), 20_000):
        with log.db.write() as conn:
            Sequencer()(conn, FONDS, tickets[start : start + 20_000])
    with log.db.read() as conn:
        count = dict(conn.execute(select(log_tiles.c.level, func.count()).group_by(log_tiles.c.level)).all())
        assert count == {0: 256, 1: 1}
        upper = conn.execute(select(log_tiles).where(log_tiles.c.level == 1)).one()
        lower = conn.scalars(select(log_tiles.c.root).where(log_tiles.c.level == 0).order_by(log_tiles.c.n)).all()
        assert bytes(upper.hashes) == b"".join(map(bytes, lower))
        head = head_of(conn, FONDS)
        assert head is not None
        assert TileRows(conn, FONDS).root(head.size) == head.root
    assert fsck(log.db, FONDS, lambda epoch: str(log.key(epoch=epoch))).tiles == 257


class Fails(Exception):
    pass


def append_then_fail(log, conn):
    Sequencer()(conn, FONDS, [Ticket(log.event()) for _ in range(3)])
    raise Fails


@settings(max_examples=12)
@given(plan=st.lists(st.lists(st.sampled_from(["one", "three", "fails", "bad"]), min_size=1, max_size=6), min_size=1, max_size=5))
def test_the_root_is_the_naive_one_over_random_groups_with_failing_acts_in_between(log_factory, plan):
    expected = 0
    with log_factory() as log:
        for group in plan:
            threads = [threading.Thread(target=act, args=(log, what)) for what in group]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            expected += sum({"one": 1, "three": 3}.get(what, 0) for what in group)
        if expected:
            assert len(check_whole(log)) == expected
        else:
            assert bodies_of(log) == []


def act(log, what):
    def fn(unit):
        for _ in range(3 if what == "three" else 1):
            unit.add(log.event())
        if what == "fails":
            raise Fails
        if what == "bad":
            event = log.event()
            event.members["data"] = {"x": "自由文本"}
            unit.add(event)

    try:
        log.uow.run(FONDS, fn)
    except (Fails, EntryRefused):
        assert what in {"fails", "bad"}
    else:
        assert what in {"one", "three"}


def test_concurrent_writers_get_contiguous_indices_each_exactly_once(log):
    tickets: list[Ticket] = []
    guard = threading.Lock()

    def work(seed):
        random_ = random.Random(seed)
        for _ in range(20):
            count = random_.randint(1, 4)
            mine = log.uow.run(FONDS, lambda unit, count=count: [unit.add(log.event()) for _ in range(count)])
            with guard:
                tickets.extend(mine)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ticket.index for ticket in tickets) == list(range(len(tickets)))
    with log.db.read() as conn:
        stored = {row.entry_id: row.idx for row in conn.execute(select(log_entries.c.entry_id, log_entries.c.idx))}
    assert stored == {ticket.entry_id: ticket.index for ticket in tickets}
    check_whole(log)


def test_several_processes_worth_of_units_of_work_share_one_contiguous_log(log):
    """Two units of work over two engines, as two processes on one PostgreSQL would have them (on SQLite: two connections)."""
    from foundation.database import Database
    from foundation.uow import UnitOfWork

    other_db = Database(log.urls.application, pool_size=4)
    other = UnitOfWork(other_db, Sequencer())
    found: list[int] = []

    def work(uow):
        for _ in range(30):
            ticket = uow.run(FONDS, lambda unit: unit.add(log.event()))
            found.append(ticket.index)

    threads = [threading.Thread(target=work, args=(uow,)) for uow in (log.uow, other, log.uow, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    other_db.close()
    assert sorted(found) == list(range(120))
    check_whole(log)


def test_each_fonds_has_a_log_of_its_own(log):
    log.grow(3)
    log.grow(5, fonds="f-2")
    log.grow(2)
    assert len(check_whole(log)) == 5
    assert len(check_whole(log, "f-2")) == 5


def test_a_rolled_back_transaction_leaves_no_trace_and_no_gap(log):
    log.grow(255)
    bad = log.event()
    bad.members["data"] = {"x": "自由文本"}
    with pytest.raises(EntryRefused):
        log.add(log.event(), log.event(), bad)
    with pytest.raises(Fails), log.db.write() as conn:
        append_then_fail(log, conn)
    assert log.grow(1)[0].index == 255
    check_whole(log)


def test_query_columns_subjects_and_details_lie_beside_the_entry(log):
    cases = tuple(sorted(new_id() for _ in range(3)))
    grant, request, holder = new_id(), new_id(), new_id()
    detail = SealedDetail("reason", b"c" * 32, b"sealed", "k:1")
    listed, made = log.add(
        log.event(kind="case.listed", cases=cases),
        log.event(kind="grant.made", object={"kind": "grant", "id": grant}, data={"request": request, "holder": holder}, details=(detail,)),
    )
    with log.db.read() as conn:
        subjects = {tuple(row) for row in conn.execute(select(log_subjects.c.idx, log_subjects.c.subject_kind, log_subjects.c.subject_id))}
        row = conn.execute(select(log_entries).where(log_entries.c.idx == made.index)).one()
        beside = conn.execute(select(log_details)).one()
    assert subjects == {(listed.index, "case", case) for case in cases} | {(made.index, "request", request), (made.index, "person", holder)}
    assert row.grant_id == grant
    assert (beside.entry_id, beside.name, bytes(beside.sealed), beside.erased_ms) == (made.entry_id, "reason", b"sealed", None)


def test_a_head_that_does_not_fit_its_size_stops_the_append(log):
    log.grow(3)
    log.tamper("log_heads", "UPDATE log_heads SET size = 2")
    with pytest.raises(RuntimeError):
        log.grow(1)
    with log.db.read() as conn:
        assert conn.scalar(select(log_heads.c.size)) == 2
