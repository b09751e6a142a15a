"""The closed list of purposes a form or an identity search may give, with legal basis and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.roles import ROLES
from policies.shape import Shape, opened

USES = ("request", "search")
# How what is read will be used: codes, so that a form can be counted and checked, each with its title in Chinese and English.
USAGES: Final[Mapping[str, tuple[str, str]]] = {
    "read-only": ("仅供查阅", "reading only"),
    "reply-drafting": ("起草答复", "drafting a reply"),
    "verification": ("核对事实", "verifying facts"),
    "evidence": ("作为证据", "as evidence"),
    "statistics": ("统计分析", "statistics"),
}

# Words of purposes this archive must never serve: petitioners are not to be watched, dissuaded, intercepted or punished (条例 art. 18).
_FORBIDDEN = (
    "稳控",
    "截访",
    "劝返",
    "劝阻",
    "拦截",
    "监控",
    "盯防",
    "管控",
    "维稳",
    "吸附",
    "watch",
    "dissua",
    "intercept",
    "surveil",
    "monitor",
    "stability",
)


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose. `max_days` bounds a grant's life from its start, `max_openings` its uses."""

    code: str
    zh: str
    en: str
    basis_zh: str
    basis_en: str
    uses: frozenset[str]
    roles: frozenset[str]
    max_days: int
    max_openings: int


@dataclass(frozen=True, slots=True)
class Purposes:
    """All purposes by code."""

    by_code: Mapping[str, Purpose]

    def allowed(self, code: str | None, use: str, role: str) -> Purpose | None:
        """The purpose, if it exists for this use and this role."""
        purpose = self.by_code.get(code) if code is not None else None
        return purpose if purpose is not None and code in self.codes(use, role) else None

    def codes(self, use: str, role: str) -> tuple[str, ...]:
        """What this role may give for this use, in the order of the codes."""
        return tuple(code for code, one in sorted(self.by_code.items()) if use in one.uses and role in one.roles)


def load(sources: Mapping[str, Any]) -> Purposes:
    """Read purposes.toml. Refused: an empty list, a purpose without basis or limits, and any purpose turned against petitioners."""
    root = opened(sources, "purposes")
    root.number("version", least=1)
    found = {code: _purpose(code, row) for code, row in root.tables("purposes")}
    root.done()
    if not found:
        root.refuse("must name at least one purpose", "purposes")
    return Purposes(by_code=found)


def _purpose(code: str, row: Shape) -> Purpose:
    purpose = Purpose(
        code=code,
        zh=row.text("zh"),
        en=row.text("en"),
        basis_zh=row.text("basis_zh"),
        basis_en=row.text("basis_en"),
        uses=frozenset(row.words("uses", allowed=USES, empty=False)),
        roles=frozenset(row.words("roles", allowed=ROLES, empty=False)),
        max_days=row.number("max_days", least=1),
        max_openings=row.number("max_openings", least=1),
    )
    row.done()
    text = f"{code} {purpose.zh} {purpose.en}".lower()
    if any(word in text for word in _FORBIDDEN):
        row.refuse("no purpose may be turned against petitioners")
    return purpose
