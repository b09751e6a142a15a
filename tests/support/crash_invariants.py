"""What holds in an archive between any two acts, whoever was killed when: nothing is half-done, and the rows agree with the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from archive import store
from archive.preparing import RECEIPT
from archive.record_form import join
from archive.requests.tables import access_requests, grants, openings, request_cases, request_decisions
from archive.tables import case_masks, case_seals, case_tags, case_terms, case_units, case_versions, cases
from audit.entry import Entry
from case_world import FONDS, World
from foundation.canonical import canonical
from foundation.tables import idempotency
from vault.sealed import Context
from vault.sealing import open_fields, open_masks
from vault.signer import keyed_digest
from vault.store import wraps_of
from vault.tables import case_wraps
from vault.wraps import unwrap_data_key, unwrap_mask_key

MADE_BY = {"deposit": "case.deposited", "supplement": "case.supplemented", "correction": "case.corrected"}
DECIDED = {"request.approved", "request.trimmed-approved", "request.refused"}


def rows(conn: Connection, table: Table) -> Sequence[Row[Any]]:
    return conn.execute(select(table).where(table.c.fonds == FONDS)).all()


def cases_are_whole(world: World, entries: Mapping[str, Entry], seen: set[tuple[str, int]]) -> None:
    """Every case has all its versions, each with entry, seal, masks and wraps, and each opens to the record its digest is of.

    `seen` are versions opened before, which are not opened again; those of now are added.
    """
    with world.desk.db.read() as conn:
        heads = {row.case_id: row for row in rows(conn, cases)}
        versions = rows(conn, case_versions)
        seals = Counter((row.case_id, row.version) for row in rows(conn, case_seals))
        masks = Counter((row.case_id, row.version) for row in rows(conn, case_masks))
        wraps = Counter((row.case_id, row.purpose) for row in rows(conn, case_wraps))
        terms, tags, units = (_by_case(conn, table) for table in (case_terms, case_tags, case_units))
        numbers = Counter((row.source_system, row.case_no) for row in heads.values())
        assert not [number for number, times in numbers.items() if times > 1]
        by_case: dict[str, list[int]] = {}
        for row in versions:
            by_case.setdefault(row.case_id, []).append(row.version)
            entry = entries[row.entry_id]
            assert entry.kind == MADE_BY[row.act], (row.case_id, entry.kind)
            assert entry.members["object"] == {"kind": "case", "id": row.case_id, "version": row.version}
            assert entry.members["data"]["digest"] == bytes(row.digest).hex()
        assert {case_id: head.version for case_id, head in heads.items()} == {case_id: len(found) for case_id, found in by_case.items()}
        assert all(sorted(found) == list(range(1, len(found) + 1)) for found in by_case.values())
        every = {(row.case_id, row.version): 1 for row in versions}
        assert seals == every
        assert masks == every
        assert wraps == {(case_id, purpose): 1 for case_id in heads for purpose in ("case", "mask")}
        # Every record here has the same persons and the same unit beside its handler: an index that is half there shows.
        assert len({terms[case_id] for case_id in heads}) <= len({head.version for head in heads.values()})
        assert len({tags[case_id] for case_id in heads}) <= 1
        assert {units[case_id] for case_id in heads} <= {1}
        for row in versions:
            if (row.case_id, row.version) not in seen:
                _opens(conn, world, row)
                seen.add((row.case_id, row.version))
        counted = Counter(entry.kind for entry in entries.values() if entry.kind in MADE_BY.values())
        assert counted == Counter(MADE_BY[row.act] for row in versions)
        receipts = {row.entry_id for row in versions}
        assert {row.resource_id for row in rows(conn, idempotency)} <= receipts


def _by_case(conn: Connection, table: Table) -> Counter[str]:
    query = select(table.c.case_id, func.count()).where(table.c.fonds == FONDS).group_by(table.c.case_id)
    return Counter({row[0]: row[1] for row in conn.execute(query)})


def _opens(conn: Connection, world: World, row: Row[Any]) -> None:
    keys, pair = world.desk.keys, (row.case_id, row.version)
    sealed = store.seal_of(conn, FONDS, *pair)
    masked = store.masks_of(conn, FONDS, [pair])[pair]
    assert sealed is not None
    data = unwrap_data_key(keys, wraps_of(conn, FONDS, {row.case_id}, "case")[row.case_id, sealed.seal_generation])
    mask = unwrap_mask_key(keys, wraps_of(conn, FONDS, {row.case_id}, "mask")[row.case_id, masked.seal_generation])
    assert json.loads(open_masks(masked.content, mask, Context(FONDS, *pair, masked.schema_version)))
    facts = {name: value for name, value in json.loads(row.facts).items() if name not in {"code_versions", "retention"}}
    opened = open_fields(sealed.content, data, Context(FONDS, *pair, sealed.schema_version))
    record = join(facts, opened, world.desk.rulebook(FONDS).catalogue, json.loads(row.item_ids))
    assert keyed_digest(keys, FONDS, RECEIPT, canonical(record)) == bytes(row.digest), pair


def keys_are_there(world: World) -> None:
    """The key of every wrap is in the ring."""
    with world.desk.db.read() as conn:
        used = conn.execute(select(case_wraps.c.kek_id).where(case_wraps.c.fonds == FONDS).distinct()).scalars().all()
    for kek_id in used:
        assert world.desk.keys.kek(FONDS, kek_id).id == kek_id


def requests_are_whole(world: World, entries: Mapping[str, Entry]) -> None:
    """A request stands where its decisions put it; one that was approved has one grant, and that grant its entry."""
    with world.desk.db.read() as conn:
        requests = {row.request_id: row for row in rows(conn, access_requests)}
        asked = {row.request_id for row in rows(conn, request_cases)}
        decisions = rows(conn, request_decisions)
        given = rows(conn, grants)
    assert asked == set(requests)
    by_request: dict[str, list[Row[Any]]] = {}
    for row in decisions:
        assert entries[row.entry_id].kind in DECIDED
        by_request.setdefault(row.request_id, []).append(row)
    for request_id, row in requests.items():
        assert entries[row.filed_entry].kind == "request.filed"
        mine = by_request.get(request_id, [])
        assert row.version == 1 + len(mine), request_id
        refused = any(one.verdict == "refuse" for one in mine)
        assert row.status == ("refused" if refused else "approved" if len(mine) == 2 else "pending"), request_id
    assert Counter(row.request_id for row in given) == {request_id: 1 for request_id, row in requests.items() if row.status == "approved"}
    for row in given:
        entry = entries[row.entry_id]
        assert entry.kind == "grant.made"
        assert entry.members["object"] == {"kind": "grant", "id": row.grant_id}
    kinds = Counter(entry.kind for entry in entries.values())
    assert kinds["grant.made"] == len(given)
    assert kinds["request.filed"] == len(requests)
    assert sum(kinds[kind] for kind in DECIDED) == len(decisions)
    assert kinds["grant.returned"] == sum(row.returned_ms is not None for row in given)


def uses_are_counted(world: World, entries: Mapping[str, Entry]) -> None:
    """The uses of a grant, its sessions and its counted intents are the same number; no outcome is without its intent before it."""
    with world.desk.db.read() as conn:
        given = {row.grant_id: row for row in rows(conn, grants)}
        sessions = rows(conn, openings)
    opened = Counter(row.grant_id for row in sessions)
    # The outcome repeats what its intent says: only intents are counted.
    counted = Counter(
        entry.members["grant"] for entry in entries.values() if entry.kind == "access.intent" and entry.members["data"]["counted"]
    )
    for grant_id, row in given.items():
        assert row.uses == opened[grant_id] == counted[grant_id], (grant_id, row.uses, opened[grant_id], counted[grant_id])
        assert row.uses <= row.max_uses
    for row in sessions:
        assert entries[row.entry_id].kind == "access.intent"
        assert entries[row.entry_id].members["data"]["opening"] == row.opening_id
    pending: Counter[str] = Counter()
    for entry in entries.values():
        if entry.kind == "access.intent":
            pending[entry.members["data"]["opening"]] += 1
        elif entry.kind == "access.outcome":
            pending[entry.members["data"]["opening"]] -= 1
            assert pending[entry.members["data"]["opening"]] >= 0
