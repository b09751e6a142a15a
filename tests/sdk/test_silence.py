from __future__ import annotations

import json
import logging
import subprocess
import sys
import traceback
from typing import Any

import pytest

import house_rules
import scripted_archive as double
from archive_doors import Door
from petition_archive_client.errors import ArchiveClientError, ArchiveProblem
from scripted_archive import Answering, ScriptedArchive


def canaries() -> dict[str, Any]:
    """A case whose every text is one of a kind."""
    return {
        "source_system": "canary-system",
        "case_no": "CANARY-NUMBER-7",
        "title": "张三丰反映宅基地",
        "content": "canary content, in words",
        "petitioners": [{"name": "张三丰", "id_number": "999999199013321234", "mobile": "10000001234", "email": "canary@example.com"}],
        "stages": [{"opinion": "处理意见金丝雀"}],
    }


def _told(error: BaseException | None) -> str:
    """All that a log of an unhandled error would show: the whole chain, without the sources of the frames' variables."""
    parts: list[str] = []
    while error is not None:
        parts += [str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception_only(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def _echo(answering: Answering) -> None:
    """A server that repeats what it was sent wherever an error has room."""
    case = answering.read().body.decode()
    name = "张三丰"
    body = double.problem(
        422,
        f"bad-{canaries()['petitioners'][0]['id_number']}",
        title=case,
        title_zh=case,
        detail=case,
        detail_zh=name,
        faults=[{"path": f"petitioners[0].{name}", "rule": case[:60], "zh": case, "en": case}] * 3,
    )
    answering.send(422, body | {"request_id": name}, kind="application/problem+json")


def _echo_lines(answering: Answering) -> None:
    case = answering.read().body.decode()
    answering.head(200, "application/x-ndjson", connection="close")
    answering.write({"line": 1, "status": 422, "problem": double.problem(422, case, title=case, faults=[{"path": case}])}, {"done": True})
    answering.finish()


FAULTY: dict[str, Any] = {
    "echo": [_echo],
    "cut": [double.cut_before_reading] * 9,
    "wait": [double.refuse(503, "later")] * 9,
    "redirect": [lambda answering: (answering.read(), answering.send(302, location="http://127.0.0.1:9/"))[0]],
    "nonsense": [lambda answering: (answering.read(), answering.send(201, answering.archive.receipt({**canaries(), "case_no": "X"})))[0]],
}


@pytest.mark.parametrize("faulty", FAULTY)
def test_no_error_and_no_log_line_repeats_what_was_sent(
    archive: ScriptedArchive, door: Door, caplog: pytest.LogCaptureFixture, faulty: str
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    archive.script = list(FAULTY[faulty])
    with pytest.raises(ArchiveClientError) as caught:
        door.deposit(canaries(), idempotency_key="a-key-of-ours")
    told = caplog.text + str(caught.value) + repr(caught.value) + "".join(traceback.format_exception_only(caught.value))
    if not isinstance(caught.value, ArchiveProblem):
        told += _told(caught.value)
    tokens = [seen.headers["authorization"].removeprefix("Bearer ") for seen in archive.asked("/v1/cases")]
    assertions = [seen.body.decode().rpartition("=")[2] for seen in archive.asked("/v1/token")]
    assert [value for value in (*_values(canaries()), *tokens, *assertions) if value in told] == []


def test_the_problem_of_a_line_repeats_nothing_either(archive: ScriptedArchive, door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    archive.script = [_echo_lines]
    (answer,) = door.deposit_many([canaries()])
    assert isinstance(answer.problem, ArchiveProblem)
    told = caplog.text + repr(answer) + str(answer.problem) + repr(answer.problem.faults)
    assert [value for value in _values(canaries()) if value in told] == []


def test_a_case_that_is_no_json_is_refused_without_its_content(archive: ScriptedArchive, door: Door) -> None:
    for wrong in (float("nan"), "\ud800", object(), {1, 2}, b"bytes"):
        with pytest.raises(ArchiveClientError) as caught:
            door.deposit(canaries() | {"summary": wrong})
        assert [value for value in _values(canaries()) if value in _told(caught.value)] == []
        assert caught.value.__context__ is None
    assert archive.seen == []


def test_what_the_archive_said_can_still_be_read_on_purpose(archive: ScriptedArchive, door: Door) -> None:
    def refuse(answering: Answering) -> None:
        answering.read()
        fault = {"path": "petitioners[0].id_number", "rule": "id-number-check", "zh": "校验码不符。", "en": "The check character is wrong."}
        answering.send(422, double.problem(422, "invalid-input", faults=[fault]), kind="application/problem+json")

    archive.script = [refuse]
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(canaries())
    problem = caught.value
    assert "petitioners[0].id_number: id-number-check" in str(problem)
    assert (problem.faults[0].zh, problem.faults[0].en) == ("校验码不符。", "The check character is wrong.")
    assert "校验码不符。" in problem.explain()
    assert problem.request_id in str(problem)


def test_the_values_of_a_conversation_do_not_show_their_content() -> None:
    from petition_archive_client import requests

    request = requests.deposit_request(canaries())
    shown = repr(request) + repr(requests.batch_request([request.body]))
    assert [value for value in _values(canaries()) if value in shown] == []


def test_the_client_imports_no_room_of_the_archive() -> None:
    program = (
        "import pkgutil, sys, importlib, json, petition_archive_client as package\n"
        "for module in pkgutil.iter_modules(package.__path__):\n"
        "    importlib.import_module(f'{package.__name__}.{module.name}')\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=house_rules.ROOT / "sdk")
    loaded = set(json.loads(done.stdout))
    assert "petition_archive_client" in loaded
    assert loaded & {*house_rules.ROOMS, "sqlalchemy", "fastapi", "structlog", "jose"} == set()


def _values(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for inner in value.values() for found in _values(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in _values(inner)]
    return [value] if isinstance(value, str) and len(value) > 3 else []
