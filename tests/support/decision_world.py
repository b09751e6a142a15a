"""A small office with everybody in it, and hypothesis strategies over the facts decisions are made from.

Everything here is invented: units are letters, persons are words.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from auth.principal import PostHeld, Principal
from policies.facts import (
    Asked,
    CaseFacts,
    FilingFacts,
    GrantFacts,
    OfficeFacts,
    Opening,
    PersonFacts,
    RequestFacts,
    RequestState,
    Target,
    WallFacts,
)
from policies.level import Level
from policies.request_state import filed
from policies.roles import ROLES
from policies.rulebook.load import Rulebook, base, base_sources

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FONDS = "fonds-x"
PATHS = {"R": ("R",), "A": ("R", "A"), "A1": ("R", "A", "A1"), "B": ("R", "B"), "B1": ("R", "B", "B1")}
PERSONS = ("p1", "p2", "p3", "p4")
NAME, ID_NUMBER, BIRTH = "petitioners[].name", "petitioners[].id_number", "petitioners[].birth_date"


def rules() -> Rulebook:
    return base()


def sources() -> dict[str, Any]:
    """A copy of the packaged sources that a test may spoil."""
    return copy.deepcopy({name: dict(value) for name, value in base_sources().items()})


def post(role: str, unit: str, *, acting: bool = False) -> PostHeld:
    return PostHeld(post_id=f"post-{role}-{unit}", unit_id=f"unit-{unit}", unit_path=PATHS[unit], role=role, acting=acting)


def person(person_id: str, role: str, unit: str, *, fonds: str = FONDS, assurance: int = 2, more: tuple[PostHeld, ...] = ()) -> Principal:
    return Principal(
        fonds=fonds,
        account_id=f"account-{person_id}",
        person_id=person_id,
        kind="person",
        posts=(post(role, unit), *more),
        role=role,
        assurance=assurance,
        session_id="session",
        client="loopback",
        authenticated_at=NOW,
    )


def machine(*, role: str = "depositor", fonds: str = FONDS) -> Principal:
    return Principal(
        fonds=fonds,
        account_id="account-machine",
        person_id=None,
        kind="service",
        posts=(),
        role=role,
        assurance=1,
        session_id="session",
        client="intranet",
        authenticated_at=NOW,
    )


def case(**changes: Any) -> CaseFacts:
    """Case c1 of unit A1: handled by p1, led by p2, with B cooperating; ordinary in every respect."""
    values: dict[str, Any] = {
        "fonds": FONDS,
        "case_id": "c1",
        "version": 1,
        "handler_id": "p1",
        "leader_id": "p2",
        "cooperating_units": frozenset({"B"}),
        "keeping_unit": "A1",
        "unit_path": PATHS["A1"],
        "accusation": False,
        "wall": None,
        "protection": "normal",
        "anonymous": False,
        "sensitivity": "personal",
        "corrected": False,
    }
    return CaseFacts(**{**values, **changes})


def accusation(
    persons: tuple[str, ...] = (), units: tuple[str, ...] = (), *, resolved: bool = True, named: tuple[str, ...] = (), **changes: Any
) -> CaseFacts:
    wall = WallFacts(
        accused_person_ids=frozenset(persons), accused_unit_codes=frozenset(units), resolved=resolved, named_persons=frozenset(named)
    )
    return case(accusation=True, protection="high", wall=wall, **changes)


def asked(*paths: str, case_id: str = "c1", version: int = 1, level: Level = Level.CLEAR, uses: int = 3, days: float = 5) -> Asked:
    return Asked(
        targets=frozenset(Target(case_id, version, path) for path in paths),
        level=level,
        max_uses=uses,
        not_before=NOW,
        expires_at=NOW + timedelta(days=days),
    )


def grant(*paths: str, **changes: Any) -> GrantFacts:
    values: dict[str, Any] = {
        "grant_id": "g1",
        "request_id": "r1",
        "fonds": FONDS,
        "holder_id": "p1",
        "role": "handler",
        "granted": asked(*(paths or (NAME,))),
        "purpose": "review",
        "uses": 0,
        "returned_at": None,
        "revoked_at": None,
        "approver_ids": frozenset({"p2", "p3"}),
    }
    return GrantFacts(**{**values, **changes})


def member(person_id: str | None, *posts: PostHeld, fonds: str = FONDS, active: bool = True, kind: Any = "person") -> PersonFacts:
    return PersonFacts(person_id=person_id, fonds=fonds, kind=kind, posts=posts, active=active)


def office(*people: PersonFacts) -> OfficeFacts:
    """By default: p1 handler in A1, p2 leader in A, p3 principal in A, p4 legal officer in R, p5 leader in B, p6 principal in R."""
    usual = (
        member("p1", post("handler", "A1")),
        member("p2", post("leader", "A")),
        member("p3", post("principal", "A")),
        member("p4", post("legal", "R")),
        member("p5", post("leader", "B")),
        member("p6", post("principal", "R")),
    )
    return OfficeFacts(fonds=FONDS, people=people or usual)


def filing(*paths: str, cases: tuple[CaseFacts, ...] | None = None, people: OfficeFacts | None = None, **changes: Any) -> FilingFacts:
    every = (case(),) if cases is None else cases
    wanted = changes.pop("asked", None)
    if wanted is None:
        one = asked(*(paths or (NAME,)))
        targets = frozenset(Target(facts.case_id, facts.version, path) for facts in every for path in (paths or (NAME,)))
        wanted = Asked(targets=targets, level=one.level, max_uses=one.max_uses, not_before=one.not_before, expires_at=one.expires_at)
    return FilingFacts(
        fonds=FONDS,
        asked=wanted,
        purpose=changes.pop("purpose", "review"),
        cases=every,
        office=people or office(),
        fields=changes.pop("fields", None) or paths or tuple(sorted({target.path for target in wanted.targets})),
        **changes,
    )


def request(**changes: Any) -> RequestFacts:
    form = asked(NAME)
    values: dict[str, Any] = {
        "request_id": "r1",
        "fonds": FONDS,
        "applicant_id": "p1",
        "applicant_role": "handler",
        "applicant_units": frozenset(PATHS["A1"]),
        "filed_at": NOW,
        "purpose": "review",
        "asked": form,
        "chain": "standard",
        "state": filed(form, NOW + timedelta(days=20)),
        "cases": (case(),),
    }
    return RequestFacts(**{**values, **changes})


def at_stage(stage: int, *decisions: Any) -> RequestState:
    form = asked(NAME)
    return RequestState(
        status="pending", stage=stage, version=1 + len(decisions), current=form, decisions=decisions, lapses_at=NOW + timedelta(days=20)
    )


# ---------------------------------------------------------------------------------------------- strategies

_units = st.sampled_from(sorted(PATHS))
_people = st.sampled_from(PERSONS)
_some_people = st.frozensets(_people, max_size=2)
_some_units = st.frozensets(_units, max_size=2)
fonds = st.sampled_from((FONDS, FONDS, FONDS, "fonds-y"))


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    """Anybody in any role, often with a second post of the same or another business role; machines too."""
    role = draw(st.sampled_from(ROLES))
    if role == "depositor":
        return machine(fonds=draw(fonds))
    more = draw(st.sampled_from(((), (), (role,), ("handler",), ("leader",))))
    posts = tuple(post(one, draw(_units)) for one in more)
    return person(draw(_people), role, draw(_units), fonds=draw(fonds), assurance=draw(st.sampled_from((2, 2, 2, 1))), more=posts)


walls = st.one_of(
    st.none(),
    st.none(),
    st.builds(
        WallFacts,
        accused_person_ids=_some_people,
        accused_unit_codes=_some_units,
        resolved=st.booleans(),
        named_persons=_some_people,
    ),
)


@st.composite
def cases(draw: st.DrawFn) -> CaseFacts:
    unit = draw(_units)
    return case(
        fonds=draw(fonds),
        version=draw(st.sampled_from((1, 1, 2))),
        handler_id=draw(st.one_of(st.none(), _people)),
        leader_id=draw(st.one_of(st.none(), _people)),
        cooperating_units=draw(_some_units),
        keeping_unit=unit,
        unit_path=PATHS[unit],
        accusation=draw(st.booleans()),
        wall=draw(walls),
        protection=draw(st.sampled_from(("normal", "high"))),
        anonymous=draw(st.booleans()),
        sensitivity=draw(st.sampled_from(("internal", "personal", "sensitive", "unknown", "work_secret", "business", "no-such-level"))),
        corrected=draw(st.booleans()),
        hold_cap=draw(st.sampled_from((Level.CLEAR, Level.CLEAR, Level.CLEAR, Level.MASKED, Level.WITHHELD))),
    )


_moments = st.sampled_from([NOW + timedelta(days=days) for days in (-30, -1, 0, 1, 30)])
_maybe_moment = st.one_of(st.none(), st.none(), st.none(), _moments)


@st.composite
def grants(draw: st.DrawFn) -> GrantFacts:
    """Any grant on any versions of c1, in any state of its life, often live for the case at hand."""
    all_paths = [*(field.path for field in rules().catalogue), "no_such_field"]
    paths = draw(st.lists(st.sampled_from(all_paths), min_size=1, max_size=6))
    targets = frozenset(Target(draw(st.sampled_from(("c1", "c1", "c2"))), draw(st.sampled_from((1, 1, 2))), path) for path in paths)
    return GrantFacts(
        grant_id=draw(st.sampled_from(("g1", "g2", "g3"))),
        request_id="r1",
        fonds=draw(fonds),
        holder_id=draw(_people),
        role=draw(st.sampled_from(("handler", "leader", "collaborator", "principal", "inspector", "legal", "archivist"))),
        granted=Asked(
            targets=targets,
            level=draw(st.sampled_from((Level.CLEAR, Level.CLEAR, Level.MASKED))),
            max_uses=draw(st.integers(1, 3)),
            not_before=draw(_moments),
            expires_at=draw(_moments),
        ),
        purpose="review",
        uses=draw(st.integers(0, 3)),
        returned_at=draw(_maybe_moment),
        revoked_at=draw(_maybe_moment),
        approver_ids=frozenset(),
        openings=tuple(draw(st.lists(st.builds(Opening, st.just("c1"), st.just(1), _moments), max_size=1))),
    )


_FILERS = ("handler", "leader", "collaborator", "principal", "inspector", "legal", "archivist")


@st.composite
def holders(draw: st.DrawFn) -> tuple[Principal, CaseFacts, tuple[GrantFacts, ...]]:
    """Somebody in relation to an unwalled case, who holds at least one live grant on it among others that may be anything."""
    who = person(draw(_people), draw(st.sampled_from(_FILERS)), draw(_units))
    facts = case(
        protection=draw(st.sampled_from(("normal", "high"))),
        sensitivity=draw(st.sampled_from(("personal", "work_secret", "business", "no-such-level"))),
        hold_cap=draw(st.sampled_from((Level.CLEAR, Level.CLEAR, Level.CLEAR, Level.MASKED))),
        handler_id=who.person_id,
        leader_id=who.person_id,
        cooperating_units=frozenset(PATHS),
        unit_path=tuple(PATHS),
    )
    mine: list[GrantFacts] = []
    for one in draw(st.lists(grants(), min_size=1, max_size=3)):
        terms = Asked(
            targets=frozenset(Target(facts.case_id, facts.version, target.path) for target in one.granted.targets),
            level=one.granted.level,
            max_uses=9,
            not_before=NOW,
            expires_at=NOW + timedelta(days=1),
        )
        live = grant(grant_id=one.grant_id, fonds=facts.fonds, holder_id=who.person_id, role=who.role, granted=terms)
        mine.append(live if not mine or draw(st.booleans()) else one)
    return who, facts, tuple(mine)


@st.composite
def strangers(draw: st.DrawFn) -> tuple[Principal, CaseFacts, tuple[GrantFacts, ...]]:
    """Anybody, any case, any grants."""
    return draw(principals()), draw(cases()), tuple(draw(st.lists(grants(), max_size=3)))


def matched() -> st.SearchStrategy[tuple[Principal, CaseFacts, tuple[GrantFacts, ...]]]:
    """Holders of live grants and strangers alike, so that the laws meet both answers often."""
    return st.one_of(holders(), strangers())
