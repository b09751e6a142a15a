"""What auth is told of the rulebook: an immutable value that wiring compiles from it. auth stores, policies judge."""

from __future__ import annotations

from dataclasses import dataclass, field

DEPOSITOR = "depositor"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthPolicy:
    """The rules of sign-in and posts of one fonds. Durations are in the unit their name says; 0 days of age means: never expires.

    Their values and bounds are the rulebook's (policies/limits.py): there is no default here that could differ from it.
    `separation` lists the pairs of roles nobody may hold at the same time; a pair of one role with itself is written as a set of one.
    `address_tries` and `address_minutes` bound the unsuccessful proofs of identity from one client address.
    """

    version: str
    post_roles: frozenset[str]
    separation: frozenset[frozenset[str]]
    second_factor_roles: frozenset[str]
    password_max_age_days: int
    password_min_length: int
    password_history: int
    lock_after: int
    lock_minutes: int
    session_hours: int
    session_idle_minutes: int
    token_minutes: int
    address_tries: int
    address_minutes: int
    site_words: tuple[str, ...] = field(default=("xinfang", "petition", "dangan", "信访", "档案"))

    def __post_init__(self) -> None:
        """Refuse a separation of no pair (ValueError)."""
        if any(not 1 <= len(pair) <= 2 for pair in self.separation):
            raise ValueError("a separation names one or two roles")

    def forbidden_beside(self, role: str) -> frozenset[str]:
        """The roles nobody may hold at the same time as `role`."""
        beside = {other for pair in self.separation if role in pair for other in (pair - {role} or {role})}
        return frozenset(beside)
