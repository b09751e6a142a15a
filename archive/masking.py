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
        seen = visible(plan, catalogue.by_group[group.name].values())
        if not seen:
            continue
        key = group.key
        if not group.repeated:
            facts = {**stored.facts, **made} if not key else {**stored.facts.get(key, {}), **made.get(key, {})}
            part = pick(seen, facts, masks, opened)
            if not key:
                shown.update(part)
            elif part:
                shown[key] = part
            continue
        items = []
        for index, item_id in enumerate(stored.item_ids.get(key, [])):
            facts = stored.facts[key][index]
            if key in _ITEM_ID:
                facts = {**facts, _ITEM_ID[key]: item_id}
            items.append(pick(seen, facts, masks, opened, index, item_id))
        if any(items):
            shown[key] = items
    return shown


Visible = tuple[tuple[str, str, str], ...]
"""What a plan shows of some fields: (name, path, where its value is: `fact`, `mask` or `opened`)."""


def visible(plan: VisibilityPlan, fields: Iterable[Field]) -> Visible:
    """The fields that the plan does not withhold, judged once for all items and rows they are picked for."""
    seen = []
    for field in fields:
        level = plan.level(field.path)
        if level is not Level.WITHHELD:
            where = "mask" if level is not Level.CLEAR else "opened" if field.sealed else "fact"
            seen.append((field.name, field.path, where))
    return tuple(seen)


def pick(
    seen: Visible, facts: Mapping[str, Any], masks: Mapping[str, Any], opened: Opened, index: int | None = None, item_id: str = ""
) -> dict[str, Any]:
    """The values of one object of a record; `index` and `item_id` where it is an item of an array."""
    part: dict[str, Any] = {}
    for name, path, where in seen:
        if where == "fact":
            value = facts.get(name)
        elif where == "opened":
            value = opened.get((path, item_id))
        else:
            value = masks.get(path)
            if index is not None and value is not None:
                value = value[index]
        if value is not None:
            part[name] = value
    return part
