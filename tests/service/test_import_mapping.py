"""A mapping says where a value comes from, never what it is; what it leaves open is refused before anything is read."""

from __future__ import annotations

import copy
import json
import shutil
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import InvalidInput
from policies.rulebook.load import base
from policies.validation import validate
from service.importing.errors import MappingRefused
from service.importing.mapping import load, parse
from service.importing.readers import Row, read_rows
from service.importing.rows import Mapped, RowMapper
from service.importing.run import dry_run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "import"
RULEBOOK = base()
TODAY = date(2026, 11, 22)
LEDGER = tomllib.loads((EXAMPLES / "ledger.toml").read_text(encoding="utf-8"))


def changed(path: str, value: Any) -> dict[str, Any]:
    table = copy.deepcopy(LEDGER)
    *parents, last = path.split("/")
    holder = table
    for key in parents:
        holder = holder[key]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return table


def refused(path: str, value: Any) -> str:
    with pytest.raises(MappingRefused) as refusal:
        parse(changed(path, value), RULEBOOK)
    assert refusal.value.text_zh
    return str(refusal.value.params["where"])


@pytest.mark.parametrize("key", ["value", "constant", "default", "fixed", "otherwise"])
def test_a_constant_for_a_fact_is_refused(key: str) -> None:
    assert refused("fields/grade", {key: "general"}) == "fields.grade"
    assert refused("fields/petition_form", {"column": "信访形式", key: "letter"}) == "fields.petition_form"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 2),
        ("version", ""),
        ("surprise", 1),
        ("keep_raw_cells", "yes"),
        ("source/kind", "pdf"),
        ("source/encoding", None),
        ("source/encoding", "latin-1"),
        ("source/system", ""),
        ("source/delimiter", ";;"),
        ("source/surprise", 1),
        ("source/sheet", True),
        ("fields/nothing_like_it", {"column": "编号"}),
        ("fields/record_id", {"column": "编号"}),
        ("fields/protection_level", {"column": "编号"}),
        ("fields/provenance", {"column": "编号"}),
        ("fields/raw_source", {"column": "编号"}),
        ("fields/source_system", {"column": "编号"}),
        ("fields/petitioners[].employer", {"column": "编号"}),
        ("fields/petitioners[0].extra_collected", {"column": "编号"}),
        ("fields/title", {}),
        ("fields/title", {"columns": ["事由", "反映内容"]}),
        ("fields/title", {"column": "事由", "derive": "guess"}),
        ("fields/title", {"column": "事由", "clean": ["scrub"]}),
        ("fields/title", {"column": "事由", "clean": ["excel-serial"]}),
        ("fields/title", {"column": "事由", "codes": "purpose"}),
        ("fields/petition_purpose", {"column": "信访目的", "codes": "nothing"}),
        ("fields/title", {"column": "事由", "derive": "repeat-in-file"}),
        ("fields/feedback[0].target", {"column": "对信访部门评价", "derive": "heading"}),
        ("codes/purpose/version", None),
        ("codes/purpose/map", {}),
        ("codes/purpose/map", {"求决": "something"}),
        ("codes/purpose/other_words", "request"),
        ("unknown", ["no_such_field"]),
        ("unknown", ["closed_at"]),
        ("unknown", [*LEDGER["unknown"], "title"]),
        ("unknown", [*LEDGER["unknown"], "grade"]),
        ("unknown", [*LEDGER["unknown"], "petitioners[]"]),
        ("unknown", [path for path in LEDGER["unknown"] if path != "grade"]),
        ("fields/closed_at", None),
    ],
)
def test_a_mapping_that_breaks_its_format_is_refused_with_its_place(path: str, value: Any) -> None:
    assert refused(path, value)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(b"format = \xff")
    with pytest.raises(MappingRefused):
        load(tmp_path / "m.toml", RULEBOOK)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_mapping_shipped_is_a_valid_one(path: Path) -> None:
    assert load(path, RULEBOOK).name == path.stem


def ledger_rows() -> list[Mapped]:
    mapping = load(EXAMPLES / "ledger.toml", RULEBOOK)
    mapper = RowMapper(mapping)
    return [mapper.map(row) for row in read_rows(EXAMPLES / "ledger-sample.csv", mapping)]


def test_the_sample_ledger_can_be_deposited_whole(tmp_path: Path) -> None:
    source = tmp_path / "ledger-sample.csv"
    shutil.copy(EXAMPLES / "ledger-sample.csv", source)
    summary = dry_run(source, load(EXAMPLES / "ledger.toml", RULEBOOK), lambda record: validate(record, RULEBOOK, today=TODAY))
    assert (summary.rows, summary.created, summary.refused) == (3, 3, 0)


def test_what_the_source_does_not_tell_is_unknown_and_never_filled_in() -> None:
    for mapped in ledger_rows():
        told = mapped.record["provenance"]
        assert {path for path, word in told.items() if word == "unknown"} >= {"grade", "statutory_class", "registered_at", "stages[]"}
        checked = validate(mapped.record, RULEBOOK, today=TODAY)
        assert checked.record["grade"] == "unknown"
        assert "registered_at" not in checked.record
        assert "petitioner_kind" not in checked.record["petitioners"][0]


def test_a_word_outside_the_code_table_becomes_unknown_only_where_the_mapping_allows_it() -> None:
    third = ledger_rows()[2]
    assert third.record["petition_purpose"] is None
    assert third.record["provenance"]["petition_purpose"] == "unknown"
    mapping = parse(changed("codes/purpose/other_words", "refuse"), RULEBOOK)
    row = list(read_rows(EXAMPLES / "ledger-sample.csv", mapping))[2]
    assert [(one.rule, one.path) for one in RowMapper(mapping).map(row).faults] == [("code-not-mapped", "petition_purpose")]


def test_a_rating_is_about_whom_its_heading_names_and_exists_only_where_it_was_given() -> None:
    first, _second, third = ledger_rows()
    assert first.record["feedback"] == [
        {"target": "petition_office", "satisfaction": "满意"},
        {"target": "responsible_unit", "satisfaction": "基本满意"},
    ]
    assert first.record["provenance"]["feedback[].target"] == "derived"
    assert "feedback" not in third.record
    assert not any(path.startswith("feedback[]") for path in third.record["provenance"])


def test_the_raw_cells_are_kept_with_what_was_done_to_them_and_nothing_else_is_collected() -> None:
    kept = json.loads(ledger_rows()[0].record["raw_source"])
    assert kept["mapping"] == "ledger@1"
    assert kept["cells"]["人数"] == "１人"
    assert kept["cells"]["反映内容"].count("\r\n") == 1
    assert kept["cleaned"]["人数"] == ["full-width"]
    assert kept["cleaned"]["办结日期"] == ["date-only"]
    assert kept["derived"]["petitioners[0].address"] == "join(县区，住址)"
    assert not {"民族", "备注", "序号"} & kept["cells"].keys()


def test_the_raw_cells_are_sealed_and_withheld() -> None:
    field = RULEBOOK.catalogue["raw_source"]
    assert field.sealed
    assert field.mask == "withheld"
    assert not field.search


def test_a_row_may_be_read_without_its_raw_cells() -> None:
    mapping = parse(changed("keep_raw_cells", value=False), RULEBOOK)
    rows = list(read_rows(EXAMPLES / "ledger-sample.csv", mapping))
    assert "raw_source" not in RowMapper(mapping).map(rows[0]).record


@pytest.mark.parametrize(
    ("column", "cell", "rule", "path"),
    [
        ("来访日期", "去年三月", "date-not-readable", "petition_date"),
        ("人数", "很多", "whole-number-not-readable", "petitioner_count"),
        ("是否集体访", "大概", "yes-or-no-not-readable", "is_group_visit"),
        ("办结方式", "别的", "code-not-mapped", "closure_type"),
        ("身份证号", 990121197503124515.0, "number-lost-digits", "petitioners[0].id_number"),
    ],
)
def test_a_cell_that_cannot_be_read_refuses_its_row_with_field_and_rule(column: str, cell: Any, rule: str, path: str) -> None:
    mapping = load(EXAMPLES / "ledger.toml", RULEBOOK)
    row = next(iter(read_rows(EXAMPLES / "ledger-sample.csv", mapping)))
    mapped = RowMapper(mapping).map(Row(row.number, {**row.cells, column: cell}))
    assert [(one.rule, one.path) for one in mapped.faults] == [(rule, path)]
    assert str(cell) not in "".join(one.zh + one.en for one in mapped.faults)


def test_a_required_cell_that_is_empty_is_unknown_or_refused_as_the_catalogue_says() -> None:
    mapping = load(EXAMPLES / "ledger.toml", RULEBOOK)
    row = next(iter(read_rows(EXAMPLES / "ledger-sample.csv", mapping)))
    record = RowMapper(mapping).map(Row(row.number, {**row.cells, "信访形式": "-", "办结日期": "　"})).record
    assert record["provenance"]["petition_form"] == "unknown"
    with pytest.raises(InvalidInput) as refusal:
        validate(record, RULEBOOK, today=TODAY)
    assert [(one.path, one.rule) for one in refusal.value.faults] == [("closed_at", "required-always")]
