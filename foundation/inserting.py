"""One way to insert a row that must be new: a second one, also from another process at the same instant, changes nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(conn: Connection, table: Table, **values: Any) -> bool:
    """Insert the row unless a primary key or unique index already has it; tell whether it was inserted.

    `ON CONFLICT DO NOTHING` waits for a rival's open transaction and leaves the act's own transaction usable, unlike a broken constraint.
    """
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(table.c.fonds)
    return conn.execute(statement).first() is not None
