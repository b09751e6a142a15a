"""A full disk: nothing is half-done, nothing acknowledged is lost, and the archive goes on when there is space again.

Full is a limit on the size of files (RLIMIT_FSIZE), which the writer meets in the middle of a write, as on a disk without space.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archive.intake import deposit, deposit_many
from archive.reading import view
from archive.receipts import Receipt
from audit.publishing import Publishing
from audit.store import last_checkpoint
from case_world import FONDS, World
from crash_archive import START, CrashArchive, record_for
from crash_oracle import Oracle
from foundation.clock import iso
from foundation.database import Database
from foundation.errors import StorageUnavailable
from fresh_databases import FreshDatabases


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process (and of those it starts) grows past `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def asked(case_no: str) -> dict[str, Any]:
    return {"act": "deposit-asked", "case_no": case_no, "key": None}


def told(receipt: Receipt) -> dict[str, Any]:
    return {
        "act": "deposit",
        "case_no": receipt.case_no,
        "case": receipt.case_id,
        "version": receipt.version,
        "digest": receipt.digest.hex(),
        "entry": receipt.entry_id,
        "index": receipt.log_index,
        "status": receipt.status,
        "key": None,
    }


def deposit_until_refused(world: World, lines: list[dict[str, Any]], name: str) -> None:
    """Deposit one after another until the storage takes no more; every answer is a line."""
    for number in range(5000):
        case_no = f"{name}-{number}-2025"
        lines.append(asked(case_no))
        try:
            receipt = deposit(world.desk, world.system, record_for(case_no))
        except StorageUnavailable:
            return
        lines.append(told(receipt))
    raise AssertionError("the storage never became full")


@pytest.fixture
def on_sqlite(fresh_databases: FreshDatabases, tmp_path: Path) -> Iterator[CrashArchive]:
    with fresh_databases.fresh("sqlite") as urls:
        yield CrashArchive.make(urls.application, tmp_path)


def wal_of(world: World) -> Path:
    return Path(f"{world.desk.db.url.database}-wal")


def test_on_a_full_disk_deposits_are_refused_and_what_was_acknowledged_is_there_once(on_sqlite: CrashArchive) -> None:
    lines: list[dict[str, Any]] = []
    with on_sqlite.opened() as world:
        first = deposit(world.desk, world.system, record_for("before-2025"))
        lines += [asked("before-2025"), told(first)]
        for spare in (0, 5_000, 60_000, 200_000):
            with files_end_at(wal_of(world).stat().st_size + spare), ThreadPoolExecutor(4) as depositors:
                for done in [depositors.submit(deposit_until_refused, world, lines, f"full{spare}x{lane}") for lane in range(4)]:
                    done.result()
            after = deposit(world.desk, world.system, record_for(f"after{spare}-2025"))
            lines += [asked(after.case_no), told(after)]
    refused = sum(line["act"] == "deposit-asked" for line in lines) - sum(line["act"] == "deposit" for line in lines)
    assert refused >= 16
    # The oracle also hands in again what was refused: it is taken then, once.
    oracle = Oracle(on_sqlite)
    at = oracle.look(lines, iso(START))
    oracle.look([], at, everything=True)


def test_on_a_full_disk_nothing_is_shown_because_it_cannot_be_recorded(on_sqlite: CrashArchive) -> None:
    with on_sqlite.opened() as world:
        receipt = deposit(world.desk, world.system, record_for("seen-2025"))
        handler = world.caller("S-1")
        with files_end_at(wal_of(world).stat().st_size), pytest.raises(StorageUnavailable):
            view(world.desk, handler, receipt.case_id)
        assert world.entries("case.viewed") == []
        assert view(world.desk, handler, receipt.case_id).case_id == receipt.case_id


def test_a_key_that_cannot_reach_the_disk_seals_nothing(on_sqlite: CrashArchive) -> None:
    with on_sqlite.opened() as world:
        deposit(world.desk, world.system, record_for("old-2025"))
        before = on_sqlite.ring.read_bytes()
        # A year no case was closed in before needs a key of its own.
        with files_end_at(len(before) // 2), pytest.raises(StorageUnavailable):
            deposit(world.desk, world.system, record_for("new-1971"))
        assert on_sqlite.ring.read_bytes() == before
        receipt = deposit(world.desk, world.system, record_for("new-1971"))
        assert on_sqlite.ring.read_bytes() != before
    Oracle(on_sqlite).look([asked("new-1971"), told(receipt)], iso(START), everything=True)


def test_a_checkpoint_that_cannot_be_anchored_is_not_published(on_sqlite: CrashArchive) -> None:
    with on_sqlite.opened() as world:
        publishing = on_sqlite.publishing(world, Publishing)
        published = publishing.publish(FONDS)
        deposit(world.desk, world.system, record_for("later-2025"))
        with files_end_at(20), pytest.raises(OSError, match="too large"):
            publishing.publish(FONDS)
        with world.desk.db.read() as conn:
            assert last_checkpoint(conn, FONDS) == published
        publishing.check(FONDS)
        assert publishing.publish(FONDS) is not None
    Oracle(on_sqlite).look([], iso(START), everything=True)


def deposit_batches_until_refused(world: World, lines: list[dict[str, Any]]) -> None:
    for number in range(200):
        numbers = [f"batch{number}x{line}-2025" for line in range(40)]
        lines += [asked(case_no) for case_no in numbers]
        try:
            answers = deposit_many(world.desk, world.system, [record_for(case_no) for case_no in numbers])
        except StorageUnavailable:
            return
        lines += [told(answer) for answer in answers if isinstance(answer, Receipt)]
    raise AssertionError("the storage never became full")


@pytest.mark.postgresql
def test_a_database_server_on_a_full_disk_loses_nothing_and_is_used_again_when_it_has_space(tmp_path: Path) -> None:
    # A server of its own: it is stopped and started under the archive, which keeps running.
    fresh = FreshDatabases(fsync=True)
    lines: list[dict[str, Any]] = []
    try:
        with fresh.fresh("postgresql") as urls:
            # The server's own log needs files of 16 MiB, so a table must reach that: its pages are left almost empty.
            owner = Database(urls.owner, pool_size=1)
            with owner.write() as conn:
                for table in ("case_terms", "log_subjects", "log_entries"):
                    conn.exec_driver_sql(f"ALTER TABLE {table} SET (fillfactor = 10)")
            owner.close()
            archive = CrashArchive.make(urls.application, tmp_path)
            with archive.opened() as world:
                first = deposit(world.desk, world.system, record_for("before-2025"))
                lines += [asked(first.case_no), told(first)]
                fresh.cluster.stop()
                with files_end_at(16 << 20):
                    fresh.cluster.start()
                deposit_batches_until_refused(world, lines)
                fresh.cluster.stop()
                fresh.cluster.start()
                after = deposit(world.desk, world.system, record_for("after-2025"))
                lines += [asked(after.case_no), told(after)]
            oracle = Oracle(archive)
            at = oracle.look(lines, iso(START))
            oracle.look([], at, everything=True)
    finally:
        fresh.close()
