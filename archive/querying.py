"""A search as a checked value, and as SQL. Only what the caller's role sees in clear can be filtered, sorted or counted by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func

from archive.preparing import COLUMN_OF, TERM_LENGTH, term_of
from archive.tables import case_terms, cases
from foundation.clock import parse_iso, to_ms
from foundation.errors import Fault, InvalidInput
from policies.catalogue import Catalogue, Field
from policies.visibility import Table

MOST_VALUES = 100
MOST_FILTERS = 20
MOST_FACETS = 8
MOST_ROWS = 100
# What a source did not tell sorts before everything: a null would fall out of every page but the first.
SORTS: Mapping[str, ColumnElement[Any]] = {
    "closed_at": cases.c.closed_ms,
    "registered_at": func.coalesce(cases.c.registered_ms, 0),
    "petition_date": func.coalesce(cases.c.petition_date, ""),
}

# Operation -> search modes of the catalogue that allow it.
_OPERATIONS: Mapping[str, frozenset[str]] = {
    "in": frozenset({"exact", "facet"}),
    "prefix": frozenset({"prefix"}),
    "from": frozenset({"range"}),
    "to": frozenset({"range"}),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one field; several operations on it must all hold. Values are already in the stored form."""

    path: str
    operation: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. `sort` names one of SORTS; `descending` newest first."""

    filters: tuple[Filter, ...] = ()
    facets: tuple[str, ...] = ()
    sort: str = "closed_at"
    descending: bool = True
    limit: int = 50


def parse(body: Mapping[str, Any], catalogue: Catalogue, table: Table, role: str) -> Query:
    """Read `{"filters": {path: {"in": [...]} | {"prefix": ...} | {"from": ..., "to": ...}}, "facets": [path], "sort": "-closed_at",
    "limit": 50}`; InvalidInput with every fault.

    A field that does not exist and one this role may not find by are the same fault.
    """
    faults: list[Fault] = []
    if set(body) - {"filters", "facets", "sort", "limit"}:
        # Its name is not repeated: it may be a value put in the wrong place.
        faults.append(_fault("$", "unknown-member", "含有未定义的查询项。", "There is a member that is not defined."))
    filters = _filters(body.get("filters", {}), catalogue, table, role, faults)
    facets = _facets(body.get("facets", []), catalogue, table, role, faults)
    sort = body.get("sort", "-closed_at")
    if not isinstance(sort, str) or sort.removeprefix("-") not in SORTS or table.find(role, sort.removeprefix("-")) != "plain":
        faults.append(_fault("sort", "not-sortable", "不能按此项排序。", "This cannot be sorted by."))
        sort = "-closed_at"
    limit = body.get("limit", 50)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_ROWS:
        faults.append(_fault("limit", "out-of-range", f"每页 1 至 {MOST_ROWS} 条。", f"A page has 1 to {MOST_ROWS} rows."))
        limit = 1
    if faults:
        raise InvalidInput(faults)
    return Query(tuple(filters), tuple(facets), sort.removeprefix("-"), sort.startswith("-"), limit)


def clause(query: Query) -> ColumnElement[bool]:
    """The WHERE clause of the filters over `cases`."""
    return and_(cases.c.fonds == cases.c.fonds, *(_condition(one) for one in query.filters))


def _condition(one: Filter) -> ColumnElement[bool]:
    column = COLUMN_OF.get(one.path)
    if column is not None:
        return _compare(cases.c[column], one)
    return (
        exists()
        .where(
            case_terms.c.fonds == cases.c.fonds,
            case_terms.c.case_id == cases.c.case_id,
            case_terms.c.path == one.path,
            _compare(case_terms.c.term, one),
        )
        # Beside a facet over terms, the terms of a condition are its own.
        .correlate(cases)
    )


def _compare(column: ColumnElement[Any], one: Filter) -> ColumnElement[bool]:
    if not one.values:
        return false()
    if one.operation == "in":
        return column.in_(one.values)
    if one.operation == "prefix":
        return column.startswith(one.values[0], autoescape=True)
    bound: ColumnElement[bool] = column >= one.values[0] if one.operation == "from" else column <= one.values[0]
    return bound


def _filters(raw: object, catalogue: Catalogue, table: Table, role: str, faults: list[Fault]) -> Iterable[Filter]:
    if not isinstance(raw, dict) or len(raw) > MOST_FILTERS:
        faults.append(_fault("filters", "type", f"应为不超过 {MOST_FILTERS} 项的对象。", f"An object of at most {MOST_FILTERS} members."))
        return []
    found = []
    for path, operations in raw.items():
        field = _field(path, catalogue, table, role)
        if field is None or not isinstance(operations, dict) or not operations:
            faults.append(_not_searchable("filters"))
            continue
        for operation, value in operations.items():
            allowed = _OPERATIONS.get(operation)
            if allowed is None or not allowed & field.search:
                faults.append(_fault(f"filters.{path}", "not-this-way", "此字段不支持该检索方式。", "This field is not searched this way."))
                continue
            values = value if operation == "in" else [value]
            stored = _stored(field, operation, values)
            if stored is None:
                faults.append(_fault(f"filters.{path}", "value", "检索值的类型或格式不符。", "A value is of the wrong type or form."))
            else:
                found.append(Filter(path, operation, stored))
    return found


def _facets(raw: object, catalogue: Catalogue, table: Table, role: str, faults: list[Fault]) -> Sequence[str]:
    if not isinstance(raw, list) or len(raw) > MOST_FACETS or len(set(map(str, raw))) != len(raw):
        faults.append(
            _fault("facets", "type", f"应为不重复、不超过 {MOST_FACETS} 项的列表。", f"A list of at most {MOST_FACETS} different fields.")
        )
        return []
    for path in raw:
        field = _field(path, catalogue, table, role)
        if field is None or "facet" not in field.search:
            faults.append(_not_searchable("facets"))
    return raw


def _field(path: object, catalogue: Catalogue, table: Table, role: str) -> Field | None:
    if not isinstance(path, str) or path not in catalogue.fields or table.find(role, path) != "plain":
        return None
    return catalogue[path]


def _stored(field: Field, operation: str, values: object) -> tuple[Any, ...] | None:
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
        return None
    made = [_stored_value(field, value, whole=operation != "prefix") for value in values]
    return None if any(value is None for value in made) else tuple(made)


def _stored_value(field: Field, value: object, *, whole: bool) -> Any:
    in_column = field.path in COLUMN_OF
    if field.type == "bool":
        return (int(value) if in_column else term_of(value)) if isinstance(value, bool) else None
    if field.type == "integer":
        return (
            (value if in_column else term_of(value))
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12
            else None
        )
    if not isinstance(value, str) or not 1 <= len(value) <= TERM_LENGTH:
        return None
    try:
        if field.type == "date" and whole:
            return date.fromisoformat(value).isoformat()
        if field.type == "datetime" and whole:
            instant = parse_iso(value)
            return to_ms(instant) if in_column else instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
    except ValueError:
        return None
    return value


def _not_searchable(where: str) -> Fault:
    return _fault(where, "not-searchable", "有字段不存在，或不可按其检索。", "A field does not exist or cannot be searched by.")


def _fault(path: str, rule: str, zh: str, en: str) -> Fault:
    return Fault(path, rule, zh, en)
