"""Reading codes.toml into code lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from policies.codes import Code, CodeList, CodeLists, ListVersion
from policies.shape import Shape, opened

_FIRST = ListVersion("1", date(1949, 10, 1))


def read(sources: Mapping[str, Any]) -> CodeLists:
    """Compile the code lists. Raises RulebookRefused with file, place and rule."""
    root = opened(sources, "codes")
    root.number("version", least=1)
    lists = {name: _list(name, shape) for name, shape in root.tables("list")}
    root.done()
    return CodeLists(MappingProxyType(lists))


def _list(name: str, shape: Shape) -> CodeList:
    label_zh, label_en = shape.text("label_zh"), shape.text("label_en")
    is_open = shape.flag("open") if shape.has("open") else False
    versions = tuple(_version(row) for row in shape.rows("versions")) if shape.has("versions") else (_FIRST,)
    days = [version.valid_from for version in versions]
    if not versions or days != sorted(set(days)) or len({version.version for version in versions}) != len(versions):
        shape.refuse("versions are named once each, in the order of their days", "versions")
    codes: dict[str, Code] = {}
    spellings: dict[str, str] = {}
    for row in shape.rows("codes"):
        code = _code(row, tuple(version.version for version in versions))
        if code.code in codes:
            row.refuse("names a code twice", "code")
        for spelling in {code.code, *code.names.values(), *code.also}:
            if spellings.setdefault(spelling, code.code) != code.code:
                row.refuse("shares a spelling with another code of the list", "code")
        codes[code.code] = code
    if not codes:
        shape.refuse("must not be empty", "codes")
    shape.done()
    return CodeList(name, label_zh, label_en, is_open, versions, MappingProxyType(codes))


def _version(row: Shape) -> ListVersion:
    name, day = row.text("version"), row.raw("valid_from")
    if not isinstance(day, date) or isinstance(day, datetime):
        row.refuse("must be a date", "valid_from")
    row.done()
    return ListVersion(name, day)


def _code(row: Shape, versions: tuple[str, ...]) -> Code:
    code = row.text("code")
    if not code.isascii() or not code.replace("_", "").isalnum() or code != code.lower():
        row.refuse("a code is lower-case letters, digits and underscores", "code")
    since = row.one_of("since", versions) if row.has("since") else versions[0]
    first = row.text("zh")
    renamed: dict[str, str] = {}
    if row.has("renamed"):
        table = row.table("renamed")
        renamed = {version: table.text(version) for version in table if version in versions}
        table.done()
    names: dict[str, str] = {}
    current = first
    for version in versions[versions.index(since) :]:
        current = renamed.get(version, current)
        names[version] = current
    also = row.words("also") if row.has("also") else ()
    made = Code(code, MappingProxyType(names), row.text("en"), also)
    row.done()
    return made
