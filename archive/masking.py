"""From stored values and a permit to what is shown. The only module that picks fields for a view; it shows nothing the permit's plan
does not name, and lists what it hides without telling whether there was anything to hide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archive.store import StoredVersion
from policies.catalogue import Catalogue, Field
from policies.level import Level
from policies.visibility import VisibilityPlan

# The id of an item, where the catalogue has a field for it.
_ITEM_ID = {"petitioners": "petitioner_id", "involved_parties": "party_id", "attachments": "attachment_id"}


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as one caller may see it. `record` has the record's form; `masked` and `withheld` are field paths, whether filled or not.

    `clear` are the sealed fields shown in clear (under a grant); plain facts are not listed.
    """

    case_id: str
    version: int
    record: dict[str, Any]
    clear: tuple[str, ...]
    masked: tuple[str, ...]
    withheld: tuple[str, ...]
    log_index: int


Opened = Mapping[tuple[str, str], Any]
"""Opened values by (field path, item id)."""


def show(
    plan: VisibilityPlan, catalogue: Catalogue, stored: StoredVersion, made: Mapping[str, Any], masks: Mapping[str, Any], opened: Opened
) -> dict[str, Any]:
    """The visible part of one version.

    `made` holds what the archive itself made of it, in the record's form; `masks` the opened mask document; `opened` values in clear.
    """
    shown: dict[str, Any] = {}
    for group in catalogue.groups:
        fields = catalogue.by_group[group.name].values()
        if not group.repeated:
            facts = {**stored.facts, **made} if not group.key else {**stored.facts.get(group.key, {}), **made.get(group.key, {})}
            part = _part(plan, fields, facts, masks, opened, None, "")
            if not group.key:
                shown.update(part)
            elif part:
                shown[group.key] = part
            continue
        ids = stored.item_ids.get(group.key, [])
        items = []
        for index, item_id in enumerate(ids):
            facts = dict(stored.facts[group.key][index])
            if group.key in _ITEM_ID:
                facts[_ITEM_ID[group.key]] = item_id
            items.append(_part(plan, fields, facts, masks, opened, index, item_id))
        if any(items):
            shown[group.key] = items
    return shown


def _part(
    plan: VisibilityPlan,
    fields: Iterable[Field],
    facts: Mapping[str, Any],
    masks: Mapping[str, Any],
    opened: Opened,
    index: int | None,
    item_id: str,
) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for field in fields:
        level = plan.level(field.path)
        if level is Level.WITHHELD:
            continue
        value = _value(level, field, facts, masks, opened, index, item_id)
        if value is not None:
            part[field.name] = value
    return part


def _value(
    level: Level, field: Field, facts: Mapping[str, Any], masks: Mapping[str, Any], opened: Opened, index: int | None, item_id: str
) -> Any:
    if not field.sealed and level is Level.CLEAR:
        return facts.get(field.name)
    if level is Level.CLEAR:
        return opened.get((field.path, item_id))
    found = masks.get(field.path)
    return found if index is None or found is None else found[index]
