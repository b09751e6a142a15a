"""Deposits: the archive's whole act against inserting the same records unprotected, and against StringEncryptedType."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from acts.desk import Caller
from archive import preparing, store
from archive.intake import deposit_in_units
from archive.preparing import Prepared, Preparers
from archive.receipts import Receipt
from bench.baselines import Baseline, Rows
from bench.rounds import Stopwatch, Times, race
from bench.world import FONDS, World, archive
from foundation.ids import new_id
from foundation.uow import Unit
from policies.checked import Checked
from policies.masked_copy import mask_record

BATCH = 200
Records = list[dict[str, Any]]
WHOLE, ALONE = "archive", "archive, one process"
PREPARATION, VALIDATION, MASKING, STORE = "preparation", "validation", "masking", "store step"
PLAIN, PLAIN_RECORD, ENCRYPTED, ENCRYPTED_RECORD = "plain", "plain from record", "encrypted", "encrypted from record"

BASELINES = {PLAIN: False, PLAIN_RECORD: False, ENCRYPTED: True, ENCRYPTED_RECORD: True}
"""Name -> whether its sealed fields are encrypted."""


def measure(world: World, folder: Path, records: Records, rounds: int, say: Callable[[str], None], urls: dict[str, str]) -> Times:
    """Race all contenders over slices of `records`, one slice a round, in batches of 200; every contender gets the same records."""
    catalogue = world.desk.rulebook(FONDS).catalogue
    size = len(records) // (rounds + 1) // BATCH * BATCH
    slices = [records[at : at + size] for at in range(0, size * (rounds + 1), size)]
    beside = {
        name: Baseline.make(name.replace(" ", "-"), folder, catalogue, encrypted=sealed, url=urls.get(name))
        for name, sealed in BASELINES.items()
    }
    shared: dict[int, list[list[tuple[Checked, Prepared]]]] = {}

    def made(number: int) -> list[list[tuple[Checked, Prepared]]]:
        if number not in shared:
            shared.clear()
            shared[number] = [prepare(world, batch) for batch in _batches(slices[number])]
        return shared[number]

    others = ExitStack()
    # As each baseline: a database of its own, which grows by its own records alone (on PostgreSQL: all in the one that was given).
    alone, stored = (world if urls else others.enter_context(_another(folder / name)) for name in ("alone", "stored"))
    contenders = {
        WHOLE: lambda number: _whole(world, slices[number], world.crew),
        ALONE: lambda number: _whole(alone, slices[number], None),
        PLAIN: lambda number: _ready_made(beside[PLAIN], made(number)),
        ENCRYPTED: lambda number: _ready_made(beside[ENCRYPTED], made(number)),
        PLAIN_RECORD: lambda number: _from_record(world, beside[PLAIN_RECORD], slices[number], made(number)),
        ENCRYPTED_RECORD: lambda number: _from_record(world, beside[ENCRYPTED_RECORD], slices[number], made(number)),
        PREPARATION: lambda number: _preparation(world, slices[number]),
        VALIDATION: lambda number: _validation(world, slices[number]),
        MASKING: lambda number: _masking(world, slices[number]),
        STORE: lambda number: _store_step(stored, slices[number]),
    }
    try:
        return race(contenders, rounds, say)
    finally:
        others.close()
        for one in beside.values():
            one.db.close()


def prepare(world: World, records: Records) -> list[tuple[Checked, Prepared]]:
    """Everything a deposit does before its transaction."""
    desk = world.desk
    checked = [preparing.check(desk, FONDS, record) for record in records]
    with desk.db.read() as conn:
        resolved = preparing.resolve(conn, desk, FONDS, checked)
    return [(one, preparing.prepare(desk, FONDS, one, known)) for one, known in zip(checked, resolved, strict=True)]


@contextmanager
def _another(folder: Path) -> Iterator[World]:
    folder.mkdir()
    with archive(folder) as made:
        yield made


def _batches(records: Records) -> list[Records]:
    return [records[at : at + BATCH] for at in range(0, len(records), BATCH)]


def _whole(world: World, records: Records, preparers: Preparers | None) -> float:
    """The path of an import and of `POST /v1/cases:batch`: units of 200, the next one prepared while one is stored."""
    watch = Stopwatch()
    # The two contenders take turns on one archive, which takes a case number once.
    own = records if preparers is not None else [record | {"case_no": f"{record['case_no']}/1"} for record in records]
    with watch.running():
        answers = [one for unit in deposit_in_units(world.desk, world.system, _batches(own), preparers=preparers) for one in unit]
    assert all(isinstance(answer, Receipt) and answer.status == "created" for answer in answers)
    return watch.seconds / len(records)


def _ready_made(beside: Baseline, made: list[list[tuple[Checked, Prepared]]]) -> float:
    watch = Stopwatch()
    for batch in made:
        rows = beside.rows(batch)
        with watch.running():
            beside.store(rows)
    return watch.seconds / sum(map(len, made))


def _from_record(world: World, beside: Baseline, records: Records, made: list[list[tuple[Checked, Prepared]]]) -> float:
    watch = Stopwatch()
    for batch, ready in zip(_batches(records), made, strict=True):
        heads = [prepared.head for _, prepared in ready]
        with watch.running():
            rows: Rows = {name: [] for name in beside.models}
            for record, head in zip(batch, heads, strict=True):
                beside.rows_of_record(rows, preparing.check(world.desk, FONDS, record), head, new_id())
            beside.store(rows)
    return watch.seconds / len(records)


def _preparation(world: World, records: Records) -> float:
    watch = Stopwatch()
    for batch in _batches(records):
        with watch.running():
            prepare(world, batch)
    return watch.seconds / len(records)


def _validation(world: World, records: Records) -> float:
    watch = Stopwatch()
    with watch.running():
        for record in records:
            preparing.check(world.desk, FONDS, record)
    return watch.seconds / len(records)


def _masking(world: World, records: Records) -> float:
    rules = world.desk.rulebook(FONDS)
    checked = [preparing.check(world.desk, FONDS, record) for record in records]
    watch = Stopwatch()
    with watch.running():
        for one in checked:
            mask_record(one, rules)
    return watch.seconds / len(records)


def _store_step(world: World, records: Records) -> float:
    watch = Stopwatch()
    for batch in _batches(records):
        # Under numbers of their own, for the archive takes a case number once.
        prepared = [one for _, one in prepare(world, [record | {"case_no": f"{record['case_no']}/s"} for record in batch])]

        def write(unit: Unit, ready: list[Prepared] = prepared, caller: Caller = world.system) -> None:
            numbers = {(one.source_system, one.case_no) for one in ready}
            assert not store.known_versions(unit.conn, FONDS, numbers)
            tickets = [
                unit.add(
                    caller.event(
                        world.desk,
                        "case.deposited",
                        object={"kind": "case", "id": one.case_id, "version": 1},
                        data={"source_system": one.source_system, "digest": one.digest.hex(), "protection": one.head["protection"]},
                    )
                )
                for one in ready
            ]
            store.insert_cases(unit.conn, ready, [ticket.entry_id for ticket in tickets])

        with watch.running():
            world.desk.uow.run(FONDS, write)
    return watch.seconds / len(records)
