"""Readers of tables: CSV (UTF-8, GB18030), XLSX, XLS and NDJSON, each a stream of numbered rows.

Rows are numbered as a spreadsheet numbers them (the header of a CSV is row 1); lines of NDJSON from 1. A row that cannot be used carries a
fault instead of cells. Text files are read as a stream; a spreadsheet is held in memory, as its format demands.
"""

from __future__ import annotations

import codecs
import csv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import python_calamine

from foundation import strict_json
from foundation.errors import Fault, InvalidInput
from service.importing.cells import LONGEST_CELL, Cell, fault
from service.importing.errors import MappingRefused, SourceUnreadable
from service.importing.mapping import Mapping, Source

LARGEST_UNPACKED: Final = 2 * 1024**3
"""Bytes an XLSX file may unpack to; more is a bomb or needs splitting."""
LONGEST_LINE: Final = 16 * 1024**2
_BOM: Final = "\ufeff"
_DECODABLE_SAMPLE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number, its cells by column, or the fault that makes it unusable."""

    number: int
    cells: dict[str, Cell]
    fault: Fault | None = None


def read_rows(path: Path, mapping: Mapping) -> Iterator[Row]:
    """Read the rows of a file for a mapping, blank ones left out.

    Raises SourceUnreadable where the file cannot be read from some row on, MappingRefused where its columns are not those of the mapping.
    """
    source = mapping.source
    kind = path.suffix.removeprefix(".").lower() if source.kind == "by-suffix" else source.kind
    if kind not in ("csv", "xlsx", "xls", "ndjson"):
        _unreadable(0, "后缀应为 .csv、.xlsx、.xls 或 .ndjson。", "its suffix must be .csv, .xlsx, .xls or .ndjson.")
    if kind == "ndjson":
        return _ndjson_rows(path, mapping)
    lines = _csv_lines(path, source) if kind == "csv" else _sheet_lines(path, source, zipped=kind == "xlsx")
    return _table_rows(lines, mapping)


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | Fault]]:
    """Read an NDJSON file whose lines already are whole cases in the form of a deposit."""
    for number, line in _lines(path):
        value = _object(number, line)
        yield number, value.fault or value.cells


def _unreadable(row: int, why_zh: str, why_en: str) -> NoReturn:
    raise SourceUnreadable(row=row, why_zh=why_zh, why_en=why_en)


# ------------------------------------------------------------------------------------------------ text files


def encoding_of(path: Path, source: Source) -> str:
    """The codec of a text file: the declared one; for `detect` UTF-8 where a mark says so or the whole file is valid UTF-8, else GB18030.

    GB18030 can decode almost anything, so only UTF-8 can be told from the bytes.
    """
    if source.encoding != "detect":
        return "utf-8" if source.encoding == "utf-8" else "gb18030"
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    with path.open("rb") as file:
        try:
            while block := file.read(_DECODABLE_SAMPLE):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "gb18030"
    return "utf-8"


def _csv_lines(path: Path, source: Source) -> Iterator[tuple[int, list[Cell]]]:
    csv.field_size_limit(LONGEST_LINE)
    # Undecodable bytes become lone surrogates, so that one bad byte costs its row and not the file.
    with path.open(encoding=encoding_of(path, source), errors="surrogateescape", newline="") as file:
        if file.read(1) != _BOM:
            file.seek(0)
        # Strict: a quotation mark that is never closed would otherwise swallow the rows behind it into one cell.
        reader = csv.reader(file, delimiter=source.delimiter, strict=True)
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader, None)
            except csv.Error:
                _unreadable(number, "引号不成对或单元格过大。", "a quotation mark is not closed, or a cell is too large.")
            if cells is None:
                return
            yield number, list(cells)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                _unreadable(number, "该行过长。", "the line is too long.")
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if line.strip():
                yield number, line


def _object(number: int, line: bytes) -> Row:
    try:
        value = strict_json.loads(line, max_bytes=LONGEST_LINE)
    except InvalidInput as refusal:
        return Row(number, {}, refusal.faults[0])
    return Row(number, value) if isinstance(value, dict) else Row(number, {}, fault("$", "line-not-an-object"))


def _ndjson_rows(path: Path, mapping: Mapping) -> Iterator[Row]:
    wanted, ignored = mapping.columns, mapping.source.ignored
    for number, line in _lines(path):
        row = _object(number, line)
        # A key that is not accounted for is not named: it may be a value in the wrong place.
        if row.fault is None and not row.cells.keys() <= wanted | ignored:
            row = Row(number, {}, Fault("$", "column-not-accounted-for", *_NOT_ACCOUNTED))
        yield _checked(row, wanted)


# ------------------------------------------------------------------------------------------------ spreadsheets


def _sheet_lines(path: Path, source: Source, *, zipped: bool) -> Iterator[tuple[int, list[Cell]]]:
    if zipped:
        _refuse_bombs(path)
    try:
        workbook = python_calamine.load_workbook(str(path))
        sheet = workbook.get_sheet_by_name(source.sheet) if isinstance(source.sheet, str) else workbook.get_sheet_by_index(source.sheet)
        rows = sheet.to_python(skip_empty_area=False)
    except python_calamine.WorksheetNotFound:
        _unreadable(0, "没有映射文件所指的工作表。", "it has no such sheet as the mapping names.")
    except python_calamine.PasswordError:
        _unreadable(0, "文件有打开密码。", "it is protected by a password.")
    except (python_calamine.CalamineError, OSError):
        _unreadable(0, "不是有效的 XLSX/XLS 文件。", "it is no valid XLSX or XLS file.")
    for number, row in enumerate(rows, 1):
        yield number, list(row)


def _refuse_bombs(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        _unreadable(0, "不是有效的 XLSX 文件。", "it is no valid XLSX file.")
    if unpacked > LARGEST_UNPACKED:
        _unreadable(0, "解压后过大，请拆分。", "it unpacks to too much; split it.")


# ------------------------------------------------------------------------------------------------ headers and cells

_NOT_ACCOUNTED: Final = (
    "有未说明的列：每一列须有对应字段，或列入 ignored_columns。",
    "There is a column not accounted for: each must feed a field or stand under ignored_columns.",
)


def _table_rows(lines: Iterator[tuple[int, list[Cell]]], mapping: Mapping) -> Iterator[Row]:
    source = mapping.source
    header: list[str] | None = None
    for number, cells in lines:
        if number < source.header_row:
            continue
        if header is None:
            header = _header(cells, mapping)
            continue
        if all(cell is None or cell == "" or (isinstance(cell, str) and not cell.strip()) for cell in cells):
            continue
        spare = cells[len(header) :]
        if any(cell not in (None, "") for cell in spare):
            yield Row(number, {}, fault("$", "row-too-wide"))
        elif len(cells) < len(header):
            yield Row(number, {}, fault("$", "row-too-narrow"))
        else:
            named = {name: cell for name, cell in zip(header, cells, strict=False) if name and name not in source.ignored}
            yield _checked(Row(number, named), mapping.columns)
    if header is None:
        _unreadable(source.header_row, "没有表头。", "it has no header.")


def _header(cells: list[Cell], mapping: Mapping) -> list[str]:
    header = [str(cell if cell is not None else "").strip() for cell in cells]
    while header and not header[-1]:
        header.pop()
    present = [name for name in header if name]
    missing = sorted(mapping.columns - set(present))
    if missing:
        raise MappingRefused(where="fields", why_zh=f"来源没有“{missing[0]}”列。", why_en=f'the source has no column "{missing[0]}".')
    if len(set(present)) != len(present) or len(present) != len(header):
        raise MappingRefused(where="source", why_zh="表头有重名或空名的列。", why_en="the header names a column twice, or not at all.")
    strange = [index for index, name in enumerate(header, 1) if name not in mapping.columns | mapping.source.ignored]
    if strange:
        raise MappingRefused(where=f"source, column {strange[0]}", why_zh=_NOT_ACCOUNTED[0], why_en=_NOT_ACCOUNTED[1])
    return header


def _checked(row: Row, wanted: frozenset[str]) -> Row:
    """Refuse a row whose cells could not be decoded, are too long, or are no single values."""
    if row.fault is not None:
        return row
    for name in row.cells.keys() & wanted:
        cell: object = row.cells[name]
        if isinstance(cell, str):
            if len(cell) > LONGEST_CELL:
                return Row(row.number, {}, fault(name, "cell-too-long", limit=LONGEST_CELL))
            if any("\ud800" <= character <= "\udfff" for character in cell) if not cell.isascii() else False:
                return Row(row.number, {}, fault(name, "cell-not-decodable"))
        elif isinstance(cell, list | dict):
            return Row(row.number, {}, fault(name, "cell-not-flat"))
    return row
