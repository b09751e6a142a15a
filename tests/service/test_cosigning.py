"""The archive and its witnesses: what they say is asked for, believed when it holds, kept, and waited for by nobody."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from audit.errors import NoSuchTile, NotWitnessed
from audit.export import export
from audit.proofs import Proofs
from audit.publishing import Publishing
from audit.store import TileRows
from audit.tables import log_cosignatures
from audit.witnessing import Panel, must_be_witnessed
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import StorageUnavailable
from fresh_databases import DatabaseUrls, FreshDatabases
from service import cosigning
from service.cosigning import Cosigning
from service.witness.judging import Witness
from service.witness.wire import AddCheckpoint
from signed_log import SigningKey
from tlog.errors import ConsistencyFailed
from tlog.merkle import consistency_path
from tlog.note import VerifierKey, parse_note
from tlog.verify import verify_export
from witness_scene import Answering, PublishedLog, lying_witness, made_witness, published_log, served_witness

FONDS = "f-1"


@pytest.fixture
def log(database_urls: DatabaseUrls, clock: MovableClock, tmp_path: Path) -> Iterator[PublishedLog]:
    with published_log(database_urls.application, tmp_path, clock) as made:
        yield made


@pytest.fixture
def witness(log: PublishedLog, tmp_path: Path) -> Witness:
    return made_witness(tmp_path / "w1", log.key())


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosigning, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(cosigning, "LONGEST_PAUSE", 0.0)


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something threads will do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_new_checkpoint_is_cosigned_and_carries_it_from_then_on(log: PublishedLog, witness: Witness) -> None:
    with served_witness(witness) as url:
        asking = log.cosigning((url, witness.folder.key))
        for entries in (1, 4, 251, 300):
            made = log.grow(entries)
            asking.ask(FONDS)
            note = Proofs(log.db).checkpoint(FONDS).note
            ((key, _),) = must_be_witnessed(note, log.key(), asking.panel)
            assert key == witness.folder.key
            assert log.witnesses_of(made.size) == [key.name]
        assert asking.faults() == {}
        assert [(lag.entries, lag.behind_ms) for lag in log.lags(asking.panel)] == [(0, 0)]


def test_a_witness_that_was_away_for_days_catches_up_with_one_answer(log: PublishedLog, witness: Witness) -> None:
    with served_witness(witness) as url:
        asking = log.cosigning((url, witness.folder.key))
        log.grow(3)
        asking.ask(FONDS)
    for _ in range(30):
        log.grow(20)
        log.clock.advance(8000)
        asking.ask(FONDS)
    assert asking.faults() == {(witness.folder.key.name, FONDS): "witness-unreachable"}
    (lag,) = log.lags(asking.panel)
    assert (lag.published, lag.entries) == (603, 600)
    assert 2 * 86_400_000 < lag.behind_ms < 3 * 86_400_000
    with served_witness(witness, port=int(url.rpartition(":")[2])):
        asking.ask(FONDS)
    assert log.witnesses_of(603) == [witness.folder.key.name]
    assert asking.faults() == {}
    with log.db.read() as conn:
        assert len(conn.execute(select(log_cosignatures)).all()) == 2


def test_a_size_the_witness_tells_is_where_the_proof_begins(log: PublishedLog, witness: Witness) -> None:
    """The archive does not know what the witness has: another process asked, or the answer was lost on its way."""
    first, second = log.grow(5), log.grow(7)
    assert witness.add_checkpoint(AddCheckpoint(0, (), first.note).format()).status == 200
    with served_witness(witness) as url:
        asking = log.cosigning((url, witness.folder.key))
        asking.ask(FONDS)
        assert log.witnesses_of(second.size) == [witness.folder.key.name]
        third = log.grow(9)
        with log.db.read() as conn:
            proof = consistency_path(12, third.size, TileRows(conn, FONDS).source(third.size))
        assert witness.add_checkpoint(AddCheckpoint(12, tuple(proof), third.note).format()).status == 200
        asking.ask(FONDS)  # cosigned once, said again
        assert log.witnesses_of(third.size) == [witness.folder.key.name]
        assert asking.faults() == {}


def test_two_processes_that_ask_at_once_keep_one_cosignature_and_are_told_no_fault(log: PublishedLog, witness: Witness) -> None:
    other_db = Database(log.db.url, pool_size=4)
    other = PublishedLog(other_db, log.uow, log.clock, Publishing(other_db, log.publishing.signers, log.publishing.anchors, log.clock))
    with served_witness(witness) as url:
        both = [one.cosigning((url, witness.folder.key)) for one in (log, other)]
        for _ in range(8):
            made = log.grow(5)
            threads = [threading.Thread(target=asking.ask, args=(FONDS,)) for asking in both * 2]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert log.witnesses_of(made.size) == [witness.folder.key.name]
        assert [asking.faults() for asking in both] == [{}, {}]
    other_db.close()


def test_witnesses_that_come_and_go_meet_on_checkpoints_and_make_a_quorum(log: PublishedLog, tmp_path: Path) -> None:
    witnesses = [made_witness(tmp_path / f"q{number}", log.key(), name=f"witness.invalid/q{number}") for number in (1, 2, 3)]
    with ExitStack() as stack:
        urls = [stack.enter_context(served_witness(one)) for one in witnesses]
        asking = log.cosigning(*((url, one.folder.key) for url, one in zip(urls, witnesses, strict=True)), quorum=3)
        log.grow(2)
        asking.start()
        last = 0
        for _ in range(5):
            log.grow(3)
            until(lambda: _witnessed(log, asking) > last)  # noqa: B023  awaited here
            last = _witnessed(log, asking)
        asking.stop()
    assert asking.faults() == {}


def _witnessed(log: PublishedLog, asking: Cosigning) -> int:
    try:
        return Proofs(log.db, asking.panel).witnessed(FONDS).size
    except NoSuchTile:
        return 0


@pytest.fixture
def forger(fresh_databases: FreshDatabases, backend: str, clock: MovableClock, tmp_path: Path) -> Iterator[PublishedLog]:
    """The archive's keeper with its real key and another database: the same log's name, another history, all of it signed."""
    with fresh_databases.fresh(backend) as urls, published_log(urls.application, tmp_path / "forger", clock) as made:
        yield made


def test_a_rewritten_history_signed_with_the_real_key_is_refused_and_caught_by_an_older_checkpoint(
    log: PublishedLog, forger: PublishedLog, witness: Witness, tmp_path: Path
) -> None:
    kept = log.grow(30)
    with served_witness(witness) as url:
        log.cosigning((url, witness.folder.key)).ask(FONDS)
        assert forger.key() == log.key()
        asking = forger.cosigning((url, witness.folder.key))
        for entries, code in ((20, "witness-ahead"), (10, "witness-answered-422"), (10, "witness-answered-422")):
            forger.grow(entries)
            asking.ask(FONDS)
            assert asking.faults() == {(witness.folder.key.name, FONDS): code}
        # Of the forged log's thirty entries there is evidence now: two roots of one size by one key.
        known = witness.folder.log_of(log.key().name)
        assert known is not None
        assert len(known.contradictions) == 1
    with forger.db.read() as conn:
        assert conn.execute(select(log_cosignatures)).all() == []
    export(forger.db, FONDS, tmp_path / "forged")
    verify_export(tmp_path / "forged", log.key())  # sound in itself
    with pytest.raises(ConsistencyFailed):
        verify_export(tmp_path / "forged", log.key(), against=kept.note)
    with pytest.raises(NotWitnessed):
        must_be_witnessed((tmp_path / "forged" / "checkpoint").read_bytes(), log.key(), asking.panel)


def test_of_two_archives_that_race_with_one_key_one_is_cosigned(log: PublishedLog, forger: PublishedLog, witness: Witness) -> None:
    with served_witness(witness) as url:
        both = [(one, one.cosigning((url, witness.folder.key))) for one in (log, forger)]
        for _ in range(6):
            threads = []
            for one, asking in both:
                one.grow(4)
                threads += [threading.Thread(target=asking.ask, args=(FONDS,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    cosigned = [[size for size in range(4, 25, 4) if one.witnesses_of(size)] for one, _ in both]
    assert min(cosigned) == []
    assert max(cosigned) == [4, 8, 12, 16, 20, 24]


def test_a_checkpoint_of_another_log_gets_no_cosignature_of_this_one(log: PublishedLog, witness: Witness) -> None:
    made = log.grow(5)
    log.grow(5, fonds="f-2")
    with served_witness(witness) as url:
        asking = log.cosigning((url, witness.folder.key))
        asking.ask("f-2")
        assert asking.faults() == {(witness.folder.key.name, "f-2"): "witness-answered-404"}
        asking.ask(FONDS)
    assert log.witnesses_of(made.size) == [witness.folder.key.name]
    assert log.witnesses_of(5, "f-2") == []


def test_a_witness_that_forgot_is_reported_though_it_cosigns_again(log: PublishedLog, witness: Witness, tmp_path: Path) -> None:
    log.grow(5)
    for folder in (witness.folder.path, witness.folder.memory):
        shutil.copytree(folder, tmp_path / "backup" / folder.name)
    with served_witness(witness) as url:
        asking = log.cosigning((url, witness.folder.key))
        asking.ask(FONDS)
        for folder in (witness.folder.path, witness.folder.memory):
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "backup" / folder.name, folder)
        made = log.grow(5)
        asking.ask(FONDS)
        assert log.witnesses_of(made.size) == [witness.folder.key.name]
        assert asking.faults() == {(witness.folder.key.name, FONDS): "witness-went-back"}
        log.grow(5)
        asking.ask(FONDS)
        assert asking.faults() == {(witness.folder.key.name, FONDS): "witness-went-back"}


LIAR = SigningKey.from_seed("witness.invalid/liar", 3)
LIAR_KEY = VerifierKey.parse(LIAR.vkey(4))
EARLIER: list[bytes] = []


def _line(asked: AddCheckpoint, key: SigningKey = LIAR) -> bytes:
    return key.cosignature_line(parse_note(asked.note).text, 1_700_000_000).encode()


def _replay(asked: AddCheckpoint) -> bytes:
    """The cosignature of whatever it was asked for first."""
    EARLIER.append(_line(asked))
    return EARLIER[0]


LIES: dict[str, tuple[Answering, str]] = {
    "it has seen more than there is": (lambda _: (409, b"600\n"), "witness-ahead"),
    "it never agrees on a size": (lambda asked: (409, b"%d\n" % (asked.old_size + 1)), "witness-answered-409"),
    "its size is none": (lambda _: (409, b"-1\n"), "witness-answer-invalid"),
    "its size is a page": (lambda _: (409, b"<html>"), "witness-answer-invalid"),
    "it refuses": (lambda _: (403, b"no\n"), "witness-answered-403"),
    "it sends elsewhere": (lambda _: (302, b""), "witness-answered-302"),
    "it says nothing": (lambda _: (200, b""), "witness-answer-invalid"),
    "it says too much": (lambda asked: (200, _line(asked) + b"x" * 200_000), "witness-answer-invalid"),
    "its key was exchanged": (lambda asked: (200, _line(asked, SigningKey.from_seed(LIAR.name, 4))), "witness-answer-invalid"),
    "it signs another text": (
        lambda asked: (200, b"more\n\n" + LIAR.cosignature_line(parse_note(asked.note).text + "\nmore\n", 1).encode()),
        "witness-answer-invalid",
    ),
    "it repeats what it said of another size": (lambda asked: (200, _replay(asked)), "witness-answer-invalid"),
}


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("lie", LIES)
def test_a_lying_witness_is_believed_nothing_and_costs_the_honest_one_nothing(log: PublishedLog, witness: Witness, lie: str) -> None:
    answer, code = LIES[lie]
    EARLIER.clear()
    with lying_witness(answer) as (liar, asked), served_witness(witness) as url:
        asking = log.cosigning((liar, LIAR_KEY), (url, witness.folder.key))
        if lie.startswith("it repeats"):
            log.grow(2)
            asking.ask(FONDS)
        made = log.grow(5)
        asking.ask(FONDS)
        assert asking.faults() == {(LIAR_KEY.name, FONDS): code}
        assert log.witnesses_of(made.size) == [witness.folder.key.name]
        assert len(asked) <= 4
        must_be_witnessed(Proofs(log.db).checkpoint(FONDS).note, log.key(), Panel((LIAR_KEY, witness.folder.key), 1))


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_witness_that_never_answers_delays_neither_publishing_nor_the_others_nor_the_end(
    log: PublishedLog, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosigning, "WAIT_SECONDS", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, served_witness(witness) as url:
        asking = log.cosigning((f"http://127.0.0.1:{silent.getsockname()[1]}", LIAR_KEY), (url, witness.folder.key))
        log.grow(1)
        asking.start()
        taken, _ = silent.accept()
        assert taken.recv(10) == b"POST /add-"
        began = time.monotonic()
        for _ in range(5):
            made = log.grow(3)
            until(lambda: log.witnesses_of(made.size))  # noqa: B023  awaited here
        assert time.monotonic() - began < 20
        began = time.monotonic()
        asking.stop()
        assert time.monotonic() - began < 5
        # What it says after the end is not written any more: the database may be somebody else's by then.
        body = AddCheckpoint.parse(_rest_of(taken))
        line = _line(body)
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(line) + line)
        until(lambda: not any(thread.name == "cosigning" for thread in threading.enumerate()))
        taken.close()
    with log.db.read() as conn:
        assert LIAR_KEY.name not in {one.partition("+")[0] for one in conn.scalars(select(log_cosignatures.c.witness))}


def _rest_of(taken: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"=\n"):
        data += taken.recv(65536)
    return data.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_witness_in_trouble_is_asked_less_and_less_often(log: PublishedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosigning, "SHORTEST_PAUSE", 0.2)
    monkeypatch.setattr(cosigning, "LONGEST_PAUSE", 300.0)
    log.grow(3)
    with lying_witness(lambda _: (503, b"")) as (url, asked):
        asking = log.cosigning((url, LIAR_KEY), every=0.01)
        asking.start()
        time.sleep(2.5)
        asking.stop()
        assert 2 <= len(asked) <= 5


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_database_that_is_away_ends_no_thread_that_asks(log: PublishedLog, witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    lags = log.publishing.lags
    monkeypatch.setattr(log.publishing, "lags", lambda: (_ for _ in ()).throw(StorageUnavailable()))
    made = log.grow(3)
    with served_witness(witness) as url:
        asking = log.cosigning((url, witness.folder.key))
        asking.start()
        until(lambda: asking.faults() == {(witness.folder.key.name, ""): "storage-unavailable"})
        monkeypatch.setattr(log.publishing, "lags", lags)
        until(lambda: log.witnesses_of(made.size))
        until(lambda: not asking.faults())
        asking.stop()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_checkpoint_after_a_quiet_time_is_cosigned_at_once_and_a_busy_log_is_asked_for_now_and_then(
    log: PublishedLog, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosigning, "LOOK_SECONDS", 0.02)
    with served_witness(witness) as url:
        asking = log.cosigning((url, witness.folder.key), every=3.0)
        asking.start()
        began = time.monotonic()
        first = log.grow(3)
        until(lambda: log.witnesses_of(first.size))
        assert time.monotonic() - began < 2
        made = [log.grow(2) for _ in range(5)]
        until(lambda: log.witnesses_of(made[-1].size))
        assert time.monotonic() - began > 2
        assert [log.witnesses_of(one.size) for one in made[:-1]] == [[]] * 4
        asking.stop()
