from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from audit.anchor import Anchors
from audit.errors import AnchorMissing, AnchorUnreadable, LogForked, LogRefused, LogRolledBack
from audit.publishing import Publisher, Publishing
from audit.tables import log_checkpoints
from foundation import steps
from tlog.checkpoint import open_checkpoint
from tlog.errors import NoKnownSignature
from tlog.merkle import verify_consistency

FONDS = "f-1"


def stored(log, fonds=FONDS):
    with log.db.read() as conn:
        return conn.execute(select(log_checkpoints).where(log_checkpoints.c.fonds == fonds).order_by(log_checkpoints.c.size)).all()


def test_a_checkpoint_is_signed_for_what_is_durable_and_is_anchored_as_it_stands(log):
    log.grow(300)
    made = log.publishing.publish(FONDS)
    checkpoint = open_checkpoint(made.note, log.key())
    assert (checkpoint.size, checkpoint.root) == (300, made.root)
    assert log.anchors.read(FONDS) == made.note == bytes(stored(log)[0].note)
    log.publishing.check(FONDS)


def test_nothing_is_signed_where_nothing_is_new(log):
    assert log.publishing.publish(FONDS) is None
    log.grow(1)
    assert log.publishing.publish(FONDS) is not None
    assert log.publishing.publish(FONDS) is None
    assert len(stored(log)) == 1


def test_every_checkpoint_extends_the_one_before(log):
    from audit.proofs import Proofs

    made = []
    for more in (1, 2, 253, 1, 255, 600):
        log.grow(more)
        made.append(log.publishing.publish(FONDS))
    for older in made:
        path, latest = Proofs(log.db).consistency(FONDS, older.size)
        verify_consistency(older.size, older.root, latest.size, latest.root, path)


def test_publishers_at_once_sign_one_checkpoint_for_one_size(log):
    """Two threads of one process, and two more with connections and locks of their own, as another process has them."""
    from foundation.database import Database

    other_db = Database(log.urls.application, pool_size=4)
    other = Publishing(other_db, log.publishing.signers, Anchors(log.anchors.directory), log.clock)
    for _ in range(5):
        log.grow(3)
        made: list[object] = []
        errors: list[Exception] = []
        barrier = threading.Barrier(4)

        def publish(publishing, made=made, errors=errors, barrier=barrier):
            barrier.wait()
            try:
                made.append(publishing.publish(FONDS))
            except Exception as error:  # noqa: BLE001  shown by the assertion
                errors.append(error)

        threads = [threading.Thread(target=publish, args=(publishing,)) for publishing in (log.publishing, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert sum(item is not None for item in made) == 1
    other_db.close()
    assert [row.size for row in stored(log)] == [3, 6, 9, 12, 15]


def test_appending_while_publishing_never_breaks_either(log):
    done = threading.Event()
    refused = []

    def publish():
        while not done.is_set():
            try:
                log.publishing.publish(FONDS)
            except LogRefused as error:
                refused.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    for _ in range(60):
        log.grow(9)
    done.set()
    thread.join()
    log.publishing.publish(FONDS)
    assert refused == []
    assert stored(log)[-1].size == 540


class Crash(BaseException):
    pass


def crash_at(step, act):
    def crash(reached):
        if reached == step:
            raise Crash

    steps.install_hook(crash)
    try:
        with pytest.raises(Crash):
            act()
    finally:
        steps.install_hook(None)


@pytest.mark.parametrize("step", ["audit.checkpoint-signed", "audit.anchor-written", "audit.anchor-renamed", "audit.checkpoint-anchored"])
def test_a_crash_at_any_step_of_publishing_is_made_good_by_the_next_round(log, step):
    log.grow(5)
    log.publishing.publish(FONDS)
    log.grow(5)

    crash_at(step, lambda: log.publishing.publish(FONDS))
    assert [row.size for row in stored(log)] == [5]
    anchored = log.anchors.read(FONDS)
    log.publishing.check(FONDS)
    made = log.publishing.publish(FONDS)
    assert made.size == 10
    assert log.anchors.read(FONDS) == made.note
    if step in {"audit.anchor-renamed", "audit.checkpoint-anchored"}:
        assert made.note == anchored  # signed once, not twice


def test_a_checkpoint_anchored_before_a_crash_binds_the_log_that_grew_since(log):
    log.grow(5)
    log.publishing.publish(FONDS)
    log.grow(5)
    crash_at("audit.checkpoint-anchored", lambda: log.publishing.publish(FONDS))
    log.grow(5)
    log.rewrite(7)
    with pytest.raises(LogRefused):
        log.publishing.publish(FONDS)


def test_a_database_older_than_the_anchor_is_refused_and_nothing_is_signed(log):
    log.grow(5)
    log.publishing.publish(FONDS)
    older = {table: log.snapshot(table) for table in log.TABLES}
    log.grow(5)
    log.publishing.publish(FONDS)
    log.restore(older)
    for act in (log.publishing.check, log.publishing.publish):
        with pytest.raises(LogRolledBack) as refusal:
            act(FONDS)
        assert refusal.value.params == {"fonds": FONDS, "signed": 10, "found": 5}
    log.grow(7)
    for act in (log.publishing.check, log.publishing.publish):
        with pytest.raises(LogForked):
            act(FONDS)
    assert [row.size for row in stored(log)] == [5]


def test_a_rewritten_history_is_refused_by_the_anchor(log):
    log.grow(300)
    log.publishing.publish(FONDS)
    log.rewrite(17)
    for act in (log.publishing.check, log.publishing.publish):
        with pytest.raises(LogForked):
            act(FONDS)
    log.grow(1)
    with pytest.raises(LogForked):
        log.publishing.publish(FONDS)
    assert stored(log) == []


def test_a_database_with_checkpoints_but_no_anchor_is_refused(log, tmp_path):
    log.grow(5)
    log.publishing.publish(FONDS)
    log.grow(1)
    elsewhere = Publishing(log.db, log.publishing.signers, Anchors(tmp_path / "new machine"), log.clock)
    for act in (elsewhere.check, elsewhere.publish):
        with pytest.raises(AnchorMissing):
            act(FONDS)


@pytest.mark.parametrize(
    "spoil", [lambda note: note[:-10], lambda _note: b"", lambda note: note.replace(b"5\n", b"4\n", 1), lambda note: b"x" + note]
)
def test_an_anchor_that_cannot_be_believed_refuses_the_log(log, spoil):
    log.grow(5)
    note = log.publishing.publish(FONDS).note
    log.anchors.path(FONDS).write_bytes(spoil(note))
    for act in (log.publishing.check, log.publishing.publish):
        with pytest.raises(AnchorUnreadable):
            act(FONDS)


def test_the_anchor_of_another_fonds_is_not_believed(log):
    log.grow(5)
    log.grow(5, fonds="f-2")
    for fonds in (FONDS, "f-2"):
        log.publishing.publish(fonds)
    log.anchors.path(FONDS).write_bytes(log.anchors.path("f-2").read_bytes())
    with pytest.raises(AnchorUnreadable):
        log.publishing.check(FONDS)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("log_heads", "UPDATE log_heads SET root = :x"),
        ("log_entries", "UPDATE log_entries SET leaf_hash = :x WHERE idx = 258"),
        ("log_entries", "DELETE FROM log_entries WHERE idx = 258"),
        ("log_tiles", "UPDATE log_tiles SET root = :x"),
        ("log_checkpoints", "UPDATE log_checkpoints SET root = :x"),
    ],
)
def test_a_log_whose_hashes_disagree_is_not_signed(log, table, statement):
    log.grow(257)
    log.publishing.publish(FONDS)
    log.grow(3)
    log.tamper(table, statement, **({"x": b"x" * 32} if ":x" in statement else {}))
    with pytest.raises(LogForked):
        log.publishing.publish(FONDS)
    assert len(stored(log)) == 1


def test_an_anchor_never_goes_back_nor_sideways(log):
    log.grow(5)
    first = log.publishing.publish(FONDS)
    log.grow(5)
    second = log.publishing.publish(FONDS)
    log.anchors.keep(FONDS, first.note)
    assert log.anchors.read(FONDS) == second.note
    log.grow(5, fonds="f-2")
    other = log.publishing.publish("f-2")
    with pytest.raises(LogForked):
        log.anchors.keep(FONDS, other.note)


def test_a_signer_that_signs_with_another_key_than_it_says_publishes_nothing(log):
    real = log.publishing.signers

    class Liar:
        name = real(FONDS, 1).name
        vkey = real(FONDS, 1).vkey

        def sign(self, text):
            return real("f-2", 1).sign(text)

    log.grow(1)
    with pytest.raises(NoKnownSignature):
        Publishing(log.db, lambda _fonds, _epoch: Liar(), log.anchors, log.clock).publish(FONDS)
    assert stored(log) == []
    assert log.anchors.read(FONDS) is None


def test_the_publisher_publishes_what_moved_and_survives_a_refused_fonds(log):
    log.grow(5)
    log.publishing.publish(FONDS)
    log.anchors.path(FONDS).unlink()
    log.grow(5)
    log.grow(3, fonds="f-2")
    reports = []
    publisher = Publisher(log.publishing, interval=0.01, report=lambda fonds, error: reports.append((fonds, type(error))))
    publisher.start()
    seen = threading.Event()
    for _ in range(500):
        if ("f-2", type(None)) in reports and (FONDS, AnchorMissing) in reports:
            break
        seen.wait(0.01)
    log.grow(4, fonds="f-2")
    publisher.stop()
    assert isinstance(publisher.failing[FONDS], AnchorMissing)
    assert stored(log, "f-2")[-1].size == 7
    lags = {lag.fonds: lag for lag in log.publishing.lags()}
    assert (lags[FONDS].unsigned, lags["f-2"].unsigned) == (5, 0)
    assert lags["f-2"].signed_ms is not None


def test_the_publisher_survives_a_database_that_is_away(log, monkeypatch):
    publisher = Publisher(log.publishing)
    log.grow(1)
    monkeypatch.setattr(log.publishing, "lags", lambda: (_ for _ in ()).throw(OSError()))
    publisher.round()
    assert isinstance(publisher.failing[""], OSError)
    monkeypatch.undo()
    publisher.round()
    assert publisher.failing == {}
    assert len(stored(log)) == 1


def test_checking_beside_a_busy_publisher_never_sees_a_rollback(log):
    done = threading.Event()
    errors: list[Exception] = []

    def check():
        while not done.is_set():
            try:
                log.publishing.check(FONDS)
            except LogRefused as error:
                errors.append(error)

    log.grow(1)
    log.publishing.publish(FONDS)
    thread = threading.Thread(target=check)
    thread.start()
    for _ in range(60):
        log.grow(2)
        log.publishing.publish(FONDS)
    done.set()
    thread.join()
    assert errors == []
