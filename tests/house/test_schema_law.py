"""Laws every table keeps, whatever room it lives in."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, MetaData, Table, UniqueConstraint

import house_rules as rules
from foundation.tables import metadata


def _whole_schema() -> MetaData:
    for room in rules.ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name.endswith(".tables"):
                importlib.import_module(module.name)
    return metadata


def _tables() -> list[Table]:
    return list(_whole_schema().tables.values())


def _first(columns: Iterable[Column[Any]]) -> str:
    return next((column.name for column in columns), "")


def test_every_key_constraint_and_unique_index_begins_with_the_fonds() -> None:
    other = [table.name for table in _tables() if _first(table.primary_key.columns) != "fonds"]
    for table in _tables():
        constraints = [one for one in table.constraints if isinstance(one, UniqueConstraint | ForeignKeyConstraint)]
        other += [f"{table.name}: {one.name}" for one in constraints if _first(one.columns) != "fonds"]
        other += [f"{table.name}: {index.name}" for index in table.indexes if index.unique and _first(index.columns) != "fonds"]
    assert other == []


def test_a_foreign_key_never_leads_into_another_fonds() -> None:
    crossing = [
        f"{table.name}: {constraint.name}"
        for table in _tables()
        for constraint in table.constraints
        if isinstance(constraint, ForeignKeyConstraint) and constraint.elements[0].column.name != "fonds"
    ]
    assert crossing == []


def test_instants_are_whole_milliseconds_and_say_so_in_their_name() -> None:
    times = [column for table in _tables() for column in table.columns if column.name.endswith(("_ms", "_at", "_time"))]
    assert [str(column) for column in times if not (column.name.endswith("_ms") and isinstance(column.type, BigInteger))] == []


def _takes_table_from_sqlalchemy(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy" and any(name.name == "Table" for name in node.names)
        for node in ast.walk(tree)
    )


def _calls(tree: ast.Module, name: str) -> bool:
    return any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name for node in ast.walk(tree))


def test_a_table_belongs_to_the_tables_module_of_its_room() -> None:
    makers = [
        str(path)
        for path in rules.room_modules()
        if _takes_table_from_sqlalchemy(rules.parsed(path)) and _calls(rules.parsed(path), "Table")
    ]
    assert [path for path in makers if Path(path).name != "tables.py" and not path.startswith("service/migrations/")] == []
