"""Opening what is sealed: masks for a masked view, fields for a clear one. Every function here wants the permit that allows it.

Only the acts of reading, finding and access call this module, each after its entry is durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from archive import store
from archive.record_form import from_bytes
from policies.permit import Permit
from vault.container import Container
from vault.errors import CannotOpen
from vault.keyring import KeyRing
from vault.sealed import Context
from vault.sealing import open_fields, open_masks
from vault.wraps import unwrap_data_key, unwrap_mask_key


def masks(conn: Connection, ring: KeyRing, permit: Permit, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The mask documents of some case versions of the permit's fonds: field path -> masked value, or a list aligned with the items.

    The caller shows of them what its plan names. A document that does not open is an error, never an empty view.
    """
    fonds = permit.fonds
    sealed = store.masks_of(conn, fonds, wanted)
    documents = {}
    for pair in wanted:
        case_id, version = pair
        blob = sealed.get(pair)
        if blob is None:
            raise CannotOpen
        document = open_masks(blob.content, unwrap_mask_key(ring, blob.wrap), Context(fonds, case_id, version, blob.schema_version))
        documents[pair] = from_bytes(document)
    return documents


def fields(conn: Connection, ring: KeyRing, permit: Permit, case_id: str, version: int) -> dict[tuple[str, str], Any]:
    """The sealed fields which the permit lifts to clear on this case version, all items: (path, item id) -> value, None where empty."""
    sealed = store.seal_of(conn, permit.fonds, case_id, version)
    if sealed is None:
        raise CannotOpen
    key = unwrap_data_key(ring, sealed.wrap)
    container = Container(sealed.content)
    clear = permit.clear(case_id, version)
    wanted = [place for place in container.places if place[0] in clear]
    opened = open_fields(container, key, Context(permit.fonds, case_id, version, sealed.schema_version), wanted)
    return {place: None if content is None else from_bytes(content) for place, content in opened.items()}
