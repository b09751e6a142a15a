"""Many services on one PostgreSQL database: one contiguous log for each fonds whatever is killed, and no fonds waits for another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from sqlalchemy import select

from audit.fsck import fsck
from audit.sequencing import locked_head
from audit.tables import log_checkpoints, log_entries
from command_line import Terminal
from fresh_databases import FreshDatabases
from growing_log import Outsider
from live_archive import live_archive
from log_life import grow, signed_up_to
from small_archive import FONDS, OTHER_FONDS, PUBLIC_URL, SOURCE, SmallArchive
from tlog.checkpoint import open_checkpoint
from tlog.merkle import verify_consistency
from tlog.note import VerifierKey
from vault.signer import LogSigner

pytestmark = pytest.mark.postgresql
PROCESSES = 3
SYSTEMS = {SOURCE: FONDS, "other-system": OTHER_FONDS}


@pytest.fixture(scope="module")
def archive(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallArchive]:
    """One that is served by this process too."""
    with fresh_databases.fresh("postgresql") as urls, live_archive(urls, tmp_path_factory.mktemp("many")) as made:
        yield made


@dataclass
class Service:
    """A process of its own that serves the same archive."""

    archive: SmallArchive
    process: subprocess.Popen[bytes] = field(init=False)
    url: str = field(init=False)

    def __post_init__(self) -> None:
        settings = self.archive.settings
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR") if name in os.environ}
        values = kept | {
            "ARCHIVE_HOME": str(settings.home),
            "ARCHIVE_DATABASE_URL": settings.database_url.get_secret_value(),
            "ARCHIVE_KEY_RING_CREDENTIAL": str(settings.key_ring_credential),
            "ARCHIVE_PUBLIC_URL": PUBLIC_URL,
            "ARCHIVE_PUBLISH_SECONDS": "0.1",
            "ARCHIVE_CONNECTIONS": "12",
            "ARCHIVE_PREPARERS": "0",
            "PYTHONUTF8": "1",
        }
        with _free_port() as port:
            self.url = f"http://127.0.0.1:{port}"
            words = [sys.executable, "-m", "service.cli.main", "serve", "--port", str(port)]
        self.process = subprocess.Popen(words, env=values, stdout=subprocess.PIPE)
        out: IO[bytes] | None = self.process.stdout
        assert out is not None
        for line in out:
            if json.loads(line)["event"] == "service.started":
                break
        threading.Thread(target=out.read, daemon=True).start()
        until(self.answers)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            assert self.process.poll() is None
            return False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0


@contextmanager
def _free_port() -> Iterator[int]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


def until(holds: Any, seconds: float = 60) -> None:
    """Wait for what has to come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@dataclass
class Depositor:
    """Deposits through whichever services live, and keeps what was acknowledged: the entry's id and index, by fonds."""

    archive: SmallArchive
    system: str
    services: list[Service]
    told: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)

    def work(self, stop: threading.Event, start: int) -> None:
        turn = start
        while not stop.is_set():
            turn += 1
            service = self.services[turn % len(self.services)]
            try:
                headers = {"Authorization": f"Bearer {self.archive.systems[self.system].token}"}
                answer = httpx.post(
                    f"{service.url}/v1/cases", json=self.archive.record(source_system=self.system), headers=headers, timeout=60
                )
            except httpx.TransportError:
                self.unanswered += 1  # killed: it may have been stored or not, and nobody was told
                stop.wait(0.02)
                continue
            if answer.status_code != 201:
                self.wrong.append(f"{answer.status_code} {answer.text}")
                return
            receipt = answer.json()
            self.told[receipt["log"]["entry_id"]] = receipt["log"]["index"]


def test_services_that_are_killed_under_load_leave_one_contiguous_log_for_each_fonds(archive: SmallArchive) -> None:
    with ThreadPoolExecutor() as pool:
        services = list(pool.map(Service, [archive] * PROCESSES))
    outsider = Outsider(archive, VerifierKey.parse(archive.house.publishing.signers(FONDS, 1).vkey))
    for system in SYSTEMS:
        archive.as_system(system).close()
    depositors = [Depositor(archive, system, services) for system in SYSTEMS for _ in range(2)]
    stop = threading.Event()
    threads = [threading.Thread(target=one.work, args=(stop, start)) for start, one in enumerate(depositors)]
    threads.append(threading.Thread(target=outsider.follow, args=(2**40, stop)))
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        services[0].kill()
        time.sleep(1)
        services[0] = Service(archive)
        for killed in (1, 0):
            time.sleep(1)
            services[killed].kill()
        time.sleep(1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        services[2].stop()
    assert [one.wrong for one in depositors] == [[]] * len(depositors)
    assert sum(one.unanswered for one in depositors) > 0
    outsider.finish()
    assert len(outsider.seen) >= 5
    for system, fonds in SYSTEMS.items():
        told = {entry: index for one in depositors if one.system == system for entry, index in one.told.items()}
        assert len(told) > 30
        is_whole(archive, fonds, told)
    is_whole(archive, "system", {})


def is_whole(archive: SmallArchive, fonds: str, told: dict[str, int]) -> None:
    """No gap, nothing acknowledged missing or moved, all derived again alike, and every checkpoint ever signed of one history."""
    db, keys = archive.house.desk.db, archive.house.desk.keys
    with db.read() as conn:
        row = log_entries.c
        stored = {one.entry_id: one.idx for one in conn.execute(select(row.entry_id, row.idx).where(row.fonds == fonds))}
        notes = conn.scalars(select(log_checkpoints.c.note).where(log_checkpoints.c.fonds == fonds).order_by(log_checkpoints.c.size)).all()
    assert sorted(stored.values()) == list(range(len(stored)))
    assert {entry: stored.get(entry) for entry in told} == told
    assert fsck(db, fonds, lambda epoch: LogSigner.of(keys, fonds, epoch).vkey).entries == len(stored)
    key = VerifierKey.parse(LogSigner.of(keys, fonds, 1).vkey)
    last = None
    for note in notes:
        made = open_checkpoint(bytes(note), key)
        if last is not None:
            path, latest = archive.house.proofs.consistency(fonds, last.size)
            verify_consistency(last.size, last.root, latest.size, latest.root, path)
        last = made
    archive.house.publishing.check(fonds)


def test_appends_to_one_fonds_go_on_while_the_head_of_another_is_held(archive: SmallArchive) -> None:
    signed_up_to(archive.house)
    signed_up_to(archive.house, OTHER_FONDS)
    beside = Service(archive)
    archive.as_system("other-system").close()
    headers = {"Authorization": f"Bearer {archive.systems['other-system'].token}"}
    answers: list[int] = []

    def go_on() -> None:
        for _ in range(20):
            grow(archive.house, 1, OTHER_FONDS)
            record = archive.record(source_system="other-system")
            answers.append(httpx.post(f"{beside.url}/v1/cases", json=record, headers=headers, timeout=20).status_code)
        signed_up_to(archive.house, OTHER_FONDS)
        answers.append(0)

    waiting = [threading.Thread(target=grow, args=(archive.house, 1, FONDS)) for _ in range(3)]
    going_on = threading.Thread(target=go_on)
    try:
        with archive.house.desk.db.write() as held:
            locked_head(held, FONDS)
            for thread in (*waiting, going_on):
                thread.start()
            going_on.join(timeout=30)
            assert answers == [*[201] * 20, 0]
            assert all(thread.is_alive() for thread in waiting)
    finally:
        for thread in (*waiting, going_on):
            thread.join(timeout=60)
        beside.stop()
    assert not any(thread.is_alive() for thread in waiting)
    signed_up_to(archive.house)


def test_the_status_beside_running_services_finds_all_in_order(archive: SmallArchive) -> None:
    for fonds in (FONDS, OTHER_FONDS, "system"):
        signed_up_to(archive.house, fonds)
    settings = archive.settings
    terminal = Terminal.at(Path(settings.home), ARCHIVE_DATABASE_URL=settings.database_url.get_secret_value())
    said = terminal.run("audit", "status")
    assert (said.status, "一切正常" in said.text) == (0, True), said.text
