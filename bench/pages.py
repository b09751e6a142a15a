"""A masked page of 50: the archive's list act against decrypting 50 cases from StringEncryptedType rows and masking them on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from archive.finding import ROW, find
from archive.preparing import COLUMN_OF
from audit.sequencing import Sequencer
from bench.baselines import Baseline
from bench.rounds import Stopwatch, Times, race
from bench.world import FONDS, World
from foundation.database import Database
from foundation.uow import UnitOfWork
from policies.masked_copy import masks_of, redactor_for
from policies.masks import Context, apply
from policies.rulebook.load import Rulebook

SIZE = 50
PAGE, UNSYNCED, ENCRYPTED, ENCRYPTED_TITLES = "page", "page without fsync", "decrypt then mask", "decrypt titles only"
_COLUMNS = tuple(COLUMN_OF[path] for path in ROW if path in COLUMN_OF)


def measure(world: World, beside: Baseline, rounds: int, say: Callable[[str], None], repeats: int = 5) -> Times:
    """Race the whole act, the same act without its fsync, and both ways of the baseline; a sample is the mean of some repeats."""
    with without_fsync(world) as unsynced:
        return race(
            {
                PAGE: lambda _: _find(world, repeats),
                ENCRYPTED: lambda _: _decrypt_then_mask(world, beside, repeats),
                UNSYNCED: lambda _: _find(unsynced, repeats),
                ENCRYPTED_TITLES: lambda _: _decrypt_titles(beside, repeats),
            },
            rounds,
            say,
        )


@contextmanager
def without_fsync(world: World) -> Iterator[World]:
    """The same archive opened a second time so that a commit is not forced to the disk: for this one measurement, never to be served."""
    db = Database(world.desk.db.url, pool_size=4)
    go_unsynced(db)
    uow = UnitOfWork(db, Sequencer())
    try:
        yield replace(world, desk=replace(world.desk, db=db, uow=uow))
    finally:
        uow.close()
        db.close()


def go_unsynced(db: Database) -> None:
    """Let commits of this database return before the disk has them."""
    if db.dialect == "sqlite":
        event.listen(db.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF").close())
    else:
        event.listen(db.engine, "connect", lambda connection, _: connection.execute("SET synchronous_commit = off"))
    db.engine.dispose()  # those already connected would still wait


def _find(world: World, repeats: int) -> float:
    watch = Stopwatch()
    caller = world.inspector
    for _ in range(repeats):
        with watch.running():
            page = find(world.desk, caller, {"limit": SIZE})
        assert len(page.rows) == SIZE
        assert page.rows[0].fields["title"]
    return watch.seconds / repeats


def _decrypt_then_mask(world: World, beside: Baseline, repeats: int) -> float:
    """Newest 50, every sealed column of their rows decrypted, each masked or redacted by the archive's own masks. No audit, no count."""
    rulebook = world.desk.rulebook(FONDS)
    watch = Stopwatch()
    for _ in range(repeats):
        with watch.running(), Session(beside.db.engine) as session:
            heads = _newest(session, beside)
            ids = [head.case_id for head in heads]
            records: dict[str, dict[str, Any]] = {case_id: {} for case_id in ids}
            for key, names in beside.sealed.items():
                model = beside.models[f"sealed_{key or 'record'}"]
                for row in session.scalars(select(model).where(model.fonds == FONDS, model.case_id.in_(ids)).order_by(model.item)):
                    values = {name: value for name in names if (value := getattr(row, name)) is not None}
                    if key:
                        records[row.case_id].setdefault(key, []).append(values)
                    else:
                        records[row.case_id].update(values)
            masked = [_masked(records[case_id], rulebook) for case_id in ids]
        assert len(masked) == SIZE
    return watch.seconds / repeats


def _masked(record: dict[str, Any], rulebook: Rulebook) -> dict[str, Any]:
    redactor = redactor_for(record, rulebook)
    context = Context(rulebook.surnames, rulebook.divisions, redactor.text)
    shown: dict[str, Any] = {}
    for plan in masks_of(rulebook):
        for item in record.get(plan.key, ()) if plan.repeated else [record]:
            shown.update((one.path, apply(one.mask, item[one.name], context)) for one in plan.masks if one.name in item)
    return shown


def _decrypt_titles(beside: Baseline, repeats: int) -> float:
    """The least that could be called the same: newest 50 with nothing but their titles decrypted, and hidden whole."""
    model = beside.models["sealed_record"]
    watch = Stopwatch()
    for _ in range(repeats):
        with watch.running(), Session(beside.db.engine) as session:
            heads = _newest(session, beside)
            wanted = select(model.case_id, model.title).where(model.fonds == FONDS, model.case_id.in_([head.case_id for head in heads]))
            titles = {row.case_id: row.title for row in session.execute(wanted)}
            rows = [{name: getattr(head, name) for name in _COLUMNS} | {"title": "****"} for head in heads if titles[head.case_id]]
        assert len(rows) == SIZE
    return watch.seconds / repeats


def _newest(session: Session, beside: Baseline) -> list[Any]:
    model = beside.models["cases"]
    return list(session.scalars(select(model).where(model.fonds == FONDS).order_by(model.closed_ms.desc(), model.case_id).limit(SIZE)))
