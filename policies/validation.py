"""Validation of a deposited record against the catalogue: everything wrong is found at once and nothing of the input is repeated.

`validate(record, rulebook, today=day)` answers a `Checked`, or raises InvalidInput with every fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from policies.catalogue import ROOT, Field, Group
from policies.checked import Checked
from policies.codes import UNKNOWN
from policies.composites import extra_reader, provenance_reader
from policies.derivation import derive
from policies.faults import WANTED, Faults
from policies.invariants import Invariants, check, fault
from policies.masked_copy import MOST_TO_REDACT, to_redact
from policies.readers import MISSING, OFFICE_ZONE, Reader, Reading, reader_for
from policies.rulebook.load import Rulebook

PROVENANCE: Final = "provenance"
EXTRA: Final = "extra_collected"
PETITIONERS: Final = "petitioners[]"


@dataclass(frozen=True, slots=True)
class Entry:
    """How one key of a group is read; `read` is None for what the archive makes."""

    field: Field
    read: Reader | None
    unknown_code: bool


@dataclass(frozen=True, slots=True)
class GroupPlan:
    group: Group
    entries: Mapping[str, Entry]
    required: tuple[Entry, ...]
    unknown_codes: tuple[Entry, ...]
    """Those of them whose code list has the code `unknown`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A rulebook compiled for reading; made once per rulebook."""

    root: GroupPlan
    groups: Mapping[str, GroupPlan]
    refused_names: Mapping[str, tuple[str, str]]


@lru_cache(maxsize=256)
def plan_of(rulebook: Rulebook) -> Plan:
    """The compiled plan of a rulebook, shared by all records."""
    plans = {group.key: _group_plan(rulebook, group) for group in rulebook.catalogue.groups}
    root = plans.pop("")
    return Plan(root, plans, rulebook.catalogue.refused_names)


def _group_plan(rulebook: Rulebook, group: Group) -> GroupPlan:
    entries: dict[str, Entry] = {}
    for field in rulebook.catalogue.by_group[group.name].values():
        codes = rulebook.codes[field.code_list] if field.code_list else None
        read: Reader | None
        if field.made_by_archive:
            read = None
        elif field.type == "json":
            read = extra_reader(field, rulebook.catalogue) if field.name == EXTRA else provenance_reader(field, rulebook)
        else:
            read = reader_for(field, codes)
        entries[field.name] = Entry(field, read, bool(codes and field.type == "code" and codes.admits_unknown))
    required = tuple(entry for entry in entries.values() if entry.field.required and entry.read is not None)
    return GroupPlan(group, entries, required, tuple(entry for entry in required if entry.unknown_code))


def validate(record: object, rulebook: Rulebook, *, today: date) -> Checked:
    """Check and normalise one record in its deposit form. `today` is the office day; the input is not changed.

    Raises InvalidInput, and nothing else, for anything that parsed JSON can be.
    """
    plan = plan_of(rulebook)
    faults = Faults()
    end = datetime(today.year, today.month, today.day, tzinfo=OFFICE_ZONE) + timedelta(days=1) - timedelta(hours=8)
    reading = Reading(today.isoformat(), end.strftime("%Y-%m-%dT%H:%M:%S.000Z"), faults)
    if not isinstance(record, dict):
        faults.add("", "type", label_zh="案卷", label_en="The record", want_zh=WANTED["object"][0], want_en=WANTED["object"][1])
        raise faults.error()
    normal = _Reader(plan, reading, record, rulebook.invariants).read()
    check(normal, rulebook.invariants, faults)
    if len(faults):
        raise faults.error()
    checked = derive(normal, rulebook, reading.versions)
    if to_redact(checked, rulebook) > MOST_TO_REDACT:
        faults.add("", "too-much-to-redact", limit=MOST_TO_REDACT)
        raise faults.error()
    return checked


class _Reader:
    """One pass over one record."""

    def __init__(self, plan: Plan, reading: Reading, record: dict[Any, Any], rules: Invariants) -> None:
        self.rules = rules
        self.plan = plan
        self.reading = reading
        self.record = record
        self.given: dict[str, str] = {}
        self.told: dict[str, str] = {}

    def read(self) -> dict[str, Any]:
        entry = self.plan.root.entries.get(PROVENANCE)
        if entry is not None and entry.read is not None and self.record.get(PROVENANCE) is not None:
            found = entry.read(self.record[PROVENANCE], PROVENANCE, self.reading, None)
            if found is not MISSING:
                self.given = found
        self.told = dict(self.given)
        normal = self._members(self.plan.root, self.record, "", None)
        for key, plan in self.plan.groups.items():
            if plan.group.made_by_archive:
                if key in self.record:
                    self._fault(key, "made-by-archive", plan.group)
            elif plan.group.repeated:
                normal[key] = self._items(plan, self.record.get(key))
            else:
                normal[key] = self._object(plan, self.record.get(key))
        if self.told:
            normal[PROVENANCE] = dict(sorted(self.told.items()))
        return normal

    def _fault(self, path: str, rule: str, about: Group | Field, **more: str | int) -> None:
        self.reading.faults.add(path, rule, label_zh=about.label_zh, label_en=about.label_en, **more)

    def _object(self, plan: GroupPlan, value: object) -> dict[str, Any]:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self._fault(plan.group.key, "type", plan.group, want_zh=WANTED["object"][0], want_en=WANTED["object"][1])
            return {}
        return self._members(plan, value, f"{plan.group.key}.", None)

    def _items(self, plan: GroupPlan, value: object) -> list[dict[str, Any]]:
        key = plan.group.key
        if value is None:
            return []
        if not isinstance(value, list):
            self._fault(key, "type", plan.group, want_zh=WANTED["array"][0], want_en=WANTED["array"][1])
            return []
        if len(value) > plan.group.max_items:
            self._fault(key, "too-many-items", plan.group, limit=plan.group.max_items)
            return []
        items: list[dict[str, Any]] = []
        for number, item in enumerate(value):
            if self.reading.faults.full:
                break
            if isinstance(item, dict):
                items.append(self._members(plan, item, f"{key}[{number}].", number))
            else:
                self._fault(f"{key}[{number}]", "type", plan.group, want_zh=WANTED["object"][0], want_en=WANTED["object"][1])
        return items

    def _members(self, plan: GroupPlan, value: dict[Any, Any], prefix: str, number: int | None) -> dict[str, Any]:
        """Read the members of one object; a value that was there but wrong is not reported as missing too."""
        normal: dict[str, Any] = {}
        seen_wrong: set[str] = set()
        entries, faults, reading = plan.entries, self.reading.faults, self.reading
        for position, (key, member) in enumerate(value.items(), 1):
            entry = entries.get(key)
            if entry is None:
                if not (plan.group.name == ROOT and key in self.plan.groups):
                    self._unknown(plan, key, prefix, position)
            elif entry.read is None:
                self._fault(prefix + key, "made-by-archive", entry.field)
            elif member is not None and key != PROVENANCE:
                before = faults.count
                found = entry.read(member, prefix + key, reading, number)
                if found is not MISSING and entry.field.identity and self._hides(plan) and found != UNKNOWN:
                    faults.put(fault("anonymous-identity", prefix + key, self.rules))
                elif found is not MISSING:
                    normal[key] = found
                elif faults.count > before:
                    seen_wrong.add(key)
            if faults.full:
                return normal
        for entry in plan.required:
            name = entry.field.name
            if name not in normal and name not in seen_wrong:
                self._absent(plan, entry, normal, prefix)
        if self.given or normal:
            self._provenance(plan, normal, prefix)
        return normal

    def _hides(self, plan: GroupPlan) -> bool:
        """Whether this group may not tell who is who: the petitioners of an anonymous case."""
        return plan.group.name == PETITIONERS and self.record.get("is_anonymous") is True

    def _absent(self, plan: GroupPlan, entry: Entry, normal: dict[str, Any], prefix: str) -> None:
        """A required field that is not there: unknown by provenance, waived in an anonymous case, or a fault."""
        field = entry.field
        if field.identity and self._hides(plan):
            return
        told = self.given.get(field.path) or self.given.get(field.group)
        if told == UNKNOWN and field.admits_unknown:
            self.told[field.path] = UNKNOWN
            if entry.unknown_code:
                normal[field.name] = UNKNOWN
        else:
            self._fault(prefix + field.name, "required" if field.admits_unknown else "required-always", field)

    def _provenance(self, plan: GroupPlan, normal: dict[str, Any], prefix: str) -> None:
        """The code `unknown` and the provenance `unknown` say the same thing, so neither may contradict the other."""
        # Where the record tells of no provenance, the code alone can say `unknown`.
        for entry in plan.required if self.given else plan.unknown_codes:
            field = entry.field
            value = normal.get(field.name)
            if value is None:
                continue
            told = self.given.get(field.path)
            if entry.unknown_code and value == UNKNOWN:
                if told is not None and told != UNKNOWN:
                    self._fault(prefix + field.name, "provenance-contradicts", field)
                self.told[field.path] = UNKNOWN
            elif told == UNKNOWN and not field.repeated:
                self._fault(prefix + field.name, "provenance-contradicts", field)

    def _unknown(self, plan: GroupPlan, key: object, prefix: str, position: int) -> None:
        """Refuse a key that is no field. A key can be a value in the wrong place, so only names of the rulebook are ever written."""
        path = f"{prefix}#{position}"
        known = self.plan.refused_names.get(key) if isinstance(key, str) else None
        if known is not None:
            self.reading.faults.add(path, "over-collected", label_zh=known[0], label_en=known[1])
            return
        near = get_close_matches(key, plan.entries, n=1, cutoff=0.8) if isinstance(key, str) and len(key) <= 60 else []
        hint = {"hint_zh": f"（是否指 {near[0]}？）", "hint_en": f" (did you mean {near[0]}?)"} if near else {"hint_zh": "", "hint_en": ""}
        self.reading.faults.add(path, "unknown-field", number=position, **hint)
