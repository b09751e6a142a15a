"""The witness behind a real uvicorn: the words of c2sp.org/tlog-witness on the wire, and what may not be kept waiting."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.witness import http
from service.witness.folder import hash_of
from service.witness.judging import Witness
from service.witness.wire import LARGEST
from signed_log import SigningKey
from tlog.note import format_note, parse_note, verify_note
from witness_scene import GrowingLog, made_witness, served_witness

LOG = GrowingLog()
FORGED = GrowingLog(history="forged", branches_at=10)
OTHER_CHECKERS = Path(__file__).resolve().parents[2] / "build" / "checkers"


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return made_witness(tmp_path / "w", LOG.vkey)


@pytest.fixture
def door(witness: Witness) -> Iterator[httpx.Client]:
    with served_witness(witness) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_a_checkpoint_is_cosigned_over_http_as_the_specification_words_it(door: httpx.Client, witness: Witness) -> None:
    answer = door.post("/add-checkpoint", content=LOG.ask(0, 5))
    assert answer.status_code == 200
    assert answer.text.startswith("— witness.invalid/w1 ")
    assert answer.text.endswith("\n")
    note = format_note(parse_note(LOG.note(5)).text, [answer.text])
    ((_, seconds),) = verify_note(parse_note(note), [witness.folder.key])
    assert abs((seconds or 0) - time.time()) < 60
    conflict = door.post("/add-checkpoint", content=LOG.ask(3, 9))
    assert (conflict.status_code, conflict.text, conflict.headers["content-type"]) == (409, "5\n", "text/x.tlog.size")
    statuses = {
        200: LOG.ask(5, 12),
        400: b"old five\n\n",
        403: LOG.ask(12, 13)[:-8] + b"AAAAAA=\n",
        404: GrowingLog(SigningKey.from_seed("archive.invalid/f-2", 7)).ask(0, 1),
        422: FORGED.ask(12, 20),
    }
    for status, body in statuses.items():
        assert door.post("/add-checkpoint", content=body).status_code == status


def test_the_last_cosigned_checkpoint_is_shown_to_whoever_watches_the_log(door: httpx.Client, witness: Witness) -> None:
    path = f"/{hash_of(LOG.key.name)}/checkpoint"
    assert door.get(path).status_code == 404
    door.post("/add-checkpoint", content=LOG.ask(0, 5))
    door.post("/add-checkpoint", content=LOG.ask(5, 9))
    shown = door.get(path)
    assert parse_note(shown.content).text == parse_note(LOG.note(9)).text
    assert len(verify_note(parse_note(shown.content), [LOG.vkey, witness.folder.key])) == 2
    assert door.head(path).status_code == 200
    for nothing in ("/", "/checkpoint", f"/{'0' * 64}/checkpoint", f"{path}/", "/../key", "/key"):
        assert door.get(nothing).status_code == 404, nothing
    assert door.get("/add-checkpoint").status_code == 405
    assert door.get("/healthz").text == "ok\n"


def test_a_body_too_large_is_refused_before_it_is_all_there(door: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(LARGEST // 65536 + 4):
            yield bytes(65536)

    answer = door.post("/add-checkpoint", content=endless())
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert door.post("/add-checkpoint", content=LOG.ask(0, 1)).status_code == 200


def test_a_client_that_keeps_it_waiting_is_ended_and_nobody_else_waits(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(http, "LIFE_SECONDS", 2.0)
    with served_witness(witness) as url:
        port = int(url.rpartition(":")[2])
        slow, headless = (socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(2))
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 900\r\n\r\nold 0\n")
        headless.sendall(b"POST /add-check")
        assert httpx.post(f"{url}/add-checkpoint", content=LOG.ask(0, 3)).status_code == 200
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")
        began = time.monotonic()
        assert headless.recv(4096) == b""
        assert time.monotonic() - began < 20
        for one in (slow, headless):
            one.close()


def test_a_folder_that_cannot_be_used_is_an_outage_and_no_cosignature(door: httpx.Client, witness: Witness) -> None:
    assert door.post("/add-checkpoint", content=LOG.ask(0, 5)).status_code == 200
    name = f"{hash_of(LOG.key.name)}.checkpoint"
    kept = (witness.folder.memory / name).read_bytes()
    (witness.folder.memory / name).unlink()
    answer = door.post("/add-checkpoint", content=LOG.ask(5, 9))
    assert (answer.status_code, answer.text) == (503, "witness-forgot\n")
    assert door.get(f"/{hash_of(LOG.key.name)}/checkpoint").status_code == 503
    (witness.folder.memory / name).write_bytes(kept)
    assert door.post("/add-checkpoint", content=LOG.ask(5, 9)).status_code == 200


def test_two_histories_at_once_over_http_get_one_cosignature(witness: Witness) -> None:
    """Through two servers on one folder, as two processes behind a proxy would be."""
    witness.add_checkpoint(LOG.ask(0, 10))
    won = ""
    with served_witness(witness) as one, served_witness(witness) as other:
        for size in (20, 30, 40):
            given: list[tuple[int, str]] = []

            def ask(url: str, log: GrowingLog, size: int = size, given: list[tuple[int, str]] = given) -> None:
                answer = httpx.post(f"{url}/add-checkpoint", content=log.ask(size - 10, size), timeout=30)
                given.append((answer.status_code, log.history))

            asked = [(url, log) for url in (one, other) for log in (LOG, FORGED)] * 3
            threads = [threading.Thread(target=ask, args=pair) for pair in asked]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(given) == len(asked)
            (told,) = [history for status, history in given if status == 200]
            assert won in {"", told}
            won = told


@pytest.mark.other_checkers
def test_a_cosignature_is_accepted_by_a_program_others_wrote(door: httpx.Client, witness: Witness) -> None:
    line = door.post("/add-checkpoint", content=LOG.ask(0, 5)).text
    program = """
import sys
import aics_tlog
log, witness = map(aics_tlog.parse_vkey, sys.argv[1:])
note = aics_tlog.parse_note(sys.stdin.buffer.read())
found = aics_tlog.verify_checkpoint(note, log, [witness], 1, expected_origin=log.name, max_age_seconds=600)
sys.exit(0 if found.ok and found.cosignature_count == 1 else found.error)
"""

    def accepted(note: bytes, by: str) -> bool:
        command = [sys.executable, "-c", program, LOG.key.vkey(), by]
        return (
            subprocess.run(command, env={"PYTHONPATH": str(OTHER_CHECKERS)}, input=note, capture_output=True, check=False).returncode == 0
        )

    assert accepted(LOG.note(5) + line.encode(), str(witness.folder.key))
    assert not accepted(LOG.note(6) + line.encode(), str(witness.folder.key))
    assert not accepted(LOG.note(5), str(witness.folder.key))
