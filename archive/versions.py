"""What comes after a deposit: a supplement (补充归档) adds later reviews, ratings and rulings; a correction (更正) replaces what was wrong.

Each makes a new version; every earlier one is kept and stays sealed. To redact and check the whole, a supplement opens the earlier
version inside the archive: the entry says so, and nothing of it reaches anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from acts.deciding import permit
from acts.desk import Caller, Desk, log_detail
from archive import preparing, store
from archive.errors import VersionMoved
from archive.facts import case_facts
from archive.preparing import SCHEMA_VERSION, LaterVersion, Prepared
from archive.receipts import Receipt, receipt_of
from archive.record_form import join
from archive.tables import case_walls
from auth.tables import service_clients
from foundation.errors import Fault, InvalidInput, NotFound
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies.checked import Checked
from vault.casekeys import CaseKeys, DataKey
from vault.details import seal_detail
from vault.sealed import Context
from vault.sealing import open_fields
from vault.store import wraps_of
from vault.wraps import unwrap_data_key, unwrap_mask_key

# What may come later (条例 art. 35, 36): everything else of the record is changed by a correction, with its reason.
SUPPLEMENTS = ("stages", "replies", "reviews", "feedback", "policy_bases", "attachments")
REASON_LENGTH = 2000


_LOWERS_WALL = Fault("$", "lowers-wall", "更正不得撤去对被检举控告人的隔离。", "A correction cannot take the accused wall away.")


@dataclass(frozen=True, slots=True)
class _Base:
    head: Row[Any]
    keys: CaseKeys
    record: dict[str, Any]
    item_ids: dict[str, list[str]]


def supplement(desk: Desk, caller: Caller, case_id: str, *, base_version: int, part: Mapping[str, Any], reason: str) -> Receipt:
    """Add later items. InvalidInput with every fault of the whole record, VersionMoved, NotFound, `Refused`."""
    _check_reason(reason)
    _check_part(part)
    base = _base(desk, caller, case_id, "deposit.supplement", base_version)
    # The archive itself made what the stored record has beyond a deposit.
    record = dict(base.record)
    for group, items in part.items():
        record[group] = [*record.get(group, []), *items]
    checked = preparing.check(desk, caller.fonds, record)
    _check_kept(base, checked)
    return _store(desk, caller, base, checked, "supplement", base.item_ids, reason)


def correct(desk: Desk, caller: Caller, case_id: str, *, base_version: int, record: Mapping[str, Any], reason: str) -> Receipt:
    """Replace the record by a corrected one of the same number. Errors as in `supplement`."""
    _check_reason(reason)
    base = _base(desk, caller, case_id, "deposit.correct", base_version)
    checked = preparing.check(desk, caller.fonds, record)
    _check_kept(base, checked)
    return _store(desk, caller, base, checked, "correction", {}, reason)


def _base(desk: Desk, caller: Caller, case_id: str, action: str, base_version: int) -> _Base:
    with desk.db.read() as conn:
        facts = case_facts(conn, desk.keys, caller.fonds, {case_id: None}).get(case_id)
        head = store.head(conn, caller.fonds, case_id)
        own = _own_source(conn, caller, head)
    # A case of another source system does not exist for this client.
    permit(desk, caller, action, facts if own else None, about={"kind": "case", "id": case_id})
    if head is None:
        raise NotFound
    if head.version != base_version:
        raise VersionMoved(current=head.version)
    with desk.db.read() as conn:
        stored = store.versions_of(conn, caller.fonds, [(case_id, head.version)])[case_id, head.version]
        generation, blob = store.seal_of(conn, caller.fonds, case_id, head.version) or (0, b"")
        data = unwrap_data_key(desk.keys, wraps_of(conn, caller.fonds, {case_id}, "case")[case_id, generation])
        masks = unwrap_mask_key(desk.keys, wraps_of(conn, caller.fonds, {case_id}, "mask")[case_id, generation])
    opened = open_fields(blob, data, Context(caller.fonds, case_id, head.version, SCHEMA_VERSION))
    facts_of_record = {name: value for name, value in stored.facts.items() if name not in {"code_versions", "retention"}}
    record = join(facts_of_record, opened, desk.rulebook(caller.fonds).catalogue, stored.item_ids)
    return _Base(head, CaseKeys(data, masks), record, stored.item_ids)


def _own_source(conn: Connection, caller: Caller, head: Row[Any] | None) -> bool:
    if head is None or caller.principal.kind != "service":
        return head is not None
    query = select(service_clients.c.source_system).where(
        service_clients.c.fonds == caller.fonds, service_clients.c.account_id == caller.principal.account_id
    )
    return bool(conn.execute(query).scalar_one_or_none() == head.source_system)


def _store(desk: Desk, caller: Caller, base: _Base, checked: Checked, act: str, item_ids: dict[str, list[str]], reason: str) -> Receipt:
    case_id, version = base.head.case_id, base.head.version + 1
    with desk.db.read() as conn:
        resolved = preparing.resolve(conn, desk, caller.fonds, [checked])[0]
        walls = select(case_walls.c.tag).where(case_walls.c.fonds == caller.fonds, case_walls.c.case_id == case_id)
        kept = {bytes(tag) for tag in conn.execute(walls).scalars()} <= set(resolved.wall_tags)
    if not kept:
        raise InvalidInput([_LOWERS_WALL])
    later = LaterVersion(act=act, case_id=case_id, version=version, item_ids=item_ids, keys=base.keys)
    prepared = preparing.prepare(desk, caller.fonds, checked, resolved, account_id=caller.principal.account_id, later=later)
    event = caller.event(
        desk,
        "case.supplemented" if act == "supplement" else "case.corrected",
        object={"kind": "case", "id": case_id, "version": version},
        data={"source_system": prepared.source_system, "digest": prepared.digest.hex(), "reopened": True},
        details=(log_detail("reason", _seal_reason(base.keys.data, caller.fonds, case_id, reason)),),
    )
    reach("version.sealed")

    def write(unit: Unit) -> Ticket:
        head = store.head(unit.conn, unit.fonds, case_id, lock=True)
        if head is None or head.version != base.head.version:
            raise VersionMoved(current=head.version if head is not None else 0)
        ticket = unit.add(event)
        store.insert_version(unit.conn, unit.fonds, prepared, ticket.entry_id)
        reach("version.inserted")
        return ticket

    ticket = desk.uow.run(caller.fonds, write)
    reach("version.recorded")
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


def _seal_reason(key: DataKey, fonds: str, case_id: str, reason: str) -> Any:
    return seal_detail(key, fonds, "reason", reason, case_id=case_id)


def _check_kept(base: _Base, checked: Checked) -> None:
    faults = [
        Fault(name, "not-changeable", "该项标识案卷，不能更改。", "This identifies the case and cannot be changed.")
        for name in ("source_system", "case_no")
        if checked.facts[name] != base.record[name]
    ]
    # Lowering class or protection needs two people (access.md): a depositor alone may only raise them.
    if base.head.protection == "high" and checked.protection_level == "normal":
        faults.append(Fault("$", "lowers-protection", "更正不得降低保护级别。", "A correction cannot lower the protection level."))
    if base.head.accusation and not checked.wall.accusation:
        faults.append(_LOWERS_WALL)
    if faults:
        raise InvalidInput(faults)


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


def _check_reason(reason: object) -> None:
    if not isinstance(reason, str) or not reason.strip() or len(reason) > REASON_LENGTH:
        raise InvalidInput(
            [
                Fault(
                    "reason",
                    "required",
                    f"请写明理由（不超过 {REASON_LENGTH} 字）。",
                    f"State the reason, at most {REASON_LENGTH} characters.",
                )
            ]
        )
