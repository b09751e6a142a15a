"""Mapping files: which column of a table feeds which field, by which rule. The format is documented in docs/import.md.

A mapping says where a value comes from and never what it is: a constant for a fact is refused, because a value nobody told is a
made-up one. What the source does not tell is `unknown`, with its provenance. The one name a mapping gives is the source system's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping as Table
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from policies.catalogue import Catalogue, Field
from policies.codes import UNKNOWN, CodeLists
from service.importing import cleaning
from service.importing.cells import DATE_FORMS
from service.importing.errors import MappingRefused

KINDS: Final = ("csv", "xlsx", "xls", "ndjson", "by-suffix")
ENCODINGS: Final = ("utf-8", "gb18030", "detect")
DERIVATIONS: Final = ("same-as", "opening", "join", "present", "heading", "repeat-in-file")
RAW_FIELD: Final = "raw_source"
_CONSTANTS: Final = frozenset({"value", "constant", "default", "fixed", "otherwise", "const", "set"})
_PATH: Final = re.compile(r"([a-z_0-9]+)(?:\[([0-9]{1,2})\])?(?:\.([a-z_0-9]+))?")
_KEYS: Final = {"column", "clean", "codes", "split", "derive", "columns", "length", "separator", "order"}


class Rules(Protocol):
    """What a mapping needs of a rulebook."""

    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def codes(self) -> CodeLists: ...


@dataclass(frozen=True, slots=True)
class Source:
    """How the file is read; `header_row` counts from 1; `empty` are texts of cells that tell nothing."""

    kind: str
    system: str
    encoding: str
    delimiter: str
    sheet: str | int
    header_row: int
    date_form: str
    ignored: frozenset[str]
    empty: frozenset[str]


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The source's words for codes of one list, and the version of the source's own list; `lenient` sends other words to unknown."""

    name: str
    version: str
    codes: Table[str, str]
    lenient: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """How one field gets its value: from a column as it is (`derive` empty), or by a derivation from columns."""

    path: str
    field: Field
    item: int | None
    columns: tuple[str, ...]
    clean: tuple[str, ...]
    codes: CodeTable | None
    split: str
    derive: str
    length: int
    separator: str
    order: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping file."""

    name: str
    version: str
    source: Source
    feeds: tuple[Feed, ...]
    unknown: frozenset[str]
    """Catalogue paths, or whole groups (`stages[]`), of which the source does not tell."""
    keep_raw: bool

    @property
    def columns(self) -> frozenset[str]:
        """Every column the mapping reads."""
        return frozenset(column for feed in self.feeds for column in (*feed.columns, *([feed.order] if feed.order else [])))


def load(path: Path, rules: Rules) -> Mapping:
    """Read and check a mapping file; MappingRefused names the place and the rule."""
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        _refuse("(file)", "不是有效的 UTF-8 TOML 文件。", "is no valid TOML file in UTF-8.")
    return parse(value, rules)


def parse(value: dict[str, Any], rules: Rules) -> Mapping:
    """Check a parsed mapping."""
    _known(value, {"format", "name", "version", "source", "fields", "codes", "unknown", "keep_raw_cells"}, "(root)")
    if value.get("format") != 1:
        _refuse("format", "须为 1。", "must be 1.")
    source = _source(_table(value, "source", "source"))
    tables = {name: _code_table(name, table) for name, table in _table(value, "codes", "codes").items()}
    fields = _table(value, "fields", "fields")
    feeds = tuple(_feed(path, _table(fields, path, f"fields.{path}"), rules, tables) for path in fields)
    unknown = frozenset(_unknown(path, rules.catalogue) for path in _words(value, "unknown", "unknown"))
    mapping = Mapping(
        name=_text(value, "name", "name"),
        version=_text(value, "version", "version"),
        source=source,
        feeds=feeds,
        unknown=unknown,
        keep_raw=_flag(value, "keep_raw_cells"),
    )
    if mapping.keep_raw and RAW_FIELD not in rules.catalogue.fields:
        _refuse("keep_raw_cells", f"规则库没有 {RAW_FIELD} 字段。", f"the rulebook has no field {RAW_FIELD}.")
    _complete(mapping, rules.catalogue)
    return mapping


def _refuse(where: str, why_zh: str, why_en: str) -> NoReturn:
    raise MappingRefused(where=where, why_zh=why_zh, why_en=why_en)


def _known(table: dict[str, Any], keys: set[str], where: str) -> None:
    for key in table:
        if key not in keys:
            _refuse(f"{where}.{key}", "不是此处的键。", "is no key here.")


def _table(value: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    found = value.get(key, {})
    if not isinstance(found, dict):
        _refuse(where, "应为表。", "must be a table.")
    return found


def _text(value: dict[str, Any], key: str, where: str, default: str | None = None) -> str:
    found = value.get(key, default)
    if not isinstance(found, str) or (not found and default is None):
        _refuse(where, "应为非空文字。", "must be a text that is not empty.")
    return found


def _words(value: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found) or len(set(found)) != len(found):
        _refuse(where, "应为不重复的文字列表。", "must be a list of different texts.")
    return tuple(found)


def _number(value: dict[str, Any], key: str, where: str, default: int) -> int:
    found = value.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= 5000:
        _refuse(where, "应为 0 至 5000 的整数。", "must be a whole number from 0 to 5000.")
    return found


def _flag(value: dict[str, Any], key: str) -> bool:
    found = value.get(key, True)
    if not isinstance(found, bool):
        _refuse(key, "应为 true 或 false。", "must be true or false.")
    return found


def _one_of(value: dict[str, Any], key: str, where: str, options: tuple[str, ...], default: str | None = None) -> str:
    found = _text(value, key, where, default)
    if found not in options:
        _refuse(where, f"应为其中之一：{'、'.join(options)}。", f"must be one of {', '.join(options)}.")
    return found


def _source(table: dict[str, Any]) -> Source:
    _known(table, {"kind", "system", "encoding", "delimiter", "sheet", "header_row", "date_form", "ignored_columns", "empty"}, "source")
    kind = _one_of(table, "kind", "source.kind", KINDS)
    sheet = table.get("sheet", 0)
    if isinstance(sheet, bool) or not isinstance(sheet, str | int):
        _refuse("source.sheet", "应为工作表名称或序号（自 0 起）。", "must be a sheet's name or its number, from 0.")
    delimiter = _text(table, "delimiter", "source.delimiter", ",")
    if len(delimiter) != 1:
        _refuse("source.delimiter", "应为一个字符。", "must be one character.")
    return Source(
        kind=kind,
        system=_text(table, "system", "source.system"),
        # Which encoding a text file has is for the mapping to say; `detect` is a choice too, and its rule is documented.
        encoding=_one_of(table, "encoding", "source.encoding", ENCODINGS, None if kind in ("csv", "by-suffix") else "utf-8"),
        delimiter=delimiter,
        sheet=sheet,
        header_row=max(1, _number(table, "header_row", "source.header_row", 1)),
        date_form=_one_of(table, "date_form", "source.date_form", DATE_FORMS, "typed" if kind in ("xlsx", "xls") else "dash"),
        ignored=frozenset(_words(table, "ignored_columns", "source.ignored_columns")),
        empty=frozenset(_words(table, "empty", "source.empty")),
    )


def _code_table(name: str, table: object) -> CodeTable:
    where = f"codes.{name}"
    if not isinstance(table, dict):
        _refuse(where, "应为表。", "must be a table.")
    _known(table, {"version", "map", "other_words"}, where)
    codes = _table(table, "map", f"{where}.map")
    if not codes or not all(isinstance(code, str) for code in codes.values()):
        _refuse(f"{where}.map", "应为“来源用语 = 代码”的表。", "must map the source's words to codes.")
    other = _one_of(table, "other_words", f"{where}.other_words", ("refuse", UNKNOWN), "refuse")
    return CodeTable(name, _text(table, "version", f"{where}.version"), codes, lenient=other == UNKNOWN)


def _feed(path: str, spec: dict[str, Any], rules: Rules, tables: dict[str, CodeTable]) -> Feed:
    where = f"fields.{path}"
    if _CONSTANTS & spec.keys():
        _refuse(
            where,
            "不得填写固定值：来源没有提供的，请列入 unknown。",
            "a constant is refused: what the source does not tell belongs under unknown.",
        )
    _known(spec, _KEYS, where)
    field, item = _field(path, rules.catalogue, where)
    derive = _one_of(spec, "derive", f"{where}.derive", DERIVATIONS) if "derive" in spec else ""
    columns = _words(spec, "columns", f"{where}.columns")
    if "column" in spec:
        columns = (_text(spec, "column", f"{where}.column"), *columns)
    if not columns or (len(columns) > 1 and derive not in ("join", "repeat-in-file")):
        _refuse(where, "须以 column 指明一列，或以 derive、columns 指明推得方法。", "must name a column, or a derivation and its columns.")
    if derive == "repeat-in-file" and path not in ("is_repeat", "repeat_of_case_no"):
        _refuse(where, "repeat-in-file 只用于 is_repeat、repeat_of_case_no。", "repeat-in-file is for is_repeat and repeat_of_case_no.")
    codes = None
    if "codes" in spec:
        name = _text(spec, "codes", f"{where}.codes")
        if name not in tables or field.code_list is None:
            _refuse(f"{where}.codes", "没有这个代码对照表，或该字段不用代码。", "there is no such code table, or the field takes no codes.")
        codes = tables[name]
        strange = [code for code in codes.codes.values() if code not in rules.codes[field.code_list].codes]
        if strange:
            where = f"codes.{name}.map"
            _refuse(where, f"“{strange[0]}”不是 {field.code_list} 的代码。", f'"{strange[0]}" is no code of {field.code_list}.')
    if derive == "heading" and (codes is None or columns[0] not in codes.codes):
        _refuse(where, "heading 须有代码对照表，且表中有该列名。", "a heading needs a code table that has the column's name.")
    clean = _words(spec, "clean", f"{where}.clean") if "clean" in spec else default_cleaning(field)
    for rule in clean:
        if rule not in cleaning.RULES and not (rule == "excel-serial" and field.type in ("date", "datetime")):
            _refuse(f"{where}.clean", f"没有“{rule}”这条清洗规则。", f'there is no cleaning rule "{rule}".')
    return Feed(
        path=path,
        field=field,
        item=item,
        columns=columns,
        clean=clean,
        codes=codes,
        split=_text(spec, "split", f"{where}.split", "、，,;；\n"),
        derive=derive,
        length=_number(spec, "length", f"{where}.length", 120),
        separator=_text(spec, "separator", f"{where}.separator", ""),
        order=_text(spec, "order", f"{where}.order", ""),
    )


def _field(path: str, catalogue: Catalogue, where: str) -> tuple[Field, int | None]:
    found = _PATH.fullmatch(path)
    group, item, name = found.groups() if found else ("", None, None)
    general = f"{group}[].{name}" if item is not None else path
    if not found or general not in catalogue.fields or "[]" in path:
        _refuse(where, "没有这个字段；数组字段写作 petitioners[0].name。", "is no field; one of an array is written petitioners[0].name.")
    field = catalogue[general]
    if field.made_by_archive or field.type in ("json", "dated-texts") or path in (RAW_FIELD, "source_system"):
        _refuse(where, "该字段不能由映射填写。", "cannot be fed by a mapping.")
    return field, int(item) if item is not None else None


def _unknown(path: str, catalogue: Catalogue) -> str:
    if any(group.name == path and group.repeated for group in catalogue.groups):
        return path
    if path not in catalogue.fields or not catalogue[path].admits_unknown:
        _refuse(f"unknown: {path}", "没有这个字段，或该字段不可为未知。", "is no field, or cannot be unknown.")
    return path


def default_cleaning(field: Field) -> tuple[str, ...]:
    """The cleaning of a field for which the mapping names none, by what its value may hold."""
    if field.type == "text":
        return cleaning.TEXT
    if field.type == "string" and field.format not in ("code", "telephone", "email", "area-code"):
        return cleaning.LINE
    return cleaning.CODE


def _complete(mapping: Mapping, catalogue: Catalogue) -> None:
    """Refuse a mapping that leaves open where a required field comes from, or tells repeats by two different rules."""
    repeats = {(feed.columns, feed.order) for feed in mapping.feeds if feed.derive == "repeat-in-file"}
    if len(repeats) > 1:
        _refuse("fields", "repeat-in-file 的列须一致。", "repeat-in-file must name the same columns everywhere.")
    fed = {feed.field.path for feed in mapping.feeds}
    fed_groups = {feed.field.group for feed in mapping.feeds}
    both = sorted((fed | fed_groups) & mapping.unknown)
    if both:
        _refuse(f"unknown: {both[0]}", "已有来源列，不应列为未知。", "has a column and cannot be unknown as well.")
    groups = {"records"} | {feed.field.group for feed in mapping.feeds}
    settled = fed | mapping.unknown | {"source_system"}
    for field in catalogue:
        if field.group in groups and field.required and not field.made_by_archive and field.path not in settled:
            _refuse(field.path, "必填字段没有来源列，也没有列入 unknown。", "is required: name its column, or list it under unknown.")
