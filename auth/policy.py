"""What auth is told of the rulebook: an immutable value that wiring compiles from it. auth stores, policies judge."""

from __future__ import annotations

from dataclasses import dataclass, field

DEPOSITOR = "depositor"


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """The rules of sign-in and posts of one fonds. Durations are in the unit their name says; 0 days of age means: never expires.

    `separation` lists the pairs of roles nobody may hold at the same time; a pair of one role with itself is written as a set of one.
    `password_max_age_days` is 90 in the default rulebook, because the source rules advise three months (密码需定期更换). OWASP ASVS 5,
    V6.2.10 asks that passwords do not expire by the calendar; an office that follows it sets 0.
    """

    version: str
    post_roles: frozenset[str]
    separation: frozenset[frozenset[str]] = frozenset()
    second_factor_roles: frozenset[str] = frozenset()
    password_max_age_days: int = 90
    password_min_length: int = 12
    password_history: int = 5
    site_words: tuple[str, ...] = field(default=("xinfang", "petition", "dangan", "信访", "档案"))
    lock_after: int = 5
    lock_minutes: int = 30
    session_hours: int = 10
    session_idle_minutes: int = 30
    token_minutes: int = 10

    def __post_init__(self) -> None:
        """Refuse values that would switch a protection off (ValueError); the rulebook's loader gives the readable message."""
        bounds = {
            "password_max_age_days": (self.password_max_age_days, 0, 3650),
            "password_min_length": (self.password_min_length, 12, 128),
            "password_history": (self.password_history, 1, 24),
            "lock_after": (self.lock_after, 1, 10),
            "lock_minutes": (self.lock_minutes, 1, 24 * 60),
            "session_hours": (self.session_hours, 1, 24),
            "session_idle_minutes": (self.session_idle_minutes, 1, 12 * 60),
            "token_minutes": (self.token_minutes, 1, 60),
        }
        for name, (value, least, most) in bounds.items():
            if not least <= value <= most:
                raise ValueError(f"{name} must lie between {least} and {most}")
        if any(not 1 <= len(pair) <= 2 for pair in self.separation):
            raise ValueError("a separation names one or two roles")

    def forbidden_beside(self, role: str) -> frozenset[str]:
        """The roles nobody may hold at the same time as `role`."""
        beside = {other for pair in self.separation if role in pair for other in (pair - {role} or {role})}
        return frozenset(beside)
