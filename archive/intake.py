"""Deposit: taking closed cases in. What is acknowledged is durable, sealed, indexed and on record; what is refused changed nothing.

The same content of the same case number answers the same receipt, however often it comes; other content is a conflict. Many cases
may share one unit of work (a batch), but each line gets its own answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from archive import preparing, store
from archive.errors import AlreadyDeposited, KeyReused
from archive.preparing import Prepared, Preparers
from archive.receipts import Receipt, receipt_of
from archive.repeating import Once
from archive.wall_body import NOBODY_LEFT, leave_nobody
from auth.tables import service_clients
from foundation.errors import ArchiveError, Fault, InvalidInput
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from vault.signer import digest_matches

Answer = Receipt | ArchiveError


def deposit(desk: Desk, caller: Caller, record: object, *, idempotency_key: str | None = None) -> Receipt:
    """Take one closed case in. InvalidInput with every fault, AlreadyDeposited on other content, KeyReused, Refused."""
    answer = finish(begin(desk, caller, [record], key=idempotency_key))[0]
    if isinstance(answer, ArchiveError):
        raise answer
    return answer


def deposit_many(desk: Desk, caller: Caller, records: Sequence[object], *, preparers: Preparers | None = None) -> list[Answer]:
    """Take several cases in, in one unit of work: an answer for each, in order, after the commit.

    A record is a parsed JSON value, the bytes of one, or the error that is to be its answer.
    """
    return finish(begin(desk, caller, records, preparers=preparers))


def deposit_in_units(
    desk: Desk, caller: Caller, units: Iterable[Sequence[object]], *, action: str = "deposit.create", preparers: Preparers | None = None
) -> Iterator[list[Answer]]:
    """Take units of cases in, one after the other, an answer list each after its commit; where there are preparers the next unit is
    prepared meanwhile, and no more than that one. `action` is `deposit.import` for a person of the office, who may bring cases of any
    source system.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="prepare") as ahead:
        before: Begun | None = None
        for unit in units:
            if preparers is None:
                yield finish(begin(desk, caller, unit, action=action))
                continue
            coming = ahead.submit(begin, desk, caller, unit, action=action, preparers=preparers)
            if before is not None:
                yield finish(before)
            before = coming.result()
        if before is not None:
            yield finish(before)


@dataclass(slots=True)
class _Line:
    prepared: Prepared | None = None
    answer: Answer | None = None
    known: store.KnownVersion | None = None
    ticket: Ticket | None = None
    beside: _Line | None = None  # the line of the same batch that deposited the same content first


@dataclass(frozen=True, slots=True)
class Begun:
    """Cases that are permitted, checked and sealed, of which nothing is stored yet."""

    desk: Desk
    caller: Caller
    lines: Sequence[_Line] = field(repr=False)
    key: str | None = None


def begin(
    desk: Desk,
    caller: Caller,
    records: Sequence[object],
    *,
    action: str = "deposit.create",
    key: str | None = None,
    preparers: Preparers | None = None,
) -> Begun:
    """Do everything that comes before the transaction; what is never finished leaves no trace. `Refused`, PreparationInterrupted."""
    permit_in_fonds(desk, caller, action)
    tools = preparing.tools_of(desk, caller.fonds)
    readable = [record for record in records if not isinstance(record, ArchiveError)]
    outcomes = preparers.prepare(tools, caller.fonds, readable) if preparers is not None else None
    if outcomes is None:
        outcomes = preparing.prepare_all(tools, caller.fonds, readable)
    made = iter(outcomes)
    lines = [_line(record if isinstance(record, ArchiveError) else next(made)) for record in records]
    _look_up(desk, caller, lines)
    reach("deposit.sealed")
    return Begun(desk, caller, lines, key)


def _line(found: Prepared | ArchiveError) -> _Line:
    return _Line(prepared=found) if isinstance(found, Prepared) else _Line(answer=found)


def finish(begun: Begun) -> list[Answer]:
    """Store what was begun, and answer after the commit."""
    desk, caller, lines, key = begun.desk, begun.caller, begun.lines, begun.key
    once = Once(desk, caller, key, lines[0].prepared.plain) if key is not None and lines[0].prepared is not None else None

    def store_lines(unit: Unit) -> None:
        _store(desk, caller, unit, lines, once)

    try:
        desk.uow.run(caller.fonds, store_lines)
    except IntegrityError:
        # Another process took one of the case numbers between our look and our insert; now it is there to be seen.
        desk.uow.run(caller.fonds, store_lines)
    reach("deposit.recorded")
    return [_answer(caller.fonds, line) for line in lines]


def _look_up(desk: Desk, caller: Caller, lines: Sequence[_Line]) -> None:
    """Whose system the caller is, and what the register says of those the records name."""
    with desk.db.read() as conn:
        source = conn.execute(
            select(service_clients.c.source_system).where(
                service_clients.c.fonds == caller.fonds, service_clients.c.account_id == caller.principal.account_id
            )
        ).scalar_one_or_none()
        ready: list[_Line] = []
        for line in lines:
            if line.prepared is None:
                continue
            if caller.principal.kind == "service" and line.prepared.source_system != source:
                line.prepared, line.answer = None, InvalidInput([_FOREIGN_SOURCE])
            else:
                ready.append(line)
        resolved = preparing.resolve_names(conn, desk, caller.fonds, [_prepared(line).names for line in ready])
        closing = leave_nobody(conn, desk, caller.fonds, resolved)
    for line, known, closes in zip(ready, resolved, closing, strict=True):
        if closes:
            line.prepared, line.answer = None, InvalidInput([NOBODY_LEFT])
        else:
            preparing.settle(_prepared(line), known)


_FOREIGN_SOURCE = Fault(
    "source_system",
    "source-of-another",
    "来源系统与本接入凭据登记的不一致。",
    "The source system is not the one this client is registered for.",
)


def _store(desk: Desk, caller: Caller, unit: Unit, lines: Sequence[_Line], once: Once | None) -> None:
    for line in lines:
        if line.prepared is not None:
            line.answer, line.known, line.ticket, line.beside = None, None, None, None
    if once is not None and _replayed(desk, unit, caller, lines[0], once):
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
    if once is not None and lines[0].ticket is not None and lines[0].answer is None:
        once.keep(unit, lines[0].known.entry_id if lines[0].known is not None else lines[0].ticket.entry_id)
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


def _replayed(desk: Desk, unit: Unit, caller: Caller, line: _Line, once: Once) -> bool:
    try:
        entry_id = once.entry_id(unit.conn)
    except KeyReused as error:
        line.answer = error
        unit.add(_refusal(desk, caller, error))
        return True
    line.known = store.known_by_entry(unit.conn, unit.fonds, entry_id) if entry_id is not None else None
    if line.known is None:
        return False
    line.ticket = unit.add(caller.event(desk, "deposit.repeated", object=_case(line.known)))
    return True


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
