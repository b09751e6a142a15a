"""What bad input gets at the door: a precise code, the path and the rule, nothing half-done, and never what was sent."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from archive.tables import cases
from foundation.ids import new_id
from petition_records import ID_ZHANG, typical
from small_archive import SmallArchive

CANARY = "金丝雀钱婆婆"


def _post(archive: SmallArchive, body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    with archive.as_system() as system:
        return system.post("/v1/cases", content=content, headers={"Content-Type": "application/json", **headers})


def _rules(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(fault["path"], fault["rule"]) for fault in answer.json()["faults"]}


def _stored(archive: SmallArchive) -> int:
    with archive.house.desk.db.read() as conn:
        return int(conn.execute(select(func.count()).select_from(cases)).scalar_one())


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", ("$", "not-json")),
        (b"{", ("$", "not-json")),
        (b'{"a":1,"a":2}', ("$", "duplicate-key")),
        (b'{"a":NaN}', ("$", "not-a-number")),
        (b'{"a":-Infinity}', ("$", "not-a-number")),
        (b'{"a":"\\ud800"}', ("$", "lone-surrogate")),
        (b'{"a":"\\u0000"}', ("$", "nul")),
        (b'{"a":"\xff"}', ("$", "not-utf8")),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", ("$", "too-deep")),
        (b'{"a":1e999}', ("$", "number-too-large")),
        (b'{"a":123456789012345678901234567890}', ("$", "number-too-large")),
        (b"[]", ("", "type")),
        (b'"text"', ("", "type")),
    ],
)
def test_json_that_means_nothing_or_two_things_is_refused_by_name(archive: SmallArchive, body: bytes, fault: tuple[str, str]) -> None:
    before = _stored(archive)
    answer = _post(archive, body)
    assert answer.status_code == 422
    assert fault in _rules(answer)
    assert _stored(archive) == before


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"title": 5}, "title"),
        ({"is_anonymous": "no"}, "is_anonymous"),
        ({"petitioner_count": 1.5}, "petitioner_count"),
        ({"title": "张三\u202e反映"}, "title"),
        ({"closed_at": "2031-01-01T00:00:00+08:00"}, "closed_at"),
        ({"closed_at": "2024-01-01T00:00:00+08:00"}, "closed_at"),
        ({"fonds_code": "F001"}, "fonds_code"),
        ({"retention": {"retention_class": "permanent"}}, "retention"),
        ({"record_id": "x"}, "record_id"),
        ({"is_anonymous": True}, "petitioners[0].name"),
        ({"title": "【绝密】某某事项"}, "title"),
        ({"petition_form": "飞鸽"}, "petition_form"),
        ({"petitioners": "张三"}, "petitioners"),
    ],
)
def test_a_field_that_breaks_a_rule_is_named_by_its_path_and_nothing_is_stored(
    archive: SmallArchive, changes: dict[str, Any], path: str
) -> None:
    before = _stored(archive)
    answer = _post(archive, archive.record(**changes))
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid-input"
    assert path in {fault["path"] for fault in answer.json()["faults"]}
    assert all(fault["zh"] and fault["en"] for fault in answer.json()["faults"])
    assert _stored(archive) == before
    refused = archive.entries("deposit.refused")[-1]
    assert refused.reason == "invalid-input"


def test_no_error_repeats_anything_that_was_sent(archive: SmallArchive) -> None:
    texts = []
    for path in ("title", "summary", "content", "source_system", "case_no", "petition_form", "closed_at", "closure_type", "provenance"):
        record = typical() | {path: {CANARY: CANARY}}
        texts.append(_post(archive, record).text)
        texts.append(_post(archive, typical() | {path: CANARY * 40_000}).text)
    texts.append(_post(archive, typical() | {CANARY: CANARY}).text)
    texts.append(_post(archive, (CANARY * 10).encode()).text)
    texts.append(_post(archive, f'{{"{CANARY}":1,"{CANARY}":2}}'.encode()).text)
    with archive.as_("handler") as handler:
        for where, body in (
            ("/v1/cases:find", {"filters": {CANARY: {"in": [CANARY]}}, "sort": CANARY, "facets": [CANARY]}),
            ("/v1/cases:find", {CANARY: CANARY}),
            ("/v1/cases:find-identity", {"kind": CANARY, "value": CANARY * 200, "purpose": CANARY, "reason": ""}),
            ("/v1/access-requests", {"cases": [CANARY], "fields": [CANARY], "level": CANARY, "purpose": CANARY, "expires_at": CANARY}),
            (f"/v1/access-requests/{new_id()}/decisions", {"verdict": CANARY}),
            (f"/v1/grants/{new_id()}/openings", {"case_id": CANARY}),
            ("/v1/me/secret", {"current": CANARY, "new": CANARY, CANARY: 1}),
        ):
            texts.append(handler.post(where, json=body, headers={"If-Match": '"1"'}).text)
        texts.append(handler.get(f"/v1/cases/{CANARY}").text)
        texts.append(handler.get("/v1/access-requests", params={"box": CANARY}).text)
        texts.append(handler.get("/v1/me", headers={"Archive-Role": "x" * 60}).text)
    texts.append(archive.sign_in("handler", login=CANARY, password=CANARY).text)
    texts.append(archive.ask_token(CANARY).text)
    assert [text for text in texts if CANARY in text or "钱婆婆" in text] == []
    log = archive.log.getvalue()
    assert CANARY not in log
    assert json.dumps(CANARY)[1:-1] not in log


def test_a_field_of_ten_megabytes_is_refused_before_it_is_read_to_its_end(archive: SmallArchive) -> None:
    answer = _post(archive, typical() | {"content": "长" * 3_500_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


def test_a_body_without_length_is_bounded_all_the_same(archive: SmallArchive) -> None:
    def endless() -> Any:
        for _ in range(20):
            yield b" " * 2**20

    with archive.as_system() as system:
        answer = system.post("/v1/cases", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=gb18030"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
def test_another_media_type_charset_or_coding_is_not_guessed_at(archive: SmallArchive, headers: dict[str, str]) -> None:
    answer = _post(archive, typical(), **headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_the_same_case_again_answers_the_same_receipt_and_other_content_says_which_act_fits(archive: SmallArchive) -> None:
    record = archive.record()
    first = _post(archive, record)
    again = _post(archive, record)
    other = _post(archive, record | {"title": "反映另一件事"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json()["log"] == first.json()["log"]
    assert again.json()["digest"] == first.json()["digest"]
    assert other.json()["code"] == "already-deposited"
    assert "补充归档" in other.json()["detail_zh"]
    assert "correction" in other.json()["detail"]


def test_an_idempotency_key_answers_as_before_and_refuses_other_content(archive: SmallArchive) -> None:
    key = {"Idempotency-Key": new_id()}
    record = archive.record()
    first, again = _post(archive, record, **key), _post(archive, record, **key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["case_id"] == again.json()["case_id"]
    reused = _post(archive, archive.record(), **key)
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency-key-reused")
    for wrong in ("", "a b", "x" * 129):
        answer = _post(archive, record, **{"Idempotency-Key": wrong})
        assert (answer.status_code, _rules(answer)) == (422, {("Idempotency-Key", "shape")})


def test_a_case_of_another_source_system_is_not_this_clients_to_deposit(archive: SmallArchive) -> None:
    answer = _post(archive, archive.record(source_system="hotline"))
    assert (answer.status_code, _rules(answer)) == (422, {("source_system", "source-of-another")})


def test_later_versions_are_made_by_supplement_and_correction_from_the_version_that_was_read(archive: SmallArchive) -> None:
    record = archive.record()
    case_id = archive.deposited(record)
    rating = {"target": "petition_office", "satisfaction": "satisfied", "rated_at": "2024-03-01T09:00:00+08:00"}
    with archive.as_system() as system:
        added = system.post(
            f"/v1/cases/{case_id}/supplements", json={"base_version": 1, "reason": "回访评价", "supplement": {"feedback": [rating]}}
        )
        assert added.status_code == 201, added.text
        assert added.json()["version"] == 2
        corrected = record | {"title": "反映宅基地被占（更正）", "feedback": [*record["feedback"], rating]}
        stale = system.post(f"/v1/cases/{case_id}/corrections", json={"base_version": 1, "reason": "笔误", "case": corrected})
        assert (stale.status_code, stale.json()["code"]) == (409, "case-version-changed")
        made = system.post(f"/v1/cases/{case_id}/corrections", json={"base_version": 2, "reason": "笔误", "case": corrected})
        assert (made.status_code, made.json()["version"]) == (201, 3), made.text
        without = system.post(f"/v1/cases/{case_id}/corrections", json={"base_version": 3, "reason": "", "case": corrected})
        assert (without.status_code, _rules(without)) == (422, {("reason", "too-short")})
    with archive.as_system("hotline") as other:
        part = {"base_version": 3, "reason": "x", "supplement": {"feedback": [rating]}}
        foreign = other.post(f"/v1/cases/{case_id}/supplements", json=part)
        assert foreign.status_code == 404
    with archive.as_("handler") as handler:
        assert handler.get(f"/v1/cases/{case_id}").json()["version"] == 3
        # What a correction replaced was wrong: it is kept, and shown to nobody as if it were the case.
        assert handler.get(f"/v1/cases/{case_id}", params={"version": 2}).status_code == 404


def test_a_form_with_unknown_members_or_wrong_types_lists_every_fault(archive: SmallArchive) -> None:
    with archive.as_("handler") as handler:
        body = {"cases": "x", "fields": [1], "level": "secret", "max_uses": True, "expires_at": 5, "extra": 1, "reason": "r", "usage": "u"}
        answer = handler.post("/v1/access-requests", json=body)
    assert answer.status_code == 422
    assert _rules(answer) == {
        ("cases", "type"),
        ("fields[0]", "type"),
        ("level", "unknown-code"),
        ("max_uses", "type"),
        ("expires_at", "format"),
        ("purpose", "required"),
        ("$", "unknown-member"),
    }


@pytest.mark.parametrize("instant", ["2026-12-01", "2026-12-01T09:00:00", "2026-12-01 09:00", "tomorrow", "", 5, "9" * 60])
def test_a_time_without_its_zone_is_told_the_form_it_must_have(archive: SmallArchive, instant: Any) -> None:
    with archive.as_("handler") as handler:
        answer = handler.post("/v1/access-requests", json=archive.form(new_id(), expires_at=instant))
    (fault,) = answer.json()["faults"]
    assert (answer.status_code, fault["path"], fault["rule"]) == (422, "expires_at", "format")
    assert "2026-12-01T09:00:00+08:00" in fault["zh"]
    assert "2026-12-01T09:00:00+08:00" in fault["en"]


def test_every_fault_of_a_form_is_answered_at_once_each_at_its_place(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    wrong = archive.form(case_id, fields=["petitioners[].name", "name", "query_code"], purpose="办案", usage="看看", max_uses=20_000)
    with archive.as_("handler") as handler:
        answer = handler.post("/v1/access-requests", json=wrong)
    assert answer.status_code == 422
    assert _rules(answer) == {
        ("usage", "unknown-code"),
        ("purpose", "purpose-not-allowed"),
        ("fields[1]", "field-not-askable"),
        ("fields[2]", "field-not-askable"),
    }
    told = {fault["path"]: fault for fault in answer.json()["faults"]}
    assert "repeat_petition" in told["purpose"]["zh"]
    assert "reply-drafting" in told["usage"]["zh"]
    assert "办案" not in answer.text
    assert "看看" not in answer.text
    with archive.as_("handler") as handler:
        for most in (0, -1, 10_001, 2**53 - 1):
            few = handler.post("/v1/access-requests", json=archive.form(case_id, max_uses=most, fields=["name"]))
            assert _rules(few) == {("max_uses", "openings-out-of-range"), ("fields[0]", "field-not-askable")}


def test_the_masked_document_number_is_refused_beside_a_birth_date_at_filing(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    with archive.as_("handler") as handler:
        answer = handler.post("/v1/access-requests", json=archive.form(case_id, fields=["petitioners[].birth_date"]))
    assert answer.status_code == 422
    assert "birth-date-needs-id-number" in {fault["rule"] for fault in answer.json()["faults"]} or "field-not-askable" in {
        fault["rule"] for fault in answer.json()["faults"]
    }
    assert ID_ZHANG not in answer.text
