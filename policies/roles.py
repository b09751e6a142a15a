"""The roles: what each is, who may hold it, which need a second factor, and which may never meet in one person (三员分立)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from policies.shape import Shape, opened

# A rulebook may name and describe these, but may not add, drop or re-kind them: code elsewhere gives them meaning.
KINDS: Mapping[str, str] = {
    "depositor": "machine",
    "handler": "business",
    "leader": "business",
    "collaborator": "business",
    "principal": "business",
    "inspector": "business",
    "legal": "business",
    "archivist": "business",
    "external_supervisor": "external",
    "sysadmin": "admin",
    "secadmin": "admin",
    "auditadmin": "admin",
}
ROLES: tuple[str, ...] = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class Role:
    """One role; `apart` are the roles its holder may not hold beside it."""

    code: str
    zh: str
    en: str
    about_zh: str
    about_en: str
    kind: str
    holders: str
    second_factor: bool
    apart: frozenset[str]


@dataclass(frozen=True, slots=True)
class Roles:
    """All roles by code, in the order of `ROLES`."""

    by_code: Mapping[str, Role]

    def get(self, code: str) -> Role | None:
        return self.by_code.get(code)

    def clashes(self, codes: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The pairs among these roles that one person may not hold; an unknown role clashes with everything, itself included."""
        held = sorted(set(codes))
        unknown = [(code, code) for code in held if code not in self.by_code]
        return tuple(unknown) + tuple((one, two) for one, two in combinations(held, 2) if not self._together(one, two))

    def _together(self, one: str, two: str) -> bool:
        first, second = self.by_code.get(one), self.by_code.get(two)
        return first is not None and second is not None and two not in first.apart and one not in second.apart

    def may_be_held_by(self, code: str, kind: str) -> bool:
        """Whether an account of this kind (`person`, `service`) may hold the role; an unknown role by nobody."""
        role = self.by_code.get(code)
        return role is not None and role.holders == kind

    def assurance(self, code: str) -> int:
        """The factors a session needs to act in this role: 1 or 2; 2 for a role nobody knows."""
        role = self.by_code.get(code)
        return 1 if role is not None and not role.second_factor else 2


def load(sources: Mapping[str, Any]) -> Roles:
    """Read roles.toml. Refused: a role missing or unknown, an asymmetric separation, and any loosening of the 三员 separation."""
    root = opened(sources, "roles")
    root.number("version", least=1)
    table = root.table("roles")
    roles = {code: _role(table, code) for code in ROLES}
    table.done()
    root.done()
    for role in roles.values():
        _check(table, role, roles)
    return Roles(by_code=roles)


def _role(table: Shape, code: str) -> Role:
    row = table.table(code)
    role = Role(
        code=code,
        zh=row.text("zh"),
        en=row.text("en"),
        about_zh=row.text("about_zh"),
        about_en=row.text("about_en"),
        kind=row.one_of("kind", (KINDS[code],)),
        holders=row.one_of("holders", ("service",) if KINDS[code] == "machine" else ("person",)),
        second_factor=row.flag("second_factor"),
        apart=frozenset(row.words("apart", allowed=ROLES)),
    )
    row.done()
    return role


def _check(table: Shape, role: Role, roles: Mapping[str, Role]) -> None:
    if role.code in role.apart:
        table.refuse("a role cannot be apart from itself", role.code)
    for other in roles.values():
        if (other.code in role.apart) != (role.code in other.apart):
            table.refuse(f"separation from {other.code} is written on one side only", role.code)
        must = other.code != role.code and "business" not in {role.kind} & {other.kind}
        if must and other.code not in role.apart:
            table.refuse(f"must stay apart from {other.code}", role.code)
    if role.kind == "admin" and not role.second_factor:
        table.refuse("an administrator acts with two factors", role.code)
