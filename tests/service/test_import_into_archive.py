"""The real table through the real door: sealed, masked, on record, and found again."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from archive.finding import find
from archive.tables import cases
from case_world import FONDS, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from fresh_databases import FreshDatabases
from service.cli.depositors import InThisProcess
from service.importing.mapping import load
from service.importing.run import import_file
from service.importing.state import digest_of

MAPPING = Path(__file__).resolve().parents[2] / "examples" / "import" / "message-board.toml"


@pytest.mark.shared_data
def test_the_real_rows_are_deposited_once_and_a_second_run_doubles_nothing(
    shared_data: Path, fresh_databases: FreshDatabases, tmp_path: Path
) -> None:
    source = tmp_path / "petitions.csv"
    shutil.copy(shared_data / "petitions_with_replies.csv", source)
    with fresh_databases.fresh("sqlite") as urls:
        database = Database(urls.application)
        world = make_world(database, MovableClock(datetime(2026, 11, 22, 4, tzinfo=UTC)), tmp_path)
        try:
            depositor = InThisProcess(world.desk, world.caller("S-7"))
            mapping = load(MAPPING, world.desk.rulebook(FONDS))
            first = depositor.on_record(lambda to: import_file(source, mapping, to, mapping_digest=digest_of(MAPPING)))
            again = tmp_path / "again.csv"
            shutil.copy(source, again)
            second = depositor.on_record(lambda to: import_file(again, mapping, to, mapping_digest=digest_of(MAPPING)))
            with database.read() as conn:
                stored = conn.execute(select(func.count()).select_from(cases)).scalar_one()
            page = find(world.desk, world.caller("S-7"), {"limit": 5})
        finally:
            world.desk.uow.close()
            database.close()
    assert (first.rows, first.created + first.refused) == (2816, 2816)
    assert first.created >= 2780
    assert (second.created, second.same) == (0, first.created)
    assert stored == page.total == first.created
