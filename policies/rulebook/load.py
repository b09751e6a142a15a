"""The rulebook: TOML files compiled to one immutable value, whose version names exactly these rules for ever.

`base()` is the rulebook as packaged; `compile(base_sources(), {"fields": {"field": [...]}})` lays a fonds' overlay over it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from policies import calendar, chain, classes, divisions, invariants, limits, matrix, purposes, retention, roles, surnames
from policies.calendar import Calendar
from policies.catalogue import Catalogue
from policies.chain import Chains
from policies.classes import Classes
from policies.codes import CodeLists
from policies.divisions import Divisions
from policies.errors import RulebookRefused
from policies.invariants import Invariants
from policies.limits import Limits
from policies.matrix import Matrix
from policies.purposes import Purposes
from policies.retention import Retention
from policies.roles import Roles
from policies.rulebook import codes as code_files
from policies.rulebook import fields as field_files
from policies.rulebook.overlay import laid_over
from policies.surnames import Surnames

Sources = Mapping[str, Mapping[str, Any]]
"""Parsed TOML by file stem: `{"fields": {...}, "codes": {...}, ...}`."""


@dataclass(frozen=True, eq=False)
class Rulebook:
    """All rules, compiled. Two rulebooks of one `version` (64 hexadecimal digits) are the same rules."""

    version: str
    catalogue: Catalogue
    codes: CodeLists
    invariants: Invariants
    retention: Retention
    surnames: Surnames
    divisions: Divisions
    classes: Classes
    roles: Roles
    matrix: Matrix
    chains: Chains
    purposes: Purposes
    calendar: Calendar
    limits: Limits


@lru_cache(maxsize=1)
def base_sources() -> Sources:
    """The packaged TOML files, parsed; callers must not change them."""
    found = {}
    for entry in sorted(files("policies.rulebook").iterdir(), key=lambda one: one.name):
        if entry.name.endswith(".toml"):
            found[entry.name.removesuffix(".toml")] = parse(entry.name.removesuffix(".toml"), entry.read_text("utf-8"))
    return MappingProxyType(found)


def parse(stem: str, text: str) -> dict[str, Any]:
    """Parse one TOML file of a rulebook. Raises RulebookRefused for text that is not TOML."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulebookRefused(file=stem, where="(root)", rule="is not TOML") from error


@lru_cache(maxsize=1)
def base() -> Rulebook:
    """The rulebook as packaged, without an overlay."""
    return compile(base_sources(), {})


def compile(base: Sources, overlay: Sources) -> Rulebook:  # noqa: A001  the act has this name in the glossary
    """Compile base and overlay; parsed TOML both. Raises RulebookRefused with the file, the place and the rule broken."""
    sources = laid_over(base, overlay)
    code_lists = code_files.read(sources)
    catalogue = field_files.read(sources, code_lists)
    partition = classes.load(sources)
    classes.check(partition, catalogue)
    return Rulebook(
        version=version_of(base, overlay),
        catalogue=catalogue,
        codes=code_lists,
        invariants=invariants.load(sources, code_lists),
        retention=retention.load(sources, catalogue, code_lists),
        surnames=surnames.load(sources),
        divisions=divisions.load(sources),
        classes=partition,
        roles=roles.load(sources),
        matrix=matrix.load(sources),
        chains=chain.load(sources),
        purposes=purposes.load(sources),
        calendar=calendar.load(sources),
        limits=limits.load(sources),
    )


def version_of(base: Sources, overlay: Sources) -> str:
    """Hexadecimal SHA-256 over the canonical JSON of both; the same rules written in another order of keys have the same version."""
    content = json.dumps({"base": _plain(base), "overlay": _plain(overlay)}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value.isoformat() if isinstance(value, date | time) else value
