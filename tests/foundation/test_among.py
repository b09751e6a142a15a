"""A list as one parameter: the same rows on both databases, found by the index, whatever is in the list."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select

from foundation.among import among
from foundation.database import Database
from fresh_databases import BACKENDS, FreshDatabases

ROWS = Table("rows_of_a_test", MetaData(), Column("name", String(40), primary_key=True), Column("number", Integer, primary_key=True))
NAMES = ["plain", "引号'\"", "反斜\\杠", "{a,b}", "NULL", "[1]"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_list_of_any_length_selects_exactly_what_it_names(backend: str, fresh_databases: FreshDatabases) -> None:
    with fresh_databases.fresh(backend) as urls:
        database = Database(urls.owner)
        by_name = select(ROWS.c.name).where(among(ROWS.c.name, "names"))
        by_number = select(ROWS.c.name).where(ROWS.c.number > bindparam("least"), among(ROWS.c.number, "numbers"))
        try:
            with database.write() as conn:
                ROWS.create(conn)
                conn.execute(insert(ROWS), [{"name": name, "number": number} for number, name in enumerate(NAMES)])
            with database.read() as conn:
                for wanted in ([], NAMES[:1], NAMES, [*NAMES, "unknown"]):
                    assert set(conn.execute(by_name, {"names": wanted}).scalars()) == set(wanted) & set(NAMES)
                assert conn.execute(by_number, {"numbers": [0, 2, 2, 99], "least": 0}).scalars().all() == [NAMES[2]]
        finally:
            database.close()


def test_sqlite_finds_the_rows_of_a_list_by_the_index(fresh_databases: FreshDatabases) -> None:
    with fresh_databases.fresh("sqlite") as urls:
        database = Database(urls.owner)
        try:
            with database.write() as conn:
                ROWS.create(conn)
                query = str(select(ROWS).where(ROWS.c.number == 1, among(ROWS.c.name, "names")).compile(conn))
                plan = " ".join(row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", ("[]",) * query.count("?")))
            assert "SEARCH rows_of_a_test USING" in plan
            assert "name=?" in plan
        finally:
            database.close()
