from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from audit.append_only import WriteOnce, log_statements, write_once
from audit.events import SealedDetail

FONDS = "f-1"
ROWS_OF = ("log_entries", "log_subjects", "log_tiles", "log_checkpoints")


@pytest.fixture
def filled(log):
    """A log with rows in every table."""
    log.grow(256)
    log.add(log.event(kind="case.listed", cases=("0195a000-0000-7000-8000-000000000001", "0195a000-0000-7000-8000-000000000002")))
    log.add(log.event(kind="log.queried", details=(SealedDetail("query", b"c" * 32, b"sealed", "k:1"),)))
    log.publishing.publish(FONDS)
    return log


def denied(db, statement):
    with pytest.raises(DBAPIError), db.write() as conn:
        conn.execute(text(statement))


@pytest.mark.parametrize("table", ROWS_OF)
def test_update_and_delete_of_log_rows_are_denied_to_the_application_and_to_the_owner(filled, table):
    for db in (filled.db, filled.owner):
        denied(db, f"UPDATE {table} SET fonds = 'other'")
        denied(db, f"UPDATE {table} SET fonds = fonds")
        denied(db, f"DELETE FROM {table}")
        denied(db, f"DELETE FROM {table} WHERE fonds = '{FONDS}'")


@pytest.mark.parametrize("table", [*ROWS_OF, "log_details", "log_heads", "log_signers"])
def test_a_log_table_cannot_be_emptied(filled, table):
    statement = f"DELETE FROM {table}" if filled.db.dialect == "sqlite" else f"TRUNCATE {table}"
    for db in (filled.db, filled.owner):
        denied(db, statement)
    denied(filled.db, f"DELETE FROM {table}")
    denied(filled.owner, f"DELETE FROM {table}")


def test_a_row_cannot_be_replaced_by_inserting_over_it(filled):
    """SQLite's REPLACE deletes without firing the triggers on DELETE."""
    forms = ("INSERT OR REPLACE INTO", "REPLACE INTO") if filled.db.dialect == "sqlite" else ("INSERT INTO",)
    for form in forms:
        for table in ROWS_OF:
            denied(filled.db, f"{form} {table} SELECT * FROM {table} LIMIT 1")
        # Another index with an entry id that is there already would replace that entry.
        rest = "leaf_hash, time_ms, kind, verdict, body"
        denied(
            filled.db,
            f"{form} log_entries (fonds, idx, entry_id, {rest}) SELECT fonds, 9999, entry_id, {rest} FROM log_entries WHERE idx = 3",
        )


def test_the_only_change_of_a_detail_is_erasing_it_once(filled):
    denied(filled.db, "UPDATE log_details SET sealed = 'other'")
    denied(filled.db, "UPDATE log_details SET commitment = sealed, sealed = NULL, erased_ms = 1")
    denied(filled.db, "UPDATE log_details SET sealed = NULL")
    denied(filled.db, "UPDATE log_details SET erased_ms = 1")
    with filled.db.write() as conn:
        assert conn.execute(text("UPDATE log_details SET sealed = NULL, erased_ms = 1")).rowcount == 1
    denied(filled.db, "UPDATE log_details SET sealed = NULL, erased_ms = 2")
    denied(filled.db, "UPDATE log_details SET sealed = 'back', erased_ms = NULL")


def test_a_head_and_a_signers_mark_only_move_forward(filled):
    for table in ("log_heads", "log_signers"):
        denied(filled.owner, f"UPDATE {table} SET size = size - 1")
        denied(filled.owner, f"UPDATE {table} SET fonds = 'other'")
    denied(filled.owner, "UPDATE log_heads SET epoch = 0")


def test_any_rooms_table_can_be_made_append_only(filled):
    with filled.owner.write() as conn:
        conn.execute(text("CREATE TABLE facts (fonds VARCHAR(40), n INTEGER, name TEXT, PRIMARY KEY (fonds, n))"))
        for statement in write_once(filled.db.dialect, [WriteOnce("facts", (("fonds", "n"),))], "archive_app"):
            conn.execute(text(statement))
    with filled.db.write() as conn:
        conn.execute(text("INSERT INTO facts VALUES ('f-1', 1, 'first')"))
    for db in (filled.db, filled.owner):
        denied(db, "UPDATE facts SET name = 'second'")
        denied(db, "DELETE FROM facts")


def test_the_statements_may_be_executed_twice(filled):
    with filled.owner.write() as conn:
        for statement in log_statements(filled.db.dialect, "archive_app"):
            conn.execute(text(statement))
    denied(filled.db, "DELETE FROM log_entries")


def test_a_name_that_is_not_plain_never_becomes_sql():
    with pytest.raises(ValueError):
        write_once("sqlite", [WriteOnce("x; DROP TABLE log_entries", (("fonds",),))], "archive_app")
    with pytest.raises(ValueError):
        log_statements("postgresql", 'app"; --')
