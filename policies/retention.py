"""How long a case is kept: a class proposed from its facts by rule, with its basis, its term and the year of its destruction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from policies.catalogue import Catalogue
from policies.codes import UNKNOWN, CodeLists
from policies.invariants import office_day
from policies.shape import Shape, opened


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """`mark` is the class in a 档号 (Y, D30, D10); `years` is None for ever."""

    name: str
    mark: str
    years: int | None


@dataclass(frozen=True, slots=True)
class Condition:
    paths: tuple[str, ...]
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class RetentionRule:
    rule_id: str
    retention_class: str
    basis_zh: str
    basis_en: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    classes: Mapping[str, RetentionClass]
    rules: tuple[RetentionRule, ...]
    default: RetentionRule
    depositor_may_shorten: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """`until` is the last day kept, `destruction_year` the first year in which the case may be destroyed; None for ever."""

    retention_class: str
    rule_id: str
    basis_zh: str
    basis_en: str
    starts_on: date
    until: date | None
    destruction_year: int | None


def propose(facts: Mapping[str, Any], rules: Retention) -> Proposal:
    """Propose the class of a closed case from `Checked.facts`: the first rule that fits, or the depositor's own where it keeps longer."""
    rule = next((one for one in rules.rules if _fits(one, facts)), rules.default)
    name, rule_id, basis_zh, basis_en = rule.retention_class, rule.rule_id, rule.basis_zh, rule.basis_en
    wished = facts.get("proposed_retention_class")
    if isinstance(wished, str) and wished in rules.classes and wished != name:
        longer = _years(rules.classes[wished]) > _years(rules.classes[name])
        if longer or rules.depositor_may_shorten:
            name, rule_id = wished, "depositor"
            basis_zh, basis_en = "报送单位建议", "proposed by the depositor"
    starts = date(office_day(facts["closed_at"]).year + 1, 1, 1)
    years = rules.classes[name].years
    if years is None:
        return Proposal(name, rule_id, basis_zh, basis_en, starts, None, None)
    return Proposal(name, rule_id, basis_zh, basis_en, starts, date(starts.year + years - 1, 12, 31), starts.year + years)


def _years(one: RetentionClass) -> int:
    return 10_000 if one.years is None else one.years


def _fits(rule: RetentionRule, facts: Mapping[str, Any]) -> bool:
    return all(any(_has(facts.get(path), one.codes) for path in one.paths) for one in rule.conditions)


def _has(value: Any, codes: Iterable[str]) -> bool:
    found = {one for one in (value if isinstance(value, tuple) else (value,)) if one is not None and one != UNKNOWN}
    return not found.isdisjoint(codes)


def load(sources: Mapping[str, Any], catalogue: Catalogue, codes: CodeLists) -> Retention:
    """Read retention.toml; every class, path and code it names exists."""
    root = opened(sources, "retention")
    root.number("version", least=1)
    table = root.table("class")
    classes = {name: _class(table, name) for name in codes["retention_class"].codes}
    table.done()
    known = tuple(classes)
    default = RetentionRule(
        "default", root.one_of("default_class", known), root.text("default_basis_zh"), root.text("default_basis_en"), ()
    )
    rules = tuple(_rule(row, known, catalogue, codes) for row in root.rows("rule"))
    if len({rule.rule_id for rule in rules} | {"default", "depositor"}) != len(rules) + 2:
        root.refuse("names a rule twice", "rule")
    may_shorten = root.flag("depositor_may_shorten")
    root.done()
    return Retention(MappingProxyType(classes), rules, default, may_shorten)


def _class(table: Shape, name: str) -> RetentionClass:
    row = table.table(name)
    years = row.number("years", least=0)
    if (years == 0) != (name == "permanent") or years > 200:
        row.refuse("0 for permanent alone, else 1 to 200", "years")
    made = RetentionClass(name, row.text("code"), years or None)
    row.done()
    return made


def _rule(row: Shape, known: tuple[str, ...], catalogue: Catalogue, codes: CodeLists) -> RetentionRule:
    conditions = tuple(_condition(one, catalogue, codes) for one in row.rows("all"))
    if not conditions:
        row.refuse("a rule without a condition is the default", "all")
    made = RetentionRule(row.text("id"), row.one_of("class", known), row.text("basis_zh"), row.text("basis_en"), conditions)
    row.done()
    return made


def _condition(row: Shape, catalogue: Catalogue, codes: CodeLists) -> Condition:
    paths = row.words("paths", empty=False)
    allowed: dict[str, None] = {}
    for path in paths:
        field = catalogue.fields.get(path)
        if field is None or field.code_list is None or field.sealed:
            row.refuse("names no plain code field", "paths")
        allowed.update(dict.fromkeys(codes[field.code_list].codes))
    wanted = row.words("codes", allowed=tuple(allowed))
    row.done()
    return Condition(paths, frozenset(wanted or allowed))
