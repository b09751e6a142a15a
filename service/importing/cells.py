"""From a cell to a value of a field's type. What cannot be read is a fault that names the rule, never the cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from unicodedata import normalize

from foundation.errors import Fault

Cell = str | int | float | bool | date | datetime | time | timedelta | None
"""A cell as its file tells it: text files have only texts, spreadsheets have numbers and dates too."""

FAULTS: Final = {
    "date-not-readable": ("不是可识别的日期。", "is no readable date."),
    "whole-number-not-readable": ("不是整数。", "is no whole number."),
    "yes-or-no-not-readable": ("不是是/否。", "is neither yes nor no."),
    "number-lost-digits": (
        "在表格中按数字保存，超过 15 位的数字已丢失，须改为文本格式后重新填写。",
        "was kept as a number in the spreadsheet and has lost its digits after the fifteenth; make the cell text and fill it in again.",
    ),
    "code-not-mapped": ("不在映射文件的代码对照表中。", "is not in the mapping's code table."),
    "cell-not-decodable": ("含有不属于所声明编码的字节。", "holds bytes that are not of the declared encoding."),
    "cell-not-flat": ("应为单个值。", "must be a single value."),
    "cell-too-long": ("超过 {limit} 个字符。", "is longer than {limit} characters."),
    "row-too-wide": ("该行单元格多于表头。", "The row has more cells than the header."),
    "row-too-narrow": ("该行单元格少于表头。", "The row has fewer cells than the header."),
    "line-not-an-object": ("该行不是 JSON 对象。", "The line is no JSON object."),
}
"""What an import itself finds wrong with a row, beside the archive's own rules (policies.faults)."""

_DATE: Final = re.compile(
    r"([0-9]{4})(?:(-)|(/)|(\.)|(年))([0-9]{1,2})(?:[-/.]|月)([0-9]{1,2})日?"
    r"(?:[ T]*([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:\.[0-9]{1,9})?)?)?"
)
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2})?)?")
_SERIAL: Final = re.compile(r"[0-9]{5}(?:\.[0-9]{1,12})?")
_SERIAL_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  a spreadsheet's date has no zone
_COUNTED: Final = re.compile(r"([0-9]{1,9})(?:\.0+)?\s*(?:人|天|日|件|户|个)?")
_YES: Final = frozenset({"是", "有", "真", "y", "yes", "true", "1", "√", "✓", "☑"})
_NO: Final = frozenset({"否", "无", "假", "n", "no", "false", "0", "×", "✗", "☐"})
DATE_FORMS: Final = ("dash", "slash", "dot", "chinese", "compact", "typed", "serial")
LONGEST_CELL: Final = 200_000


def fault(path: str, rule: str, **params: int) -> Fault:
    """Make a fault of `FAULTS`."""
    zh, en = FAULTS[rule]
    return Fault(path, rule, zh.format_map(params), en.format_map(params))


@dataclass(frozen=True, slots=True)
class Moment:
    """A date read from a cell: the wall-clock time in the office's zone, whether the cell told the time of day, and the form it was in."""

    at: datetime
    has_time: bool
    form: str


def as_text(cell: Cell) -> str | None:
    """The text of a cell, as a person reads it in the spreadsheet; None where a number has lost digits."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, int | float):
        if abs(cell) >= 10**15:  # a double keeps 15 decimal digits
            return None
        return str(int(cell)) if cell == int(cell) else repr(cell)
    return str(cell)


def as_moment(cell: Cell, *, serial: bool) -> Moment | None:
    """Read a date; `serial` allows a spreadsheet's day number written as a number or digits. None where it is unreadable."""
    if isinstance(cell, datetime):
        return Moment(cell.replace(tzinfo=None), has_time=cell.time() != time(0), form="typed")
    if isinstance(cell, date):
        return Moment(datetime(cell.year, cell.month, cell.day), has_time=False, form="typed")  # noqa: DTZ001  as above
    text = normalize("NFKC", as_text(cell) or "").strip()
    if serial and _SERIAL.fullmatch(text):
        moment = _SERIAL_EPOCH + timedelta(seconds=round(float(text) * 86400))
        return Moment(moment, has_time="." in text, form="serial")
    if found := _DATE.fullmatch(text):
        numbers = [found[1], *found.groups()[5:]]
        form = next(name for name, mark in zip(DATE_FORMS, found.groups()[1:5], strict=False) if mark)
    elif found := _COMPACT.fullmatch(text):
        numbers, form = list(found.groups()), "compact"
    else:
        return None
    try:
        return Moment(datetime(*(int(part) for part in numbers if part)), has_time=numbers[3] is not None, form=form)  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None


def as_count(text: str) -> int | None:
    """Read a whole number, with a counting word at most (`3人`)."""
    found = _COUNTED.fullmatch(normalize("NFKC", text).strip())
    return int(found[1]) if found else None


def as_flag(text: str) -> bool | None:
    """Read yes or no; None where it is neither."""
    word = normalize("NFKC", text).strip().lower()
    return True if word in _YES else False if word in _NO else None


def raw(cell: Cell) -> Any:
    """The cell as it is kept, sealed: JSON's own types as they are, dates as ISO text."""
    if cell is None or isinstance(cell, str | bool | int | float):
        return cell
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
