"""Reading the tables offices have: other encodings, marks, quoted line breaks, spreadsheets with numbers and dates, broken files."""

# ruff: noqa: DTZ001  a spreadsheet's date has no zone

from __future__ import annotations

import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
import xlwt

from policies.rulebook.load import base
from service.importing import readers
from service.importing.cells import Cell
from service.importing.errors import MappingRefused, SourceUnreadable
from service.importing.mapping import Mapping, parse
from service.importing.readers import Row, read_records, read_rows

RULEBOOK = base()
REQUIRED = [
    field.path
    for field in RULEBOOK.catalogue
    if field.group == "records" and field.required and not field.made_by_archive and field.admits_unknown
]


def mapping(**source: Any) -> Mapping:
    fields = {"case_no": "编号", "title": "事由", "content": "内容", "closed_at": "办结"}
    return parse(
        {
            "format": 1,
            "name": "m",
            "version": "1",
            "unknown": [path for path in REQUIRED if path not in fields],
            "source": {"kind": "csv", "encoding": "utf-8", "system": "s", "ignored_columns": ["备注"], **source},
            "fields": {path: {"column": column} for path, column in fields.items()},
        },
        RULEBOOK,
    )


HEADER = "编号,事由,内容,办结,备注\r\n"
LINE = 'A1,一,"第一行\r\n第二行，""引""",2024/5/6,x\r\n'
CELLS: dict[str, Cell] = {"编号": "A1", "事由": "一", "内容": '第一行\r\n第二行，"引"', "办结": "2024/5/6"}


def read(tmp_path: Path, content: bytes, name: str = "t.csv", **source: Any) -> list[Row]:
    path = tmp_path / name
    path.write_bytes(content)
    return list(read_rows(path, mapping(**source)))


@pytest.mark.parametrize(
    ("codec", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("gb18030", "gb18030"),
        ("utf-8", "detect"),
        ("utf-8-sig", "detect"),
        ("gb18030", "detect"),
    ],
)
def test_the_same_table_is_read_from_every_encoding_it_comes_in(tmp_path: Path, codec: str, declared: str) -> None:
    assert read(tmp_path, (HEADER + LINE).encode(codec), encoding=declared) == [Row(2, CELLS)]


def test_a_rare_character_of_a_name_survives_gb18030(tmp_path: Path) -> None:
    rare = "王\U00020bb7\ue5e5\u3400"
    rows = read(tmp_path, (HEADER + f"A1,{rare},二,2024/5/6,\r\n").encode("gb18030"), encoding="gb18030")
    assert rows[0].cells["事由"] == rare


def test_a_byte_of_another_encoding_costs_its_row_and_not_the_file(tmp_path: Path) -> None:
    content = HEADER.encode() + "A1,一,".encode() + b"\xb2\xe2\xca\xd4" + b",2024/5/6,\r\n" + LINE.encode()
    first, second = read(tmp_path, content)
    assert first.fault is not None
    assert (first.fault.rule, first.fault.path) == ("cell-not-decodable", "内容")
    assert second == Row(3, CELLS)


def test_an_ignored_column_is_never_handed_on(tmp_path: Path) -> None:
    assert "备注" not in read(tmp_path, (HEADER + LINE).encode())[0].cells


def test_rows_are_numbered_as_a_spreadsheet_numbers_them_and_blank_ones_left_out(tmp_path: Path) -> None:
    content = "导出时间 2024\r\n" + HEADER + ",,,,\r\n" + LINE + "\r\n" + "A2,二,三,2024/5/6,\r\n"
    assert [row.number for row in read(tmp_path, content.encode(), header_row=2)] == [4, 6]


def test_a_row_of_another_width_is_refused_by_itself(tmp_path: Path) -> None:
    rows = read(tmp_path, (HEADER + "A1,一,二\r\nA1,一,二,三,四,五\r\n" + LINE).encode())
    assert [row.fault.rule if row.fault else "" for row in rows] == ["row-too-narrow", "row-too-wide", ""]


def test_a_quotation_mark_that_is_never_closed_stops_the_import_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes((HEADER + LINE + 'A2,"二,三,2024/5/6,\r\n' + LINE).encode())
    rows = read_rows(path, mapping())
    assert next(rows).number == 2
    with pytest.raises(SourceUnreadable) as refusal:
        next(rows)
    assert refusal.value.params["row"] == 3


def test_a_cell_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    rows = read(tmp_path, (HEADER + "A1,一," + "长" * 200_001 + ",2024/5/6,\r\n").encode())
    assert rows[0].fault is not None
    assert rows[0].fault.rule == "cell-too-long"


@pytest.mark.parametrize(
    "header",
    ["编号,事由,内容,备注", "编号,事由,内容,办结,民族", "编号,事由,内容,办结,编号", "编号,,事由,内容,办结", ""],
    ids=["missing", "not accounted for", "twice", "nameless", "no header"],
)
def test_a_header_that_is_not_the_mappings_is_refused_before_any_row(tmp_path: Path, header: str) -> None:
    with pytest.raises((MappingRefused, SourceUnreadable)):
        read(tmp_path, f"{header}\r\n1,2,3,4,5\r\n".encode() if header else b"")


# ------------------------------------------------------------------------------------------------ spreadsheets


def xlsx(path: Path) -> None:
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False})
    sheet = book.add_worksheet("台账")
    day = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    sheet.write_row(0, 0, ["编号", "事由", "内容", "办结", "备注"])
    sheet.write_row(1, 0, ["A1", "=1+1", "第一行\n第二行_x000D_"])
    sheet.write_datetime(1, 3, datetime(2024, 5, 6, 7, 8), day)
    sheet.write_number(2, 0, 20240002)
    sheet.write_row(2, 1, ["二", "三", "2024年5月6日"])
    book.close()


def xls(path: Path) -> None:
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("台账")
    day = xlwt.XFStyle()
    day.num_format_str = "yyyy-mm-dd hh:mm"
    for column, name in enumerate(["编号", "事由", "内容", "办结", "备注"]):
        sheet.write(0, column, name)
    for column, cell in enumerate(["A1", "=1+1", "第一行\n第二行_x000D_"]):
        sheet.write(1, column, cell)
    sheet.write(1, 3, datetime(2024, 5, 6, 7, 8), day)
    for column, value in enumerate([20240002, "二", "三", "2024年5月6日"]):
        sheet.write(2, column, value)
    book.save(str(path))


@pytest.mark.parametrize(("write", "name"), [(xlsx, "t.xlsx"), (xls, "t.xls"), (xlsx, "T.XLSX")])
def test_a_spreadsheet_gives_texts_numbers_and_dates_as_its_cells_hold_them(tmp_path: Path, write: Any, name: str) -> None:
    write(tmp_path / name)
    first, second = read_rows(tmp_path / name, mapping(kind="by-suffix", encoding="detect", sheet="台账"))
    assert first == Row(2, {"编号": "A1", "事由": "=1+1", "内容": "第一行\n第二行_x000D_", "办结": datetime(2024, 5, 6, 7, 8)})
    assert second == Row(3, {"编号": 20240002, "事由": "二", "内容": "三", "办结": "2024年5月6日"})


@pytest.mark.parametrize("sheet", ["没有", 5])
def test_a_sheet_that_is_not_there_is_named_as_the_reason(tmp_path: Path, sheet: str | int) -> None:
    xlsx(tmp_path / "t.xlsx")
    with pytest.raises(SourceUnreadable):
        list(read_rows(tmp_path / "t.xlsx", mapping(kind="xlsx", sheet=sheet)))


@pytest.mark.parametrize(
    ("kind", "content"), [("xlsx", b"PK\x03\x04 broken"), ("xls", b"\xd0\xcf\x11\xe0 broken"), ("xls", b""), ("xlsx", b"a,b")]
)
def test_a_broken_spreadsheet_is_refused_in_words(tmp_path: Path, kind: str, content: bytes) -> None:
    with pytest.raises(SourceUnreadable):
        read(tmp_path, content, f"t.{kind}", kind=kind)


def test_a_spreadsheet_that_unpacks_to_too_much_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 100_000)
    monkeypatch.setattr(readers, "LARGEST_UNPACKED", 50_000)
    with pytest.raises(SourceUnreadable) as refusal:
        list(read_rows(tmp_path / "t.xlsx", mapping(kind="xlsx")))
    assert "split" in str(refusal.value.params["why_en"])


def test_a_file_of_another_kind_is_refused_by_its_suffix(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable):
        read(tmp_path, b"", "t.ods", kind="by-suffix", encoding="detect")


# ------------------------------------------------------------------------------------------------ NDJSON


def test_lines_of_ndjson_are_rows(tmp_path: Path) -> None:
    good = json.dumps({"编号": "A1", "事由": "一", "内容": None, "办结": 20240506, "备注": "x"}).encode()
    lines = [
        b"\xef\xbb\xbf" + good,
        b"",
        b'{"a": 1, "a": 2}',
        b"[1]",
        b"{",
        b'{"\xe6\xb0\x91\xe6\x97\x8f": "x"}',
        json.dumps({"编号": ["A1"]}).encode(),
        b'{"a": "\xff"}',
    ]
    rows = read(tmp_path, b"\n".join(lines), "t.ndjson", kind="ndjson")
    assert [(row.number, row.fault.rule if row.fault else "") for row in rows] == [
        (1, ""),
        (3, "duplicate-key"),
        (4, "line-not-an-object"),
        (5, "not-json"),
        (6, "column-not-accounted-for"),
        (7, "cell-not-flat"),
        (8, "not-utf8"),
    ]


def test_whole_cases_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "c.ndjson"
    path.write_bytes(b'{"case_no": "1"}\n\nnull\n')
    (one, first), (two, second) = read_records(path)
    assert (one, first) == (1, {"case_no": "1"})
    assert two == 3
    assert getattr(second, "rule", "") == "line-not-an-object"
