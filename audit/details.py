"""Texts beside the log: reading the sealed value, and erasing it for good while every proof stays valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from audit.errors import NoSuchEntry
from audit.events import Actor, Event
from audit.tables import log_details
from foundation.clock import to_ms
from foundation.uow import Ticket, Unit


@dataclass(frozen=True, slots=True)
class StoredDetail:
    """A detail as it lies beside the log; `sealed` is None once it was erased."""

    name: str
    commitment: bytes
    key_ref: str
    sealed: bytes | None
    erased_ms: int | None


def details_of(conn: Connection, fonds: str, entry_id: str) -> dict[str, StoredDetail]:
    """Return the details of an entry by name; empty where it has none."""
    beside = log_details.c
    rows = conn.execute(select(log_details).where(beside.fonds == fonds, beside.entry_id == entry_id))
    return {
        row.name: StoredDetail(
            row.name, bytes(row.commitment), row.key_ref, None if row.sealed is None else bytes(row.sealed), row.erased_ms
        )
        for row in rows
    }


def erase(unit: Unit, entry_id: str, name: str, *, actor: Actor, now: datetime, reason: str = "", request_id: str = "") -> Ticket:
    """Erase one detail and put the erasure on record, in the caller's unit of work. NoSuchEntry where there is nothing to erase.

    Only the stored value goes; destroying the key it was sealed under, against backups, is the vault's to do.
    """
    beside = log_details.c
    erased = unit.conn.execute(
        update(log_details)
        .where(beside.fonds == unit.fonds, beside.entry_id == entry_id, beside.name == name, beside.erased_ms.is_(None))
        .values(sealed=None, erased_ms=to_ms(now))
    )
    if erased.rowcount != 1:
        raise NoSuchEntry
    return unit.add(
        Event(
            kind="log.detail-erased",
            actor=actor,
            time=now,
            object={"kind": "entry", "id": entry_id},
            reason=reason,
            request_id=request_id,
            data={"name": name},
        )
    )
