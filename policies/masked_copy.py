"""The masked copy of a record, made once at intake and sealed apart: masked values and redacted texts, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    texts: tuple[Masked, ...]
    """Those of them that redact."""


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
        plans.append(GroupMasks(group.key, group.repeated, masks, tuple(one for one in masks if one.mask == REDACT)))
    return tuple(plans)


@lru_cache(maxsize=256)
def _redacted(rulebook: Rulebook) -> frozenset[str]:
    """The paths of all sealed fields that are redacted."""
    return frozenset(one.path for plan in masks_of(rulebook) for one in plan.texts)


def mask_record(checked: Checked, rulebook: Rulebook) -> dict[str, Any]:
    """Field path -> masked text; inside arrays a list aligned with the items, None where the item has no such value.

    At high protection the fields that tell who somebody is are left out wholly: surname, county and 6 + 4 together identify a
    villager. Fields whose mask is `withheld` or `none` are never in the copy.
    """
    record = checked.record
    redactor = Redactor(checked.entities, rulebook.surnames)
    hide = checked.protection_level == "high"
    redact = _at_once(redactor, list(_texts(record, rulebook, hide=hide)))
    copy: dict[str, Any] = {}
    for plan in masks_of(rulebook):
        if not plan.masks:
            continue
        if plan.repeated:
            items = record[plan.key]
            for number, item in enumerate(items):
                for path, masked in _item(plan, item, rulebook, redact, hide=hide):
                    column = copy.get(path)
                    if column is None:
                        column = copy[path] = [None] * len(items)
                    column[number] = masked
        else:
            copy.update(_item(plan, record.get(plan.key, {}) if plan.key else record, rulebook, redact, hide=hide))
    return copy


def _texts(record: Mapping[str, Any], rulebook: Rulebook, *, hide: bool) -> Iterator[str]:
    """What the copy redacts, in the order in which it comes to it: the numbers of tokens follow that."""
    for plan in masks_of(rulebook):
        if not plan.texts:
            continue
        for item in record[plan.key] if plan.repeated else (record.get(plan.key, {}) if plan.key else record,):
            for masked in plan.texts:
                value = None if hide and masked.identity else item.get(masked.name)
                for one in value if type(value) is list else () if value is None else (value,):
                    yield one["text"] if type(one) is dict else one


def _at_once(redactor: Redactor, texts: list[str]) -> Callable[[str], str]:
    """A redactor of these texts that looked through them all in one go; of another it makes its copy when asked."""
    copies = dict(zip(texts, redactor.texts(texts), strict=True))

    def redact(text: str) -> str:
        copy = copies.get(text)
        return redactor.text(text) if copy is None else copy

    return redact


def to_redact(checked: Checked, rulebook: Rulebook) -> int:
    """How many characters the copy takes to make: the texts to redact, and the forms of the case's own people to look for in them."""
    redacted = _redacted(rulebook)
    total = sum(map(len, checked.entities.phrases)) + sum(map(len, checked.entities.numbers))
    for (path, _number), value in checked.sealed.items():
        if path in redacted:
            total += sum(len(one["text"]) if type(one) is dict else len(one) for one in (value if type(value) is list else (value,)))
    return total


def redactor_for(record: Mapping[str, Any], rulebook: Rulebook) -> Redactor:
    """The redactor of a record that was not checked just now: a baseline's, or one that was opened."""
    return Redactor(entities_of(record, rulebook), rulebook.surnames)


def _item(
    plan: GroupMasks, item: Mapping[str, Any], rulebook: Rulebook, redact: Callable[[str], str], *, hide: bool
) -> Iterator[tuple[str, str]]:
    plain: Context | None = None
    for masked in plan.masks:
        value = item.get(masked.name)
        if value is None or (hide and masked.identity):
            continue
        if plain is None:
            plain = Context(rulebook.surnames, rulebook.divisions, redact, id_type=item.get("id_type"))
        context = plain
        if masked.unit_by and item.get(masked.unit_by) in UNIT_KINDS:
            accused = item.get("party_role") == "accused"
            context = Context(rulebook.surnames, rulebook.divisions, redact, unit=True, accused=accused)
        if isinstance(value, list):
            yield masked.path, "；".join(masked.function(one, context) for one in value)
        else:
            yield masked.path, masked.function(value, context)
