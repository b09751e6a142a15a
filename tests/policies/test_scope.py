"""Scope follows the relation to the case, not the unit: colleagues do not browse each other's cases."""

from __future__ import annotations

from typing import Any

import pytest

import decision_world as w
from policies.decide import decide
from policies.facts import FondsFacts
from policies.level import Level
from policies.permit import Permit, Refusal
from policies.relation import relations

RULES = w.rules()


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        (w.person("p1", "handler", "A1"), True),
        (w.person("p9", "handler", "A1"), False),
        (w.person("p2", "leader", "A"), True),
        (w.person("p9", "leader", "A"), False),
        (w.person("p2", "handler", "A"), False),
        (w.person("p1", "leader", "A1"), False),
        (w.person("p9", "collaborator", "B"), True),
        (w.person("p9", "collaborator", "B1"), True),
        (w.person("p9", "collaborator", "R"), False),
        (w.person("p9", "collaborator", "A1"), False),
        (w.person("p9", "principal", "A1"), True),
        (w.person("p9", "principal", "A"), True),
        (w.person("p9", "principal", "R"), True),
        (w.person("p9", "principal", "B"), False),
        (w.person("p9", "inspector", "B"), True),
        (w.person("p9", "legal", "B"), True),
        (w.person("p9", "archivist", "B"), True),
        (w.person("p9", "external_supervisor", "B"), True),
        (w.person("p9", "inspector", "B", fonds="fonds-y"), False),
        (w.person("p1", "sysadmin", "R"), False),
        (w.person("p1", "secadmin", "R"), False),
        (w.person("p1", "auditadmin", "R"), False),
        (w.machine(), False),
    ],
)
def test_each_role_sees_exactly_the_cases_of_its_relation(who: Any, sees: bool) -> None:
    assert isinstance(decide(who, "case.view", w.case(), (), w.NOW, RULES), Permit) == sees


def test_an_external_supervisor_sees_only_normal_protection_and_only_how_it_was_handled() -> None:
    who = w.person("p9", "external_supervisor", "R")
    assert decide(who, "case.view", w.case(protection="high"), (), w.NOW, RULES) == Refusal("case-not-found")
    answer = decide(who, "case.view", w.case(), (), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert answer.view is not None
    shown = answer.view.clear | answer.view.masked
    assert not {
        path for path in shown if RULES.catalogue[path].field_class in {"identity", "sensitive_identity", "contact", "accused", "staff"}
    }


def test_a_post_of_another_role_gives_no_scope_to_the_role_acted_in() -> None:
    who = w.person("p9", "principal", "B", more=(w.post("inspector", "R"),))
    assert isinstance(decide(who, "case.view", w.case(), (), w.NOW, RULES), Refusal)


def test_a_role_that_is_not_held_or_held_against_separation_is_refused() -> None:
    from dataclasses import replace

    assert decide(replace(w.person("p1", "handler", "A1"), role="principal"), "case.view", w.case(), (), w.NOW, RULES) == Refusal(
        "not-permitted"
    )
    both = w.person("p1", "handler", "A1", more=(w.post("sysadmin", "R"),))
    assert decide(both, "case.view", w.case(), (), w.NOW, RULES) == Refusal("not-permitted")


def test_a_person_cannot_act_as_a_case_system_nor_a_case_system_as_a_person() -> None:
    assert decide(w.person("p1", "depositor", "A1"), "deposit.create", FondsFacts(fonds=w.FONDS), (), w.NOW, RULES) == Refusal(
        "not-permitted"
    )
    for role in RULES.roles.by_code:
        if role != "depositor":
            assert decide(w.machine(role=role), "case.view", w.case(), (), w.NOW, RULES) == Refusal("not-permitted")
    assert isinstance(decide(w.machine(), "deposit.create", FondsFacts(fonds=w.FONDS), (), w.NOW, RULES), Permit)
    assert decide(w.machine(), "deposit.create", FondsFacts(fonds="fonds-y"), (), w.NOW, RULES) == Refusal("not-permitted")


@pytest.mark.parametrize("role", ["leader", "principal", "legal", "sysadmin", "secadmin", "auditadmin"])
def test_approvers_and_administrators_act_with_two_factors_only(role: str) -> None:
    action = "case.view" if role in {"leader", "principal", "legal"} else "office.read"
    one = decide(w.person("p2", role, "A", assurance=1), action, None, (), w.NOW, RULES)
    assert one == Refusal("second-factor-required")


@pytest.mark.parametrize(
    ("role", "groups", "actors"),
    [
        ("inspector", {"case"}, {"handler"}),
        ("secadmin", {"identity", "office"}, {"handler", "auditadmin"}),
        ("auditadmin", {"office", "key"}, {"sysadmin", "secadmin"}),
    ],
)
def test_each_reader_of_the_trail_gets_its_own_part(role: str, groups: set[str], actors: set[str]) -> None:
    answer = decide(w.person("p9", role, "R"), "audit.query", FondsFacts(fonds=w.FONDS), (), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert answer.trail is not None
    assert groups <= answer.trail.groups
    assert actors <= answer.trail.actors
    if role != "inspector":
        assert "case" not in answer.trail.groups
    assert "sysadmin" not in answer.trail.actors or role == "auditadmin"


def test_the_system_administrator_and_business_roles_do_not_question_the_trail() -> None:
    for role in ("sysadmin", "handler", "leader", "collaborator", "archivist", "external_supervisor"):
        who = w.person("p9", role, "R")
        assert decide(who, "audit.query", FondsFacts(fonds=w.FONDS), (), w.NOW, RULES) == Refusal("not-permitted")


# One change at a time to a case that everybody in relation may see: what random search may miss is written out.
NEAR_MISSES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "another fonds": {"fonds": "fonds-y"},
    "shut by a hold": {"hold_cap": Level.WITHHELD},
    "openings shut by a hold": {"hold_cap": Level.MASKED},
    "anonymous": {"anonymous": True},
    "high protection": {"protection": "high"},
    "another handler": {"handler_id": "p9"},
    "no handler": {"handler_id": None},
    "another leader": {"leader_id": "p9"},
    "no cooperating unit": {"cooperating_units": frozenset()},
    "kept elsewhere": {"keeping_unit": "Z", "unit_path": ("Z",)},
    "an accusation without a wall": {"accusation": True},
    "walled by person": {"wall": w.accusation(persons=("p1",)).wall},
    "walled by unit": {"wall": w.accusation(units=("A1",)).wall},
    "walled by the unit of another post": {"wall": w.accusation(units=("B1",)).wall},
    "walled, unresolved": {"wall": w.accusation(persons=("x",), resolved=False).wall},
    "unresolved, named": {"wall": w.accusation(resolved=False, named=("p1",)).wall},
    "resolved to nobody": {"wall": w.accusation().wall},
    "walled from others": {"wall": w.accusation(persons=("x",), units=("B",)).wall},
}


@pytest.mark.parametrize("action", ["case.list", "case.search", "case.search_text", "case.search_identity"])
@pytest.mark.parametrize(
    "role", ["handler", "leader", "collaborator", "principal", "inspector", "legal", "archivist", "external_supervisor"]
)
def test_filter_and_judge_agree_on_every_near_miss(role: str, action: str) -> None:
    # An outsider holds no second post; everybody else is also a handler in B1, and walled where B1 is accused.
    who = w.person("p1", role, "A1", more=() if role == "external_supervisor" else (w.post("handler", "B1"),))
    purpose = next((one.code for one in RULES.purposes.by_code.values() if "search" in one.uses and role in one.roles), None)
    whole = decide(who, action, FondsFacts(fonds=w.FONDS, purpose=purpose), (), w.NOW, RULES)
    if RULES.matrix.right(role, action) == "no":
        assert whole == Refusal("not-permitted")
        return
    assert isinstance(whole, Permit)
    assert whole.scope is not None
    seen = set()
    for name, changes in NEAR_MISSES.items():
        facts = w.case(**{"leader_id": "p1", "cooperating_units": frozenset({"A1"}), **changes})
        judged = isinstance(decide(who, action, facts, (), w.NOW, RULES), Permit)
        assert whole.scope.matches(facts) == judged, name
        if judged:
            seen.add(name)
    never = {
        "another fonds",
        "shut by a hold",
        "an accusation without a wall",
        "walled by person",
        "walled by unit",
        "walled, unresolved",
        "resolved to nobody",
    }
    assert not seen & never
    assert {"as it is", "unresolved, named", "openings shut by a hold"} <= seen
    assert ("anonymous" in seen) == (action != "case.search_identity")
    assert ("high protection" in seen) == (RULES.matrix.right(role, action) == "scope")
    assert ("walled by the unit of another post" in seen) == (role == "external_supervisor")


def test_no_relation_reaches_across_fonds_and_a_machine_has_none() -> None:
    assert set(relations(w.person("p1", "inspector", "R"), w.case())) >= {"own-handling", "fonds"}
    assert not list(relations(w.person("p1", "inspector", "R", fonds="fonds-y"), w.case()))
    assert not list(relations(w.machine(), w.case(handler_id=None)))
