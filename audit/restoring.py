"""Admitting a restored database: the one way past a refused log, explicit and on record.

Entries that were signed and are now missing cannot be brought back, and the entries that will take their places are others: under the
same origin that would be a fork, two roots for one size. So an admitted log begins another life. Its origin, and with it its key's
name, ends in the second of its admission, and the first entry of the new life (`log.restored-admitted`) names size and root of what
had been signed and of what was found. Every checkpoint of the old life stays valid evidence against the old origin: sizes up to what
was found have the same root in both lives, larger ones prove what was lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, update

from audit.anchor import check
from audit.errors import LogForked, LogRefused, NothingToAdmit
from audit.events import Actor, Event, SealedDetail
from audit.publishing import Publishing
from audit.sequencing import locked_head
from audit.store import TileRows, head_of, last_checkpoint
from audit.tables import log_heads
from foundation.clock import Clock, to_ms
from foundation.steps import reach
from foundation.uow import Ticket, Unit, UnitOfWork
from tlog.checkpoint import Checkpoint
from tlog.errors import TlogError
from tlog.merkle import Frontier
from tlog.note import parse_note


@dataclass(frozen=True, slots=True)
class Admission:
    """Who admits a restored database, from which request, and why (`details`: the sealed reason)."""

    actor: Actor
    request_id: str = ""
    policy_version: str = ""
    details: tuple[SealedDetail, ...] = ()


def admit_restored(publishing: Publishing, uow: UnitOfWork, fonds: str, admission: Admission) -> Ticket:
    """Admit the database as it stands; return the entry's ticket. NothingToAdmit where `Publishing.check` would not refuse it; LogForked
    where the database does not agree with itself, which no admission can mend.

    The entry is durable before the anchor of the old life gives way to that of the new: a crash between the two leaves the log refused,
    and admitting it again is harmless.
    """
    clock: Clock = publishing.clock
    anchored = publishing.anchors.read(fonds)

    def act(unit: Unit) -> Ticket:
        found = locked_head(unit.conn, fonds)
        head = head_of(unit.conn, fonds)
        epoch = 1 if head is None else head.epoch
        try:
            check(unit.conn, fonds, anchored, publishing.signers(fonds, epoch).vkey)
        except LogRefused as refusal:
            why = refusal.code
        else:
            raise NothingToAdmit(fonds=fonds)
        _must_be_sound(unit.conn, fonds, found)
        now = clock.now()
        life = max(epoch + 1, to_ms(now) // 1000)
        if publishing.signers(fonds, life).name == publishing.signers(fonds, epoch).name:
            raise ValueError("another life of the log needs another origin")
        unit.conn.execute(update(log_heads).where(log_heads.c.fonds == fonds).values(epoch=life))
        data = {"epoch": life, "found": found.size, "found_root": found.root().hex(), **_signed(anchored)}
        return unit.add(
            Event(
                kind="log.restored-admitted",
                actor=admission.actor,
                time=now,
                object={"kind": "log", "id": fonds},
                reason=why,
                policy_version=admission.policy_version,
                request_id=admission.request_id,
                data=data,
                details=admission.details,
            )
        )

    ticket = uow.run(fonds, act)
    reach("audit.restored-admitted")
    publishing.begin_life(fonds, anchored)
    return ticket


def _must_be_sound(conn: Connection, fonds: str, found: Frontier) -> None:
    """Refuse a database whose own hashes, head and last checkpoint contradict each other."""
    rows = TileRows(conn, fonds)
    last = last_checkpoint(conn, fonds)
    try:
        fits = rows.root(found.size) == found.root() and (last is None or rows.root(last.size) == last.root)
    except TlogError:
        fits = False
    if not fits or (last is not None and last.size > found.size):
        raise LogForked(fonds=fonds, signed=found.size, why="database")


def _signed(anchored: bytes | None) -> dict[str, int | str]:
    if anchored is None:
        return {}
    try:
        checkpoint = Checkpoint.parse(parse_note(anchored).text)
    except TlogError:
        return {}
    return {"signed": checkpoint.size, "signed_root": checkpoint.root.hex()}
