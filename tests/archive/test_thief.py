"""A thief with the database, its files and everything the archive wrote gets nothing of what is sealed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import archive.tables
from archive.intake import deposit
from case_world import World, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.tables import metadata
from fresh_databases import BACKENDS, FreshDatabases
from petition_records import typical
from policies.rulebook.load import base
from sealed_canaries import FEW_VALUES, Canaries, sealed_fields, spellings
from thief_scene import KILLED_AT, killed_over, live_through, loot, rulebook_of_every_type, write_ahead_position
from vault.container import Container

# For each field of few values: its place among the petitioners, and values between which the thief must not tell.
FEW: dict[str, tuple[Any, ...]] = {
    "petitioners[].sex": ("male", "female", "unknown", None),
    "petitioners[].confidentiality_requested": (True, False),
    "petitioners[].birth_date": ("1950-01-31", "1999-12-01", None),
}


def test_every_sealed_field_carries_a_canary_or_is_one_of_few_values() -> None:
    canaries = Canaries()
    catalogue = rulebook_of_every_type().catalogue
    canaries.plant(typical(), catalogue)
    paths = {one.path for one in sealed_fields(catalogue)}
    few = {one.path for one in sealed_fields(catalogue) if one.type in FEW_VALUES}
    assert {path.removesuffix(".date") for path in canaries.planted} | few == paths
    assert few <= set(FEW) <= paths
    assert {one.path for one in sealed_fields(base().catalogue)} <= paths


def test_the_search_finds_what_a_careless_archive_would_leave() -> None:
    canaries = Canaries()
    value = canaries.text("a field")
    for name, form in spellings(value):
        assert f"a field ({name})" in canaries.found_in(b"\0\1" + form + b"\2")
    assert canaries.found_in(b"\0" * 4096) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_sealed_value_is_anywhere_in_any_spelling(
    backend: str, fresh_databases: FreshDatabases, clock: MovableClock, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    canaries = Canaries()
    with fresh_databases.fresh(backend) as urls:
        database = Database(urls.application)
        cluster = fresh_databases.cluster if backend == "postgresql" else None
        world = make_world(database, clock, tmp_path, rulebook_of_every_type())
        since = write_ahead_position(database)
        live_through(world, canaries, tmp_path)
        for step in KILLED_AT:
            killed_over(
                world, urls, tmp_path, canaries.plant(world.record(case_no=f"K-{step}"), world.desk.rulebook("F001").catalogue), step
            )
        stolen = loot(database, tmp_path, cluster, since)
        world.desk.uow.close()
        database.close()
        stolen += loot_after_closing(urls.application, backend)
    out, err = capfd.readouterr()
    stolen += out.encode() + err.encode()
    assert stolen.count(b"county-petition") > 3  # the search does see what is plain
    assert list((tmp_path / "keys").glob(".ring.*.tmp"))  # what a kill left is among it
    assert canaries.found_in(stolen) == []


def loot_after_closing(url: str, backend: str) -> bytes:
    """An SQLite file once more, its write-ahead log now folded in."""
    return Path(url.removeprefix("sqlite:///")).read_bytes() if backend == "sqlite" else b""


@dataclass(frozen=True)
class Trace:
    """What one case left in the database: the shape of its rows without what is drawn at random, and all byte strings."""

    shape: Counter[str]
    strings: frozenset[bytes]
    windows: frozenset[bytes]


def trace(world: World, case_id: str, case_no: str) -> Trace:
    shape: Counter[str] = Counter()
    strings: set[bytes] = set()
    sealed: list[bytes] = []
    with world.desk.db.read() as conn:
        for table in metadata.sorted_tables:
            if "case_id" not in table.c:
                continue
            for row in conn.execute(text(f"SELECT * FROM {table.name} WHERE case_id = :id"), {"id": case_id}).mappings():
                told = []
                for name, value in row.items():
                    column = f"{table.name}.{name}"
                    if isinstance(value, bytes | memoryview):
                        strings.add(bytes(value))
                        if column == "case_seals.record":
                            # The directory in front orders items by their ids, which is chance; beside that it is sizes.
                            container = Container(bytes(value))
                            values = [(path, container.value(path, item)) for path, item in container.places]
                            sealed += [one for _, one in values]
                            shape.update(f"{path} sealed in {len(one)} bytes" for path, one in values)
                        told.append(f"{column}: {len(bytes(value))} bytes")
                    elif name in {"idx", "entry_id"} or name.endswith("_ms"):
                        told.append(column)
                    else:
                        plain = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "id", str(value)).replace(case_no, "number")
                        told.append(f"{column}: {plain}")
                shape["; ".join(told)] += 1
    # Format and suite lead every sealed value; all that follows is drawn anew each time.
    windows = {one[at : at + 16] for one in sealed for at in range(len(one) - 15)}
    return Trace(shape, frozenset(strings), frozenset(windows))


@contextmanager
def two_petitioners(fresh_databases: FreshDatabases, backend: str, clock: MovableClock, folder: Path) -> Iterator[World]:
    with fresh_databases.fresh(backend) as urls:
        database = Database(urls.application)
        world = make_world(database, clock, folder)
        yield world
        world.desk.uow.close()
        database.close()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("path", sorted(FEW))
def test_what_is_stored_does_not_tell_one_of_few_values_from_another(
    path: str, backend: str, fresh_databases: FreshDatabases, clock: MovableClock, tmp_path: Path
) -> None:
    assert archive.tables.cases.name in metadata.tables
    with two_petitioners(fresh_databases, backend, clock, tmp_path) as world:
        traces = []
        # Each value twice: what differs between two cases of one value is chance, and no more may differ between two values.
        for number, value in enumerate(value for value in FEW[path] for _ in range(2)):
            record = deepcopy(world.record(case_no=f"N-{number:04d}"))
            # The first petitioner asks for secrecy in every case: its effect, the protection, is a fact that everybody may know.
            record["petitioners"][0]["confidentiality_requested"] = True
            record["petitioners"][1].pop("sex", None)
            if value is not None:
                record["petitioners"][1][path.rpartition(".")[2]] = value
            traces.append(trace(world, deposit(world.desk, world.system, record).case_id, record["case_no"]))
    usual = traces[0]
    for other in traces[1:]:
        assert other.shape == usual.shape
        assert other.strings & usual.strings == traces[1].strings & usual.strings
        assert not other.windows & usual.windows
    assert any("case_seals.record" in row for row in usual.shape)
