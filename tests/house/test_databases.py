"""The databases that tests are given are the ones an archive would run on."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError

from foundation.database import Database
from fresh_databases import DatabaseUrls
from postgres_cluster import PostgresCluster


def test_every_test_gets_a_database_of_its_own_with_the_whole_schema(database: Database) -> None:
    assert "fonds" in inspect(database.engine).get_table_names()
    with database.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM fonds")).scalar_one() == 0


def test_commits_are_durable_in_the_databases_tests_run_on(database: Database) -> None:
    database.check_durability()


def test_the_application_role_cannot_change_the_schema(postgres: PostgresCluster, fresh_databases: object) -> None:
    from fresh_databases import FreshDatabases

    assert isinstance(fresh_databases, FreshDatabases)
    with fresh_databases.fresh("postgresql") as urls:
        application = Database(urls.application)
        try:
            for statement in (
                "CREATE TABLE stolen (x int)",
                "DROP TABLE fonds",
                "ALTER TABLE fonds ADD COLUMN x int",
                "CREATE TEMP TABLE t (x int)",
            ):
                with pytest.raises(ProgrammingError), application.write() as conn:
                    conn.exec_driver_sql(statement)
        finally:
            application.close()


def test_the_server_listens_on_no_network(postgres: PostgresCluster) -> None:
    with postgres._admin() as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)


def test_owner_and_application_are_different_roles_on_postgresql(database_urls: DatabaseUrls) -> None:
    assert (database_urls.owner != database_urls.application) == (database_urls.backend == "postgresql")
