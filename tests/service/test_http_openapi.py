"""The description of the API is complete, true to the rulebook, and every operation in it declares who may call it."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from petition_records import minimal, typical
from policies.rulebook.load import base, base_sources
from policies.rulebook.load import compile as compile_rulebook
from service.http.answers import ProblemAnswer
from service.http.app import create_app
from service.http.openapi import OPEN, OPEN_OPERATIONS, document
from service.http.operation_words import WORDS
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
    assert all("security" in operation for _, _, operation in _operations(described))
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
    spoken = re.compile(r"[^a-z]*[\u4e00-\u9fff].*[a-z]{2}", re.DOTALL)  # Chinese first, and English
    assert [(path, method) for path, method, one in operations if not spoken.match(one["summary"])] == []
    assert [(path, method) for path, method, one in operations if not re.match(r"[^A-Za-z]*[\u4e00-\u9fff]", one["description"])] == []
    assert WORDS.keys() <= {one["operationId"] for _, _, one in operations}
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


def test_a_wrong_address_is_told_where_the_right_ones_are(archive: SmallArchive) -> None:
    for path in ("/v1", "/index.html"):
        answer = archive.http.get(archive.url + path)
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-route")
        for text in (answer.json()["detail"], answer.json()["detail_zh"], answer.headers["Link"]):
            assert "/docs" in text
            assert "/v1/openapi.json" in text


def test_the_bare_address_leads_a_browser_to_the_page_for_people(archive: SmallArchive, described: dict[str, Any]) -> None:
    for method in ("GET", "HEAD"):
        answer = archive.http.request(method, f"{archive.url}/", follow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/docs")
        assert archive.http.request(method, f"{archive.url}/docs").status_code == 200
    assert archive.http.post(f"{archive.url}/").status_code == 405
    assert "/" not in described["paths"]


def test_every_member_and_query_parameter_has_a_title_in_chinese_and_english(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    titled = []
    for _, _, operation in _operations(described):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            if name != "CaseDeposit":
                titled += [one.get("title", "") for one in (schemas[name] if name else content["schema"]).get("properties", {}).values()]
        titled += [one["schema"].get("title", "") for one in operation.get("parameters", ()) if one["in"] == "query"]
    assert len(titled) > 80
    assert [title for title in titled if not re.fullmatch(r"[^a-z]*[\u4e00-\u9fff].*[a-z]{2}.*", title)] == []


def test_the_codes_of_purpose_and_usage_are_described_with_their_titles(described: dict[str, Any]) -> None:
    schemas, rules = described["components"]["schemas"], base()
    for form, use in (("AccessForm", "request"), ("IdentitySearch", "search")):
        purpose = schemas[form]["properties"]["purpose"]
        assert purpose["enum"] == sorted(code for code, one in rules.purposes.by_code.items() if use in one.uses)
        assert all(rules.purposes.by_code[code].zh in title for code, title in purpose["x-titles"].items())
    usage = schemas["AccessForm"]["properties"]["usage"]
    assert usage["enum"] == sorted(usage["x-titles"])
    assert "verification" in usage["enum"]


def test_the_page_for_people_names_query_parameters_members_and_codes(archive: SmallArchive) -> None:
    page = archive.http.get(f"{archive.url}/docs").text
    assert "`" not in page
    for told in ("<code>?box=to-decide</code>", "<code>box</code>", "<code>to-decide</code>", "<code>trim.fields</code>"):
        assert told in page
    for told in (
        "<code>expires_at</code>",
        "<code>leak_inquiry</code> 信息泄露核查",
        "<code>evidence</code> 作为证据",
        "<code>If-Match</code>",
    ):
        assert told in page


def test_the_page_for_people_lists_every_operation_and_loads_nothing(archive: SmallArchive, described: dict[str, Any]) -> None:
    answer = archive.http.get(f"{archive.url}/docs")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = answer.text
    for path, method, operation in _operations(described):
        assert f"<b>{method.upper()}</b> {path}</a></code>" in page
        assert html.escape(operation["summary"]) in re.sub(r"</?span[^>]*>", "", page)
        assert f'<article id="{operation["operationId"]}">' in page
    assert not re.search(r"<(script|link|img|iframe)|(src|href)=\"(?!/v1/|#)|https?://|@import|url\(| style=| on[a-z]+=", page)


def test_the_page_for_people_has_one_style_that_its_policy_names_by_digest(archive: SmallArchive) -> None:
    answer = archive.http.get(f"{archive.url}/docs")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert answer.headers["Content-Security-Policy"] == policy
    assert archive.http.head(f"{archive.url}/docs").headers["Content-Security-Policy"] == policy
    assert "prefers-color-scheme: dark" in style
    assert '<meta name="viewport"' in answer.text


def test_the_page_for_people_names_no_member_without_words(archive: SmallArchive) -> None:
    page = archive.http.get(f"{archive.url}/docs").text
    members = re.findall(r"<dt><code>([^<]+)</code>.*?</dt>\s*<dd>(.*?)</dd>", page, re.DOTALL)
    assert len(members) > 150
    assert [name for name, words in members if not re.search("[\u4e00-\u9fff]", words)] == []


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
    ids |= {"unit_id", "person_id"}
    assert named <= ids | {"version", "box", "index", "old_size", "log", "level", "file", "after", "limit", "form", "first", "last"}
