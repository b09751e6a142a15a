"""Limits of sign-in, sessions and looking: their values are data (limits.toml), their units, floors and ceilings are code.

A floor that stood in the rulebook would be lowered in the same line as the value it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from policies.shape import Shape, opened

Unit = Literal["days", "hours", "minutes", "characters", "times"]


@dataclass(frozen=True, slots=True)
class Bound:
    """What no rulebook may pass, in the limit's unit; `tighter` tells in which direction an overlay may move it."""

    unit: Unit
    least: int
    most: int
    tighter: Literal["less", "more"]


BOUNDS: Final[Mapping[str, Bound]] = {
    "password_max_age": Bound("days", 0, 365, "less"),
    "password_min_length": Bound("characters", 12, 128, "more"),
    "password_history": Bound("times", 1, 24, "more"),
    "lock_after": Bound("times", 1, 10, "less"),
    "lock_length": Bound("minutes", 5, 24 * 60, "more"),
    "session_length": Bound("hours", 1, 24, "less"),
    "session_idle": Bound("minutes", 1, 120, "less"),
    "token_length": Bound("minutes", 1, 60, "less"),
    "address_tries": Bound("times", 5, 600, "less"),
    "address_window": Bound("minutes", 5, 24 * 60, "more"),
    "identity_searches": Bound("times", 1, 100, "less"),
    "opening_length": Bound("minutes", 1, 60, "less"),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit as the rulebook words it; `open`: a fonds may set it within its bounds, any other it may only tighten."""

    code: str
    zh: str
    en: str
    value: int
    open: bool
    source_zh: str
    source_en: str


@dataclass(frozen=True, eq=False)
class Limits:
    """All limits by code."""

    by_code: Mapping[str, Limit]

    def count(self, code: str) -> int:
        """The value of a limit in its unit."""
        return self.by_code[code].value

    def length(self, code: str) -> timedelta:
        """The value of a limit that is a time."""
        return timedelta(**{BOUNDS[code].unit: self.count(code)})


def load(sources: Mapping[str, Any]) -> Limits:
    """Read limits.toml; RulebookRefused for a gap, an unknown limit, and a value below its floor or above its ceiling."""
    root = opened(sources, "limits")
    root.number("version", least=1)
    table = root.table("limits")
    limits = Limits({code: _limit(table, code, bound) for code, bound in BOUNDS.items()})
    table.done()
    root.done()
    return limits


def _limit(table: Shape, code: str, bound: Bound) -> Limit:
    row = table.table(code)
    value = row.number("value", least=bound.least)
    if value > bound.most:
        row.refuse(f"must be at most {bound.most} {bound.unit}", "value")
    found = Limit(
        code=code,
        zh=row.text("zh"),
        en=row.text("en"),
        value=value,
        open=row.flag("open"),
        source_zh=row.text("source_zh"),
        source_en=row.text("source_en"),
    )
    row.done()
    return found
