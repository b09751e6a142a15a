"""Copies of the published log for other systems: whoever may export the log takes a range of it, on record, as lines of some form.

A copy holds what the entry bundles hold, and takes the same right: whole entries, which are not held against walls one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from audit.errors import BadQuestion, LogForked, NotYetPublished
from audit.store import TileRows, last_checkpoint
from foundation.database import Database
from reviews.copies_forms import FORMS, SHEET, SHEET_ROWS
from reviews.copies_rows import Row
from tlog.tiles import TILE_WIDTH, Tile, width_at


@dataclass(frozen=True, slots=True)
class Range:
    """Entries `first` to `last`, both included, of a log that was published at `size`."""

    fonds: str
    first: int
    last: int
    size: int

    def __len__(self) -> int:
        """How many entries."""
        return self.last - self.first + 1


def extract(desk: Desk, caller: Caller, form: str, first: int = 0, last: int | None = None) -> Range:
    """Put on record that the caller takes this range in this form, and return it as far as it is published, to be read with `bundles`.

    `Refused`; BadQuestion for a range or a form there is none of, or too long for a workbook; NotYetPublished past the last checkpoint.
    """
    allowed = permit_in_fonds(desk, caller, "audit.export")
    found = range_of(desk.db, caller.fonds, form, first, last)
    event = caller.event(
        desk, "log.exported", object={"kind": "log", "id": caller.fonds}, verdict="permit", reason=allowed.rule, data=told(found, form)
    )
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    return found


def range_of(db: Database, fonds: str, form: str, first: int = 0, last: int | None = None) -> Range:
    """The range as far as it is published. BadQuestion, NotYetPublished."""
    if form not in FORMS:
        raise BadQuestion(member="form")
    if first < 0 or (last is not None and last < first):
        raise BadQuestion(member="last")
    with db.read() as conn:
        latest = last_checkpoint(conn, fonds)
    size = 0 if latest is None else latest.size
    if first >= size:
        raise NotYetPublished
    found = Range(fonds, first, size - 1 if last is None else min(last, size - 1), size)
    if form == SHEET and len(found) > SHEET_ROWS:
        raise BadQuestion(member="last")
    return found


def told(found: Range, form: str) -> dict[str, str | int]:
    """What the entry of a copy says of it, as an entry's `data`."""
    return {"form": form, "first": found.first, "last": found.last}


def bundles(db: Database, found: Range) -> Iterator[list[Row]]:
    """The entries of the range, in order and each hashed anew, bundle by bundle. LogForked where one is not what was published.

    A transaction per bundle: a long copy must not hold a snapshot open, and what it reads never changes.
    """
    for n in range(found.first // TILE_WIDTH, found.last // TILE_WIDTH + 1):
        yield _bundle(db, found, n)


def _bundle(db: Database, found: Range, n: int) -> list[Row]:
    start = n * TILE_WIDTH
    with db.read() as conn:
        stored = TileRows(conn, found.fonds)
        bodies = stored.bodies(start, width_at(0, n, found.last + 1))
        hashes = stored.hashes(Tile(0, n, width_at(0, n, found.last + 1)))
    made = []
    for index, body in enumerate(bodies, start):
        if index >= found.first:
            row = Row.of(found.fonds, index, body)
            if hashes is None or row.leaf != hashes[(index - start) * 32 :][:32]:
                raise LogForked(fonds=found.fonds, signed=found.size, why=f"entry {index}")
            made.append(row)
    if start + len(bodies) <= min(found.last, start + TILE_WIDTH - 1):
        raise LogForked(fonds=found.fonds, signed=found.size, why=f"entry {start + len(bodies)}")
    return made
