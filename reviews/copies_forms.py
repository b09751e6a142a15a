"""The forms of a copy that are written line by line: each a function from an entry to the bytes of its line, with its line break."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reviews.copies_cef import cef
from reviews.copies_ocsf import ocsf
from reviews.copies_rows import HEADINGS, Row, cells, compact


@dataclass(frozen=True, slots=True)
class LineForm:
    """`head` stands before the first line; `line` makes that of an entry, and ends it."""

    name: str
    media_type: str
    line: Callable[[Row], bytes]
    head: bytes = b""


def entry_object(row: Row) -> dict[str, Any]:
    """The entry with its place, as NDJSON and webhooks have it; `entry` is the log's own JSON, whose compact form is the leaf."""
    return {"entry": dict(row.members), "fonds": row.fonds, "id": row.text("id"), "index": row.index, "leaf_hash": row.leaf.hex()}


def ndjson_text(row: Row) -> str:
    """The same, compact."""
    return compact(entry_object(row))


def ocsf_text(row: Row) -> str:
    """The OCSF event, compact."""
    return compact(ocsf(row))


def csv_line(values: list[str] | tuple[str, ...]) -> bytes:
    """A record of RFC 4180, in UTF-8."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue().encode()


# The byte order mark tells table programs that the headings are UTF-8.
LINES: Final[Mapping[str, LineForm]] = {
    form.name: form
    for form in (
        LineForm("ndjson", "application/x-ndjson", lambda row: f"{ndjson_text(row)}\n".encode("ascii")),
        LineForm("csv", "text/csv; charset=utf-8", lambda row: csv_line(cells(row)), b"\xef\xbb\xbf" + csv_line(HEADINGS)),
        LineForm("ocsf", "application/x-ndjson", lambda row: f"{ocsf_text(row)}\n".encode("ascii")),
        LineForm("cef", "text/plain; charset=utf-8", lambda row: f"{cef(row)}\n".encode("ascii")),
    )
}
SHEET: Final = "xlsx"
FORMS: Final = (*LINES, SHEET)
SHEET_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEET_ROWS: Final = 100_000
"""Entries in one workbook, at most: more than a person turns over, and what a table program opens in reasonable time."""


def media_type_of(form: str) -> str:
    """The media type of a copy in this form."""
    return SHEET_TYPE if form == SHEET else LINES[form].media_type
