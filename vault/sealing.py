"""Sealing a case version, and opening exactly what a permit names of it.

Nothing here decides who may open what: callers hold a permit before they come. Keys are derived for the call and forgotten with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from hashlib import sha256

from vault.casekeys import FIELD, DataKey, FieldKey, MaskKey
from vault.container import Container, Place, write_directory
from vault.errors import CannotOpen
from vault.sealed import (
    FORMAT,
    OVERHEAD,
    Context,
    Kind,
    associated_data,
    associated_head,
    frame,
    open_value,
    open_value_with,
    prefixed,
    prefixed_name,
    seal_value,
)
from vault.suites import NONCE_SIZE, Cryptor

_MASKS = "masks"


def seal_record(key: DataKey, context: Context, values: Mapping[Place, bytes | None]) -> bytes:
    """Seal all values of one case version into one container.

    `values` maps (field path, item id) to bytes, or to None where the record says nothing: an absent value sealed as None cannot be
    told from a short one, so pass every sealed field of the record and of each of its items. ValueError on more than 65,535 values.
    """
    suite, generation = key.suite, key.generation
    places = sorted(values)
    frames = [frame(values[place]) for place in places]
    directory = write_directory(suite.id, places, [OVERHEAD + len(framed) for framed in frames])
    head = associated_head(suite, Kind.FIELD, generation, context, sha256(directory).digest())
    lead = bytes((FORMAT, suite.id))
    random = os.urandom(NONCE_SIZE * len(places))
    items = {item_id: prefixed(item_id.encode()) for item_id in {item_id for _, item_id in places}}
    parts = [directory]
    # A value's bytes and associated data are those of `seal_value`; what the items of one field share is made once.
    of_path, of_field, encrypt = None, b"", None
    for at, (framed, (path, item_id)) in enumerate(zip(frames, places, strict=True)):
        if encrypt is None or path != of_path:
            of_path, of_field, encrypt = path, head + prefixed_name(path), suite.encrypting(key.derive(FIELD, path))
        nonce = random[at * NONCE_SIZE : (at + 1) * NONCE_SIZE]
        parts += (lead, nonce, encrypt(nonce, framed, of_field + items[item_id]))
    return b"".join(parts)


def open_field(blob: bytes, key: DataKey | FieldKey, context: Context, path: str, item_id: str = "") -> bytes | None:
    """Open one value with the case's data key or that field's own key; None where absence was sealed, `CannotOpen` otherwise."""
    container = Container(blob)
    secret = (key.field_key(path) if isinstance(key, DataKey) else key).reveal()
    head = _record_head(container, key, context)
    return open_value(key.suite, secret, container.value(path, item_id), associated_data(head, path, item_id))


def open_fields(
    blob: bytes | Container, key: DataKey, context: Context, wanted: Iterable[Place] | None = None
) -> dict[Place, bytes | None]:
    """Open the wanted values (None: every one) of a container, read already or not; all of them or `CannotOpen`."""
    container = blob if isinstance(blob, Container) else Container(blob)
    head = _record_head(container, key, context)
    ciphers: dict[str, Cryptor] = {}
    opened: dict[Place, bytes | None] = {}
    for place in container.places if wanted is None else wanted:
        path, item_id = place
        decrypt = ciphers.get(path)
        if decrypt is None:
            decrypt = ciphers[path] = key.suite.decrypting(key.field_key(path).reveal())
        opened[place] = open_value_with(key.suite, decrypt, container.value(path, item_id), associated_data(head, path, item_id))
    return opened


def seal_masks(key: MaskKey, context: Context, document: bytes) -> bytes:
    """Seal the masked values and redacted copies of a case version together."""
    head = associated_head(key.suite, Kind.MASKS, key.generation, context)
    return seal_value(key.suite, key.derive(b"masks", _MASKS), document, associated_data(head, _MASKS, ""))


def open_masks(blob: bytes, key: MaskKey, context: Context) -> bytes:
    """Open what `seal_masks` sealed, or raise `CannotOpen`."""
    head = associated_head(key.suite, Kind.MASKS, key.generation, context)
    document = open_value(key.suite, key.derive(b"masks", _MASKS), blob, associated_data(head, _MASKS, ""))
    if document is None:
        raise CannotOpen
    return document


def _record_head(container: Container, key: DataKey | FieldKey, context: Context) -> bytes:
    if container.suite_id != key.suite.id:
        raise CannotOpen
    return associated_head(key.suite, Kind.FIELD, key.generation, context, container.digest)
