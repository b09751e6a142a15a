"""The entries of a stored log, read back."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from audit.entry import Entry
from audit.tables import log_entries
from foundation.database import Database


def stored_entries(database: Database, fonds: str, kinds: Collection[str] = ()) -> list[Entry]:
    """The entries of these kinds (none given: all), oldest first."""
    with database.read() as conn:
        bodies = conn.execute(select(log_entries.c.body).where(log_entries.c.fonds == fonds).order_by(log_entries.c.idx)).scalars()
        found = [Entry.parse(bytes(body)) for body in bodies]
    return [entry for entry in found if not kinds or entry.kind in kinds]
