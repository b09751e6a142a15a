"""The schema: one history for both databases, exactly what the code declares, and nothing lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Integer, inspect, text
from sqlalchemy.exc import DBAPIError

from archive.intake import deposit
from audit.append_only import trigger_names
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


def test_rows_of_an_older_schema_are_carried_over_whole(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/earlier.sqlite")
    # Of each table: the columns that went since, and those that came.
    changed: dict[str, tuple[set[str], set[str]]] = {
        "cases": (set(), set()),
        "case_versions": ({"rulebook_version", "made_by"}, set()),
        "access_requests": ({"relation", "applicant_account", "applicant_post", "updated_ms", "policy_version"}, set()),
        "request_cases": (set(), {"relation"}),
        "request_decisions": (set(), set()),
        "grants": ({"policy_version"}, set()),
        "openings": (set(), set()),
        "idempotency": ({"status"}, set()),
    }
    written: dict[str, dict[str, object]] = {}
    with database.write() as conn:
        command.upgrade(run._config(conn), "0005")
        for table in changed:
            columns = inspect(conn).get_columns(table)
            # A text holds its column's name: so rows of one name refer to each other.
            row: dict[str, object] = {one["name"]: 1 if isinstance(one["type"], Integer) else one["name"] for one in columns}
            conn.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES (:{', :'.join(row)})"), row)
            written[table] = row
        conn.execute(text("INSERT INTO grant_cases VALUES ('fonds', 'grant_id', 'case_id', 1)"))
    run.upgrade(database)
    with database.read() as conn:
        for table, (gone, came) in changed.items():
            kept = {name: value for name, value in written[table].items() if name not in gone} | dict.fromkeys(came)
            assert [dict(found) for found in conn.execute(text(f"SELECT * FROM {table}")).mappings()] == [kept]
    database.close()


def test_no_append_only_trigger_is_missing(tmp_path: Path, owner_database: Database) -> None:
    migrated = Database(f"sqlite:///{tmp_path}/migrated.sqlite")
    with migrated.write() as conn:
        command.upgrade(run._config(conn), "head")  # by the migrations alone: `run.upgrade` makes again what is missing
    for database in (migrated, owner_database):
        with database.read() as conn:
            assert run._triggers(conn) == trigger_names(run._guards(conn))
    migrated.close()


@pytest.mark.parametrize("table", ["log_entries", "log_heads", "case_versions"])
def test_a_database_that_lost_a_trigger_is_refused_until_it_is_migrated(owner_database: Database, table: str) -> None:
    with owner_database.read() as conn:
        lost = min(name for name in run._triggers(conn) if name.startswith(table))
    ways = [f"DROP TRIGGER {lost}"]
    if owner_database.dialect == "postgresql":
        ways = [f"DROP TRIGGER {lost} ON {table}", f"ALTER TABLE {table} DISABLE TRIGGER {lost}"]
    for way in ways:
        with owner_database.write() as conn:
            conn.execute(text(way))
        with pytest.raises(WrongDatabase) as caught:
            run.check_guards(owner_database)
        assert lost in caught.value.text_zh
        assert lost in caught.value.text_en
        run.upgrade(owner_database)
        run.check_guards(owner_database)


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
