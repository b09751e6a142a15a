"""Receipts, and proofs of the log: what lets a depositor or an outsider hold the archive to what it said."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from acts.deciding import permit, permit_in_fonds
from acts.desk import Caller, Desk
from archive.facts import case_facts
from archive.receipts import Receipt, receipt_of
from archive.store import KnownVersion, known_by_entry
from archive.walls import Whom
from audit.proofs import Proofs
from audit.store import Published, TileRows
from auth.tables import service_clients
from foundation.errors import NotFound
from foundation.ids import is_id
from tlog.errors import Malformed
from tlog.proof import LogProof
from tlog.tiles import ENTRIES, Tile


def receipt_again(desk: Desk, caller: Caller, entry_id: str) -> Receipt:
    """The receipt of a case version by its log entry, on record. NotFound, also for one of another source system or behind the wall."""
    known = _receipt_permitted(desk, caller, entry_id)
    event = caller.event(desk, "receipt.fetched", object={"kind": "case", "id": known.case_id, "version": known.version}, verdict="permit")
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    return receipt_of(caller.fonds, known, "same")


def proof_of_receipt(desk: Desk, caller: Caller, entry_id: str) -> bytes:
    """The `.tlog-proof` of a receipt's entry, with the entry itself as extra data. NotFound; NotYetPublished for about a second."""
    known = _receipt_permitted(desk, caller, entry_id)
    proof = LogProof.parse(Proofs(desk.db).receipt(caller.fonds, entry_id))
    with desk.db.read() as conn:
        entry = TileRows(conn, caller.fonds).bodies(known.log_index, 1)[0]
    return LogProof(proof.index, proof.path, proof.checkpoint, entry).format()


def checkpoint(desk: Desk, caller: Caller) -> Published:
    """The latest signed checkpoint of the caller's fonds. NoSuchTile before the first, `Refused`."""
    _permit_proofs(desk, caller)
    return Proofs(desk.db).checkpoint(caller.fonds)


def tile(desk: Desk, caller: Caller, path: str) -> bytes:
    """A hash tile or an entry bundle by its path within the log. A bundle is a part of the log: it takes the right to export, on record.

    NoSuchTile, NotFound for what is no path, `Refused`.
    """
    try:
        asked = Tile.parse(path)
    except Malformed:
        raise NotFound from None
    if asked.level != ENTRIES:
        _permit_proofs(desk, caller)
        return Proofs(desk.db).tile(caller.fonds, asked.level, asked.n, asked.width)
    allowed = permit_in_fonds(desk, caller, "audit.export")
    found = Proofs(desk.db).bundle(caller.fonds, asked.n, asked.width)
    event = caller.event(
        desk,
        "log.exported",
        object={"kind": "log", "id": caller.fonds},
        verdict="permit",
        reason=allowed.rule,
        data={"bundle": asked.n, "entries": asked.width},
    )
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    return found


def inclusion(desk: Desk, caller: Caller, index: int) -> tuple[bytes, list[bytes], Published]:
    """(leaf hash, inclusion path, checkpoint) of the entry at `index`; NotYetPublished past the checkpoint, `Refused`."""
    _permit_proofs(desk, caller)
    path, published = Proofs(desk.db).inclusion(caller.fonds, index)
    with desk.db.read() as conn:
        hashes = TileRows(conn, caller.fonds).hashes(Tile(0, index // 256, index % 256 + 1))
    if hashes is None:
        raise NotFound
    return hashes[-32:], path, published


def consistency(desk: Desk, caller: Caller, old_size: int) -> tuple[list[bytes], Published]:
    """The proof that the latest checkpoint extends the first `old_size` entries; NotYetPublished past it, `Refused`."""
    _permit_proofs(desk, caller)
    return Proofs(desk.db).consistency(caller.fonds, old_size)


def _permit_proofs(desk: Desk, caller: Caller) -> None:
    # A depositor holds receipts, and may check what they hang on. Hashes and sizes tell of nobody, so what is permitted is not recorded.
    permit_in_fonds(desk, caller, "receipt.fetch" if caller.principal.kind == "service" else "audit.prove")


def _receipt_permitted(desk: Desk, caller: Caller, entry_id: str) -> KnownVersion:
    with desk.db.read() as conn:
        known = known_by_entry(conn, caller.fonds, entry_id) if is_id(entry_id) else None
        if known is not None and not _own(conn, caller, known):
            known = None
        # Asked for even where there is no such entry, so that the work tells nothing.
        pair = (known.case_id, known.version) if known is not None else (entry_id, 1)
        facts = case_facts(conn, desk.keys, caller.fonds, dict([pair]), Whom.of(caller.principal)).get(pair[0])
    about: dict[str, Any] = {"kind": "entry", "id": entry_id}
    permit(desk, caller, "receipt.fetch", facts, about=about if is_id(entry_id) else None)
    if known is None:
        raise NotFound
    return known


def _own(conn: Connection, caller: Caller, known: KnownVersion) -> bool:
    """Whether the receipt is of the client's own source system; people of the office have no source."""
    if caller.principal.kind != "service":
        return True
    source = select(service_clients.c.source_system).where(
        service_clients.c.fonds == caller.fonds, service_clients.c.account_id == caller.principal.account_id
    )
    return bool(conn.execute(source).scalar_one_or_none() == known.source_system)
