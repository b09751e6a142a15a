"""The accused wall: closed by default, on every action, and no oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

import decision_world as w
from auth.principal import Principal
from policies.actions import ACTIONS
from policies.decide import decide
from policies.facts import CaseFacts, FondsFacts, HoldingFacts, WallFacts
from policies.permit import Permit, Refusal
from policies.wall import walled, walled_from

RULES = w.rules()
WHO = w.person("p1", "handler", "A1")


def sees(facts: CaseFacts, who: Principal = WHO) -> bool:
    return isinstance(decide(who, "case.view", facts, (), w.NOW, RULES), Permit)


def test_a_resolved_accusation_against_others_is_seen_by_its_handler() -> None:
    assert sees(w.accusation(persons=("x",), units=("B",)))


@pytest.mark.parametrize(
    "facts",
    [
        w.accusation(persons=("p1",)),
        w.accusation(units=("A1",)),
        w.accusation(units=("A",)),
        w.accusation(units=("R",)),
        w.accusation(persons=("x",), resolved=False),
        w.accusation(),
        w.accusation(resolved=False, named=("p9",)),
        w.accusation(persons=("p1",), resolved=False, named=("p1",)),
        w.accusation(persons=("p1",), named=("p1",)),
        w.case(accusation=True, wall=None),
        w.case(accusation=False, wall=WallFacts(accused_person_ids=frozenset({"p1"}), accused_unit_codes=frozenset(), resolved=True)),
    ],
    ids=[
        "accused-person",
        "own-unit",
        "unit-around",
        "root-unit",
        "unresolved",
        "resolved-to-nobody",
        "others-named",
        "accused-though-named",
        "accused-though-named-and-resolved",
        "no-wall-value",
        "accused-party-in-another-class",
    ],
)
def test_the_handler_himself_is_behind_the_wall(facts: CaseFacts) -> None:
    assert not sees(facts)


def test_an_unresolved_accusation_is_open_to_the_named_persons_in_scope_only() -> None:
    facts = w.accusation(resolved=False, named=("p1", "p8"))
    assert sees(facts)
    assert not sees(facts, w.person("p8", "handler", "A1"))
    assert not sees(facts, w.person("p7", "inspector", "R"))
    assert sees(facts, w.person("p8", "inspector", "R"))


def test_a_unit_under_an_accused_unit_is_accused_and_the_unit_around_it_is_not() -> None:
    facts = w.accusation(units=("A",))
    assert not sees(facts, w.person("p7", "inspector", "A1"))
    assert sees(facts, w.person("p7", "inspector", "R"))
    assert not sees(facts, w.person("p7", "inspector", "R", more=(w.post("handler", "A1"),)))


@pytest.mark.parametrize("action", [action for action, about in ACTIONS.items() if about != "fonds"])
@pytest.mark.parametrize(
    ("role", "unit"),
    [
        ("handler", "A1"),
        ("leader", "A"),
        ("principal", "A"),
        ("inspector", "R"),
        ("legal", "R"),
        ("archivist", "R"),
        ("secadmin", "R"),
        ("collaborator", "B"),
    ],
)
def test_the_wall_holds_on_every_action_and_answers_like_absence(action: str, role: str, unit: str) -> None:
    who = w.person("p1", role, unit)
    facts = w.accusation(persons=("p1",), handler_id="p1", leader_id="p1")
    held = w.grant(w.NAME, holder_id="p1", role=role, approver_ids=frozenset({"p1"}))
    objects: dict[str, Any] = {
        "case": facts,
        "filing": w.filing(cases=(facts,)),
        "request": w.request(cases=(facts,), chain="careful", applicant_id="p9"),
        "holding": HoldingFacts(grant=held, cases=(facts,)),
    }
    walled = decide(who, action, objects[ACTIONS[action]], (held,), w.NOW, RULES)
    absent = decide(who, action, None, (held,), w.NOW, RULES)
    assert isinstance(walled, Refusal)
    assert walled == absent
    assert repr(walled) == repr(absent)


def test_one_walled_case_hides_a_form_of_many() -> None:
    facts = (w.case(), w.accusation(persons=("p1",), case_id="c2"))
    answer = decide(WHO, "request.file", w.filing(cases=facts), (), w.NOW, RULES)
    assert answer == decide(WHO, "request.file", None, (), w.NOW, RULES)


def test_an_attempt_on_the_wall_raises_the_alarm_and_an_absent_case_does_not() -> None:
    walled = decide(WHO, "case.view", w.accusation(persons=("p1",)), (), w.NOW, RULES)
    absent = decide(WHO, "case.view", None, (), w.NOW, RULES)
    assert isinstance(walled, Refusal)
    assert isinstance(absent, Refusal)
    assert walled.alarm
    assert not absent.alarm


def test_a_grant_does_not_pass_the_wall() -> None:
    assert isinstance(decide(WHO, "case.open", w.case(), (w.grant(),), w.NOW, RULES), Permit)
    accused = replace(w.case(), wall=w.accusation(persons=("p1",)).wall)
    assert decide(WHO, "case.open", accused, (w.grant(),), w.NOW, RULES) == Refusal("case-not-found")


def test_a_case_system_supplements_an_accusation_it_could_never_see() -> None:
    facts = w.accusation(persons=("x",), resolved=False)
    assert isinstance(decide(w.machine(), "deposit.supplement", facts, (), w.NOW, RULES), Permit)
    assert decide(w.machine(), "case.view", facts, (), w.NOW, RULES) == Refusal("not-permitted")
    archivist = w.person("p7", "archivist", "R")
    assert decide(archivist, "deposit.supplement", facts, (), w.NOW, RULES) == Refusal("case-not-found")
    assert decide(w.machine(fonds="fonds-y"), "deposit.supplement", facts, (), w.NOW, RULES) == Refusal("not-permitted")


@given(who=w.principals(), facts=w.cases())
def test_whoever_is_accused_or_a_member_of_an_accused_unit_is_walled(who: Principal, facts: CaseFacts) -> None:
    units = {code for one in who.posts for code in one.unit_path}
    wall = facts.wall
    if wall is not None and (who.person_id in wall.accused_person_ids or units & wall.accused_unit_codes):
        assert walled_from(who, (facts,))
    if facts.accusation and (wall is None or not wall.resolved) and who.person_id not in (wall.named_persons if wall else ()):
        assert walled_from(who, (facts,))
    if not facts.accusation and wall is None:
        assert not walled_from(who, (facts,))


def test_nobody_in_particular_is_behind_every_wall() -> None:
    assert walled(None, frozenset(), w.accusation(persons=("x",)))
    assert not walled("p1", frozenset(), w.accusation(persons=("x",)))


def test_the_trail_is_questioned_through_the_walls_of_its_cases() -> None:
    inspector = w.person("p7", "inspector", "R")
    answer = decide(inspector, "audit.query", FondsFacts(fonds=w.FONDS), (), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert answer.scope is not None
    assert answer.trail is not None
    assert answer.scope.matches(w.case())
    assert not answer.scope.matches(w.accusation(persons=("p7",)))
