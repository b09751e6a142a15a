"""One table of errors: complete, opaque where it must be, and never an echo."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest

import house_rules as rules
from acts.errors import Refused
from foundation.errors import ArchiveError, Fault, InvalidInput
from foundation.ids import new_id
from policies.permit import REFUSALS
from service.http.problems import TABLE, problem_of
from small_archive import SmallArchive


def _every_error() -> list[type[ArchiveError]]:
    for room in rules.ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if not module.name.startswith(("service.migrations", "service.cli")) and not module.name.endswith("__main__"):
                importlib.import_module(module.name)

    def under(root: type[ArchiveError]) -> list[type[ArchiveError]]:
        return [root, *(found for child in root.__subclasses__() for found in under(child))]

    return [one for one in under(ArchiveError) if one.__module__.split(".")[0] in rules.ROOMS]


def test_every_error_class_of_every_room_has_its_row() -> None:
    assert {one.code for one in _every_error()} - set(TABLE) == set()


def test_every_refusal_of_the_rules_has_its_row() -> None:
    assert set(REFUSALS) - set(TABLE) == set()


def test_the_table_has_no_row_for_a_code_nobody_uses() -> None:
    assert set(TABLE) - {one.code for one in _every_error()} - set(REFUSALS) == set()


def test_two_error_classes_of_one_code_mean_the_same_thing() -> None:
    texts: dict[str, set[tuple[str, str]]] = {}
    for one in _every_error():
        texts.setdefault(one.code, set()).add((one.zh, one.en))
    assert {code for code, found in texts.items() if len(found) > 1} == set()


@pytest.mark.parametrize("code", [code for code, row in TABLE.items() if row.opaque])
def test_an_opaque_error_tells_the_caller_nothing_but_that_it_failed(code: str) -> None:
    error = ArchiveError(secret="canary-7f3a")
    # On the value, not in a class: the register of error classes stays as it is for the other tests.
    vars(error).update(code=code, zh="密钥 {secret}", en="The key {secret}")
    body = problem_of(error, new_id()).body
    assert "canary" not in json.dumps(body)
    assert body["code"] == "internal"


def test_a_code_without_a_row_is_answered_as_an_opaque_failure() -> None:
    error = ArchiveError(name="canary")
    vars(error).update(code="no-row-for-this", en="Something about {name}")
    problem = problem_of(error, new_id())
    assert problem.status == 500
    assert "canary" not in json.dumps(problem.body)


def test_a_refusal_is_answered_with_its_reason_and_both_languages() -> None:
    problem = problem_of(Refused("grant-required", *REFUSALS["grant-required"]), "r")
    assert (problem.status, problem.body["code"], problem.body["request_id"]) == (403, "grant-required", "r")
    assert problem.body["detail_zh"] == REFUSALS["grant-required"][0]
    assert problem.body["detail"] == REFUSALS["grant-required"][1]


def test_faults_come_in_their_order_with_path_rule_and_both_languages() -> None:
    faults = [Fault("a", "r1", "一", "one"), Fault("b", "r2", "二", "two")]
    assert problem_of(InvalidInput(faults), "r").body["faults"] == [
        {"path": "a", "rule": "r1", "zh": "一", "en": "one"},
        {"path": "b", "rule": "r2", "zh": "二", "en": "two"},
    ]


def test_two_factors_are_asked_for_in_the_form_of_rfc_9470() -> None:
    problem = problem_of(Refused("second-factor-required", *REFUSALS["second-factor-required"]), "r")
    assert problem.status == 401
    assert 'error="insufficient_user_authentication"' in problem.headers["WWW-Authenticate"]


def test_every_answer_has_the_media_type_of_rfc_9457(archive: SmallArchive) -> None:
    client = archive.http
    token = {"Authorization": f"Bearer {archive.token('handler')}"}
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/cases", 405),
        ("GET", "/v1/me", 401),
        ("GET", f"/v1/cases/{new_id()}?version=x", 422),
    ):
        answer = client.request(method, archive.url + path, headers=token if status == 422 else {})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
        body = answer.json()
        assert {"type", "title", "title_zh", "status", "code", "detail", "detail_zh", "request_id"} <= body.keys()
        assert body["request_id"] == answer.headers["Request-Id"]
    assert client.put(f"{archive.url}/v1/cases").headers["Allow"] == "POST"


def test_the_codes_are_published_without_those_nobody_is_told(archive: SmallArchive) -> None:
    listed = {one["code"]: one for one in archive.http.get(f"{archive.url}/v1/problems").json()["problems"]}
    assert listed["case-version-changed"]["status"] == 409
    assert "key-ring-missing" not in listed
    assert all(one["zh"] and one["en"] for one in listed.values())
