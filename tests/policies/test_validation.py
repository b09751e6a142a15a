"""A deposited record is taken whole and normalised, or refused with every fault in it and none of its values."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

import jsonschema
import pytest

from foundation.errors import InvalidInput
from petition_records import ID_ZHANG, Change, accusation, minimal, put, typical
from policies.form_schema import json_schema
from policies.rulebook import load
from policies.rulebook.load import base, base_sources
from policies.validation import validate

TODAY = date(2026, 11, 22)


def faults_of(record: Any, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        validate(record, options.get("rulebook", base()), today=TODAY)
    for fault in caught.value.faults:
        assert fault.zh
        assert fault.en
        assert "{" not in fault.zh + fault.en
    return [(fault.path, fault.rule) for fault in caught.value.faults]


def with_(**members: Any) -> dict[str, Any]:
    return {**typical(), **members}


def test_a_typical_record_is_taken_apart_by_how_each_value_is_kept() -> None:
    checked = validate(typical(), base(), today=TODAY)
    assert checked.facts["petition_form"] == "letter"
    assert checked.facts["closed_at"] == "2024-02-20T09:30:00.000Z"
    assert checked.facts["stages[].stage"] == ("acceptance", "investigation", "handling", "feedback")
    assert checked.facts["stages[].due_at"] == (None, "2024-03-08T10:00:00.000Z", None, None)
    assert checked.sealed["petitioners[].id_number", 0] == ID_ZHANG
    assert checked.sealed["title", None] == "反映张三宅基地被占一事"
    assert checked.blind["petitioners[].former_names"] == ("欧阳大明",)
    assert not set(checked.facts) & {path for path, _ in checked.sealed}
    assert checked.search_terms["stages[].responsible_unit_code"] == ("U-1", "U-2")
    assert "is_anonymous" not in checked.search_terms
    assert checked.protection_level == "normal"
    assert checked.wall.resolved
    assert not checked.wall.accusation


def test_every_value_is_kept_exactly_once() -> None:
    checked = validate(accusation(), base(), today=TODAY)
    places = {(path, index) for path, index in checked.sealed}
    for key, value in checked.record.items():
        field = base().catalogue.fields.get(key)
        if field is not None:
            assert ((key, None) in places) != (key in checked.facts)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                for name in item:
                    path = f"{key}[].{name}"
                    in_facts = path in checked.facts and checked.facts[path][number] is not None
                    assert ((path, number) in places) != in_facts


def test_the_normal_form_is_a_fixed_point() -> None:
    for record in (typical(), minimal(), accusation()):
        once = validate(record, base(), today=TODAY).record
        assert validate(dict(once), base(), today=TODAY).record == once


def test_validation_does_not_change_its_input() -> None:
    record = typical()
    before = deepcopy(record)
    validate(record, base(), today=TODAY)
    assert record == before


def test_null_and_absent_and_blank_are_the_same_record() -> None:
    record = typical()
    record["affected_count"] = None
    record["reviews"] = None
    record["petitioners"][1]["employer"] = "  "
    assert validate(record, base(), today=TODAY).record == validate(typical(), base(), today=TODAY).record


def test_what_the_source_does_not_tell_is_unknown_and_says_so() -> None:
    checked = validate(minimal(), base(), today=TODAY)
    assert checked.facts["petition_form"] == "unknown"
    assert "petitioner_count" not in checked.facts
    assert checked.record["provenance"]["is_repeat"] == "unknown"
    assert checked.record["provenance"]["closure_type"] == "unknown"


def test_what_is_neither_given_nor_unknown_is_missing() -> None:
    record = minimal()
    del record["provenance"]["is_group_visit"], record["provenance"]["petition_form"]
    assert faults_of(record) == [("petition_form", "required"), ("is_group_visit", "required")]


@pytest.mark.parametrize("name", ["closed_at", "source_system", "case_no", "title", "content"])
def test_some_fields_cannot_be_unknown(name: str) -> None:
    record = typical()
    del record[name]
    record["provenance"] = {name: "unknown"}
    assert (name, "required-always") in faults_of(record)


def test_closure_is_given_or_said_to_be_unknown() -> None:
    record = typical()
    del record["closure_type"]
    assert ("closure_type", "required") in faults_of(record)


def test_provenance_and_value_do_not_contradict_each_other() -> None:
    assert faults_of(with_(grade="unknown", provenance={"grade": "given"})) == [("grade", "provenance-contradicts")]
    assert faults_of(with_(provenance={"grade": "unknown"})) == [("grade", "provenance-contradicts")]


BAD: list[tuple[Change, tuple[str, str]]] = [
    (put("title", 7), ("title", "type")),
    (put("title", "标" * 301), ("title", "too-long")),
    (put("content", "长" * 10_000_000), ("content", "too-long")),
    (put("title", "标\x00题"), ("title", "nul")),
    (put("content", "文\x00"), ("content", "nul")),
    (put("title", "标\ud800题"), ("title", "lone-surrogate")),
    (put("content", "文\u202e字"), ("content", "bidi-control")),
    (put("title", "标\u2066题"), ("title", "bidi-control")),
    (put("case_no", "A\u200f1"), ("case_no", "bidi-control")),
    (put("case_no", "A 1"), ("case_no", "space")),
    (put("case_no", "A\u200b1"), ("case_no", "invisible-character")),
    (put("case_no", "A\ue0011"), ("case_no", "private-use")),
    (put("petitioners", 0, "name", "张\u200b三"), ("petitioners[0].name", "invisible-character")),
    (put("petitioners", 0, "name", "张\n三"), ("petitioners[0].name", "line-break")),
    (put("petitioners", 0, "name", "张\U000e0041三"), ("petitioners[0].name", "invisible-character")),
    (put("title", "标\ufffe题"), ("title", "noncharacter")),
    (put("title", "标\x1b题"), ("title", "control-character")),
    (put("petition_date", "2999-01-01"), ("petition_date", "future")),
    (put("petition_date", "2026-11-23"), ("petition_date", "future")),
    (put("closed_at", "2026-11-23T00:00:00"), ("closed_at", "future")),
    (put("petition_date", "20240108"), ("petition_date", "type")),
    (put("petition_date", "2024-02-30"), ("petition_date", "type")),
    (put("petition_date", "1024-02-20"), ("petition_date", "type")),
    (put("closed_at", "2024-02-20"), ("closed_at", "type")),
    (put("closed_at", "2024-02-20T25:00:00"), ("closed_at", "type")),
    (put("closed_at", "0001-01-01T00:00:00+14:00"), ("closed_at", "type")),
    (put("closed_at", 1708421400), ("closed_at", "type")),
    (put("closed_at", "2024-01-09T23:00:00+08:00"), ("closed_at", "closed-after-acceptance")),
    (put("closed_at", "2024-01-02T23:00:00+08:00"), ("closed_at", "closed-after-petition")),
    (put("registered_at", "2024-01-07T23:00:00+08:00"), ("registered_at", "registered-after-petition")),
    (put("petition_form", "鸽子"), ("petition_form", "code")),
    (put("petition_form", ""), ("petition_form", "code")),
    (put("petition_form", ["letter"]), ("petition_form", "type")),
    (put("petitioner_count", 0), ("petitioner_count", "range")),
    (put("petitioner_count", 10**400), ("petitioner_count", "range")),
    (put("petitioner_count", 2.0), ("petitioner_count", "type")),
    (put("petitioner_count", True), ("petitioner_count", "type")),
    (put("petitioner_count", float("nan")), ("petitioner_count", "type")),
    (put("petitioner_count", 1), ("petitioner_count", "petitioner-count")),
    (put("is_repeat", 0), ("is_repeat", "type")),
    (put("is_repeat", "true"), ("is_repeat", "type")),
    (put("locality_code", "4301"), ("locality_code", "format")),
    (put("locality_code", "４３０１０４"), ("locality_code", "format")),
    (put("petitioners", 0, "mobile", "没有电话"), ("petitioners[0].mobile", "format")),
    (put("petitioners", 0, "email", "a.qq.com"), ("petitioners[0].email", "format")),
    (put("attachments", 0, "file_name", "../a.pdf"), ("attachments[0].file_name", "format")),
    (put("attachments", 0, "sha256", "AB" * 32), ("attachments[0].sha256", "format")),
    (put("attachments", 0, "size_bytes", -1), ("attachments[0].size_bytes", "range")),
    (put("record_id", "x"), ("record_id", "made-by-archive")),
    (put("archive_code", None), ("archive_code", "made-by-archive")),
    (put("fonds_code", "F"), ("fonds_code", "made-by-archive")),
    (put("protection_level", "normal"), ("protection_level", "made-by-archive")),
    (put("policy_bases", 0, "cited_correctly", "yes"), ("policy_bases[0].cited_correctly", "made-by-archive")),
    (put("petitioners", 0, "petitioner_id", "x"), ("petitioners[0].petitioner_id", "made-by-archive")),
    (put("retention", {"holds": []}), ("retention", "made-by-archive")),
    (put("integrity", None), ("integrity", "made-by-archive")),
    (put("stages", {}), ("stages", "type")),
    (put("stages", [None]), ("stages[0]", "type")),
    (put("decision", []), ("decision", "type")),
    (put("tags", ["某某其人"]), ("tags[0]", "code")),
    (put("tags", ["wages", "工资社保"]), ("tags", "duplicate-item")),
    (put("tags", "wages"), ("tags", "type")),
    (put("cooperating_unit_codes", [str(number) for number in range(51)]), ("cooperating_unit_codes", "too-many-items")),
    (put("petitioners", 0, "extra_collected", {"ethnicity": "汉"}), ("petitioners[0].extra_collected.#1", "extra-not-permitted")),
    (put("petitioners", 0, "extra_collected", "汉"), ("petitioners[0].extra_collected", "type")),
    (put("petitioners", 0, "ethnicity", "汉"), ("petitioners[0].#10", "over-collected")),
    (put("petitioners", 0, "民族", "汉"), ("petitioners[0].#10", "over-collected")),
    (put("petitioners", 0, "id_numbr", "1"), ("petitioners[0].#10", "unknown-field")),
    (put("provenance", {"titel": "given"}), ("provenance.#1", "provenance-path")),
    (put("provenance", {"title": "guessed"}), ("provenance.#1", "provenance-code")),
    (put("provenance", ["title"]), ("provenance", "type")),
    (put("replies", 0, "promised_dates", [{"date": "2024-03-31"}]), ("replies[0].promised_dates[0]", "type")),
    (put("replies", 0, "promised_dates", [{"date": "soon", "text": "退还"}]), ("replies[0].promised_dates[0].date", "type")),
    (put("replies", 0, "delivered_at", "2024-02-14T09:00:00Z"), ("replies[0].delivered_at", "delivery-order")),
    (put("stages", 1, "finished_at", "2024-01-10T09:00:00Z"), ("stages[1].finished_at", "stage-order")),
    (put("stages", 1, "extension_days", 31), ("stages[1].extension_days", "range")),
    (put("stages", 1, "due_at", "2024-03-11T18:00:00+08:00"), ("stages[1].due_at", "due-limit")),
    (put("stages", 0, "stage", "archiving"), ("stages[0].stage", "stage-archiving")),
    (put("closure_type", "not_accepted"), ("stages[1].stage", "stage-refused")),
    (put("closure_type", "review_concluded"), ("reviews", "review-missing")),
    (put("repeat_of_case_no", "XF-1"), ("repeat_of_case_no", "repeat-contradiction")),
    (put("policy_bases", 0, "effective_until", "2019-01-01"), ("policy_bases[0].effective_until", "policy-order")),
    (put("is_anonymous", True), ("petitioners[0].name", "anonymous-identity")),
    (put("title", "【机密】某事"), ("title", "state-secret")),
    (put("content", "机密★十年\n正文"), ("content", "state-secret")),
    (put("content", "正文\n　绝 密　\n正文"), ("content", "state-secret")),
    (put("content", "密级：秘密"), ("content", "state-secret")),
    (put("attachments", 0, "file_name", "[秘密]通知.pdf"), ("attachments[0].file_name", "state-secret")),
]


@pytest.mark.parametrize(("change", "expected"), BAD, ids=[f"{path}-{rule}-{number}" for number, (_, (path, rule)) in enumerate(BAD)])
def test_bad_input_is_refused_at_its_place_by_its_rule(change: Change, expected: tuple[str, str]) -> None:
    record = typical()
    change(record)
    assert expected in faults_of(record)


@pytest.mark.parametrize(
    "text",
    [
        "他们说这是秘密，不肯公开。",
        "涉及商业秘密★的合同",
        "密级：工作秘密",
        "个人秘密被机密文件以外的人知道",
        "绝密计划只是传言",
        "机密性不足",
    ],
)
def test_prose_that_speaks_of_secrets_is_not_a_marking(text: str) -> None:
    validate(with_(content=text), base(), today=TODAY)


def test_rare_and_private_use_characters_of_names_are_kept() -> None:
    record = typical()
    record["petitioners"][0]["name"] = "\ue123\U00020bb7\U000e0100明"
    assert validate(record, base(), today=TODAY).sealed["petitioners[].name", 0] == "\ue123\U00020bb7\U000e0100明"


def test_every_fault_of_a_record_is_told_at_once() -> None:
    record = with_(title=1, petition_form="x", petitioner_count="2", surplus=1)
    record["petitioners"][1]["id_number"] = 5
    found = faults_of(record)
    assert {("title", "type"), ("petition_form", "code"), ("petitioner_count", "type"), ("petitioners[1].id_number", "type")} <= set(found)
    assert any(rule == "unknown-field" for _, rule in found)


def test_faults_are_bounded_and_the_last_says_so() -> None:
    found = faults_of(with_(**{f"unheard_{number}": 1 for number in range(5000)}))
    assert len(found) == 201
    assert found[-1] == ("", "too-many-faults")


def test_a_group_visit_has_at_most_five_representatives() -> None:
    record = with_(is_group_visit=True, petitioner_count=40)
    one = record["petitioners"][0]
    record["petitioners"] = [deepcopy(one) for _ in range(5)]
    validate(record, base(), today=TODAY)
    record["petitioners"].append(deepcopy(one))
    assert faults_of(record) == [("petitioners", "representatives")]


def test_extensions_add_up_and_move_the_due_day() -> None:
    record = typical()
    record["stages"][1]["extension_days"] = 20
    record["stages"][1]["due_at"] = "2024-03-30T18:00:00+08:00"
    validate(record, base(), today=TODAY)
    record["stages"][2]["extension_days"] = 20
    assert ("stages", "extension-limit") in faults_of(record)


@pytest.mark.parametrize("missing", range(4))
def test_a_handled_case_has_all_its_stages(missing: int) -> None:
    record = typical()
    del record["stages"][missing]
    assert ("stages", "stage-missing") in faults_of(record)


def test_stages_the_source_does_not_tell_are_not_missed() -> None:
    validate(with_(stages=[], provenance={"stages[]": "unknown"}), base(), today=TODAY)


def test_a_refused_stage_is_not_reported_as_missing_too() -> None:
    record = typical()
    record["stages"][1]["stage"] = "nonsense"
    assert faults_of(record) == [("stages[1].stage", "code")]


def test_an_anonymous_case_may_say_how_many_and_nothing_of_who() -> None:
    record = with_(is_anonymous=True, petitioners=[{"is_primary": True, "petitioner_kind": "citizen", "confidentiality_requested": False}])
    checked = validate(record, base(), today=TODAY)
    assert checked.anonymous
    for name, value in {"name": "张三", "mobile": "10000001234", "id_number": ID_ZHANG, "sex": "male", "former_names": ["张四"]}.items():
        again = deepcopy(record)
        again["petitioners"][0][name] = value
        assert faults_of(again) == [(f"petitioners[0].{name}", "anonymous-identity")]


def test_extra_items_need_a_rulebook_that_names_them_and_their_basis() -> None:
    permission = {
        "name": "disability_grade",
        "label_zh": "残疾等级",
        "label_en": "Grade of disability",
        "legal_basis_zh": "残疾人保障法第五十条",
        "legal_basis_en": "Law on the Protection of Disabled Persons, art. 50",
        "max_length": 5,
    }
    rulebook = load.compile(base_sources(), {"fields": {"extra_collected": [permission]}})
    record = typical()
    record["petitioners"][0]["extra_collected"] = {"disability_grade": " 二级 "}
    checked = validate(record, rulebook, today=TODAY)
    assert checked.sealed["petitioners[].extra_collected", 0] == {"disability_grade": "二级"}
    jsonschema.validate(record, json_schema(rulebook))
    record["petitioners"][0]["extra_collected"] = {"disability_grade": "二级", "religion": "无"}
    assert faults_of(record, rulebook=rulebook) == [("petitioners[0].extra_collected.#2", "extra-not-permitted")]
    record["petitioners"][0]["extra_collected"] = {"disability_grade": "很长很长的话"}
    assert faults_of(record, rulebook=rulebook) == [("petitioners[0].extra_collected.disability_grade", "too-long")]


def test_times_without_a_zone_are_meant_in_shanghai_and_stored_in_utc() -> None:
    for text in (
        "2024-02-20T17:30",
        "2024-02-20 17:30:00",
        "2024-02-20T09:30:00Z",
        "2024-02-20T17:30:00.0009+08:00",
        "2024-02-20T09:30:00.000000001Z",
    ):
        assert validate(with_(closed_at=text), base(), today=TODAY).facts["closed_at"] == "2024-02-20T09:30:00.000Z"


def test_today_is_not_the_future_and_tomorrow_is() -> None:
    validate(with_(closed_at="2026-11-22T23:59:59"), base(), today=TODAY)
    assert ("closed_at", "future") in faults_of(with_(closed_at="2026-11-22T16:00:00Z"))


def test_the_schema_takes_what_validation_takes_and_refuses_its_plain_faults() -> None:
    schema = json_schema(base())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for record in (typical(), minimal(), accusation()):
        validator.validate(record)
    plain_faults: list[dict[str, Any]] = [
        {"record_id": "x"},
        {"surplus": 1},
        {"title": 7},
        {"petition_form": "鸽子"},
        {"retention": {}},
        {"title": None},
    ]
    for member in plain_faults:
        assert not validator.is_valid({**typical(), **member})
