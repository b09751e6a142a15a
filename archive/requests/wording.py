"""The texts of a form, which lie sealed beside the log: opened only for somebody who was permitted to see the form."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from audit.tables import log_details
from policies.permit import Permit
from vault.details import Detail, open_detail, read_detail_ref
from vault.keyring import KeyRing

REASON = "reason"


def reasons(conn: Connection, keys: KeyRing, permit: Permit, entry_ids: Collection[str]) -> dict[str, str]:
    """The reasons given with some acts on the form that `permit` is for, by their log entries; an erased one is absent."""
    fonds = permit.fonds
    rows = conn.execute(
        select(log_details).where(
            log_details.c.fonds == fonds,
            log_details.c.entry_id.in_(sorted(entry_ids)),
            log_details.c.name == REASON,
            log_details.c.sealed.is_not(None),
        )
    )
    found = {}
    for row in rows:
        _, generation = read_detail_ref(row.key_ref)
        detail = Detail(bytes(row.commitment), bytes(row.sealed), row.key_ref)
        found[row.entry_id] = open_detail(keys.detail_key(fonds, generation), fonds, REASON, detail)
    return found
