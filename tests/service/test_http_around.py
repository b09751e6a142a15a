"""Around every answer: no cache keeps it, an id names it, a count counts it, and no identity is in any of that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from foundation.ids import is_id, new_id
from service.http import health
from service.http.middleware import known
from small_archive import SmallArchive


def test_every_answer_is_kept_out_of_caches_frames_and_guesses(archive: SmallArchive) -> None:
    with archive.as_("handler") as handler:
        for path in ("/v1/me", "/healthz", "/v1/openapi.json", "/nowhere", f"/v1/cases/{new_id()}", "/metrics"):
            headers = handler.get(path).headers
            assert headers["Cache-Control"] == "no-store", path
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Strict-Transport-Security"]  # the archive's public address is https
            assert "server" not in headers
            assert is_id(headers["Request-Id"])


def test_a_request_is_named_by_the_archive_and_by_nobody_else(archive: SmallArchive) -> None:
    mine = new_id()
    answer = archive.http.get(f"{archive.url}/healthz", headers={"Request-Id": mine, "X-Request-Id": mine})
    assert answer.headers["Request-Id"] != mine


def test_the_request_id_of_an_answer_leads_to_its_entry_in_the_log(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    answer = archive.as_("handler").get(f"/v1/cases/{case_id}")
    assert archive.entries("case.viewed")[-1].members["request_id"] == answer.headers["Request-Id"]


def test_a_log_line_has_the_template_of_the_path_and_no_id_of_a_case(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    answer = archive.as_("handler").get(f"/v1/cases/{case_id}", params={"version": 1})
    line = archive.log_line(answer)
    assert (line["route"], line["method"], line["status"], line["client"]) == ("/v1/cases/{case_id}", "GET", 200, "loopback")
    assert case_id not in archive.log.getvalue()
    assert archive.people["handler"].person_id not in archive.log.getvalue()


def test_metrics_count_by_template_and_name_nobody(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    archive.as_("handler").get(f"/v1/cases/{case_id}")
    archive.http.get(f"{archive.url}/made-up/{case_id}")
    archive.http.request("BREW", f"{archive.url}/healthz")
    text = archive.http.get(f"{archive.url}/metrics").text
    assert 'archive_http_requests_total{method="GET",route="/v1/cases/{case_id}",status="200"}' in text
    assert 'route="unmatched"' in text
    assert 'method="other"' in text
    assert case_id not in text
    assert "BREW" not in text
    for person in archive.people.values():
        assert person.account_id not in text
    # The state of each log is told by its fonds' code, as the public log tells it; nothing else is.
    assert all(line.startswith(("archive_log_", "archive_stream_", "archive_witness_")) for line in text.splitlines() if "F001" in line)


def test_ready_names_the_part_that_fails(archive: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.http.get(f"{archive.url}/readyz").json()["parts"] == {"database": "ok", "key_ring": "ok", "log": "ok"}
    monkeypatch.setattr(health, "_key_ring", lambda _house: False)
    answer = archive.http.get(f"{archive.url}/readyz")
    assert (answer.status_code, answer.json()["parts"]["key_ring"]) == (503, "failing")


def test_a_database_that_is_away_is_503_and_anything_unknown_is_opaque() -> None:
    assert known(OperationalError("SELECT 1", {}, Exception("canary"))).code == "storage-unavailable"
    assert known(ValueError("canary")).code == "internal"


def test_an_unknown_failure_is_answered_opaque_and_logged_with_its_place(archive: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_house: object) -> bool:
        raise ValueError("canary-of-the-failure")

    monkeypatch.setattr(health, "_key_ring", fails)
    answer = archive.http.get(f"{archive.url}/readyz")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "canary" not in answer.text
    assert "canary" not in archive.log.getvalue()
    line = archive.log_line(answer)
    assert (line["level"], line["error"], line["exception"][0]["type"]) == ("error", "ValueError", "ValueError")


def test_reads_are_answered_while_many_deposits_wait_for_their_commit(archive: SmallArchive) -> None:
    with archive.as_system() as system:
        token = system.headers["Authorization"]
    started = threading.Barrier(9)

    def deposit() -> int:
        started.wait()
        body = archive.record()
        return archive.http.post(f"{archive.url}/v1/cases", json=body, headers={"Authorization": token}, timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(deposit) for _ in range(8)]
        started.wait()
        assert archive.http.get(f"{archive.url}/readyz", timeout=30).status_code == 200
        assert [one.result() for one in waiting] == [201] * 8


def test_six_deposits_of_one_number_at_once_over_http_make_one_case(either_archive: SmallArchive) -> None:
    archive = either_archive
    with archive.as_system() as system:
        token = system.headers["Authorization"]
    record = archive.record()
    other = record | {"title": "同一编号的另一内容"}
    start = threading.Barrier(6)

    def deposit(body: dict[str, object]) -> tuple[int, str]:
        start.wait()
        answer = archive.http.post(f"{archive.url}/v1/cases", json=body, headers={"Authorization": token}, timeout=60)
        return answer.status_code, answer.json().get("case_id", answer.json().get("code"))

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(deposit, [record, other] * 3))
    assert sorted(status for status, _ in results) == [200, 200, 201, 409, 409, 409]
    assert len({said for status, said in results if status in {200, 201}}) == 1
