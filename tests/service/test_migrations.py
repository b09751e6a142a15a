"""The schema: one history for both databases, exactly what the code declares, and nothing lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from archive.intake import deposit
from audit.append_only import LOG_TABLES, WriteOnce, trigger_names
from case_world import World, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import WrongDatabase
from fresh_databases import DatabaseUrls
from service.migrations import run
from service.migrations.schema import metadata

FINGERPRINTS = Path(__file__).with_name("schema_fingerprints.json")


def test_the_migrations_make_exactly_the_declared_schema(owner_database: Database) -> None:
    with owner_database.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def test_each_migration_leaves_the_schema_it_left_when_it_was_written(tmp_path: Path) -> None:
    # SQLite's table rebuilds drop triggers silently: whatever changes the schema shows here, revision by revision.
    database = Database(f"sqlite:///{tmp_path}/fresh.sqlite")
    known = json.loads(FINGERPRINTS.read_text(encoding="utf-8"))
    script = ScriptDirectory.from_config(run._config())
    found = {}
    for revision in [one.revision for one in script.walk_revisions()][::-1]:
        with database.write() as conn:
            command.upgrade(run._config(conn), revision)
        with database.read() as conn:
            found[revision] = run.fingerprint(conn)
    database.close()
    assert found == known


def test_forms_filed_before_their_relations_were_kept_are_carried_over(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/earlier.sqlite")
    form = {
        **{name: name for name in ("request_id", "applicant_person", "applicant_account", "applicant_post", "applicant_role", "status")},
        **{name: name for name in ("applicant_units", "relation", "purpose", "usage", "asked", "current", "chain", "filed_entry")},
        **dict.fromkeys(("version", "stage", "filed_ms", "updated_ms", "lapses_ms"), 1),
        "fonds": "F001",
        "policy_version": "p",
    }
    case = {"fonds": "F001", "request_id": "request_id", "case_id": "c", "case_version": 1}
    key = {"fonds": "F001", "account_id": "a", "key": "k", "fingerprint": b"f", "status": 201, "resource_id": "e", "created_ms": 1}
    with database.write() as conn:
        command.upgrade(run._config(conn), "0005")
        for table, row in (("access_requests", form), ("request_cases", case), ("idempotency", key)):
            conn.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES (:{', :'.join(row)})"), row)
    run.upgrade(database)
    gone = {"relation", "applicant_account", "applicant_post"}
    with database.read() as conn:
        for table, row in (
            ("access_requests", {name: value for name, value in form.items() if name not in gone}),
            ("request_cases", case | {"relation": None}),
            ("idempotency", {name: value for name, value in key.items() if name != "status"}),
        ):
            assert [dict(found) for found in conn.execute(text(f"SELECT * FROM {table}")).mappings()] == [row]
    database.close()


def test_no_append_only_trigger_is_missing(owner_database: Database) -> None:
    if owner_database.dialect == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    with owner_database.read() as conn:
        found = {row[0] for row in conn.execute(text(query))}
    tables = [table.name for table in LOG_TABLES] + ["case_versions", "request_decisions"]
    if owner_database.dialect == "sqlite":
        wanted = set(trigger_names([WriteOnce(name, ()) for name in tables]))
    else:
        wanted = {f"{name}_{ending}" for name in tables for ending in ("no_change", "no_truncate")}
    assert wanted <= found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET kind = 'x'",
        "DELETE FROM log_entries",
        "UPDATE log_subjects SET idx = 9",
        "UPDATE case_versions SET facts = '{}'",
        "DELETE FROM case_versions",
        "UPDATE case_versions SET digest = digest WHERE 1 = 0 OR version = 1",
    ],
)
def test_the_application_cannot_change_what_is_written_once(
    database: Database, clock: MovableClock, tmp_path: Path, statement: str
) -> None:
    world: World = make_world(database, clock, tmp_path)
    try:
        deposit(world.desk, world.system, world.record())
        with pytest.raises(DBAPIError), database.write() as conn:
            conn.execute(text(statement))
    finally:
        world.desk.uow.close()


def test_a_database_newer_than_the_program_is_refused(owner_database: Database) -> None:
    with owner_database.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for door in (run.check, run.upgrade):
        with pytest.raises(WrongDatabase, match="wrong-database") as caught:
            door(owner_database)
        assert "newer version" in caught.value.text_en


def test_a_database_older_than_the_program_is_refused_until_it_is_migrated(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/old.sqlite")
    with pytest.raises(WrongDatabase) as caught:
        run.check(database)
    assert "migrate" in caught.value.text_en
    run.upgrade(database)
    run.check(database)
    database.close()


def test_a_second_process_on_the_sqlite_file_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    first, second = (Database(f"sqlite:///{tmp_path}/one.sqlite") for _ in range(2))
    first.own()
    with pytest.raises(WrongDatabase) as caught:
        second.own()
    assert "PostgreSQL" in caught.value.text_zh
    first.close()
    second.own()
    second.close()


def test_the_application_role_cannot_drop_a_trigger(database_urls: DatabaseUrls) -> None:
    if database_urls.backend == "sqlite":
        return
    application = Database(database_urls.application)
    with pytest.raises(DBAPIError), application.write() as conn:
        conn.execute(text("DROP TRIGGER log_entries_no_change ON log_entries"))
    application.close()
