"""Many cases in one request: an answer a line after its commit, in bounded memory, each fault its own."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from archive.errors import PreparationInterrupted
from archive.preparing import Tools
from archive.tables import cases
from auth.sessions import revoke
from foundation import steps
from foundation.ids import new_id
from petition_records import minimal
from service.http.batches import UNIT_LINES
from small_archive import FONDS, SOURCE, SmallArchive

NDJSON = {"Content-Type": "application/x-ndjson"}
# In CI as many lines as the promise names; a developer's run is a fifth of it.
LINES = 10_000 if os.environ.get("CI") else 2_000


def _line(number: int, **changes: Any) -> bytes:
    record = minimal() | {"source_system": SOURCE, "case_no": f"B-{number}-{new_id()}"} | changes
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _send(archive: SmallArchive, content: Any, path: str = "/v1/cases:batch", **headers: str) -> httpx.Response:
    with archive.as_system() as system:
        return system.post(path, content=content, headers=NDJSON | headers)


def _answers(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def _stored(archive: SmallArchive) -> int:
    with archive.house.desk.db.read() as conn:
        return int(conn.execute(select(func.count()).select_from(cases)).scalar_one())


def test_every_line_is_answered_in_order_and_the_last_line_counts_them(either_archive: SmallArchive) -> None:
    archive = either_archive
    first = _line(1)
    body = first + _line(2, title=5) + b"\n" + first + b"{nonsense}\n" + _line(3)
    answers = _answers(_send(archive, body))
    assert [(one.get("line"), one.get("status")) for one in answers[:-1]] == [(1, 201), (2, 422), (4, 200), (5, 422), (6, 201)]
    assert answers[2]["receipt"]["log"] == answers[0]["receipt"]["log"]
    assert answers[1]["problem"]["faults"][0]["path"] == "title"
    assert answers[3]["problem"]["faults"][0]["rule"] == "not-json"
    assert answers[-1] == {"done": True, "lines": 5, "created": 2, "same": 1, "refused": 2}


def test_other_content_of_the_same_number_in_one_batch_is_a_conflict(archive: SmallArchive) -> None:
    number = f"B-{new_id()}"
    answers = _answers(_send(archive, _line(1, case_no=number) + _line(2, case_no=number, title="另一件")))
    assert [one["status"] for one in answers[:-1]] == [201, 409]
    assert answers[1]["problem"]["code"] == "already-deposited"


def test_a_batch_cut_in_the_middle_takes_every_whole_line_and_names_the_cut_one(archive: SmallArchive) -> None:
    before = _stored(archive)
    answers = _answers(_send(archive, _line(1) + _line(2) + _line(3)[:100]))
    assert [one["status"] for one in answers[:-1]] == [201, 201, 422]
    assert answers[2]["problem"]["faults"][0]["rule"] == "cut-off"
    assert _stored(archive) == before + 2


def test_a_line_that_is_too_long_is_refused_alone(archive: SmallArchive) -> None:
    answers = _answers(_send(archive, _line(1) + b'{"content":"' + b"x" * (9 * 2**20) + b'"}\n' + _line(2)))
    assert [one["status"] for one in answers[:-1]] == [201, 422, 201]
    assert answers[1]["problem"]["faults"][0]["rule"] == "too-large"


def test_a_last_line_without_a_newline_is_taken(archive: SmallArchive) -> None:
    answers = _answers(_send(archive, _line(1).rstrip()))
    assert [one["status"] for one in answers[:-1]] == [201]


def test_an_empty_batch_is_done_at_once(archive: SmallArchive) -> None:
    assert _answers(_send(archive, b"")) == [{"done": True, "lines": 0, "created": 0, "same": 0, "refused": 0}]


def test_a_batch_of_somebody_who_may_not_deposit_is_an_ordinary_refusal(archive: SmallArchive) -> None:
    with archive.as_("handler") as handler:
        refused = handler.post("/v1/cases:batch", content=_line(1), headers=NDJSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted")
    wrong = _send(archive, b"{}", **{"Content-Type": "application/json"})
    assert (wrong.status_code, wrong.json()["code"]) == (415, "unsupported-media-type")
    nobody = archive.http.post(f"{archive.url}/v1/cases:batch", content=_line(1), headers=NDJSON)
    assert nobody.status_code == 401


def test_a_batch_names_nobody_in_the_log(archive: SmallArchive) -> None:
    before = len(archive.log.getvalue())
    _send(archive, _line(1, title={"钱婆婆": 1}) + b'{"\xe9\x92\xb1\xe5\xa9\x86\n')
    lines = archive.log.getvalue()[before:]
    assert "钱" not in lines
    assert "\\u94b1" not in lines


def _residents() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_a_large_batch_is_answered_while_it_is_sent_in_bounded_memory(archive: SmallArchive) -> None:
    total = LINES
    sent = threading.Semaphore(0)
    first_answer = threading.Event()
    early: list[bool] = []

    def body() -> Iterator[bytes]:
        for number in range(total):
            yield _line(number)
            if number == 3 * UNIT_LINES:
                # An answer is there while two thirds of the batch have not been sent.
                early.append(first_answer.wait(60))
            sent.release()

    _send(archive, b"".join(_line(number) for number in range(400)))  # caches, pools and pages that come with the first cases
    before = _residents()
    with archive.as_system() as system:
        token = system.headers["Authorization"]
    counts, memory = _duplex(archive.url, token, body(), first_answer)
    assert early == [True]
    assert counts["done"] == {"done": True, "lines": total, "created": total, "same": 0, "refused": 0}
    assert counts["answers"] == total
    assert memory - before < 80 * 1024, f"{memory - before} KiB more than before"


def _duplex(url: str, token: str, body: Iterator[bytes], first_answer: threading.Event) -> tuple[dict[str, Any], int]:
    """A client that reads answers while it sends, as HTTP/1.1 allows and few clients do; the most memory seen meanwhile."""
    place = urlsplit(url)
    connection = socket.create_connection((place.hostname, place.port))
    head = f"POST /v1/cases:batch HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/x-ndjson\r\n"
    connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")

    def send() -> None:
        for line in body:
            connection.sendall(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    answers, most, last = 0, 0, b""
    reading = connection.makefile("rb")
    while reading.readline().strip():
        pass
    rest = b""
    while size := int(reading.readline(), 16):
        rest += reading.read(size)
        reading.readline()
        *lines, rest = rest.split(b"\n")
        answers += len(lines)
        last = lines[-1] if lines else last
        first_answer.set()
        most = max(most, _residents())
    sender.join()
    connection.close()
    return {"answers": answers - 1, "done": json.loads(last)}, most


def test_a_client_that_goes_away_leaves_what_was_answered_and_nothing_half_done(archive: SmallArchive) -> None:
    place = urlsplit(archive.url)
    with archive.as_system() as system:
        token = system.headers["Authorization"]
    lines = [_line(number) for number in range(UNIT_LINES + 50)]
    before = _stored(archive)
    connection = socket.create_connection((place.hostname, place.port))
    head = f"POST /v1/cases:batch HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/x-ndjson\r\n"
    whole = b"".join(lines)
    connection.sendall(head.encode() + f"Content-Length: {len(whole) + 1000}\r\n\r\n".encode() + whole)
    answered = b""
    while answered.count(b'"status":201') < UNIT_LINES:
        answered += connection.recv(65536)
    connection.close()
    again = _answers(_send(archive, whole))
    statuses = [one["status"] for one in again[:-1]]
    assert statuses[:UNIT_LINES] == [200] * UNIT_LINES
    assert _stored(archive) == before + len(lines)


class _OnceInterrupted:
    """Preparing processes of which one ends with the second unit in hand."""

    def __init__(self) -> None:
        self.units = 0

    def prepare(self, _tools: Tools, _fonds: str, _records: Sequence[object]) -> None:
        self.units += 1
        if self.units == 2:
            raise PreparationInterrupted


def test_lines_whose_preparation_was_interrupted_are_told_to_try_again_and_the_others_are_taken(archive: SmallArchive) -> None:
    lines = [_line(number) for number in range(3 * UNIT_LINES)]
    original = archive.house.preparers
    object.__setattr__(archive.house, "preparers", _OnceInterrupted())
    before = _stored(archive)
    try:
        answers = _answers(_send(archive, b"".join(lines)))
    finally:
        object.__setattr__(archive.house, "preparers", original)
    assert [one["status"] for one in answers[:-1]] == [201] * UNIT_LINES + [503] * UNIT_LINES + [201] * UNIT_LINES
    assert {one["problem"]["code"] for one in answers[UNIT_LINES : 2 * UNIT_LINES]} == {"preparation-interrupted"}
    assert answers[-1] == {"done": True, "lines": 3 * UNIT_LINES, "created": 2 * UNIT_LINES, "same": 0, "refused": UNIT_LINES}
    assert _stored(archive) == before + 2 * UNIT_LINES
    again = _answers(_send(archive, b"".join(lines)))
    assert [one["status"] for one in again[:-1]] == [200] * UNIT_LINES + [201] * UNIT_LINES + [200] * UNIT_LINES


class _Failing:
    """Preparation that meets a mistake in the code with the third unit, while the second is being stored."""

    def __init__(self) -> None:
        self.units = 0

    def prepare(self, _tools: Tools, _fonds: str, _records: Sequence[object]) -> None:
        self.units += 1
        if self.units == 3:
            raise RuntimeError


def test_every_line_stored_before_a_broken_unit_has_its_answer(archive: SmallArchive) -> None:
    original = archive.house.preparers
    object.__setattr__(archive.house, "preparers", _Failing())
    before, received = _stored(archive), b""
    try:
        with archive.as_system() as system, suppress(httpx.HTTPError):
            body = b"".join(_line(number) for number in range(4 * UNIT_LINES))
            with system.stream("POST", "/v1/cases:batch", content=body, headers=NDJSON) as answer:
                for block in answer.iter_raw():
                    received += block
    finally:
        object.__setattr__(archive.house, "preparers", original)
    assert received.count(b'"status":201') == 2 * UNIT_LINES
    assert b'"done"' not in received
    assert _stored(archive) == before + 2 * UNIT_LINES


@pytest.mark.parametrize("limit", ["lines", "bytes"])
def test_a_batch_beyond_its_limits_says_so_after_what_it_took(archive: SmallArchive, limit: str) -> None:
    limits = archive.house.limits
    small = replace(limits, batch_lines=250) if limit == "lines" else replace(limits, batch=200_000)
    original = archive.house
    object.__setattr__(original, "limits", small)
    try:
        answers = _answers(_send(archive, b"".join(_line(number) for number in range(700))))
    finally:
        object.__setattr__(original, "limits", limits)
    assert answers[-1]["done"] is False
    assert answers[-1]["problem"]["code"] == "body-too-large"
    assert {one["status"] for one in answers[:-1]} == {201}
    assert answers[-1]["lines"] == len(answers) - 1


def test_a_session_that_ends_while_a_unit_waits_to_be_stored_ends_the_batch_before_it(archive: SmallArchive) -> None:
    before, sealed = _stored(archive), 0
    with archive.as_system() as system:
        session_id = system.get("/v1/me").json()["session_id"]

    def end_the_session(step: str) -> None:
        nonlocal sealed
        sealed += step == "deposit.sealed"
        if step == "deposit.sealed" and sealed == 2:
            at = archive.clock.now()
            archive.house.desk.uow.bookkeep(FONDS, lambda unit: revoke(unit, session_id, at=at))

    steps.install_hook(end_the_session)
    try:
        answers = _answers(_send(archive, b"".join(_line(number) for number in range(UNIT_LINES + 5))))
    finally:
        steps.install_hook(None)
        archive.systems[SOURCE].until = None
    assert sealed == 2
    assert [one["status"] for one in answers] == [201] * UNIT_LINES
    assert _stored(archive) == before + UNIT_LINES
