"""Moving wraps to newer key-encryption keys while the archive runs: no field is opened, nothing but wraps is written.

A wrap's own `kek_id` is the record of progress, so an interrupted rotation is resumed by starting it again. Each row is written only
if it is still as it was read; one that a deposit, an erasure or another rotation changed meanwhile is simply looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, bindparam, update

from foundation.steps import reach
from vault.store import count_under, wraps_under
from vault.tables import case_wraps
from vault.wraps import Keks, WrapRow, rewrap

Write = Callable[[Callable[[Connection], int]], int]
"""Runs a function of a connection in one durable transaction and returns what it returned; it may run it again."""


class RetiredKeks(Keks, Protocol):
    """A key ring that knows which KEKs have a successor."""

    def retired_keks(self, fonds: str) -> Mapping[str, str]:
        """Map each retired KEK's id to the id of the current one of its purpose, retention class and year."""
        ...


_MOVE = (
    update(case_wraps)
    .where(
        case_wraps.c.fonds == bindparam("of_fonds"),
        case_wraps.c.case_id == bindparam("of_case"),
        case_wraps.c.seal_generation == bindparam("of_generation"),
        case_wraps.c.purpose == bindparam("of_purpose"),
        case_wraps.c.kek_id == bindparam("old_kek"),
    )
    .values(kek_id=bindparam("new_kek"), wrapped=bindparam("new_wrapped"))
)


def rotate_keks(
    read: Callable[[], AbstractContextManager[Connection]],
    write: Write,
    ring: RetiredKeks,
    fonds: str,
    *,
    batch: int = 500,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Wrap anew, in batches, every case key of a fonds whose KEK has a successor; return how many wraps were moved.

    `progress` is told (moved so far, total at the start) after each durable batch. `CannotOpen` stops at a wrap that was tampered with.
    """
    successors = ring.retired_keks(fonds)
    if not successors:
        return 0
    with read() as conn:
        total = count_under(conn, fonds, successors)
    moved = 0
    while True:
        with read() as conn:
            rows = wraps_under(conn, fonds, successors, batch)
        if not rows:
            return moved
        fresh = [rewrap(ring.kek(fonds, row.kek_id), ring.kek(fonds, successors[row.kek_id]), row) for row in rows]
        reach("rotation.wrapped")
        moved += write(_mover(rows, fresh))
        reach("rotation.batch-written")
        progress(moved, max(total, moved))


def _mover(rows: Sequence[WrapRow], fresh: Sequence[WrapRow]) -> Callable[[Connection], int]:
    parameters = [
        {
            "of_fonds": old.fonds,
            "of_case": old.case_id,
            "of_generation": old.seal_generation,
            "of_purpose": old.purpose,
            "old_kek": old.kek_id,
            "new_kek": new.kek_id,
            "new_wrapped": new.wrapped,
        }
        for old, new in zip(rows, fresh, strict=True)
    ]

    def move(conn: Connection) -> int:
        return max(conn.execute(_MOVE, parameters).rowcount, 0)

    return move
