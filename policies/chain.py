"""Approval chains: which applies, who may decide each stage, and whether a form can be filed at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from policies import matrix as matrix_rules
from policies import roles as role_rules
from policies.eligibility import PLACES, ApproverRule, Matter, Need, StageRule, ineligible
from policies.facts import CaseFacts, OfficeFacts
from policies.roles import ROLES
from policies.shape import Shape, opened
from policies.wall import accusing

KINDS = ("single", "bulk", "accusation", "accusation-bulk")


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages in order; there is always at least one, and each needs at least one approval."""

    code: str
    zh: str
    en: str
    applicants: frozenset[str]
    kinds: frozenset[str]
    stages: tuple[StageRule, ...]


@dataclass(frozen=True, slots=True)
class Chains:
    """All chains by code and the numbers they share."""

    by_code: Mapping[str, Chain]
    bulk_from_cases: int
    most_cases: int
    lapse_working_days: int

    def kind(self, cases: Iterable[CaseFacts]) -> str:
        """The kind of a request for these cases."""
        every = tuple(cases)
        bulk = len({facts.case_id for facts in every}) >= self.bulk_from_cases
        if any(accusing(facts) for facts in every):
            return "accusation-bulk" if bulk else "accusation"
        return "bulk" if bulk else "single"

    def choose(self, applicant_role: str, cases: Iterable[CaseFacts]) -> Chain | None:
        """The one chain for this applicant and these cases; None for a role that cannot file."""
        kind = self.kind(cases)
        return next((chain for chain in self.by_code.values() if applicant_role in chain.applicants and kind in chain.kinds), None)


@dataclass(frozen=True, slots=True)
class StageVerdict:
    """Whether a stage can be decided. `zh` and `en` are the same for every cause: a vacancy, a conflict and the wall read alike.

    `eligible` is for routing and never part of an answer to the applicant.
    """

    stage: int
    can_be_decided: bool
    zh: str
    en: str
    eligible: frozenset[str]

    def __repr__(self) -> str:
        """Without the people."""
        return f"StageVerdict(stage={self.stage}, can_be_decided={self.can_be_decided})"


def eligible(stage: StageRule, matter: Matter, office: OfficeFacts) -> frozenset[str]:
    """The persons who may decide this stage now."""
    return frozenset(
        person.person_id for person in office.people if person.person_id is not None and ineligible(person, stage, matter) is None
    )


def resolve(chain: Chain, matter: Matter, office: OfficeFacts) -> tuple[StageVerdict, ...]:
    """Per stage, who may decide it, and whether every stage can be decided by persons of its own.

    One person counts once over all stages, so a stage whose only approvers are used up by the other stages cannot be decided either.
    """
    people = [eligible(stage, matter, office) for stage in chain.stages]
    filled = _filled(chain, people)
    return tuple(
        StageVerdict(
            stage=index,
            can_be_decided=index in filled,
            zh=f"第{index + 1}环节（{stage.zh}）：{'有人可批' if index in filled else '目前无人可批'}。",
            en=f"Stage {index + 1} ({stage.en}): {'can be decided' if index in filled else 'nobody can decide it now'}.",
            eligible=people[index],
        )
        for index, stage in enumerate(chain.stages)
    )


def _filled(chain: Chain, people: list[frozenset[str]]) -> frozenset[int]:
    """The stages that get enough persons of their own: a maximum matching of places to persons, filled in the order of the stages.

    A stage that needs `all` leaves none of its people to later stages, and needs one itself.
    """
    gone: set[str] = set()
    free: list[frozenset[str]] = []
    places: list[int] = []
    for index, stage in enumerate(chain.stages):
        free.append(people[index] - gone)
        places.extend([index] * (1 if stage.need == "all" else stage.need))
        if stage.need == "all":
            gone |= people[index]
    holder: dict[str, int] = {}
    unfilled = {places[place] for place in range(len(places)) if not _place(place, places, free, holder, set())}
    return frozenset(range(len(chain.stages))) - unfilled


def _place(place: int, places: list[int], free: list[frozenset[str]], holder: dict[str, int], tried: set[str]) -> bool:
    for person in sorted(free[places[place]] - tried):
        tried.add(person)
        if person not in holder or _place(holder[person], places, free, holder, tried):
            holder[person] = place
            return True
    return False


def load(sources: Mapping[str, Any]) -> Chains:
    """Read chains.toml. Refused: no stages, no approvers, a number zero or omitted, approvers who may not decide, gaps, overlaps."""
    matrix = matrix_rules.load(sources)
    roles = role_rules.load(sources)
    root = opened(sources, "chains")
    root.number("version", least=1)
    deciders = tuple(role for role in ROLES if matrix.right(role, "request.decide") != "no" and roles.assurance(role) == 2)
    filers = tuple(role for role in ROLES if matrix.right(role, "request.file") != "no")
    chains = {code: _chain(code, row, deciders, filers) for code, row in root.tables("chains")}
    found = Chains(
        by_code=chains,
        bulk_from_cases=root.number("bulk_from_cases", least=2),
        most_cases=root.number("most_cases", least=1),
        lapse_working_days=root.number("lapse_working_days", least=1),
    )
    root.done()
    for role, kind in product(filers, KINDS):
        fitting = [code for code, chain in chains.items() if role in chain.applicants and kind in chain.kinds]
        if len(fitting) != 1:
            root.refuse(f"exactly one chain must fit {role} / {kind}, found {len(fitting)}", "chains")
    return found


def _chain(code: str, row: Shape, deciders: tuple[str, ...], filers: tuple[str, ...]) -> Chain:
    stages = tuple(_stage(stage, deciders) for stage in row.rows("stages"))
    if not stages:
        row.refuse("a chain without stages would approve by itself", "stages")
    chain = Chain(
        code=code,
        zh=row.text("zh"),
        en=row.text("en"),
        applicants=frozenset(row.words("applicants", allowed=filers, empty=False)),
        kinds=frozenset(row.words("kinds", allowed=KINDS, empty=False)),
        stages=stages,
    )
    row.done()
    return chain


def _stage(row: Shape, deciders: tuple[str, ...]) -> StageRule:
    rules = []
    for rule in row.rows("approvers"):
        rules.append(ApproverRule(role=rule.one_of("role", deciders), place=rule.one_of("place", PLACES)))
        rule.done()
    if not rules:
        row.refuse("a stage without approvers", "approvers")
    stage = StageRule(
        zh=row.text("zh"),
        en=row.text("en"),
        approvers=tuple(rules),
        need=_need(row),
    )
    row.done()
    return stage


def _need(row: Shape) -> Need:
    word = row.raw("need")
    if word == "all":
        return "all"
    return 1 if word == "any" else row.number("need", least=1)
