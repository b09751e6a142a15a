"""Laws of the judge over the whole finite world of roles, relations, walls, holds and grants."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import decision_world as w
from auth.principal import Principal
from policies.actions import ACTIONS, FINDING, OPENING
from policies.decide import decide, plan
from policies.facts import CaseFacts, FondsFacts, GrantFacts, HoldingFacts
from policies.level import Level
from policies.permit import Permit, Refusal
from policies.roles import KINDS, ROLES

RULES = w.rules()
Matched = tuple[Principal, CaseFacts, tuple[GrantFacts, ...]]
PURPOSE_BY_ROLE = {
    role: next((p.code for p in RULES.purposes.by_code.values() if role in p.roles and "search" in p.uses), None) for role in ROLES
}


@given(who=w.principals(), facts=w.cases(), action=st.sampled_from(sorted(FINDING | {"case.view"})))
def test_a_scope_filter_selects_exactly_the_cases_that_decide_permits(who: Principal, facts: CaseFacts, action: str) -> None:
    listing = "case.list" if action == "case.view" else action
    fonds = decide(who, listing, FondsFacts(fonds=who.fonds, purpose=PURPOSE_BY_ROLE[who.role]), (), w.NOW, RULES)
    one = decide(who, action, facts, (), w.NOW, RULES)
    if isinstance(fonds, Permit):
        # Whoever may list a case may see it masked, and the other way about: the two rights are given together.
        assert RULES.matrix.right(who.role, listing) == RULES.matrix.right(who.role, action)
        assert fonds.scope is not None
        assert fonds.scope.matches(facts) == isinstance(one, Permit)
    else:
        assert isinstance(one, Refusal)


@given(world=w.matched(), action=st.sampled_from([code for code, about in ACTIONS.items() if about == "case"]))
def test_absent_not_yours_walled_held_and_of_another_fonds_are_one_refusal(world: Matched, action: str) -> None:
    who, facts, grants = world
    absent = decide(who, action, None, grants, w.NOW, RULES)
    assert isinstance(absent, Refusal)
    for hidden in (
        replace(facts, fonds="fonds-z"),
        replace(facts, hold_cap=Level.WITHHELD),
        replace(facts, accusation=True, wall=None),
        w.accusation(persons=(who.person_id or "nobody",)),
        w.accusation(units=("R",)),
        w.accusation(resolved=False),
        replace(facts, handler_id="x", leader_id="x", cooperating_units=frozenset(), unit_path=("Z",), fonds="fonds-z"),
    ):
        answer = decide(who, action, hidden, grants, w.NOW, RULES)
        assert answer == absent
        assert (repr(answer), str(answer)) == (repr(absent), str(absent))


@given(world=w.holders())
def test_removing_a_grant_never_reveals(world: Matched) -> None:
    who, facts, grants = world
    whole = decide(who, "case.open", facts, grants, w.NOW, RULES)
    for index in range(len(grants)):
        fewer = decide(who, "case.open", facts, grants[:index] + grants[index + 1 :], w.NOW, RULES)
        if isinstance(fewer, Permit):
            assert isinstance(whole, Permit)
            assert whole.view is not None
            assert fewer.view is not None
            assert all(fewer.view.level(path) <= level for path, level in whole.view.levels.items())


def test_the_worlds_of_these_laws_meet_both_answers() -> None:
    """A law that only ever sees refusals would prove nothing."""
    for strategy, action in ((w.holders(), "case.open"), (w.matched(), "case.open"), (w.strangers(), "case.view")):
        for kind in (Permit, Refusal):

            def answered(world: Matched, action: str = action, kind: type = kind) -> bool:
                who, facts, grants = world
                return isinstance(decide(who, action, facts, grants, w.NOW, RULES), kind)

            # Generated, not shrunk: which world answers does not matter.
            assert find(strategy, answered, settings=settings(phases=[Phase.generate], max_examples=5_000))


@given(world=w.matched())
def test_the_order_of_grants_never_matters(world: Matched) -> None:
    who, facts, grants = world
    answers = [decide(who, "case.open", facts, order, w.NOW, RULES) for order in permutations(grants)]
    assert all(answer == answers[0] for answer in answers)


@given(world=w.matched())
def test_no_view_shows_a_birth_date_unless_the_id_number_is_clear_in_it(world: Matched) -> None:
    who, facts, grants = world
    for action in ("case.view", *OPENING):
        answer = decide(who, action, facts, grants, w.NOW, RULES)
        if isinstance(answer, Permit):
            assert answer.view is not None
            assert answer.view.level(w.BIRTH) is Level.WITHHELD or answer.view.level(w.ID_NUMBER) is Level.CLEAR


@given(world=w.holders(), path=st.sampled_from([one.path for one in RULES.catalogue]))
def test_a_grant_raises_only_the_fields_it_names(world: Matched, path: str) -> None:
    who, facts, grants = world
    opened = decide(who, "case.open", facts, grants, w.NOW, RULES)
    if isinstance(opened, Refusal):
        assert opened == Refusal("grant-required")
        return
    assert opened.view is not None
    named = {target.path for one in grants for target in one.granted.targets}
    if path not in named:
        assert opened.view.level(path) == plan(who, facts, RULES).level(path)
    assert opened.view.level("no_such_field") is Level.WITHHELD


@given(world=w.matched())
def test_a_masked_view_is_the_same_whatever_grants_are_held(world: Matched) -> None:
    who, facts, grants = world
    assert decide(who, "case.view", facts, grants, w.NOW, RULES) == decide(who, "case.view", facts, (), w.NOW, RULES)


@given(
    world=w.matched(),
    role=st.sampled_from([role for role, kind in KINDS.items() if kind in {"admin", "machine"}]),
    action=st.sampled_from(sorted(ACTIONS)),
)
def test_an_administrator_and_a_machine_never_get_a_view_of_a_case(world: Matched, role: str, action: str) -> None:
    someone, facts, grants = world
    who = w.machine() if role == "depositor" else w.person(someone.person_id or "p1", role, "R")
    answer = decide(who, action, facts, grants, w.NOW, RULES)
    assert not (isinstance(answer, Permit) and answer.view is not None)


@given(world=w.matched())
def test_high_protection_never_shows_more_than_normal(world: Matched) -> None:
    who, facts, _ = world
    high, normal = plan(who, replace(facts, protection="high"), RULES), plan(who, replace(facts, protection="normal"), RULES)
    assert all(high.level(path) <= level for path, level in normal.levels.items())


@given(world=w.matched(), moment=st.timedeltas(min_value=timedelta(days=-40), max_value=timedelta(days=40)))
def test_no_grant_lifts_anything_at_or_after_its_end(world: Matched, moment: timedelta) -> None:
    who, facts, grants = world
    answer = decide(who, "case.open", facts, grants, w.NOW + moment, RULES)
    if isinstance(answer, Permit):
        for one in grants:
            if one.grant_id in answer.grant_ids and one.granted.expires_at <= answer.at:
                same_id = [other for other in grants if other.grant_id == one.grant_id and other.granted.expires_at > answer.at]
                assert same_id


@given(world=w.matched(), role=st.text(min_size=1, max_size=8).filter(lambda text: text not in ROLES))
def test_an_unknown_role_or_action_is_refused(world: Matched, role: str) -> None:
    who, facts, grants = world
    stranger = replace(who, role=role)
    assert decide(stranger, "case.view", facts, grants, w.NOW, RULES) == Refusal("not-permitted")
    assert decide(who, "case.peek", facts, grants, w.NOW, RULES) == Refusal("not-permitted")


@pytest.mark.parametrize(("role", "action"), [pair for pair in product(ROLES, sorted(ACTIONS)) if RULES.matrix.right(*pair) == "no"])
def test_a_right_written_no_is_refused_for_every_object(role: str, action: str) -> None:
    who = w.machine() if role == "depositor" else w.person("p1", role, "A1")
    objects: tuple[Any, ...] = (
        None,
        w.case(),
        w.filing(),
        w.request(),
        HoldingFacts(grant=w.grant(), cases=(w.case(),)),
        FondsFacts(fonds=w.FONDS, purpose="review"),
    )
    assert {decide(who, action, one, (w.grant(),), w.NOW, RULES) for one in objects} == {Refusal("not-permitted")}


@pytest.mark.parametrize(("role", "action"), [pair for pair in product(ROLES, sorted(ACTIONS)) if RULES.matrix.right(*pair) != "no"])
def test_every_written_right_can_be_used_by_somebody(role: str, action: str) -> None:
    right, about = RULES.matrix.right(role, action), ACTIONS[action]
    who = w.machine() if role == "depositor" else w.person("p9", role, "A1")
    facts = w.case(handler_id="p9", leader_id="p9", cooperating_units=frozenset({"A1"}))
    form = w.request(applicant_id="p9", cases=(facts,))
    office = w.office(w.member("p2", w.post("leader", "A")), w.member("p3", w.post("principal", "A")), w.member("p4", w.post("legal", "R")))
    if action == "request.decide":
        chain = "careful" if role == "legal" else "standard"
        stage = {"leader": 0, "legal": 1, "principal": 1}[role]
        form = w.request(cases=(facts,), chain=chain, state=w.at_stage(stage))
    purpose = PURPOSE_BY_ROLE[role] or next(p.code for p in RULES.purposes.by_code.values() if role in p.roles or about != "filing")
    held = w.grant("content", holder_id="p9" if right == "own" or action == "case.open" else "p1", approver_ids=frozenset({"p9"}))
    mine = w.grant("content", "petitioners[].name", holder_id="p9", role=role)
    objects: dict[str, Any] = {
        "case": facts,
        "filing": w.filing("content", cases=(facts,), people=office, purpose=purpose),
        "request": form,
        "holding": HoldingFacts(grant=held, cases=(facts,)),
        "fonds": FondsFacts(fonds=w.FONDS),
    }
    answer = decide(who, action, objects[about], (mine,), w.NOW, RULES)
    assert isinstance(answer, Permit), (answer, getattr(answer, "cause", ""))
