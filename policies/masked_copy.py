"""The masked copy of a record, made once at intake and sealed apart: masked values and redacted texts, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from policies.checked import Checked
from policies.entities import Source, gather
from policies.masks import MASKS, NONE, UNIT_KINDS, WITHHELD, Context, Mask
from policies.redaction import Redactor
from policies.rulebook.load import Rulebook


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
    sources: tuple[Source, ...]


@lru_cache(maxsize=256)
def masks_of(rulebook: Rulebook) -> tuple[GroupMasks, ...]:
    """The masks and entity sources of every group, read off the catalogue once per rulebook."""
    plans = []
    for group in rulebook.catalogue.groups:
        fields = rulebook.catalogue.by_group[group.name].values()
        masks = tuple(
            Masked(one.path, one.name, one.mask, MASKS[one.mask], one.identity, one.unit_by)
            for one in fields
            if one.sealed and one.mask not in {NONE, WITHHELD}
        )
        sources = tuple(Source(one.name, one.entity, one.unit_by) for one in fields if one.entity)
        plans.append(GroupMasks(group.key, group.repeated, masks, sources))
    return tuple(plans)


def mask_record(checked: Checked, rulebook: Rulebook) -> dict[str, Any]:
    """Field path -> masked text; inside arrays a list aligned with the items, None where the item has no such value.

    At high protection the fields that tell who somebody is are left out wholly: surname, county and 6 + 4 together identify a
    villager. Fields whose mask is `withheld` or `none` are never in the copy.
    """
    record = checked.record
    redactor = redactor_for(record, rulebook)
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


def redactor_for(record: Mapping[str, Any], rulebook: Rulebook) -> Redactor:
    """The redactor of a record, knowing every entity in its structured fields."""
    entities = gather(_objects(record, rulebook), UNIT_KINDS, rulebook.surnames, rulebook.divisions)
    return Redactor(entities, rulebook.surnames)


def _objects(record: Mapping[str, Any], rulebook: Rulebook) -> Iterator[tuple[Mapping[str, Any], tuple[Source, ...]]]:
    for plan in masks_of(rulebook):
        if not plan.sources:
            continue
        if plan.repeated:
            for item in record.get(plan.key, ()):
                yield item, plan.sources
        else:
            yield (record.get(plan.key, {}) if plan.key else record), plan.sources


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
