"""What a flood of half-finished requests takes: only what it is given, and that not for long. Honest clients are served meanwhile."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from foundation.ids import new_id
from foundation.strict_json import loads
from fresh_databases import FreshDatabases
from petition_records import minimal
from raw_http import RawConnection, problem, statuses
from service.http import batches, connections, strict
from small_archive import SOURCE, SmallArchive, small_archive

CLIENTS, OF_ONE, BODY = 24, 12, 2**16
HALF_HEAD = b"GET /v1/me HTTP/1.1\r\nHost: x\r\n"
JSON = "Content-Type: application/json"
SIGN_IN = ("POST /v1/sessions", JSON, "Content-Length: 200")


@pytest.fixture(scope="module")
def narrow(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallArchive]:
    """An archive with few places and little room. 127.0.0.3 is a trusted proxy."""
    limits: dict[str, Any] = {
        "clients": CLIENTS,
        "clients_per_address": OF_ONE,
        "max_body_bytes": BODY,
        "trusted_proxies": ("127.0.0.3/32",),
    }
    with fresh_databases.fresh("sqlite") as urls, small_archive(urls, tmp_path_factory.mktemp("narrow"), **limits) as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines a test can wait for."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(strict, "_PATIENCE_SECONDS", 0.5)


def system_token(archive: SmallArchive) -> str:
    with archive.as_system() as system:
        return f"Authorization: {system.headers['Authorization']}"


def ended(archive: SmallArchive, why: str) -> float:
    line = re.search(rf'archive_http_connections_ended_total{{why="{why}"}} ([0-9.]+)', archive.http.get(f"{archive.url}/metrics").text)
    return float(line[1]) if line else 0.0


def is_served(archive: SmallArchive) -> bool:
    began = time.monotonic()
    with httpx.Client(timeout=5) as client:
        return client.get(f"{archive.url}/readyz").status_code == 200 and time.monotonic() - began < 3


@pytest.mark.usefixtures("hasty")
def test_a_head_that_is_not_finished_in_time_ends_its_connection(narrow: SmallArchive) -> None:
    before = ended(narrow, "late")
    with RawConnection(narrow.url) as silent, RawConnection(narrow.url) as half, RawConnection(narrow.url) as dripping:
        half.send(HALF_HEAD)
        dripping.send(HALF_HEAD + b"X: ")
        assert dripping.ended_while_dripping(3)
        assert half.is_ended(1)
        assert silent.is_ended(1)
    assert ended(narrow, "late") == before + 3


@pytest.mark.usefixtures("hasty")
def test_a_second_head_on_a_connection_has_its_deadline_too(narrow: SmallArchive) -> None:
    with RawConnection(narrow.url) as connection:
        connection.request("GET /healthz")
        assert statuses(connection.received()) == [200]
        time.sleep(0.8)  # silent between two requests for longer than a head may take
        connection.send(HALF_HEAD + b"X: ")
        assert connection.ended_while_dripping(3)


@pytest.mark.usefixtures("hasty")
def test_a_body_that_goes_on_after_its_answer_ends_its_connection(narrow: SmallArchive) -> None:
    with RawConnection(narrow.url) as connection:
        connection.request("GET /healthz", "Content-Length: 100000", body=b"x")
        assert statuses(connection.received()) == [200]
        assert connection.ended_while_dripping(3)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("sent", [b"", b"{"])
def test_a_body_that_does_not_come_is_answered_as_late_and_the_connection_ends(narrow: SmallArchive, sent: bytes) -> None:
    with RawConnection(narrow.url) as connection:
        connection.request(*SIGN_IN, body=sent)
        answer = connection.to_the_end()
    assert statuses(answer) == [408]
    assert problem(answer)["code"] == "body-late"


@pytest.mark.usefixtures("hasty")
def test_a_body_that_drips_is_late_like_one_that_does_not_come(narrow: SmallArchive) -> None:
    with RawConnection(narrow.url) as connection:
        connection.request(*SIGN_IN, body=b"{")
        assert connection.ended_while_dripping(3)


@pytest.mark.usefixtures("hasty")
def test_a_body_that_keeps_coming_may_take_longer_than_one_that_does_not(narrow: SmallArchive) -> None:
    record = json.dumps(narrow.record(content="示例" * 5_000)).encode()
    with RawConnection(narrow.url) as connection:
        connection.request("POST /v1/cases", system_token(narrow), JSON, f"Content-Length: {len(record)}", "Connection: close")
        for start in range(0, len(record), 8_192):
            connection.send(record[start : start + 8_192])
            time.sleep(0.2)
        assert statuses(connection.to_the_end()) == [201]


def test_half_sent_heads_beyond_all_places_keep_nobody_out(narrow: SmallArchive) -> None:
    before = ended(narrow, "made-room")
    with ExitStack() as held:
        flood = [held.enter_context(RawConnection(narrow.url, f"127.0.1.{n % 9 + 1}")) for n in range(3 * CLIENTS)]
        for one in flood:
            one.send(HALF_HEAD)
        assert is_served(narrow)
        assert [one.is_ended(1) for one in flood[:CLIENTS]] == [True] * CLIENTS  # the longest waiting made room
    assert ended(narrow, "made-room") >= before + 2 * CLIENTS


def test_an_address_at_work_in_all_its_places_gets_no_more_and_others_are_served(narrow: SmallArchive) -> None:
    before = ended(narrow, "no-place")
    with ExitStack() as held:
        working = [held.enter_context(RawConnection(narrow.url, "127.0.0.9")) for _ in range(OF_ONE)]
        for one in working:
            one.request(*SIGN_IN, body=b"{")
        assert is_served(narrow)
        more = held.enter_context(RawConnection(narrow.url, "127.0.0.9"))
        assert more.is_ended(2)
        assert not working[0].is_ended(0.1)  # what is at work is never ended for another
    assert ended(narrow, "no-place") == before + 1
    with RawConnection(narrow.url, "127.0.0.9") as again:
        again.request("GET /healthz", "Connection: close")
        assert statuses(again.to_the_end()) == [200]


def test_a_trusted_proxy_has_all_the_places(narrow: SmallArchive) -> None:
    with ExitStack() as held:
        working = [held.enter_context(RawConnection(narrow.url, "127.0.0.3")) for _ in range(OF_ONE)]
        for each in working:
            each.request(*SIGN_IN, body=b"{")
        time.sleep(0.5)
        one = held.enter_context(RawConnection(narrow.url, "127.0.0.3"))
        one.request("GET /healthz", "Connection: close")
        assert statuses(one.to_the_end()) == [200]


def test_places_are_free_again_when_their_connections_ended(narrow: SmallArchive) -> None:
    for _ in range(5 * OF_ONE):
        with RawConnection(narrow.url, "127.0.0.8") as connection:
            connection.request(*SIGN_IN, body=b"{")
    time.sleep(0.3)
    with RawConnection(narrow.url, "127.0.0.8") as connection:
        connection.request("GET /healthz", "Connection: close")
        assert statuses(connection.to_the_end()) == [200]


def test_no_operation_reads_much_for_a_bearer_that_does_not_hold(narrow: SmallArchive) -> None:
    operations = narrow.http.get(f"{narrow.url}/v1/openapi.json").json()["paths"]
    asked = 0
    for path, item in operations.items():
        for method, operation in item.items():
            if "requestBody" not in operation or not operation.get("security"):
                continue
            kind = next(iter(operation["requestBody"]["content"]))
            for length in ("Content-Length: 60000", "Transfer-Encoding: chunked"):
                with RawConnection(narrow.url) as connection:
                    line = f"{method.upper()} {re.sub('{.*?}', new_id(), path)}"
                    connection.request(line, "Authorization: Bearer nonsense", f"Content-Type: {kind}", length, 'If-Match: "1"')
                    # Nothing of the body has been sent, nor will be.
                    assert statuses(connection.received()) == [401], line
                    asked += 1
    assert asked >= 2 * 20


def test_bodies_in_memory_are_bounded_together_and_their_room_comes_back(narrow: SmallArchive) -> None:
    token, part = system_token(narrow), b" " * (BODY - 10)
    with ExitStack() as held:
        for _ in range(8):
            holding = held.enter_context(RawConnection(narrow.url))
            holding.request("POST /v1/cases", token, JSON, f"Content-Length: {BODY}", body=part)
        time.sleep(0.5)
        with RawConnection(narrow.url) as one_more:
            one_more.request("POST /v1/cases", token, JSON, f"Content-Length: {BODY}", body=part)
            answer = one_more.answer()
        assert (statuses(answer), problem(answer)["code"]) == ([503], "bodies-busy")
        assert b"\r\nretry-after: 2\r\n" in answer
    for _ in range(10):  # room that is not given back would be gone by the eighth
        with RawConnection(narrow.url) as connection:
            connection.request("POST /v1/cases", token, JSON, f"Content-Length: {BODY}", "Connection: close", body=part + b" " * 10)
            assert statuses(connection.to_the_end()) == [422]


def test_strangers_may_send_a_sign_in_and_no_more(narrow: SmallArchive) -> None:
    longest = narrow.sign_in("handler", password="长" * 4096)
    assert (longest.status_code, longest.json()["code"]) == (401, "sign-in-refused")
    larger = narrow.sign_in("handler", password="x" * 20_000)
    assert (larger.status_code, larger.json()["code"]) == (413, "body-too-large")
    assert narrow.ask_token("x" * 20_000).status_code == 413


def test_a_large_form_is_parsed_outside_the_event_loop(narrow: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def noted(data: bytes, *, max_bytes: int) -> object:
        seen.append(threading.current_thread().name)
        return loads(data, max_bytes=max_bytes)

    monkeypatch.setattr(strict, "loads", noted)
    with narrow.as_("handler") as handler:
        seen.clear()
        large = b"{}" + b" " * 50_000
        assert handler.post("/v1/cases:find", content=large, headers={"Content-Type": "application/json"}).status_code == 200
        assert handler.post("/v1/cases:find", json={}).status_code == 200
    assert [name == "uvicorn" for name in seen] == [False, True]


def batch(archive: SmallArchive, pauses: list[float]) -> list[dict[str, object]]:
    def lines() -> Iterator[bytes]:
        for number, pause in enumerate(pauses):
            time.sleep(pause)
            yield json.dumps(minimal() | {"source_system": SOURCE, "case_no": f"SLOW-{number}-{new_id()}"}).encode() + b"\n"

    with archive.as_system() as system:
        answer = system.post("/v1/cases:batch", content=lines(), headers={"Content-Type": "application/x-ndjson"})
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.usefixtures("hasty")
def test_a_batch_may_take_its_time_between_two_lines(narrow: SmallArchive) -> None:
    answers = batch(narrow, [0, 1.2, 1.2, 0])
    assert [one.get("status") for one in answers] == [201, 201, 201, 201, None]
    assert answers[-1]["done"] is True


def test_a_batch_that_pauses_for_too_long_is_answered_as_late(narrow: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_PATIENCE_SECONDS", 0.5)
    with RawConnection(narrow.url) as connection:
        connection.request("POST /v1/cases:batch", system_token(narrow), "Content-Type: application/x-ndjson", "Content-Length: 900")
        answer = connection.to_the_end()
    assert (statuses(answer), problem(answer)["code"]) == ([408], "body-late")


def test_a_client_that_fetches_no_answers_and_sends_nothing_is_ended(narrow: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALL_SECONDS", 0.5)
    before = ended(narrow, "stalled")
    with RawConnection(narrow.url, receive_buffer=4096) as greedy:
        asked = 40
        for _ in range(asked):
            greedy.request("GET /v1/openapi.json")
        time.sleep(3)
        assert len(statuses(greedy.to_the_end())) < asked
    assert ended(narrow, "stalled") == before + 1


def test_bytes_that_are_no_http_get_a_problem_with_every_header_and_the_end(narrow: SmallArchive) -> None:
    with RawConnection(narrow.url) as connection:
        connection.send(b"\x16\x03\x01 nonsense\r\n\r\n")
        answer = connection.to_the_end()
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert (statuses(answer), problem(answer)["code"]) == ([400], "bad-request")
    for line in (b"cache-control: no-store", b"x-content-type-options: nosniff", b"connection: close", b"application/problem+json"):
        assert line in head


def test_a_broken_chunk_in_the_middle_of_a_batch_ends_it_and_nothing_else(narrow: SmallArchive) -> None:
    line = json.dumps(minimal() | {"source_system": SOURCE, "case_no": f"CHUNK-{new_id()}"}).encode() + b"\n"
    lines = line * batches.UNIT_LINES
    with RawConnection(narrow.url) as connection:
        connection.request("POST /v1/cases:batch", system_token(narrow), "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked")
        for _ in range(2):
            connection.send(f"{len(lines):x}\r\n".encode(), lines, b"\r\n")
        assert statuses(connection.received(20)) == [200]
        connection.send(b"not a length\r\n")
        assert b'"done"' not in connection.to_the_end()
    assert is_served(narrow)
    assert "Traceback" not in narrow.log.getvalue()
