"""kill -9 at every step of sending and copying: the receiver lacks no entry, gets none out of order, and half a copy is never one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import foundation
from crash_rounds import steps_of_source
from foundation.clock import MovableClock
from foundation.database import Database
from fresh_databases import DatabaseUrls
from house_rules import ROOT
from service.streams.sending import LARGEST
from stream_receivers import WebhookServer, closing
from streamed_log import FONDS, StreamedLog, complete, in_order, streamed_log

WORKER = ROOT / "tests" / "support" / "stream_worker.py"
SENDING = ("streams.batch-read", "streams.batch-taken", "streams.position-moved")
COPYING = ("copies.file-written", "copies.file-renamed")
AT = "2026-03-18T04:00:00.000Z"


def begin(urls: DatabaseUrls, folder: Path, port: int, step: str = "", nth: int = 1, grow: int = 10) -> subprocess.Popen[str]:
    """A worker that has begun to live."""
    order = {"url": urls.application, "folder": str(folder), "port": str(port), "at": AT, "step": step, "nth": str(nth), "grow": str(grow)}
    rooms = Path(str(foundation.__file__)).resolve().parents[1]
    paths = os.pathsep.join([str(WORKER.parent), str(rooms)])
    return subprocess.Popen(
        [sys.executable, str(WORKER), json.dumps({**order, "seconds": "60"})],
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
    )


def life(worker: subprocess.Popen[str], kill_after: float = 0) -> int:
    """Let it live to its end, or so many seconds; its exit status."""
    try:
        _, said = worker.communicate(timeout=kill_after or 120)
    except subprocess.TimeoutExpired:
        worker.kill()
        _, said = worker.communicate()
    assert worker.returncode in {0, -signal.SIGKILL}, said[-2000:]
    return worker.returncode


def seen(urls: DatabaseUrls, folder: Path, clock: MovableClock, server: WebhookServer, *, whole: bool) -> None:
    """What must hold between two lives."""
    database = Database(urls.application, pool_size=4)
    with streamed_log(database, clock, folder) as log:
        indices = server.taken.indices(FONDS)
        assert in_order(indices)
        # The archive never believes the receiver has more than it has.
        assert (log.position("hook") or 0) <= len(set(indices))
        known = dict(log.leaves())
        assert all(known[line["index"]] == line["leaf_hash"] for line in server.taken.lines)
        if whole:
            assert complete(server.taken, log)
            copy_is_whole(log, folder)
    database.close()


def copy_is_whole(log: StreamedLog, folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "copy.ndjson").read_text(encoding="ascii").splitlines()]
    assert [(line["index"], line["leaf_hash"]) for line in lines] == log.leaves()[: len(lines)]
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith((".", "copy"))) == ["copy.ndjson"]


def test_every_step_of_sending_and_copying_has_a_kill_aimed_at_it() -> None:
    assert {step for step in steps_of_source() if step.startswith(("streams.", "copies."))} == {*SENDING, *COPYING}


@pytest.mark.soak
def test_no_entry_is_lost_or_overtaken_when_a_sending_archive_is_killed_at_each_step(
    database_urls: DatabaseUrls, clock: MovableClock, tmp_path: Path, rounds: int
) -> None:
    server, kills = WebhookServer(), 0
    with closing(server):
        for seed in range(rounds):
            chance = random.Random(f"streams/{seed}")
            for step in (*SENDING, *COPYING):
                nth = 1 if step in COPYING else chance.randint(1, 3)
                assert life(begin(database_urls, tmp_path, server.listener.port, step, nth)) == -signal.SIGKILL, step
                kills += 1
                seen(database_urls, tmp_path, clock, server, whole=False)
                copy = tmp_path / "copy.ndjson"
                assert not copy.exists() or copy.read_bytes().endswith(b"}\n")
            kills += life(begin(database_urls, tmp_path, server.listener.port), chance.uniform(1.0, 2.5)) != 0
            seen(database_urls, tmp_path, clock, server, whole=False)
            assert life(begin(database_urls, tmp_path, server.listener.port, grow=1)) == 0
            seen(database_urls, tmp_path, clock, server, whole=True)
            indices = server.taken.indices(FONDS)
            # A batch that was taken and not noted comes again, and nothing else does.
            assert len(indices) - len(set(indices)) <= kills * LARGEST


@pytest.mark.soak
def test_another_process_takes_over_at_once_when_the_one_that_sends_is_killed(
    database_urls: DatabaseUrls, clock: MovableClock, tmp_path: Path, rounds: int
) -> None:
    if database_urls.backend == "sqlite":  # one process owns the file
        return
    server = WebhookServer()
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
        (folder / "anchors").symlink_to(tmp_path / "anchors")
    (tmp_path / "anchors").mkdir()
    with closing(server):
        for step in SENDING * rounds:
            doomed, other = (
                begin(database_urls, folders[0], server.listener.port, step, 2),
                begin(database_urls, folders[1], server.listener.port, grow=3),
            )
            assert life(doomed) == -signal.SIGKILL, step
            assert life(other) == 0
            seen(database_urls, tmp_path, clock, server, whole=False)
        database = Database(database_urls.application, pool_size=4)
        with streamed_log(database, clock, tmp_path) as log:
            assert complete(server.taken, log, until=log.position("hook"))
        database.close()
