"""The description of the API is complete, true to the rulebook, and every operation in it declares who may call it."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from petition_records import minimal, typical
from policies.rulebook.load import base, base_sources
from policies.rulebook.load import compile as compile_rulebook
from service.http.answers import ProblemAnswer
from service.http.app import create_app
from service.http.openapi import OPEN, OPEN_OPERATIONS, document
from small_archive import SmallArchive


@pytest.fixture(scope="module")
def described(archive: SmallArchive) -> dict[str, Any]:
    answer = archive.http.get(f"{archive.url}/v1/openapi.json")
    assert answer.status_code == 200
    made: dict[str, Any] = answer.json()
    return made


def _operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, operation) for path, item in described["paths"].items() for method, operation in item.items()]


def test_every_operation_declares_its_security_but_for_a_short_list(described: dict[str, Any]) -> None:
    undeclared = {(method.upper(), path) for path, method, operation in _operations(described) if not operation.get("security")}
    assert undeclared == {("GET" if path != "/v1/token" else "POST", path) for path in OPEN} | OPEN_OPERATIONS
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_operation_that_declares_security_refuses_a_caller_without_a_token(archive: SmallArchive, described: dict[str, Any]) -> None:
    for path, method, operation in _operations(described):
        if operation.get("security"):
            body = {"application/x-ndjson": b"{}\n"}.get("".join(operation.get("requestBody", {}).get("content", {})), b"{}")
            kind = "application/x-ndjson" if path.endswith(":batch") else "application/json"
            answer = archive.http.request(method, archive.url + path, content=body, headers={"Content-Type": kind, "If-Match": '"1"'})
            assert answer.status_code == 401, (path, method, answer.status_code)
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="petition-archive"'


def test_every_operation_has_a_summary_a_description_and_an_id_of_its_own(described: dict[str, Any]) -> None:
    operations = _operations(described)
    assert [path for path, _, one in operations if not one.get("summary") or not one.get("description")] == []
    ids = [one["operationId"] for _, _, one in operations]
    assert len(ids) == len(set(ids))
    assert described["openapi"].startswith("3.1")


def test_every_error_is_described_as_a_problem(described: dict[str, Any]) -> None:
    wrong = []
    for path, method, operation in _operations(described):
        for status, response in operation["responses"].items():
            if status >= "400" and "content" in response and path not in {"/readyz", "/metrics"}:
                schema = response["content"].get("application/problem+json", {}).get("schema", {})
                if schema.get("$ref") != f"#/components/schemas/{ProblemAnswer.__name__}" or "application/json" in response["content"]:
                    wrong.append((path, method, status))
    assert wrong == []
    assert not any(name.endswith("ValidationError") for name in described["components"]["schemas"])


def test_every_reference_in_the_description_leads_somewhere(described: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for item in value.values() for found in references(item)]
        return [found for item in value for found in references(item)] if isinstance(value, list) else []

    for reference in references(described):
        target: Any = described
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_every_body_and_answer_schema_is_a_schema(described: dict[str, Any]) -> None:
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("make", [typical, minimal])
def test_the_form_of_a_deposit_is_described_by_the_rulebook(described: dict[str, Any], make: Any) -> None:
    schema = described["components"]["schemas"]["CaseDeposit"]
    assert list(Draft202012Validator(schema).iter_errors(make())) == []
    assert list(Draft202012Validator(schema).iter_errors({**make(), "not_a_field": 1}))


def test_a_field_added_to_the_rulebook_is_in_the_description(archive: SmallArchive) -> None:
    added = {
        "path": "meeting_count",
        "label_zh": "会商次数",
        "label_en": "Meetings held",
        "type": "integer",
        "minimum": 0,
        "maximum": 999,
        "required": False,
        "classification": "internal",
        "search": ["facet"],
        "mask": "none",
        "sealed": False,
        "tier": "extended",
        "class": "handling_fact",
        "note_zh": "示例",
        "note_en": "example",
    }
    app = create_app(archive.house)
    before, after = (
        document(app, rulebook)["components"]["schemas"]["CaseDeposit"]["properties"]
        for rulebook in (base(), compile_rulebook(base_sources(), {"fields": {"field": [added]}}))
    )
    assert after.keys() - before.keys() == {"meeting_count"}
    assert after["meeting_count"]["maximum"] == 999


def test_no_identity_can_be_asked_for_in_an_address(described: dict[str, Any]) -> None:
    named = {
        parameter["name"]
        for _, _, operation in _operations(described)
        for parameter in operation.get("parameters", ())
        if parameter["in"] in {"path", "query"}
    }
    ids = {"case_id", "entry_id", "request_id", "grant_id", "opening_id", "session_id", "account_id", "post_id", "holding_id", "client_id"}
    assert named <= ids | {"version", "box", "index", "old_size", "tile", "after", "limit"}
