"""A list as one parameter of a statement: one text serves lists of every length, so it is put together, compiled and prepared once.

PostgreSQL takes an array, SQLite a JSON text that it reads as a table; both find the rows by an index on the column.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, Dialect, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class _List(TypeDecorator[Sequence[Any]]):
    """A sequence of texts or integers (never bytes, which JSON does not have)."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        return list(value or ()) if dialect.name == "postgresql" else json.dumps(list(value or ()))


class among(FunctionElement[bool]):  # noqa: N801  read as a condition: among(cases.c.case_id, "ids")
    """The column's value is one of the list given as the parameter `name`; of an empty list nothing is."""

    # Without a type of its own: of a Boolean SQLAlchemy would write `(...) = 1` for SQLite, which then reads every row of the fonds.
    inherit_cache = True
    name = "among"

    def __init__(self, column: Column[Any], name: str) -> None:
        """`column` holds texts or integers."""
        super().__init__(column, bindparam(name, type_=_List(column.type)))


@compiles(among, "sqlite")
def _sqlite(element: among, compiler: SQLCompiler, **how: Any) -> str:
    column, wanted = (compiler.process(part, **how) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({wanted}))"  # noqa: S608  what the compiler wrote


@compiles(among, "postgresql")
def _postgresql(element: among, compiler: SQLCompiler, **how: Any) -> str:
    column, wanted = (compiler.process(part, **how) for part in element.clauses)
    return f"{column} = ANY ({wanted})"
