"""The oracle itself: each thing it is there to see, done to an archive on purpose, is seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, make_url, select, update

from archive.requests.tables import grants, openings
from archive.tables import case_masks, case_seals, case_tags, cases
from case_world import FONDS
from crash_archive import START, CrashArchive, later
from crash_oracle import Oracle
from crash_rounds import Rounds, Workers
from foundation.clock import iso, to_ms
from foundation.database import Database
from fresh_databases import FreshDatabases
from vault.errors import CannotOpen, KeyMissing
from vault.tables import case_wraps

BREACHES: dict[str, Any] = {
    "a case without its seal": delete(case_seals).where(case_seals.c.fonds == FONDS),
    "a case without its masks": delete(case_masks).where(case_masks.c.fonds == FONDS),
    "a case without its keys": delete(case_wraps).where(case_wraps.c.purpose == "mask"),
    "a case half found": delete(case_tags).where(case_tags.c.case_id == select(func.min(cases.c.case_id)).scalar_subquery()),
    "a head ahead of its versions": update(cases).values(version=cases.c.version + 1),
    "a wrap under a key nobody has": update(case_wraps).values(kek_id="case/y30/1901/1"),
    "a use that was refunded": update(grants).values(uses=grants.c.uses - 1),
    "a use that was counted twice": update(grants).values(uses=grants.c.uses + 1),
    "a session that is gone": delete(openings).where(openings.c.fonds == FONDS),
    "a grant given back off the record": update(grants).values(returned_ms=to_ms(START)),
}


@pytest.fixture(scope="module")
def sound(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashArchive]:
    """An archive in which everything has happened, after a kill and with nothing wrong."""
    folder = tmp_path_factory.mktemp("sound")
    folder.chmod(0o700)
    program = Workers()
    with fresh_databases.fresh("sqlite") as urls:
        rounds = Rounds(CrashArchive.make(urls.application, folder), program, 1)
        rounds.kill_at("opening.recorded")
        rounds.finish()
        yield rounds.archive
    program.close()


@pytest.mark.parametrize("breach", BREACHES)
def test_the_oracle_sees_what_a_crash_might_have_left(sound: CrashArchive, tmp_path: Path, breach: str) -> None:
    shutil.copytree(sound.folder, tmp_path / "copy")
    shutil.copyfile(str(make_url(sound.url).database), tmp_path / "archive.sqlite")
    copy = CrashArchive(f"sqlite:///{tmp_path / 'archive.sqlite'}", tmp_path / "copy")
    at = later(iso(START), days=1)
    shutil.rmtree(tmp_path / "copy" / "export-1")
    Oracle(copy).look([], at)
    database = Database(copy.url, pool_size=1)
    with database.write() as conn:
        assert conn.execute(BREACHES[breach]).rowcount > 0
    database.close()
    with pytest.raises((AssertionError, CannotOpen, KeyMissing)):
        Oracle(copy).look([], at)


def test_the_oracle_misses_what_was_acknowledged_and_is_not_there(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    with fresh_databases.fresh("sqlite") as urls:
        oracle = Oracle(CrashArchive.make(urls.application, tmp_path))
        at = oracle.look([{"act": "deposit-asked", "case_no": "one-2025", "key": None}], iso(START))
        told = {"act": "deposit", "case_no": "two-2025", "case": "x", "version": 1, "digest": "00", "entry": "y", "index": 0, "key": None}
        with pytest.raises(AssertionError, match="0 rows"):
            oracle.look([told], at)
