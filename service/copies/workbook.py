"""A copy as a workbook (XLSX): one sheet, a heading, a row an entry, every cell a text or the index; never a formula, never a link."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import xlsxwriter

from reviews.copies_rows import COLUMNS, HEADINGS, Row, cells

SHEET_NAME: Final = "审计日志"
LONGEST_CELL: Final = 32_767
"""What a cell may hold. A longer list of cases or fields is cut and says so; the other forms have it whole."""
CUT: Final = "…（未完，全文见其他格式 cut: see the other forms）"
_CHUNK: Final = 64 * 1024
_WIDTHS: Final = {"index": 9, "time": 25, "time_beijing": 20, "kind": 24, "meaning": 28, "verdict": 8}
# A workbook of the same rows is the same bytes.
_MADE: Final = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def sheet_values(row: Row) -> list[str]:
    """The row's cells as the sheet has them."""
    return [value if len(value) <= LONGEST_CELL else value[: LONGEST_CELL - len(CUT)] + CUT for value in cells(row)]


def sheet_chunks(rows: Iterable[Row]) -> Iterator[bytes]:
    """The bytes of the workbook. It grows in a folder of its own among temporary files, which goes with it; memory holds one row."""
    with tempfile.TemporaryDirectory(prefix="petition-archive-") as folder:
        path = Path(folder) / "copy.xlsx"
        book = xlsxwriter.Workbook(
            str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": folder}
        )
        try:
            book.set_properties({"created": _MADE, "title": SHEET_NAME})
            _fill(book, rows)
        finally:
            book.close()
        with path.open("rb") as made:
            while chunk := made.read(_CHUNK):
                yield chunk


def _fill(book: xlsxwriter.Workbook, rows: Iterable[Row]) -> None:
    sheet, bold = book.add_worksheet(SHEET_NAME), book.add_format({"bold": True})
    for place, (name, _, _) in enumerate(COLUMNS):
        sheet.set_column(place, place, _WIDTHS.get(name, 16))
    sheet.freeze_panes(1, 2)
    for place, heading in enumerate(HEADINGS):
        sheet.write_string(0, place, heading, bold)
    for number, row in enumerate(rows, start=1):
        sheet.write_number(number, 0, row.index)
        for place, value in enumerate(sheet_values(row)):
            if place and value:
                sheet.write_string(number, place, value)
