"""Rows that are written once: the statements that make the database itself refuse to change them, for migrations to execute.

On PostgreSQL privileges come first (the application's role may insert and read, nothing else) and triggers second, which also stop
the owner's role. On SQLite, which has no roles, triggers are all there is; `INSERT OR REPLACE` would slip past those on DELETE, so an
insert that meets an existing key is refused too. Whoever may change the schema can drop all this: that is what the signed
checkpoints are for. SQLite's table rebuilds drop triggers: execute these statements again after one. They may be executed twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Table, UniqueConstraint

from audit.tables import log_checkpoints, log_details, log_entries, log_heads, log_signers, log_subjects, log_tiles

LOG_TABLES: Final = (log_entries, log_subjects, log_tiles, log_checkpoints)
_FUNCTION: Final = "archive_append_only"
_TRIGGER = re.compile(r"CREATE (?:OR REPLACE )?TRIGGER (?:IF NOT EXISTS )?(\w+) ")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,59}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WriteOnce:
    """A table whose rows are never changed, and its unique keys (the primary one first), for migrations that must not import models."""

    table: str
    keys: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, table: Table) -> WriteOnce:
        """Take name and unique keys from the table's definition."""
        keys = [tuple(column.name for column in table.primary_key.columns)]
        keys += sorted(tuple(c.name for c in item.columns) for item in table.constraints if isinstance(item, UniqueConstraint))
        keys += sorted(tuple(c.name for c in index.columns) for index in table.indexes if index.unique)
        return cls(table.name, tuple(keys))


def log_statements(dialect: str, application_role: str) -> list[str]:
    """Return the statements for the log's own tables."""
    return [
        *write_once(dialect, [WriteOnce.of(table) for table in LOG_TABLES], application_role),
        *_details(dialect, application_role),
        *_growing(dialect, application_role),
    ]


def write_once(dialect: str, tables: Iterable[WriteOnce], application_role: str) -> list[str]:
    """Return the statements that make `tables` (any room's) append-only in the given dialect."""
    statements: list[str] = []
    if dialect == "postgresql":
        statements.append(
            f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION USING MESSAGE = 'append-only: ' || TG_TABLE_NAME, ERRCODE = 'restrict_violation'; END $$"
        )
    for item in tables:
        name = _plain(item.table)
        if dialect == "sqlite":
            statements += _sqlite_write_once(name, item.keys)
            continue
        statements += _grants(name, application_role, "SELECT, INSERT")
        statements += _postgresql_denials(name)
    return statements


def trigger_names(statements: Iterable[str]) -> set[str]:
    """Return the names of the triggers these statements make, for a check that none was lost."""
    return {found[1] for statement in statements if (found := _TRIGGER.match(statement))}


def _sqlite_write_once(name: str, keys: Sequence[Sequence[str]]) -> list[str]:
    met = " OR ".join(
        f"EXISTS (SELECT 1 FROM {name} WHERE {' AND '.join(f'{_plain(column)} = NEW.{_plain(column)}' for column in key)})"  # noqa: S608  plain names
        for key in keys
    )
    return [
        _sqlite_trigger(name, "no_update", "UPDATE", ""),
        _sqlite_trigger(name, "no_delete", "DELETE", ""),
        _sqlite_trigger(name, "no_replace", "INSERT", f"WHEN {met} "),
    ]


def _sqlite_trigger(name: str, ending: str, act: str, when: str) -> str:
    body = f"BEGIN SELECT RAISE(ABORT, 'append-only: {name}'); END"
    return f"CREATE TRIGGER IF NOT EXISTS {name}_{ending} BEFORE {act} ON {name} FOR EACH ROW {when}{body}"


def _postgresql_denials(name: str, acts: str = "UPDATE OR DELETE") -> list[str]:
    return [
        f"CREATE OR REPLACE TRIGGER {name}_no_change BEFORE {acts} ON {name} FOR EACH ROW EXECUTE FUNCTION {_FUNCTION}()",
        f"CREATE OR REPLACE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION {_FUNCTION}()",
    ]


def _grants(name: str, role: str, privileges: str) -> list[str]:
    return [f"REVOKE ALL ON {name} FROM {_plain(role)}", f"GRANT {privileges} ON {name} TO {_plain(role)}"]


def _details(dialect: str, role: str) -> list[str]:
    """`log_details`: the one change is erasing, `sealed` to NULL with its time, once."""
    name = log_details.name
    kept = [column.name for column in log_details.columns if column.name not in {"sealed", "erased_ms"}]
    erasing = "OLD.erased_ms IS NULL AND NEW.erased_ms IS NOT NULL AND NEW.sealed IS NULL AND " + " AND ".join(
        f"NEW.{column} = OLD.{column}" for column in kept
    )
    if dialect == "sqlite":
        writes = _sqlite_write_once(name, WriteOnce.of(log_details).keys)
        writes[0] = _sqlite_trigger(name, "no_update", "UPDATE", f"WHEN NOT ({erasing}) ")
        return writes
    return [
        *_grants(name, role, "SELECT, INSERT, UPDATE (sealed, erased_ms)"),
        *_postgresql_denials(name, "DELETE"),
        _postgresql_guard(name, f"NOT ({erasing})"),
    ]


def _growing(dialect: str, role: str) -> list[str]:
    """Heads and signers' marks move forward only, and are never deleted."""
    statements: list[str] = []
    for table in (log_heads, log_signers):
        name = table.name
        shrinking = "NEW.fonds <> OLD.fonds OR NEW.size < OLD.size" + (" OR NEW.epoch < OLD.epoch" if "epoch" in table.columns else "")
        if dialect == "sqlite":
            writes = _sqlite_write_once(name, (("fonds",),))
            writes[0] = _sqlite_trigger(name, "no_update", "UPDATE", f"WHEN {shrinking} ")
            statements += writes
            continue
        statements += _grants(name, role, "SELECT, INSERT, UPDATE")
        statements += _postgresql_denials(name, "DELETE")
        statements.append(_postgresql_guard(name, shrinking))
    return statements


def _postgresql_guard(name: str, denied: str) -> str:
    return f"CREATE OR REPLACE TRIGGER {name}_no_update BEFORE UPDATE ON {name} FOR EACH ROW WHEN ({denied}) EXECUTE FUNCTION {_FUNCTION}()"


def _plain(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError("not a plain SQL name")
    return name
