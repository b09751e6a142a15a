from __future__ import annotations

import gzip
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import Any

import pytest

import scripted_archive as double
from archive_doors import KEY, Door
from petition_archive_client.client import ArchiveClient
from petition_archive_client.connection import Retries, Timeouts
from petition_archive_client.errors import AnswerRefused, ArchiveProblem, ConnectionFailed, OutcomeUnknown
from scripted_archive import Answering, ScriptedArchive

CASE = {"source_system": "county-petition", "case_no": "XF-1", "title": "路灯不亮"}
CASE_ID = "01890000-0000-7000-8000-0000000000c1"


def test_a_lost_answer_is_asked_for_again_under_the_same_idempotency_key(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.act_then_cut, double.cut_before_reading, double.refuse(503, "storage-unavailable", retry_after="0")]
    receipt = door.deposit(CASE)
    keys = [seen.headers["idempotency-key"] for seen in archive.asked("/v1/cases")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert receipt.status == "same"
    assert len(archive.entries) == 1


def test_each_deposit_has_an_idempotency_key_of_its_own_unless_given_one(archive: ScriptedArchive, door: Door) -> None:
    door.deposit(CASE)
    door.deposit(CASE)
    door.deposit(CASE, idempotency_key="batch-7/line-3")
    first, second, given = (seen.headers["idempotency-key"] for seen in archive.asked("/v1/cases"))
    assert first != second
    assert given == "batch-7/line-3"


@pytest.mark.parametrize("key", ["", "with space", "x" * 129, "行", "a\r\nb"])
def test_an_unusable_idempotency_key_is_refused_before_anything_is_sent(archive: ScriptedArchive, door: Door, key: str) -> None:
    with pytest.raises(ValueError):
        door.deposit(CASE, idempotency_key=key)
    assert archive.seen == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_trouble_is_waited_out(archive: ScriptedArchive, door: Door, status: int) -> None:
    archive.script = [double.refuse(status, "later")] * 3
    assert door.deposit(CASE).version == 1
    assert len(archive.asked("/v1/cases")) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 415, 422, 500])
def test_a_refusal_is_not_asked_again(archive: ScriptedArchive, door: Door, status: int) -> None:
    archive.script = [double.refuse(status, "refused")]
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert (caught.value.status, caught.value.code, caught.value.zh) == (status, "refused", "暂不受理。")
    assert len(archive.asked("/v1/cases")) == 1


def test_retry_after_in_seconds_is_honoured(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(503, "later", retry_after="1")]
    begun = time.monotonic()
    door.deposit(CASE)
    assert 1.0 <= time.monotonic() - begun < 2.5


def test_retry_after_as_a_date_is_honoured(archive: ScriptedArchive, door: Door) -> None:
    # HTTP dates have whole seconds: two ahead is at least one.
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    archive.script = [double.refuse(429, "later", retry_after=moment)]
    begun = time.monotonic()
    door.deposit(CASE)
    assert 0.9 <= time.monotonic() - begun < 3.5


def test_an_archive_that_asks_for_more_patience_than_there_is_is_not_waited_for(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(503, "maintenance", retry_after="86400")]
    begun = time.monotonic()
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert time.monotonic() - begun < 1
    assert caught.value.retry_after == 86400


def test_attempts_end_and_say_so(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.cut_before_reading] * 10
    with pytest.raises(ConnectionFailed) as caught:
        door.deposit(CASE)
    assert caught.value.reason == "lost"
    assert len(archive.script) == 6


def test_nobody_listening_is_a_connection_that_failed(door: Door, open_door: Any) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        open_door("http://127.0.0.1:1").deposit(CASE)
    assert caught.value.reason == "not-sent"


def test_a_stalling_archive_is_given_up_and_asked_again(archive: ScriptedArchive, open_door: Any) -> None:
    archive.script = [double.stall(1.5)]
    receipt = open_door(archive.url, timeouts=Timeouts(1.0, 0.3, 5.0)).deposit(CASE)
    assert receipt.case_no == "XF-1"


def test_an_answer_that_drips_for_ever_is_given_up(archive: ScriptedArchive, open_door: Any) -> None:
    def drip(answering: Answering) -> None:
        answering.read()
        answering.head(200, "application/json", content_length="1000")
        for _ in range(200):
            answering.handler.wfile.write(b" ")
            time.sleep(0.02)

    archive.script = [drip]
    begun = time.monotonic()
    assert open_door(archive.url, timeouts=Timeouts(1.0, 1.0, 0.3)).deposit(CASE).version == 1
    assert time.monotonic() - begun < 3


def test_an_endless_answer_is_refused_in_bounded_memory(archive: ScriptedArchive, door: Door) -> None:
    def pour(answering: Answering) -> None:
        answering.read()
        answering.head(201, "application/json", content_length=str(2**40))
        while True:
            answering.handler.wfile.write(b" " * 65536)

    archive.script = [pour]
    with pytest.raises(AnswerRefused, match="too-long"):
        door.deposit(CASE)


def test_a_compressed_answer_nobody_asked_for_is_refused(archive: ScriptedArchive, door: Door) -> None:
    def bomb(answering: Answering) -> None:
        answering.read()
        answering.send(201, gzip.compress(b" " * 10_000_000), content_encoding="gzip")

    archive.script = [bomb]
    with pytest.raises(AnswerRefused, match="content-encoding"):
        door.deposit(CASE)
    assert archive.asked("/v1/cases")[0].headers["accept-encoding"] == "identity"


def test_a_supplement_whose_answer_is_lost_is_not_repeated_blindly(archive: ScriptedArchive, door: Door) -> None:
    for broken in (double.cut_before_reading, double.refuse(502, "gateway"), double.refuse(504, "gateway")):
        archive.seen.clear()
        archive.script = [broken]
        with pytest.raises(OutcomeUnknown):
            door.do("supplement", CASE_ID, base_version=1, supplement={"reviews": [{}]}, reason="补充复查意见")
        assert len(archive.asked(f"/v1/cases/{CASE_ID}/supplements")) <= 1


def test_a_supplement_the_archive_could_not_store_is_sent_again(archive: ScriptedArchive, door: Door) -> None:
    def take(answering: Answering) -> None:
        answering.read()
        answering.send(201, answering.archive.receipt(CASE) | {"case_id": CASE_ID, "version": 2})

    archive.script = [double.refuse(503, "storage-unavailable"), take]
    receipt = door.do("supplement", CASE_ID, base_version=1, supplement={"reviews": [{}]}, reason="补充复查意见")
    assert (receipt.case_id, receipt.version) == (CASE_ID, 2)


def test_a_proof_is_waited_for_until_it_is_published(archive: ScriptedArchive, door: Door) -> None:
    receipt = door.deposit(CASE)
    archive.script = [double.refuse(409, "not-yet-published", retry_after="0")] * 3
    assert door.do("proof", receipt.entry_id).startswith(b"c2sp.org/tlog-proof@v1\n")


def test_a_proof_that_is_never_published_is_not_waited_for_for_ever(archive: ScriptedArchive, open_door: Any) -> None:
    receipt = open_door(archive.url).deposit(CASE)
    archive.script = [double.refuse(409, "not-yet-published", retry_after="0")] * 1000
    with pytest.raises(ArchiveProblem) as caught:
        open_door(archive.url, retries=Retries(attempts=2, patience=0.5)).do("proof", receipt.entry_id)
    assert caught.value.code == "not-yet-published"


def test_a_token_is_fetched_once_and_used_until_it_is_about_to_end(archive: ScriptedArchive) -> None:
    with ArchiveClient(archive.url, client="F001.x", key=KEY) as client:
        for _ in range(5):
            client.deposit(CASE)
        assert len(archive.asked("/v1/token")) == 1


def test_a_token_that_is_about_to_end_is_not_set_out_with(archive: ScriptedArchive) -> None:
    archive.token_seconds = 1  # of which a fifth is left unused
    with ArchiveClient(archive.url, client="F001.x", key=KEY) as client:
        client.deposit(CASE)
        time.sleep(0.85)
        client.deposit(CASE)
    tokens = [seen.headers["authorization"] for seen in archive.asked("/v1/cases")]
    assert len(set(tokens)) == 2


def test_a_token_ended_by_the_archive_is_renewed_once_and_then_the_refusal_stands(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(401, "token-refused")]
    assert door.deposit(CASE).version == 1
    archive.script = [double.refuse(401, "token-refused")] * 5
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert caught.value.status == 401
    assert len(archive.script) == 3


def test_every_attempt_for_a_token_brings_an_assertion_of_its_own(archive: ScriptedArchive, door: Door) -> None:
    archive.tokens = [double.refuse(503, "later"), double.cut_before_reading]
    door.deposit(CASE)
    bodies = [seen.body for seen in archive.asked("/v1/token")]
    assert len(bodies) == len(set(bodies)) == 2  # the third never arrived: it was cut off before it was read


def test_a_refused_assertion_says_why_in_the_form_of_oauth(archive: ScriptedArchive, door: Door) -> None:
    def refuse(answering: Answering) -> None:
        answering.read()
        answering.send(401, {"error": "invalid_client", "error_description": "no"})

    archive.tokens = [refuse]
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert (caught.value.status, caught.value.code) == (401, "invalid-client")
    assert archive.asked("/v1/cases") == []


@pytest.mark.parametrize(
    "said",
    [
        {"access_token": "a b", "token_type": "Bearer", "expires_in": 60},
        {"access_token": "x\r\nHost: evil", "token_type": "Bearer", "expires_in": 60},
        {"access_token": "x", "token_type": "mac", "expires_in": 60},
        {"access_token": "x", "token_type": "Bearer", "expires_in": True},
        {"access_token": "x", "token_type": "Bearer", "expires_in": -1},
        {"access_token": "x" * 9000, "token_type": "Bearer", "expires_in": 60},
        ["x"],
    ],
)
def test_a_token_in_no_known_form_is_never_sent(archive: ScriptedArchive, door: Door, said: object) -> None:
    def answer(answering: Answering) -> None:
        answering.read()
        answering.send(200, said)

    archive.tokens = [answer]
    with pytest.raises(AnswerRefused):
        door.deposit(CASE)
    assert archive.asked("/v1/cases") == []


def test_a_redirect_is_not_followed_and_the_other_host_hears_nothing(
    archive: ScriptedArchive, other_host: ScriptedArchive, door: Door
) -> None:
    for status in (301, 302, 303, 307, 308):
        for path in ("/v1/cases", "/v1/token"):

            def send_away(answering: Answering, status: int = status, path: str = path) -> None:
                answering.read()
                answering.send(status, location=f"{other_host.url}{path}")

            archive.script, archive.tokens = ([send_away], []) if path == "/v1/cases" else ([], [send_away])
            fresh = Door(door.kind, archive.url)
            with pytest.raises(AnswerRefused, match="redirect"):
                fresh.deposit(CASE)
            archive.script = [send_away]
            archive.tokens = []
            with pytest.raises(AnswerRefused, match="redirect"):
                fresh.deposit_many([CASE])
            fresh.close()
    assert other_host.seen == []


def test_the_proxy_of_the_environment_is_never_handed_a_case(
    archive: ScriptedArchive, other_host: ScriptedArchive, open_door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, other_host.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert open_door(archive.url).deposit(CASE).version == 1
    assert other_host.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://archive.example",
        "http://10.0.0.1:8700",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://user:secret@127.0.0.1",
        "ftp://127.0.0.1",
        "127.0.0.1:8700",
        "https://archive.example/?q=1",
        "https:///v1",
    ],
)
def test_cases_never_leave_the_machine_without_tls(url: str) -> None:
    with pytest.raises(ValueError):
        ArchiveClient(url, client="F001.x", key=KEY)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8700", "http://[::1]:8700/", "http://localhost:8700", "https://archive.example/petition/"]
)
def test_loopback_and_tls_addresses_are_taken(url: str) -> None:
    ArchiveClient(url, client="F001.x", key=KEY).close()


def test_the_verification_of_certificates_cannot_be_switched_off() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname = False
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    for context in (careless, blind):
        with pytest.raises(ValueError):
            ArchiveClient("https://archive.example", client="F001.x", key=KEY, tls=context)


def test_the_wait_before_a_retry_grows_and_is_bounded() -> None:
    retries = Retries(attempts=50, first=0.5, longest=4.0)
    for failed in range(1, 50):
        waits = [retries.wait(failed) or 0.0 for _ in range(200)]
        assert min(waits) >= 0
        assert max(waits) <= min(4.0, 0.5 * 2**failed)
    assert max(retries.wait(20) or 0.0 for _ in range(200)) > 2
    assert retries.wait(50) is None


# ------------------------------------------------------------------------------------------------ batches


def cases(number: int, size: int = 10) -> list[dict[str, Any]]:
    return [{"source_system": "county-petition", "case_no": f"XF-{at}", "content": "水" * size} for at in range(1, number + 1)]


def test_every_line_is_answered_once_and_in_order(archive: ScriptedArchive, door: Door) -> None:
    answers = door.deposit_many(cases(1234))
    assert [answer.line for answer in answers] == list(range(1, 1235))
    assert all(answer.accepted for answer in answers)
    assert [answer.receipt.case_no for answer in answers if answer.receipt] == [f"XF-{at}" for at in range(1, 1235)]
    assert len(archive.entries) == 1234


def test_a_stream_of_no_cases_asks_nothing(archive: ScriptedArchive, door: Door) -> None:
    assert door.deposit_many([]) == []
    assert archive.seen == []


def test_a_batch_cut_in_the_middle_is_taken_up_where_it_broke(archive: ScriptedArchive, door: Door) -> None:
    def half(answering: Answering) -> None:
        lines = answering.read().lines()
        answering.head(200, "application/x-ndjson")
        for at, case in enumerate(lines, 1):
            answered = double.line_answer(answering.archive, at, case)
            if at <= len(lines) // 2:
                answering.write(answered)
        answering.handler.wfile.write(b'{"line": 6, "status": 20')
        time.sleep(0.1)  # let the answers arrive before the reset discards them
        answering.cut()

    archive.script = [half]
    answers = door.deposit_many(cases(10))
    assert [answer.line for answer in answers] == list(range(1, 11))
    assert {answer.receipt.status for answer in answers[5:] if answer.receipt} == {"same"}
    assert len(archive.entries) == 10
    again = [case["case_no"] for seen in archive.asked("/v1/cases:batch")[1:] for case in seen.lines()]
    assert set(again) == {f"XF-{at}" for at in range(6, 11)}


def test_a_connection_that_always_breaks_after_one_answer_still_gets_everything_through(archive: ScriptedArchive, door: Door) -> None:
    def one(answering: Answering) -> None:
        first = answering.read().lines()[0]
        answering.head(200, "application/x-ndjson")
        answering.write(double.line_answer(answering.archive, 1, first))
        time.sleep(0.05)  # let it arrive before the reset discards it
        answering.cut()

    archive.script = [one] * 1000
    answers = door.deposit_many(cases(25))
    assert sorted(answer.line for answer in answers) == list(range(1, 26))
    assert len(archive.entries) == 25


def test_a_batch_without_its_last_line_is_not_taken_for_whole(archive: ScriptedArchive, door: Door) -> None:
    def short(answering: Answering) -> None:
        lines = answering.read().lines()
        answering.head(200, "application/x-ndjson", connection="close")
        answering.write(*(double.line_answer(answering.archive, at, case) for at, case in enumerate(lines[:-1], 1)))
        answering.finish()

    archive.script = [short]
    assert [answer.line for answer in door.deposit_many(cases(5))] == [1, 2, 3, 4, 5]
    assert len(archive.asked("/v1/cases:batch")) == 2


def test_a_batch_that_never_gets_an_answer_ends_with_an_error(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.act_then_cut] * 100
    with pytest.raises(ConnectionFailed):
        door.deposit_many(cases(8))
    assert len(archive.script) == 96


def test_a_line_that_failed_for_the_moment_is_sent_again(archive: ScriptedArchive, door: Door) -> None:
    def not_now(answering: Answering) -> None:
        lines = answering.read().lines()
        answering.head(200, "application/x-ndjson", connection="close")
        for at, case in enumerate(lines, 1):
            later = {"line": at, "status": 503, "problem": double.problem(503, "storage-unavailable")}
            answering.write(later if at == 2 else double.line_answer(answering.archive, at, case))
        answering.write({"done": True})
        answering.finish()

    archive.script = [not_now]
    answers = door.deposit_many(cases(4))
    assert [answer.line for answer in answers] == [1, 3, 4, 2]
    assert all(answer.accepted for answer in answers)


def test_a_line_that_always_fails_for_the_moment_is_answered_so_in_the_end(archive: ScriptedArchive, door: Door) -> None:
    def never(answering: Answering) -> None:
        lines = answering.read().lines()
        answering.head(200, "application/x-ndjson", connection="close")
        answering.write(
            *({"line": at, "status": 503, "problem": double.problem(503, "storage-unavailable")} for at, _ in enumerate(lines, 1))
        )
        answering.write({"done": True})
        answering.finish()

    archive.script = [never] * 100
    answers = door.deposit_many(cases(3))
    assert [(answer.line, answer.status) for answer in answers] == [(1, 503), (2, 503), (3, 503)]
    assert len(archive.script) == 96


def test_what_is_wrong_with_one_case_is_the_answer_of_its_line(archive: ScriptedArchive, door: Door) -> None:
    stream = cases(4)
    stream[1] = {"source_system": "county-petition", "case_no": "XF-2", "content": float("nan")}
    stream[3] = {"source_system": "county-petition", "case_no": "XF-4", "content": "\ud800"}
    answers = {answer.line: answer for answer in door.deposit_many(stream)}
    assert [answers[line].accepted for line in (1, 2, 3, 4)] == [True, False, True, False]
    assert answers[2].problem is not None
    assert answers[2].problem.code == "case-not-json"


def test_answers_come_while_cases_are_still_being_made_and_few_are_held(archive: ScriptedArchive, door: Door) -> None:
    made, answered, held = 0, 0, []

    def endless() -> Any:
        nonlocal made
        for at in count(1):
            made += 1
            held.append(made - answered)
            if made > 3000:
                return
            yield {"source_system": "county-petition", "case_no": f"XF-{at}", "content": "水" * 300}

    def each(_: object) -> None:
        nonlocal answered
        answered += 1

    door.deposit_many(endless(), each)
    assert answered == 3000
    assert max(held) <= 202


def test_a_request_holds_few_bytes_however_large_the_cases_are(archive: ScriptedArchive, door: Door) -> None:
    door.deposit_many(cases(40, size=20_000))  # 60 kB each
    door.deposit_many([{"source_system": "county-petition", "case_no": "big", "content": "水" * 200_000}])
    sizes = [(len(seen.body), len(seen.lines())) for seen in archive.asked("/v1/cases:batch")]
    assert all(size <= 128 * 1024 + lines or lines == 1 for size, lines in sizes)


def test_an_archive_that_answers_before_it_reads_on_does_not_lock_the_client_up(archive: ScriptedArchive, open_door: Any) -> None:
    def answer_at_length(answering: Answering) -> None:
        # Reads one line only, and says more about it than any buffer holds, before it would read on.
        handler = answering.handler
        handler.connection.settimeout(3)
        length = int(handler.headers["Content-Length"])
        first = handler.rfile.readline()
        case = json.loads(first)
        answering.head(200, "application/x-ndjson", connection="close")
        faults = [{"path": "$", "rule": "text", "zh": "长" * 300, "en": "l" * 300}] * 20_000
        if length > len(first):
            answering.write({"line": 1, "status": 422, "problem": double.problem(422, "invalid-input", faults=faults)})
        answering.write(double.line_answer(answering.archive, 1, case), {"done": True})
        answering.finish()

    archive.script = [answer_at_length] * 100
    patient = open_door(archive.url, timeouts=Timeouts(1.0, 0.5, 5.0))
    with pytest.raises(AnswerRefused, match="too-long"):
        patient.deposit_many(cases(40, size=1000))
    assert len(archive.script) < 100


def test_a_batch_too_large_for_something_on_the_way_is_sent_in_smaller_ones(archive: ScriptedArchive, door: Door) -> None:
    def narrow(answering: Answering) -> None:
        if int(answering.handler.headers["Content-Length"]) > 4000:
            double.refuse(413, "too-large")(answering)
        else:
            double.behave(answering)

    archive.script = [narrow] * 1000
    stream = cases(20, size=300)
    stream[7] = {"source_system": "county-petition", "case_no": "XF-8", "content": "水" * 3000}
    answers = {answer.line: answer for answer in door.deposit_many(stream)}
    assert len(answers) == 20
    assert [line for line, answer in answers.items() if not answer.accepted] == [8]
    assert answers[8].status == 413


def test_a_batch_refused_as_a_whole_is_one_error(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(403, "refused")]
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit_many(cases(3))
    assert caught.value.status == 403


def test_a_batch_outlives_its_token(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.behave, double.refuse(401, "token-refused"), double.behave, double.refuse(503, "later", retry_after="0")]
    answers = door.deposit_many(cases(500))
    assert len(answers) == 500
    assert len(archive.asked("/v1/token")) == 2
