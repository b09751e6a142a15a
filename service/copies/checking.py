"""Holding a copy against the log it was made from: every line is made again from the log's own entries, and must be the same.

What is trusted is the signed log alone, checked first: an export with its bundles, or a checkpoint, for copies that hold the entries
themselves and all of them from the first. Nothing in the copy is believed but where it begins.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

import python_calamine

from audit.entry import Entry
from audit.errors import EntryRefused
from foundation.errors import ArchiveError
from reviews.copies_forms import FORMS, LINES, SHEET, LineForm
from reviews.copies_rows import HEADINGS, Row
from service.copies.workbook import sheet_values
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.merkle import Frontier
from tlog.note import VerifierKey
from tlog.tiles import ENTRIES, MAX_ENTRY, TILE_WIDTH, Tile, decode_bundle, read_regular, width_at

_LONGEST_LINE: Final = 16 * MAX_ENTRY
"""No form makes an entry longer than this."""
_BOMB: Final = 2 * 1024**3
_SUFFIXES: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".cef": "cef", ".ocsf": "ocsf", ".xlsx": SHEET}


class CopyDiffers(ArchiveError):
    """A line of the copy is not what the log has. `line` counts from 1, headings included."""

    code = "copy-differs"
    zh = "第 {line} 行与日志不符：{why_zh}。"
    en = "Line {line} is not what the log has: {why_en}."


class CopyUnreadable(ArchiveError):
    """The file is no copy in that form, or cannot be checked with what was given."""

    code = "copy-unreadable"
    zh = "无法核对此文件：{why_zh}。"
    en = "The file cannot be checked: {why_en}."


@dataclass(frozen=True, slots=True)
class Held:
    """A copy that holds: entries `first` to `last` of the log as the checkpoint signed it."""

    first: int
    last: int
    checkpoint: Checkpoint


def form_of(path: Path, given: str = "") -> str:
    """The form of a copy by its name, or the one given. CopyUnreadable."""
    form = given or _SUFFIXES.get(path.suffix.lower(), "")
    if form not in FORMS:
        raise _unreadable("请用 --form 写明格式", "say its form with --form")
    return form


def check_against_export(path: Path, form: str, directory: Path, checkpoint: Checkpoint) -> Held:
    """Hold a copy against the entry bundles of an export that was verified under `checkpoint`. CopyDiffers, CopyUnreadable, TlogError."""

    def entries(first: int) -> Iterator[bytes]:
        for n in range(first // TILE_WIDTH, -(-checkpoint.size // TILE_WIDTH)):
            tile = Tile(ENTRIES, n, width_at(ENTRIES, n, checkpoint.size))
            yield from decode_bundle(read_regular(directory / tile.path()), tile.width)[max(0, first - n * TILE_WIDTH) :]

    lines = _lines_of(path, form)
    first = _first_index(lines.peek, form)
    wanted = (_row_of(body, index) for index, body in enumerate(entries(first), start=first))
    number, last = lines.number, first - 1
    for line in lines:
        number, row = lines.number, next(wanted, None)
        if row is None:
            raise _differs(number, "日志到此为止，没有这一条", "the log ends before it")
        _must_equal(number, line, row, form)
        last = row.index
    return Held(first, last, checkpoint)


def check_against_checkpoint(path: Path, form: str, note: bytes, key: VerifierKey) -> Held:
    """Hash a copy that holds the entries (`ndjson`, `ocsf`) again up to a signed root. CopyDiffers, CopyUnreadable, TlogError.

    It must begin at the first entry and end where the checkpoint does: what lies beyond is signed by nobody, and a part has another root.
    """
    if form not in {"ndjson", "ocsf"}:
        raise _unreadable("此格式不含条目全文，请用 --export 核对", "this form does not hold the entries: check it with --export")
    checkpoint, tree, number = open_checkpoint(note, key), Frontier(), 0
    lines = _lines_of(path, form)
    for line in lines:
        number = lines.number
        if tree.size == checkpoint.size:
            raise _differs(number, "超出检查点所签的条数", "it lies beyond the checkpoint")
        try:
            entry = Entry.parse(_entry_in(line, form))
        except (ValueError, KeyError, TypeError, ArchiveError):
            raise _differs(number, "不含条目", "it holds no entry") from None
        row = Row.of(entry.fonds, tree.size, entry.body)
        _must_equal(number, line, row, form)
        tree.append(row.leaf)
    if tree.size < checkpoint.size:
        zh, en = f"只有 {tree.size} 条，检查点签有 {checkpoint.size} 条；请用 --export 核对一部分", "a part is checked with --export"
        raise _unreadable(zh, f"it has {tree.size} entries of the {checkpoint.size} signed; {en}")
    if tree.root() != checkpoint.root:
        raise _differs(number, "全部条目的树根不是所签的", "the entries do not give the signed root")
    return Held(0, checkpoint.size - 1, checkpoint)


# ------------------------------------------------------------------------------------------------ the lines of a file


class _Lines:
    """The lines of a copy after its heading, each once; `peek` is the first, `number` that of the last one given."""

    def __init__(self, found: Iterator[Any], heading: int) -> None:
        self.number = heading
        self.peek = next(found, None)
        self._rest = found
        if self.peek is None:
            raise _unreadable("没有任何条目", "it holds no entry")

    def __iter__(self) -> Iterator[Any]:
        self.number += 1
        yield self.peek
        for line in self._rest:
            self.number += 1
            yield line


def _lines_of(path: Path, form: str) -> _Lines:
    try:
        if form == SHEET:
            return _Lines(_sheet_lines(path), 1)
        return _Lines(_text_lines(path, LINES[form]), 1 if LINES[form].head else 0)
    except OSError as error:
        raise _unreadable(f"文件不可读（{path}）", f"it is not readable ({path})") from error


def _text_lines(path: Path, form: LineForm) -> Iterator[bytes]:
    with path.open("rb") as file:
        if file.read(len(form.head)) != form.head:
            raise _differs(1, "表头不是此格式的", "the heading is not that of the form")
        while line := file.readline(_LONGEST_LINE):
            yield line


def _sheet_lines(path: Path) -> Iterator[list[str]]:
    _refuse_formulas(path)
    try:
        book = python_calamine.load_workbook(str(path))
        if len(book.sheet_names) != 1:
            raise _unreadable("工作表不止一个", "it has more than one sheet")
        rows = iter(book.get_sheet_by_index(0).to_python(skip_empty_area=False))
    except (python_calamine.CalamineError, OSError) as error:
        raise _unreadable("不是有效的 XLSX 文件", "it is no valid XLSX file") from error
    if next(rows, None) != list(HEADINGS):
        raise _differs(1, "表头不是此格式的", "the heading is not that of the form")
    for row in rows:
        yield [str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in row]


def _refuse_formulas(path: Path) -> None:
    """A formula shows one value to a reader of files and another to whoever opens it in a table program."""
    found = [0]
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _BOMB:
                raise _unreadable("解压后过大", "it unpacks to too much")
            for name in archive.namelist():
                if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                    parser = expat.ParserCreate(namespace_separator=" ")
                    parser.StartElementHandler = lambda tag, _attributes: found.__setitem__(0, found[0] + (tag.split(" ")[-1] == "f"))
                    with archive.open(name) as sheet:
                        parser.ParseFile(sheet)
    except (zipfile.BadZipFile, expat.ExpatError, OSError) as error:
        raise _unreadable("不是有效的 XLSX 文件", "it is no valid XLSX file") from error
    if found[0]:
        raise _differs(1, "工作表含有公式", "the sheet holds a formula")


def _must_equal(number: int, line: Any, row: Row, form: str) -> None:
    wanted: Any = sheet_values(row) if form == SHEET else LINES[form].line(row)
    if line != wanted:
        raise _differs(number, f"应为第 {row.index} 条（{row.text('id')}）", f"it should be entry {row.index} ({row.text('id')})")


def _row_of(body: bytes, index: int) -> Row:
    """The row of an entry that the log's root vouches for; CopyUnreadable where it is none of this archive's making."""
    try:
        entry = Entry.parse(body)
    except EntryRefused:
        raise _unreadable("日志的条目不是本系统的版本", "the log's entries are not of this version of the archive") from None
    return Row.of(entry.fonds, index, body)


def _entry_in(line: bytes, form: str) -> bytes:
    members = json.loads(line)
    if form == "ocsf":
        return str(members["raw_data"]).encode()
    return json.dumps(members["entry"], sort_keys=True, separators=(",", ":")).encode()


def _first_index(line: Any, form: str) -> int:
    """The index the first line says it has. CopyUnreadable where it says none."""
    try:
        if form == SHEET:
            said: Any = line[0]
        elif form == "csv":
            said = next(csv.reader(io.StringIO(line.decode())))[0]
        elif form == "cef":
            said = next(one for one in line.decode().split(" ") if one.startswith("cn1=")).removeprefix("cn1=")
        else:
            members = json.loads(line)
            said = members["metadata"]["sequence"] if form == "ocsf" else members["index"]
        index = int(said)
    except (ValueError, KeyError, TypeError, IndexError, StopIteration):
        raise _unreadable("首行没有日志序号", "its first line has no index") from None
    if not 0 <= index < 2**53:
        raise _unreadable("首行没有日志序号", "its first line has no index")
    return index


def _differs(line: int, zh: str, en: str) -> CopyDiffers:
    return CopyDiffers(line=line, why_zh=zh, why_en=en)


def _unreadable(zh: str, en: str) -> CopyUnreadable:
    return CopyUnreadable(why_zh=zh, why_en=en)
