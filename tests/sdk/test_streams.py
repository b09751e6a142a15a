from __future__ import annotations

import json
import time
from itertools import count
from typing import Any

import pytest

import scripted_archive as double
from archive_doors import Door
from petition_archive_client.connection import Timeouts
from petition_archive_client.errors import AnswerRefused, ArchiveProblem, ConnectionFailed
from scripted_archive import Answering, ScriptedArchive


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


def test_streams_of_answers_that_stay_empty_end_with_an_error(archive: ScriptedArchive, door: Door) -> None:
    def empty(answering: Answering) -> None:
        answering.read()
        answering.head(200, "application/x-ndjson", connection="close")
        answering.write({"done": True, "lines": 0})
        answering.finish()

    archive.script = [empty] * 100
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
