"""Whether a grant is one at this moment. Computed at every read from times and counters, so that no background job can be late."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from auth.principal import Principal
from policies.facts import CaseFacts, GrantFacts, Opening
from policies.level import Level

GrantStatus = Literal["active", "not-yet", "used-up", "expired", "returned", "revoked"]


@dataclass(frozen=True, slots=True, order=True)
class Raise:
    """One field lifted by one grant, for the case version being decided on."""

    path: str
    level: Level
    grant_id: str


@dataclass(frozen=True, slots=True)
class Live:
    """What the holder's grants lift on one case version now.

    `new_opening`: reading now begins a session that must be counted against a grant; False while a counted session still runs under every
    one of them. `ended`: how those that lift nothing ended.
    """

    raises: frozenset[Raise]
    new_opening: bool
    ended: frozenset[str]


def status(grant: GrantFacts, now: datetime) -> GrantStatus:
    """The grant's state at `now`; an end that was declared outranks one that is computed."""
    if grant.revoked_at is not None:
        return "revoked"
    if grant.returned_at is not None:
        return "returned"
    if now >= grant.granted.expires_at:
        return "expired"
    if now < grant.granted.not_before:
        return "not-yet"
    return "used-up" if grant.uses >= grant.granted.max_uses else "active"


def running(grant: GrantFacts, case_id: str, version: int, now: datetime) -> Opening | None:
    """The counted session that still runs on this case version, if the grant has not ended otherwise."""
    if status(grant, now) not in {"active", "used-up"}:
        return None
    found = (one for one in grant.openings if one.case_id == case_id and one.version == version and now < one.ends_at)
    return max(found, key=lambda one: one.ends_at, default=None)


def live(grants: Iterable[GrantFacts], principal: Principal, facts: CaseFacts, now: datetime) -> Live:
    """Everything this holder's grants lift on this case version now.

    A grant of another holder, role, fonds, case or version, one that ended, and any grant for a version that was corrected since, lifts
    nothing.
    """
    raises: set[Raise] = set()
    ended: set[str] = set()
    new_opening = False
    for grant in grants:
        if not _concerns(grant, principal, facts):
            continue
        session = running(grant, facts.case_id, facts.version, now)
        state = status(grant, now)
        if state != "active" and session is None:
            ended.add(state)
            continue
        if facts.corrected:
            ended.add("corrected")
            continue
        new_opening = new_opening or session is None
        raises.update(
            Raise(target.path, grant.granted.level, grant.grant_id)
            for target in grant.granted.targets
            if target.case_id == facts.case_id and target.version == facts.version
        )
    return Live(frozenset(raises), new_opening, frozenset(ended))


def _concerns(grant: GrantFacts, principal: Principal, facts: CaseFacts) -> bool:
    return (
        grant.fonds == facts.fonds == principal.fonds
        and principal.person_id is not None
        and grant.holder_id == principal.person_id
        and grant.role == principal.role
        and (facts.case_id, facts.version) in grant.granted.cases
    )
