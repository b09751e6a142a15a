"""A record taken apart by how each value is kept, and put together again.

`facts` is the record without its sealed fields, in the record's own JSON form; sealed values lie in the container by (path, item id).
The two together are the record: `join(strip(record), sealed)` gives it back exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from json.encoder import encode_basestring
from typing import Any

from foundation.ids import new_ids
from policies.catalogue import Catalogue, Group

ItemIds = dict[str, list[str]]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


def give_item_ids(record: Mapping[str, Any], catalogue: Catalogue) -> ItemIds:
    """Fresh ids for the items of every array of a record: group key -> ids in the order of the items."""
    counts = {group.key: len(record.get(group.key, ())) for group in catalogue.groups if group.repeated}
    fresh = iter(new_ids(sum(counts.values())))
    return {key: list(islice(fresh, count)) for key, count in counts.items()}


def strip(record: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The record without its sealed fields."""
    facts: dict[str, Any] = {}
    for group in catalogue.groups:
        unsealed = catalogue.unsealed_of[group.name]
        if group.repeated:
            facts[group.key] = [_kept(value, unsealed) for value in record.get(group.key, ())]
        elif not group.key:
            facts.update(_kept(record, unsealed))
        elif group.key in record:
            facts[group.key] = _kept(record[group.key], unsealed)
    return facts


def _kept(value: Mapping[str, Any], unsealed: frozenset[str]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name in unsealed}


def sealed_values(record: Mapping[str, Any], catalogue: Catalogue, ids: ItemIds) -> dict[tuple[str, str], bytes | None]:
    """Every sealed field of the record and of each item as bytes to seal; None where it says nothing, so that absence is sealed too."""
    values: dict[tuple[str, str], bytes | None] = {}
    for group in catalogue.groups:
        sealed = catalogue.sealed_of[group.name]
        if not sealed:
            continue
        for index, value in _members(record, group):
            item_id = "" if index is None else ids[group.key][index]
            for field in sealed:
                found = value.get(field.name)
                values[field.path, item_id] = None if found is None else to_bytes(found)
    return values


def join(facts: Mapping[str, Any], opened: Mapping[tuple[str, str], bytes | None], catalogue: Catalogue, ids: ItemIds) -> dict[str, Any]:
    """The record again, from its facts and the opened values."""
    record: dict[str, Any] = json.loads(json.dumps(facts))
    for (path, item_id), content in opened.items():
        if content is None:
            continue
        field = catalogue[path]
        group = next(group for group in catalogue.groups if group.name == field.group)
        target = record if not group.key else record.setdefault(group.key, {}) if not group.repeated else None
        if target is None:
            target = record[group.key][ids[group.key].index(item_id)]
        target[field.name] = from_bytes(content)
    return record


def to_bytes(value: Any) -> bytes:
    """A sealed value's bytes: its JSON, so that type and content come back as they were."""
    return (encode_basestring(value) if type(value) is str else _encode(value)).encode()


def from_bytes(content: bytes) -> Any:
    """The value of `to_bytes`."""
    return _decode(content.decode())


def _members(record: Mapping[str, Any], group: Group) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    if not group.key:
        yield None, record
    elif group.repeated:
        yield from enumerate(record.get(group.key, ()))
    elif group.key in record:
        yield None, record[group.key]
