"""The record is data: one entry in fields.toml is a field at every door, and a catalogue that contradicts itself is refused."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

import jsonschema
import pytest

from foundation.errors import InvalidInput
from petition_records import typical
from policies import field_docs
from policies.errors import RulebookRefused
from policies.form_schema import json_schema
from policies.masked_copy import mask_record
from policies.rulebook import load
from policies.rulebook.load import base, base_sources
from policies.validation import validate

TODAY = date(2026, 11, 22)
BESIDE_THE_RECORD = {"proposed_retention_class", "raw_source"}


def changed(at: str, /, **properties: Any) -> dict[str, Any]:
    sources: dict[str, Any] = deepcopy(dict(base_sources()))
    row = next(one for one in sources["fields"]["field"] if one["path"] == at)
    for name, value in properties.items():
        if value is None:
            row.pop(name, None)
        else:
            row[name] = value
    return sources


def test_the_record_has_its_116_fields_beside_the_proposal_and_the_raw_source() -> None:
    fields = [field for field in base().catalogue if field.path not in BESIDE_THE_RECORD]
    assert len(fields) == 116
    assert sum(field.tier == "core" for field in fields) == 76
    assert sum(field.tier == "extended" for field in fields) == 40


def test_every_field_and_code_has_a_label_in_chinese_and_in_english() -> None:
    rulebook = base()
    for field in rulebook.catalogue:
        assert field.label_zh
        assert field.label_en.isprintable()
        assert field.label_en[0].isascii()
        assert bool(field.note_zh) == bool(field.note_en)
    for code_list in rulebook.codes.lists.values():
        assert code_list.label_zh
        assert code_list.label_en
        assert all(code.label_en and all(code.names.values()) for code in code_list.codes.values())


def test_what_is_personal_is_sealed_and_what_is_sealed_has_no_plain_index() -> None:
    for field in base().catalogue:
        if field.classification in {"personal", "sensitive"}:
            assert field.sealed
            assert field.mask != "none"
        if field.sealed:
            assert not field.plain


@pytest.mark.parametrize("sealed", [True, False])
def test_one_entry_in_fields_toml_is_a_field_at_every_door(sealed: bool) -> None:
    entry = {
        "path": "petitioners[].bank_card",
        "label_zh": "银行卡号",
        "label_en": "Bank card",
        "type": "string",
        "format": "name",
        "max_length": 30,
        "required": False,
        "classification": "sensitive" if sealed else "internal",
        "search": ["blind_index"] if sealed else ["exact"],
        "mask": "bank_card_4" if sealed else "none",
        "sealed": sealed,
        "tier": "extended",
        "class": "sensitive_identity" if sealed else "handling_fact",
    }
    card = "6222990000001234567"
    sources: dict[str, Any] = deepcopy(dict(base_sources()))
    sources["fields"]["field"].append(entry)
    record = typical()
    record["petitioners"][1]["bank_card"] = card
    record["replies"][0]["reply_text"] += f"款项汇入{card[:4]} {card[4:]}。"
    with pytest.raises(InvalidInput):
        validate(record, base(), today=TODAY)
    for rulebook in (load.compile(sources, {}), load.compile(base_sources(), {"fields": {"field": [entry]}})):
        assert rulebook.version != base().version
        checked = validate(record, rulebook, today=TODAY)
        path = "petitioners[].bank_card"
        if sealed:
            assert checked.sealed[path, 1] == card
            assert checked.blind[path] == (card,)
            assert path not in checked.facts
            assert path not in checked.search_terms
            copy = mask_record(checked, rulebook)
            assert copy[path] == [None, "****4567"]
            assert card[8:] not in str(copy)
        else:
            assert checked.facts[path] == (None, card)
            assert checked.search_terms[path] == (card,)
        assert "petitioners[].bank_card" in field_docs.render(rulebook)
        item = json_schema(rulebook)["properties"]["petitioners"]["items"]
        assert item["properties"]["bank_card"]["maxLength"] == 30
        jsonschema.validate(record, json_schema(rulebook))
        too_long = deepcopy(record)
        too_long["petitioners"][1]["bank_card"] = card * 3
        with pytest.raises(InvalidInput) as caught:
            validate(too_long, rulebook, today=TODAY)
        assert [(fault.path, fault.rule) for fault in caught.value.faults] == [("petitioners[1].bank_card", "too-long")]


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        ("petitioners[].name", {"search": ["exact"]}),
        ("petitioners[].name", {"sealed": False}),
        ("petitioners[].id_number", {"mask": "none"}),
        ("petitioners[].id_number", {"mask": "id_7_3"}),
        ("petitioners[].id_number", {"clasification": "sensitive"}),
        ("petitioners[].id_number", {"classification": "secret"}),
        ("grade", {"codes": "grades"}),
        ("grade", {"label_en": None}),
        ("grade", {"required": "yes"}),
        ("grade", {"class": "nowhere"}),
        ("grade", {"search": ["fuzzy"]}),
        ("grade", {"path": "Grade"}),
        ("grade", {"path": "elsewhere[].grade"}),
        ("grade", {"path": "title"}),
        ("grade", {"path": "petitioners"}),
        ("petitioner_count", {"minimum": 5, "maximum": 4}),
        ("petitioner_count", {"maximum": 2**60}),
        ("content", {"max_length": 10_000_000}),
        ("involved_parties[].party_name", {"unit_by": "party_kid"}),
        ("record_id", {"made_by": None}),
        ("stages[].stage", {"mask": "redact_pii", "sealed": True, "search": []}),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused_with_its_place(path: str, properties: dict[str, Any]) -> None:
    with pytest.raises(RulebookRefused) as caught:
        load.compile(changed(path, **properties), {})
    assert caught.value.params["file"] in {"fields", "classes"}
    assert caught.value.params["where"]


@pytest.mark.parametrize(
    "overlay",
    [
        {"matrix": {}},
        {"divisions": {}},
        {"fields": {"group": []}},
        {"fields": {"field": [{"path": "petitioners[].name"}]}},
        {"fields": {"field": [{"path": "extra", "made_by": "archive"}]}},
        {"fields": {"label": {"petitioners[].nam": {"label_zh": "名"}}}},
        {"fields": {"label": {"petitioners[].name": {"mask": "none"}}}},
        {"fields": {"extra_collected": [{"name": "ethnicity", "label_zh": "民族", "label_en": "ethnicity", "max_length": 10}]}},
        {"codes": {"list": {"statutory_class": {"codes": [{"code": "x", "zh": "某", "en": "x"}]}}}},
        {"codes": {"list": {"topic_tag": {"open": False}}}},
        {"codes": {"list": {"topic_tag": {"codes": [{"code": "wages", "zh": "工资", "en": "wages"}]}}}},
        {"retention": {"class": {}}},
        {"retention": {"default_class": "y30"}},
        {
            "retention": {
                "rule": [{"id": "r", "class": "y9", "basis_zh": "某", "basis_en": "b", "all": [{"paths": ["grade"], "codes": []}]}]
            }
        },
        {
            "retention": {
                "rule": [
                    {"id": "r", "class": "y1", "basis_zh": "某", "basis_en": "b", "all": [{"paths": ["petitioners[].name"], "codes": []}]}
                ]
            }
        },
        {"retention": {"rule": [{"id": "r", "class": "y1", "basis_zh": "某", "basis_en": "b", "all": []}]}},
        {
            "retention": {
                "rule": [
                    {"id": "with-result", "class": "y1", "basis_zh": "某", "basis_en": "b", "all": [{"paths": ["grade"], "codes": []}]}
                ]
            }
        },
        {"fields": []},
    ],
)
def test_an_overlay_that_takes_away_or_loosens_is_refused(overlay: dict[str, Any]) -> None:
    with pytest.raises(RulebookRefused):
        load.compile(base_sources(), overlay)


def test_an_overlay_relabels_adds_lists_and_codes_and_its_own_version() -> None:
    overlay: dict[str, Any] = {
        "fields": {"label": {"case_no": {"label_zh": "案号"}}},
        "codes": {
            "list": {
                "topic_tag": {"codes": [{"code": "dock", "zh": "码头搬迁", "en": "moving of the docks"}]},
                "mood": {"label_zh": "类别", "label_en": "Kind", "codes": [{"code": "a", "zh": "甲", "en": "a"}]},
            }
        },
        "retention": {"default_class": "y5", "default_basis_zh": "本单位规定", "default_basis_en": "own list"},
    }
    rulebook = load.compile(base_sources(), overlay)
    assert rulebook.catalogue["case_no"].label_zh == "案号"
    assert "dock" in rulebook.codes["topic_tag"].codes
    assert "mood" in rulebook.codes
    assert rulebook.retention.default.retention_class == "y5"
    assert rulebook.version == load.compile(base_sources(), deepcopy(overlay)).version != base().version
    record = typical()
    record["tags"] = ["码头搬迁"]
    assert validate(record, rulebook, today=TODAY).facts["tags"] == ("dock",)


def test_the_version_is_of_the_rules_and_not_of_their_writing() -> None:
    sources = dict(base_sources())
    reordered = {stem: dict(reversed(list(table.items()))) for stem, table in reversed(list(sources.items()))}
    assert load.compile(reordered, {}).version == base().version
    assert load.compile(changed("grade", label_en="Rank"), {}).version != base().version
    assert len(base().version) == 64


def test_code_lists_keep_a_code_through_its_renaming() -> None:
    codes = base().codes
    category = codes["content_category_l1"]
    assert category.spellings["国土资源"] == ("natural_resources", "2005")
    assert category.spellings["自然资源"] == ("natural_resources", "2018")
    assert category.spellings["natural_resources"] == ("natural_resources", None)
    assert category.spellings["政法"] == ("political_legal", None)
    assert category.spellings["军队事务"] == ("military", None)
    assert "不存在" not in category.spellings
    assert category.version_on(date(1990, 1, 1)) == "2005"


@pytest.mark.parametrize(
    ("name", "day", "version"),
    [("国土资源", "2024-01-08", "2005"), ("natural_resources", "2016-01-08", "2005"), ("natural_resources", "2024-01-08", "2018")],
)
def test_a_record_keeps_the_version_its_category_was_given_under(name: str, day: str, version: str) -> None:
    record = typical()
    record["content_category_l1"] = name
    record["petition_date"] = day
    checked = validate(record, base(), today=TODAY)
    assert checked.facts["content_category_l1"] == "natural_resources"
    assert checked.code_versions["content_category_l1"] == version


def test_the_top_classes_of_real_petitions_are_known(shared_data: Any) -> None:
    rows = (shared_data / "petition_categories.csv").read_text("utf-8").splitlines()[1:]
    tops = {row.split(",")[0].strip('"') for row in rows if row.strip()}
    assert len(tops) == 15
    assert tops <= set(base().codes["content_category_l1"].spellings)
