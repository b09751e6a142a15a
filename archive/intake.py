"""Deposit: taking closed cases in. What is acknowledged is durable, sealed, indexed and on record; what is refused changed nothing.

The same content of the same case number answers the same receipt, however often it comes; other content is a conflict. Many cases
may share one unit of work (a batch), but each line gets its own answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from archive import preparing, store
from archive.errors import AlreadyDeposited, KeyReused
from archive.preparing import Prepared
from archive.receipts import Receipt, receipt_of
from auth.tables import service_clients
from foundation.clock import to_ms
from foundation.errors import ArchiveError, Fault, InvalidInput
from foundation.steps import reach
from foundation.tables import idempotency
from foundation.uow import Ticket, Unit
from policies.checked import Checked
from vault.signer import digest_matches, keyed_digest

Answer = Receipt | ArchiveError


def deposit(desk: Desk, caller: Caller, record: object, *, idempotency_key: str | None = None) -> Receipt:
    """Take one closed case in. InvalidInput with every fault, AlreadyDeposited on other content, KeyReused, Refused."""
    answer = _deposit(desk, caller, [record], "deposit.create", idempotency_key)[0]
    if isinstance(answer, ArchiveError):
        raise answer
    return answer


def deposit_many(desk: Desk, caller: Caller, records: Sequence[object]) -> list[Answer]:
    """Take several cases in, in one unit of work: an answer for each, in order, after the commit. `records` may hold parse faults."""
    return _deposit(desk, caller, records, "deposit.create", None)


def import_many(desk: Desk, caller: Caller, records: Sequence[object]) -> list[Answer]:
    """The same for an import run by a person of the office, who may bring cases of any source system."""
    return _deposit(desk, caller, records, "deposit.import", None)


@dataclass(slots=True)
class _Line:
    prepared: Prepared | None = None
    answer: Answer | None = None
    known: store.KnownVersion | None = None
    ticket: Ticket | None = None
    beside: _Line | None = None  # the line of the same batch that deposited the same content first


def _deposit(desk: Desk, caller: Caller, records: Sequence[object], action: str, idempotency_key: str | None) -> list[Answer]:
    permit_in_fonds(desk, caller, action)
    lines = _prepare(desk, caller, records)
    fingerprint = b""
    if idempotency_key is not None and lines[0].prepared is not None:
        fingerprint = keyed_digest(desk.keys, caller.fonds, "idempotency", lines[0].prepared.plain)
    reach("deposit.sealed")

    def store_lines(unit: Unit) -> None:
        _store(desk, caller, unit, lines, idempotency_key, fingerprint)

    try:
        desk.uow.run(caller.fonds, store_lines)
    except IntegrityError:
        # Another process took one of the case numbers between our look and our insert; now it is there to be seen.
        desk.uow.run(caller.fonds, store_lines)
    reach("deposit.recorded")
    return [_answer(caller.fonds, line) for line in lines]


def _prepare(desk: Desk, caller: Caller, records: Sequence[object]) -> list[_Line]:
    lines: list[_Line] = []
    checked = []
    with desk.db.read() as conn:
        source = conn.execute(
            select(service_clients.c.source_system).where(
                service_clients.c.fonds == caller.fonds, service_clients.c.account_id == caller.principal.account_id
            )
        ).scalar_one_or_none()
        for record in records:
            line = _Line()
            lines.append(line)
            if isinstance(record, ArchiveError):
                line.answer = record
                continue
            try:
                one = _check(desk, caller, record, source)
            except InvalidInput as error:
                line.answer = error
            else:
                checked.append((line, one))
        resolved = preparing.resolve(conn, desk, caller.fonds, [one for _, one in checked])
    for (line, one), known in zip(checked, resolved, strict=True):
        line.prepared = preparing.prepare(desk, caller.fonds, one, known, account_id=caller.principal.account_id)
    return lines


def _check(desk: Desk, caller: Caller, record: object, source: str | None) -> Checked:
    checked = preparing.check(desk, caller.fonds, record)
    if caller.principal.kind == "service" and checked.facts["source_system"] != source:
        raise InvalidInput([_FOREIGN_SOURCE])
    return checked


_FOREIGN_SOURCE = Fault(
    "source_system",
    "source-of-another",
    "来源系统与本接入凭据登记的不一致。",
    "The source system is not the one this client is registered for.",
)


def _store(desk: Desk, caller: Caller, unit: Unit, lines: Sequence[_Line], key: str | None, fingerprint: bytes) -> None:
    for line in lines:
        if line.prepared is not None:
            line.answer, line.known, line.ticket, line.beside = None, None, None, None
    if key is not None and lines[0].prepared is not None and _replayed(desk, unit, caller, lines[0], key):
        lines[0].ticket = unit.add(caller.event(desk, "deposit.repeated", object=_case(lines[0].known)))
        return
    ready = [line for line in lines if line.prepared is not None]
    known = store.known_versions(unit.conn, unit.fonds, {_number(line) for line in ready})
    fresh: dict[tuple[str, str], _Line] = {}
    later: list[tuple[_Line, _Line]] = []
    for line in ready:
        number = _number(line)
        if number in known:
            _settle(desk, caller, unit, line, known[number])
        elif number in fresh:
            later.append((line, fresh[number]))
        else:
            fresh[number] = line
    _insert(desk, caller, unit, list(fresh.values()))
    for line, first in later:
        _settle_beside(desk, caller, unit, line, first)
    for line in lines:
        if isinstance(line.answer, ArchiveError):
            unit.add(_refusal(desk, caller, line.answer))
    if key is not None and lines[0].ticket is not None and lines[0].prepared is not None and lines[0].answer is None:
        _remember(desk, caller, unit, key, fingerprint, lines[0])
    if fresh:
        reach("deposit.inserted")


def _insert(desk: Desk, caller: Caller, unit: Unit, lines: Sequence[_Line]) -> None:
    prepared = []
    tickets = []
    for line in lines:
        one = line.prepared
        if one is None:
            continue
        event = caller.event(
            desk,
            "case.deposited",
            object={"kind": "case", "id": one.case_id, "version": 1},
            data={"digest": one.digest.hex()},
        )
        line.ticket = unit.add(event)
        prepared.append(one)
        tickets.append(line.ticket.entry_id)
    store.insert_cases(unit.conn, prepared, tickets)


def _settle(desk: Desk, caller: Caller, unit: Unit, line: _Line, versions: Sequence[store.KnownVersion]) -> None:
    prepared = _prepared(line)
    for known in versions:
        same = known.digest == prepared.digest
        if same or digest_matches(desk.keys, unit.fonds, preparing.RECEIPT, prepared.plain, known.digest):
            line.known = known
            line.ticket = unit.add(caller.event(desk, "deposit.repeated", object=_case(known)))
            return
    line.answer = AlreadyDeposited()


def _settle_beside(desk: Desk, caller: Caller, unit: Unit, line: _Line, first: _Line) -> None:
    # Twice in one batch: the second line answers like a later deposit would.
    one, other = _prepared(line), _prepared(first)
    if one.digest != other.digest:
        line.answer = AlreadyDeposited()
        return
    line.ticket = unit.add(caller.event(desk, "deposit.repeated", object={"kind": "case", "id": other.case_id, "version": 1}))
    line.beside = first


def _replayed(desk: Desk, unit: Unit, caller: Caller, line: _Line, key: str) -> bool:
    row = unit.conn.execute(
        select(idempotency).where(
            idempotency.c.fonds == unit.fonds, idempotency.c.account_id == caller.principal.account_id, idempotency.c.key == key
        )
    ).one_or_none()
    if row is None:
        return False
    if not digest_matches(desk.keys, unit.fonds, "idempotency", _prepared(line).plain, bytes(row.fingerprint)):
        raise KeyReused
    line.known = store.known_by_entry(unit.conn, unit.fonds, row.resource_id)
    return line.known is not None


def _remember(desk: Desk, caller: Caller, unit: Unit, key: str, fingerprint: bytes, line: _Line) -> None:
    ticket = line.ticket
    entry_id = line.known.entry_id if line.known is not None else ticket.entry_id if ticket is not None else ""
    unit.conn.execute(
        insert(idempotency),
        {
            "fonds": unit.fonds,
            "account_id": caller.principal.account_id,
            "key": key,
            "fingerprint": fingerprint,
            "status": 201 if line.known is None else 200,
            "resource_id": entry_id,
            "created_ms": to_ms(desk.clock.now()),
        },
    )


def _refusal(desk: Desk, caller: Caller, error: ArchiveError) -> object:
    rules = sorted({fault.rule for fault in error.faults}) if isinstance(error, InvalidInput) else None
    return caller.event(desk, "deposit.refused", verdict="refuse", reason=error.code, data={"rules": rules})


def _answer(fonds: str, line: _Line) -> Answer:
    if line.answer is not None:
        return line.answer
    if line.known is not None:
        return receipt_of(fonds, line.known, "same")
    if line.beside is not None and isinstance(first := _answer(fonds, line.beside), Receipt):
        return replace(first, status="same")
    one, ticket = _prepared(line), line.ticket
    if ticket is None:
        raise RuntimeError("a stored line without an entry")
    made = store.KnownVersion(
        one.case_id, one.version, one.source_system, one.case_no, one.digest, one.head["archived_ms"], ticket.entry_id, ticket.index
    )
    return receipt_of(fonds, made, "created")


def _number(line: _Line) -> tuple[str, str]:
    one = _prepared(line)
    return one.source_system, one.case_no


def _prepared(line: _Line) -> Prepared:
    if line.prepared is None:
        raise RuntimeError("a line that was never prepared")
    return line.prepared


def _case(known: store.KnownVersion | None) -> dict[str, object] | None:
    return {"kind": "case", "id": known.case_id, "version": known.version} if known is not None else None
