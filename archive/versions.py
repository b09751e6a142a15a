"""What comes after a deposit: a supplement (补充归档) adds later reviews, ratings and rulings; a correction (更正) replaces what was wrong.

Each makes a new version; every earlier one is kept and stays sealed. To redact and check the whole, a supplement opens the earlier
version inside the archive: the entry says so, and nothing of it reaches anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from acts.deciding import permit
from acts.desk import Caller, Desk, log_detail
from acts.reasons import check_reason
from archive import preparing, store
from archive.errors import VersionMoved
from archive.facts import case_facts
from archive.preparing import LaterVersion, Prepared, Resolved
from archive.receipts import Receipt, receipt_of
from archive.record_form import ItemIds, join
from archive.repeating import Once
from archive.store import StoredVersion
from archive.tables import case_named_persons, case_walls
from archive.wall_body import NOBODY_LEFT, leave_nobody
from archive.walls import Whom
from audit.trail import Found
from auth.tables import service_clients
from foundation.errors import Fault, InvalidInput, NotFound
from foundation.ids import is_id
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies.checked import Checked
from vault.casekeys import CaseKeys
from vault.details import seal_detail
from vault.errors import CannotOpen
from vault.sealed import Context
from vault.sealing import open_fields
from vault.store import wraps_of
from vault.wraps import unwrap_data_key, unwrap_mask_key

# What may come later (条例 art. 35, 36): everything else of the record is changed by a correction, with its reason.
SUPPLEMENTS = ("stages", "replies", "reviews", "feedback", "policy_bases", "attachments")


@dataclass(frozen=True, slots=True)
class _Base:
    """The version that is gone on from. `tags` and `named` are its wall's rows."""

    head: Row[Any]
    stored: StoredVersion
    keys: CaseKeys
    tags: tuple[bytes, ...]
    named: tuple[str, ...]


def supplement(
    desk: Desk,
    caller: Caller,
    case_id: str,
    *,
    base_version: int,
    part: Mapping[str, Any],
    reason: str,
    idempotency_key: str | None = None,
) -> Receipt:
    """Add later items. InvalidInput with every fault of the whole record, VersionMoved, KeyReused, NotFound, `Refused`."""
    head = _own_head(desk, caller, case_id, "deposit.supplement")
    asked = {"case": case_id, "base_version": base_version, "reason": reason, "supplement": part}
    once = Once.of(desk, caller, idempotency_key, "deposit.supplement", asked)

    def add() -> Receipt:
        with _refusals_on_record(desk, caller, case_id):
            check_reason(reason, required=True)
            _check_part(part)
            base = _base(desk, caller, head, base_version)
            record = _reopened(desk, caller, base)
            for group, items in part.items():
                record[group] = [*record.get(group, []), *items]
            checked = _kept(desk, base, preparing.check(desk, caller.fonds, record))
        return _store(desk, caller, once, base, checked, "supplement", base.stored.item_ids, reason)

    return once.answer(add, _receipt_again, repeated="deposit.repeated")


def correct(
    desk: Desk,
    caller: Caller,
    case_id: str,
    *,
    base_version: int,
    record: Mapping[str, Any],
    reason: str,
    idempotency_key: str | None = None,
) -> Receipt:
    """Replace the record by a corrected one of the same number; nothing earlier is opened. Errors as in `supplement`."""
    head = _own_head(desk, caller, case_id, "deposit.correct")
    asked = {"case": case_id, "base_version": base_version, "reason": reason, "record": record}
    once = Once.of(desk, caller, idempotency_key, "deposit.correct", asked)

    def replace_all() -> Receipt:
        with _refusals_on_record(desk, caller, case_id):
            check_reason(reason, required=True)
            base = _base(desk, caller, head, base_version)
            checked = _kept(desk, base, preparing.check(desk, caller.fonds, record))
        return _store(desk, caller, once, base, checked, "correction", {}, reason)

    return once.answer(replace_all, _receipt_again, repeated="deposit.repeated")


def _receipt_again(conn: Connection, found: Found) -> Receipt:
    known = store.known_by_entry(conn, found.entry.fonds, found.entry.id)
    if known is None:
        raise NotFound
    return receipt_of(found.entry.fonds, known, "same")


@contextmanager
def _refusals_on_record(desk: Desk, caller: Caller, case_id: str) -> Iterator[None]:
    try:
        yield
    except (InvalidInput, VersionMoved) as error:
        rules = sorted({fault.rule for fault in error.faults}) if isinstance(error, InvalidInput) else None
        about = {"kind": "case", "id": case_id} if is_id(case_id) else None
        event = caller.event(desk, "deposit.refused", object=about, verdict="refuse", reason=error.code, data={"rules": rules})
        desk.uow.run(caller.fonds, lambda unit: unit.add(event))
        raise


def _own_head(desk: Desk, caller: Caller, case_id: str, action: str) -> Row[Any]:
    with desk.db.read() as conn:
        facts = case_facts(conn, desk.keys, caller.fonds, {case_id: None}, Whom.of(caller.principal)).get(case_id)
        head = store.head(conn, caller.fonds, case_id)
        own = _own_source(conn, caller, head)
    # A case of another source system does not exist for this client.
    permit(desk, caller, action, facts if own else None, about={"kind": "case", "id": case_id})
    if head is None:
        raise NotFound
    return head


def _base(desk: Desk, caller: Caller, head: Row[Any], base_version: int) -> _Base:
    case_id = str(head.case_id)
    if head.version != base_version:
        raise VersionMoved(current=head.version)
    with desk.db.read() as conn:
        stored = store.versions_of(conn, caller.fonds, [(case_id, head.version)])[case_id, head.version]
        place = (case_id, head.seal_generation)
        keys = CaseKeys(
            unwrap_data_key(desk.keys, wraps_of(conn, caller.fonds, {case_id}, "case")[place]),
            unwrap_mask_key(desk.keys, wraps_of(conn, caller.fonds, {case_id}, "mask")[place]),
        )
        tags = conn.execute(select(case_walls.c.tag).where(case_walls.c.fonds == caller.fonds, case_walls.c.case_id == case_id)).scalars()
        named = conn.execute(
            select(case_named_persons.c.person_id).where(
                case_named_persons.c.fonds == caller.fonds, case_named_persons.c.case_id == case_id
            )
        ).scalars()
        return _Base(head, stored, keys, tuple(bytes(tag) for tag in tags), tuple(named))


def _reopened(desk: Desk, caller: Caller, base: _Base) -> dict[str, Any]:
    """The earlier record, opened inside the archive to be checked and redacted as a whole; on record before it is opened."""
    case_id, version = base.head.case_id, base.head.version
    event = caller.event(desk, "case.reopened", object={"kind": "case", "id": case_id, "version": version})
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    with desk.db.read() as conn:
        sealed = store.seal_of(conn, caller.fonds, case_id, version)
    if sealed is None:
        raise CannotOpen
    opened = open_fields(sealed.content, base.keys.data, Context(caller.fonds, case_id, version, sealed.schema_version))
    facts = {name: value for name, value in base.stored.facts.items() if name not in {"code_versions", "retention"}}
    return join(facts, opened, desk.rulebook(caller.fonds).catalogue, base.stored.item_ids)


def _own_source(conn: Connection, caller: Caller, head: Row[Any] | None) -> bool:
    if caller.principal.kind != "service":
        return head is not None
    query = select(service_clients.c.source_system).where(
        service_clients.c.fonds == caller.fonds, service_clients.c.account_id == caller.principal.account_id
    )
    source = conn.execute(query).scalar_one_or_none()
    return head is not None and bool(source == head.source_system)


def _store(desk: Desk, caller: Caller, once: Once, base: _Base, checked: Checked, act: str, item_ids: ItemIds, reason: str) -> Receipt:
    case_id, version = base.head.case_id, base.head.version + 1
    with desk.db.read() as conn:
        stated = preparing.resolve(conn, desk, caller.fonds, [checked])
        closing = leave_nobody(conn, desk, caller.fonds, stated)
    if any(closing):
        with _refusals_on_record(desk, caller, case_id):
            raise InvalidInput([NOBODY_LEFT])
    resolved = _walled(base, stated[0], checked)
    later = LaterVersion(
        act=act, case_id=case_id, version=version, item_ids=item_ids, keys=base.keys, retention=base.stored.facts["retention"]
    )
    prepared = preparing.prepare(desk, caller.fonds, checked, resolved, later=later)
    detail = seal_detail(base.keys.data, caller.fonds, "reason", reason, case_id=case_id)
    event = caller.event(
        desk,
        "case.supplemented" if act == "supplement" else "case.corrected",
        object={"kind": "case", "id": case_id, "version": version},
        data={"digest": prepared.digest.hex()},
        details=(log_detail("reason", detail),),
    )
    changed = _standing_changed(base, resolved, checked)
    alarm = caller.event(desk, "case.access-changed", object={"kind": "case", "id": case_id, "version": version}, fields=changed)
    reach("version.sealed")

    def write(unit: Unit) -> Ticket:
        head = store.head(unit.conn, unit.fonds, case_id, lock=True)
        if head is None or head.version != base.head.version:
            raise VersionMoved(current=head.version if head is not None else 0)
        ticket = unit.add(event)
        if changed:
            unit.add(alarm)
        store.insert_version(unit.conn, unit.fonds, prepared, ticket.entry_id)
        once.keep(unit, ticket.entry_id)
        return ticket

    with _refusals_on_record(desk, caller, case_id):
        ticket = desk.uow.run(caller.fonds, write)
    return receipt_of(caller.fonds, _known(prepared, ticket), "created")


def _known(prepared: Prepared, ticket: Ticket) -> store.KnownVersion:
    return store.KnownVersion(
        prepared.case_id,
        prepared.version,
        prepared.source_system,
        prepared.case_no,
        prepared.digest,
        prepared.version_row["made_ms"],
        ticket.entry_id,
        ticket.index,
    )


def _kept(desk: Desk, base: _Base, checked: Checked) -> Checked:
    """The record with what a later version may not lower: it stays silently, so that nobody learns by asking what was high or walled."""
    faults = [
        Fault(name, "not-changeable", "该项标识案卷，不能更改。", "This identifies the case and cannot be changed.")
        for name in ("source_system", "case_no")
        if checked.facts[name] != getattr(base.head, name)
    ]
    capped = desk.rulebook(base.head.fonds).classes.capped_by_class
    if base.head.sensitivity_level in capped and checked.facts["sensitivity_level"] != base.head.sensitivity_level:
        faults.append(Fault("sensitivity_level", "not-changeable", "降低密级须两人办理。", "Lowering this level takes two people."))
    if faults:
        raise InvalidInput(faults)
    wall = replace(checked.wall, accusation=checked.wall.accusation or bool(base.head.accusation))
    high = base.head.protection == "high" or checked.protection_level == "high"
    return replace(checked, wall=wall, protection_level="high" if high else "normal")


def _walled(base: _Base, resolved: Resolved, checked: Checked) -> Resolved:
    """The wall of the later version: every tag it had stays, a closed wall stays closed, and nobody new is named.

    Resolving an accusation takes two people of the office, never the system that deposits.
    """
    tags = tuple(dict.fromkeys((*base.tags, *resolved.wall_tags)))
    if not base.head.accusation:
        return replace(resolved, wall_tags=tags)
    still = resolved.wall_resolved or (not checked.wall.person_ids and not checked.wall.unit_codes)
    open_wall = bool(base.head.wall_resolved) and still
    if open_wall:
        return replace(resolved, wall_tags=tags, wall_resolved=True, named_persons=())
    named = base.named if not base.head.wall_resolved else resolved.named_persons
    return replace(resolved, wall_tags=tags, wall_resolved=False, named_persons=named)


def _standing_changed(base: _Base, resolved: Resolved, checked: Checked) -> tuple[str, ...]:
    """The fields through which the later version changes who may see the case. Such a change has an entry of its own, without a name: a
    case system that takes cases from their handlers or behind walls is to be seen by the security administrator.
    """
    head = base.head
    before = {
        "case_handler_staff_id": head.handler_id,
        "case_leader_staff_id": head.leader_id,
        "registering_unit_code": head.keeping_unit,
        "involved_parties[].party_role": (bool(head.accusation), bool(head.wall_resolved), frozenset(base.tags)),
        "protection_level": head.protection,
    }
    after = {
        "case_handler_staff_id": resolved.handler_id,
        "case_leader_staff_id": resolved.leader_id,
        "registering_unit_code": resolved.keeping_unit,
        "involved_parties[].party_role": (checked.wall.accusation, resolved.wall_resolved, frozenset(resolved.wall_tags)),
        "protection_level": checked.protection_level,
    }
    return tuple(sorted(name for name, value in after.items() if value != before[name]))


def _check_part(part: Mapping[str, Any]) -> None:
    faults = []
    if not part:
        faults.append(Fault("supplement", "required", "没有补充内容。", "There is nothing to add."))
    if set(part) - set(SUPPLEMENTS):
        faults.append(
            Fault(
                "supplement", "not-supplementable", "只能补充环节、答复、复查复核、评价、政策依据和材料。", "Only later items can be added."
            )
        )
    faults.extend(
        Fault(f"supplement.{group}", "type", "应为非空列表。", "A list that is not empty.")
        for group in SUPPLEMENTS
        if group in part and (not isinstance(part[group], list) or not part[group])
    )
    if faults:
        raise InvalidInput(faults)
