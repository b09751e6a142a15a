"""Receipts, and proofs of the log: what lets a depositor or an outsider hold the archive to what it said."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Connection, select

from acts.deciding import permit, permit_in_fonds
from acts.desk import Caller, Desk
from archive.facts import case_facts
from archive.receipts import Receipt, receipt_of
from archive.store import KnownVersion, known_by_entry
from archive.walls import Whom
from audit.errors import NoSuchTile
from audit.proofs import Proofs
from audit.store import Published, TileRows
from auth.tables import service_clients
from foundation.errors import NotFound
from foundation.ids import is_id
from tlog.errors import Malformed
from tlog.proof import LogProof
from tlog.tiles import ENTRIES, Tile

# The second life begins with 2; a fonds' code holds what it may and nothing a database could choke on.
_LOG: Final = re.compile(r"(?P<fonds>[A-Za-z0-9_-]{1,40})(?:/(?P<epoch>[2-9]|[1-9][0-9]{1,17}))?", re.ASCII)


def receipt_again(desk: Desk, caller: Caller, entry_id: str) -> Receipt:
    """The receipt of a case version by its log entry, on record. NotFound, also for one of another source system or behind the wall."""
    known = _receipt_permitted(desk, caller, entry_id)
    event = caller.event(desk, "receipt.fetched", object={"kind": "case", "id": known.case_id, "version": known.version}, verdict="permit")
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    return receipt_of(caller.fonds, known, "same")


def proof_of_receipt(desk: Desk, caller: Caller, entry_id: str) -> bytes:
    """The `.tlog-proof` of a receipt's entry, with the entry itself as extra data. NotFound; NotYetPublished for about a second."""
    known = _receipt_permitted(desk, caller, entry_id)
    proof = LogProof.parse(Proofs(desk.db, desk.panel).receipt(caller.fonds, entry_id))
    with desk.db.read() as conn:
        entry = TileRows(conn, caller.fonds).bodies(known.log_index, 1)[0]
    return LogProof(proof.index, proof.path, proof.checkpoint, entry).format()


def checkpoint(desk: Desk, log: str, caller: Caller | None, *, witnessed: bool = False) -> tuple[str, bytes]:
    """The latest signed checkpoint of `log`: `<fonds>`, or `<fonds>/<epoch>` in every life but the first, as in the log's origin;
    `witnessed`: the latest that enough witnesses have cosigned.

    With it comes the name it is at: for a fonds whose log is in a later life, that of this life. Without a caller for everybody.
    NoSuchTile before the first checkpoint and for what is no log, with a caller also for another fonds' log; `Refused`.
    """
    fonds, epoch = _log_of(desk, log, caller)
    proofs = Proofs(desk.db, desk.panel)
    latest = proofs.witnessed(fonds) if witnessed else proofs.checkpoint(fonds)
    if epoch not in {1, latest.epoch}:
        raise NoSuchTile
    return fonds if latest.epoch == 1 else f"{fonds}/{latest.epoch}", latest.note


def hashes(desk: Desk, log: str, path: str, caller: Caller | None) -> bytes:
    """A hash tile by its path within the log (`0/000`). NoSuchTile past the latest checkpoint and as `checkpoint`; `Refused`."""
    fonds, epoch = _log_of(desk, log, caller)
    tile = _tile(desk, f"tile/{path}", fonds, epoch)
    if tile.level == ENTRIES:
        raise NoSuchTile  # entries are not for everybody: `bundle`
    return Proofs(desk.db, desk.panel).tile(fonds, tile.level, tile.n, tile.width)


def bundle(desk: Desk, log: str, path: str, caller: Caller) -> bytes:
    """An entry bundle by its path within `tile/entries` (`000.p/7`). It is a part of the log: it takes the right to export, on record.

    NoSuchTile as `hashes`; `Refused`.
    """
    allowed = permit_in_fonds(desk, caller, "audit.export")
    fonds, epoch = _log_of(desk, log)
    if fonds != caller.fonds:
        raise NoSuchTile
    tile = _tile(desk, f"tile/entries/{path}", fonds, epoch)
    found = Proofs(desk.db, desk.panel).bundle(fonds, tile.n, tile.width)
    event = caller.event(
        desk,
        "log.exported",
        object={"kind": "log", "id": fonds},
        verdict="permit",
        reason=allowed.rule,
        data={"bundle": tile.n, "entries": tile.width},
    )
    desk.uow.run(fonds, lambda unit: unit.add(event))
    return found


def inclusion(desk: Desk, caller: Caller, index: int) -> tuple[bytes, list[bytes], Published]:
    """(leaf hash, inclusion path, checkpoint) of the entry at `index`; NotYetPublished past the checkpoint, `Refused`."""
    _permit_proofs(desk, caller)
    path, published = Proofs(desk.db, desk.panel).inclusion(caller.fonds, index)
    with desk.db.read() as conn:
        hashes = TileRows(conn, caller.fonds).hashes(Tile(0, index // 256, index % 256 + 1))
    if hashes is None:
        raise NotFound
    return hashes[-32:], path, published


def consistency(desk: Desk, caller: Caller, old_size: int) -> tuple[list[bytes], Published]:
    """The proof that the latest checkpoint extends the first `old_size` entries; NotYetPublished past it, `Refused`."""
    _permit_proofs(desk, caller)
    return Proofs(desk.db, desk.panel).consistency(caller.fonds, old_size)


def _log_of(desk: Desk, log: str, caller: Caller | None = None) -> tuple[str, int]:
    """The fonds and the life that a log's name, which has one spelling, means; where there is a caller, if it may be theirs to ask for."""
    if caller is not None:
        _permit_proofs(desk, caller)
    named = _LOG.fullmatch(log)
    if named is None or (caller is not None and named["fonds"] != caller.fonds):
        raise NoSuchTile
    return named["fonds"], int(named["epoch"] or 1)


def _tile(desk: Desk, path: str, fonds: str, epoch: int) -> Tile:
    """The tile a path means, in the life that is asked for. What is read of it then may be read apart: a life ends only while nothing
    serves (audit.restoring).
    """
    try:
        tile = Tile.parse(path)
    except Malformed:
        raise NoSuchTile from None
    if Proofs(desk.db, desk.panel).checkpoint(fonds).epoch != epoch:
        raise NoSuchTile
    return tile


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
