"""The masked copy of a record, made once at intake and sealed apart: masked values and redacted texts, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from policies.checked import Checked
from policies.entities import entities_of
from policies.masks import MASKS, NONE, REDACT, UNIT_KINDS, WITHHELD, Context, Mask
from policies.redaction import Redactor
from policies.rulebook.load import Rulebook

MOST_TO_REDACT: Final = 500_000
"""Characters; some two hundred printed pages. The worst texts of this length take about a second."""


@dataclass(frozen=True, slots=True)
class Masked:
    """How one sealed field is masked."""

    path: str
    name: str
    mask: str
    function: Mask
    identity: bool
    unit_by: str | None


@dataclass(frozen=True, slots=True)
class GroupMasks:
    key: str
    repeated: bool
    masks: tuple[Masked, ...]


@lru_cache(maxsize=256)
def masks_of(rulebook: Rulebook) -> tuple[GroupMasks, ...]:
    """The masks of every group, read off the catalogue once per rulebook."""
    plans = []
    for group in rulebook.catalogue.groups:
        fields = rulebook.catalogue.by_group[group.name].values()
        masks = tuple(
            Masked(one.path, one.name, one.mask, MASKS[one.mask], one.identity, one.unit_by)
            for one in fields
            if one.sealed and one.mask not in {NONE, WITHHELD}
        )
        plans.append(GroupMasks(group.key, group.repeated, masks))
    return tuple(plans)


def mask_record(checked: Checked, rulebook: Rulebook) -> dict[str, Any]:
    """Field path -> masked text; inside arrays a list aligned with the items, None where the item has no such value.

    At high protection the fields that tell who somebody is are left out wholly: surname, county and 6 + 4 together identify a
    villager. Fields whose mask is `withheld` or `none` are never in the copy.
    """
    record = checked.record
    redactor = Redactor(checked.entities, rulebook.surnames)
    hide = checked.protection_level == "high"
    copy: dict[str, Any] = {}
    for plan in masks_of(rulebook):
        if not plan.masks:
            continue
        if plan.repeated:
            items = record[plan.key]
            for number, item in enumerate(items):
                for path, masked in _item(plan, item, rulebook, redactor, hide=hide):
                    copy.setdefault(path, [None] * len(items))[number] = masked
        else:
            copy.update(_item(plan, record.get(plan.key, {}) if plan.key else record, rulebook, redactor, hide=hide))
    return copy


def to_redact(checked: Checked, rulebook: Rulebook) -> int:
    """How many characters the copy takes to make: the texts to redact, and the forms of the case's own people to look for in them."""
    catalogue = rulebook.catalogue
    total = sum(map(len, checked.entities.phrases)) + sum(map(len, checked.entities.numbers))
    for (path, _number), value in checked.sealed.items():
        if catalogue[path].mask == REDACT:
            total += sum(len(one["text"]) if type(one) is dict else len(one) for one in (value if type(value) is list else (value,)))
    return total


def redactor_for(record: Mapping[str, Any], rulebook: Rulebook) -> Redactor:
    """The redactor of a record that was not checked just now: a baseline's, or one that was opened."""
    return Redactor(entities_of(record, rulebook), rulebook.surnames)


def _item(plan: GroupMasks, item: Mapping[str, Any], rulebook: Rulebook, redactor: Redactor, *, hide: bool) -> Iterator[tuple[str, str]]:
    plain: Context | None = None
    for masked in plan.masks:
        value = item.get(masked.name)
        if value is None or (hide and masked.identity):
            continue
        if plain is None:
            plain = Context(rulebook.surnames, rulebook.divisions, redactor.text, id_type=item.get("id_type"))
        context = plain
        if masked.unit_by and item.get(masked.unit_by) in UNIT_KINDS:
            accused = item.get("party_role") == "accused"
            context = Context(rulebook.surnames, rulebook.divisions, redactor.text, unit=True, accused=accused)
        if isinstance(value, list):
            yield masked.path, "；".join(masked.function(one, context) for one in value)
        else:
            yield masked.path, masked.function(value, context)
