"""Who may decide which stage, and which forms nobody could ever decide."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decision_world as w
from policies.chain import Chain, StageVerdict, eligible, resolve
from policies.decide import decide
from policies.eligibility import ApproverRule, Matter, Need, StageRule, ineligible
from policies.facts import CaseFacts, Decision, OfficeFacts, PersonFacts
from policies.permit import Permit, Refusal

RULES = w.rules()
STANDARD = RULES.chains.by_code["standard"]
LEADER_STAGE, PRINCIPAL_STAGE = STANDARD.stages


def matter(
    *cases: CaseFacts, applicant: str | None = "p1", units: tuple[str, ...] = w.PATHS["A1"], counted: tuple[str, ...] = ()
) -> Matter:
    return Matter(
        fonds=w.FONDS, applicant_id=applicant, applicant_units=frozenset(units), cases=cases or (w.case(),), counted=frozenset(counted)
    )


LEADER = w.member("p2", w.post("leader", "A"))


@pytest.mark.parametrize(
    ("why", "person", "about"),
    [
        ("self-approval", LEADER, matter(applicant="p2")),
        ("already-counted", LEADER, matter(counted=("p2",))),
        ("machine", w.member("p2", w.post("leader", "A"), kind="service"), matter()),
        ("machine", w.member(None, w.post("leader", "A")), matter()),
        ("other-fonds", w.member("p2", w.post("leader", "A"), fonds="fonds-y"), matter()),
        ("inactive", w.member("p2", w.post("leader", "A"), active=False), matter()),
        ("no-post", w.member("p2"), matter()),
        ("no-post", w.member("p2", w.post("handler", "A")), matter()),
        ("no-post", w.member("p2", w.post("leader", "B")), matter()),
        ("no-post", w.member("p2", w.post("principal", "A")), matter()),
        ("wall", LEADER, matter(w.accusation(persons=("p2",)))),
        ("wall", LEADER, matter(w.accusation(units=("A",)))),
        ("wall", LEADER, matter(w.accusation(units=("R",)))),
        ("wall", LEADER, matter(w.accusation(persons=("x",), resolved=False))),
        ("wall", LEADER, matter(w.case(), w.accusation(persons=("p2",), case_id="c2"))),
        ("conflict", LEADER, matter(w.case(conflicted_ids=frozenset({"p2"})))),
        ("unresolvable", LEADER, matter(applicant=None)),
        ("no-post", LEADER, matter(units=())),
        ("unresolvable", LEADER, Matter(fonds=w.FONDS, applicant_id="p1", applicant_units=frozenset("A"), cases=(), counted=frozenset())),
        ("unresolvable", LEADER, matter(w.case(fonds="fonds-y"))),
    ],
)
def test_a_person_who_may_not_decide_is_refused_for_the_right_reason(why: str, person: PersonFacts, about: Matter) -> None:
    assert ineligible(LEADER, LEADER_STAGE, matter()) is None
    assert ineligible(person, LEADER_STAGE, about) == why


def test_the_group_of_an_approver_resolves_through_nested_units_upwards_only() -> None:
    for unit in ("A1", "A", "R"):
        assert ineligible(w.member("p2", w.post("leader", unit)), LEADER_STAGE, matter()) is None
    for unit in ("B", "B1"):
        assert ineligible(w.member("p2", w.post("leader", unit)), LEADER_STAGE, matter()) == "no-post"
    below = matter(units=w.PATHS["A"])
    assert ineligible(w.member("p2", w.post("leader", "A1")), LEADER_STAGE, below) == "no-post"


def test_a_principal_must_head_the_line_of_every_case_asked_for() -> None:
    other = w.case(case_id="c2", keeping_unit="B", unit_path=w.PATHS["B"])
    of_a, of_all = w.member("p3", w.post("principal", "A")), w.member("p6", w.post("principal", "R"))
    assert ineligible(of_a, PRINCIPAL_STAGE, matter()) is None
    assert ineligible(of_a, PRINCIPAL_STAGE, matter(w.case(), other)) == "no-post"
    assert ineligible(of_all, PRINCIPAL_STAGE, matter(w.case(), other)) is None


def test_several_approver_rules_are_a_union_and_the_first_group_with_people_shadows_no_other() -> None:
    rules = (ApproverRule("leader", "applicant-line"), ApproverRule("principal", "keeping-line"))
    found = set()
    for order in permutations(rules):
        stage = StageRule(zh="x", en="x", approvers=order, need=1)
        found.add(eligible(stage, matter(), w.office()))
    assert found == {frozenset({"p2", "p3", "p6"})}


def test_a_post_left_at_decision_time_no_longer_decides() -> None:
    facts = w.request()
    assert isinstance(decide(w.person("p2", "leader", "A"), "request.decide", facts, (), w.NOW, RULES), Permit)
    moved = w.person("p2", "leader", "B")
    assert decide(moved, "request.decide", facts, (), w.NOW, RULES) == Refusal("request-not-found")


def test_an_acting_head_decides_like_the_head() -> None:
    assert ineligible(w.member("p2", w.post("leader", "A", acting=True)), LEADER_STAGE, matter()) is None


def test_a_second_post_does_not_decide_while_another_role_is_acted_in() -> None:
    both = w.person("p2", "legal", "R", more=(w.post("leader", "A"),))
    assert isinstance(decide(both, "request.decide", w.request(), (), w.NOW, RULES), Refusal)


def test_a_member_of_an_accused_unit_through_any_post_is_walled_even_when_acting_from_another() -> None:
    both = w.person("p2", "leader", "A", more=(w.post("handler", "B1"),))
    walled = w.request(cases=(w.accusation(units=("B",)),))
    assert decide(both, "request.decide", walled, (), w.NOW, RULES) == Refusal("request-not-found")


# ---------------------------------------------------------------------------------------------- at filing


def words(stages: tuple[StageVerdict, ...]) -> list[tuple[bool, str, str]]:
    return [(stage.can_be_decided, stage.zh, stage.en) for stage in stages]


def test_a_form_that_nobody_could_approve_is_refused_when_filed_with_the_stage_named() -> None:
    only_leader = w.office(LEADER)
    answer = decide(w.person("p1", "handler", "A1"), "request.file", w.filing(people=only_leader), (), w.NOW, RULES)
    assert isinstance(answer, Refusal)
    assert answer.code == "nobody-can-approve"
    assert [stage.can_be_decided for stage in answer.stages] == [True, False]


def test_vacancy_conflict_and_wall_read_alike_in_the_reasons() -> None:
    """The reasons are no oracle: why nobody can decide is the same sentence."""
    vacant = w.office(LEADER)
    filled = w.office(LEADER, w.member("p3", w.post("principal", "A")))
    absent = words(resolve(STANDARD, matter(), vacant))
    conflicted = words(resolve(STANDARD, matter(w.case(conflicted_ids=frozenset({"p3"}))), filled))
    accused = words(resolve(STANDARD, matter(w.accusation(persons=("p3",))), filled))
    blocked = words(resolve(STANDARD, matter(), w.office(LEADER, w.member("p3", w.post("principal", "A"), active=False))))
    assert absent == conflicted == accused == blocked
    assert "p3" not in repr(resolve(STANDARD, matter(), filled))


def test_a_person_fit_for_two_stages_fills_only_one() -> None:
    both = w.member("p2", w.post("leader", "A"), w.post("principal", "A"))
    assert [stage.can_be_decided for stage in resolve(STANDARD, matter(), w.office(both))].count(True) == 1
    second = w.member("p3", w.post("principal", "A"))
    assert all(stage.can_be_decided for stage in resolve(STANDARD, matter(), w.office(both, second)))


def test_the_leaders_own_request_goes_to_a_principal_and_a_principals_to_another() -> None:
    facts = w.case(leader_id="p2")
    asks = w.person("p2", "leader", "A")
    assert isinstance(decide(asks, "request.file", w.filing(cases=(facts,)), (), w.NOW, RULES), Permit)
    alone = w.office(w.member("p3", w.post("principal", "A")))
    head = w.person("p3", "principal", "A")
    refusal = decide(head, "request.file", w.filing(people=alone), (), w.NOW, RULES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "nobody-can-approve"
    assert isinstance(decide(head, "request.file", w.filing(), (), w.NOW, RULES), Permit)


@pytest.mark.parametrize("role", ["handler", "leader", "collaborator", "principal", "inspector", "legal", "archivist"])
def test_accusation_and_bulk_chains_are_never_shorter_and_always_have_a_legal_stage(role: str) -> None:
    single = RULES.chains.choose(role, (w.case(),))
    assert single is not None
    for cases in (
        (w.accusation(),),
        tuple(w.case(case_id=f"c{n}") for n in range(RULES.chains.bulk_from_cases)),
        (w.case(accusation=True),),
    ):
        longer = RULES.chains.choose(role, cases)
        assert longer is not None
        assert len(longer.stages) > len(single.stages)
        assert any(rule.role == "legal" for stage in longer.stages for rule in stage.approvers)


def test_a_case_that_names_an_accused_is_an_accusation_whatever_its_class_says() -> None:
    assert RULES.chains.kind((w.case(wall=w.accusation().wall),)) == "accusation"


def test_the_same_case_named_many_times_is_not_bulk_and_many_are() -> None:
    assert RULES.chains.kind([w.case()] * 50) == "single"
    assert RULES.chains.kind([w.case(case_id=str(n)) for n in range(10)]) == "bulk"
    assert RULES.chains.kind([w.case(case_id=str(n), accusation=n == 3) for n in range(10)]) == "accusation-bulk"


def brute_force(needs: list[Need], people: list[frozenset[str]]) -> bool:
    """Play every possible order of decisions: is there one in which each stage completes?"""

    def play(stage: int, used: frozenset[str]) -> bool:
        if stage == len(needs):
            return True
        free = people[stage] - used
        need = needs[stage]
        if need == "all":
            return bool(free) and play(stage + 1, used | free)
        return any(play(stage + 1, used | frozenset(chosen)) for chosen in product(sorted(free), repeat=need) if len(set(chosen)) == need)

    return play(0, frozenset())


@given(
    needs=st.lists(st.sampled_from([1, 1, 2, "all"]), min_size=1, max_size=3),
    data=st.data(),
)
def test_a_form_can_be_filed_exactly_when_some_order_of_decisions_completes_every_stage(needs: list[Need], data: st.DataObject) -> None:
    posts = {"leader": "leader", "principal": "principal", "legal": "legal"}
    roles = list(posts)[: len(needs)]
    people = [data.draw(st.frozensets(st.sampled_from(["a", "b", "c", "d"]))) for _ in needs]
    stages = tuple(
        StageRule(zh="x", en="x", approvers=(ApproverRule(role, "fonds"),), need=need) for role, need in zip(roles, needs, strict=True)
    )
    chain = Chain(code="x", zh="x", en="x", applicants=frozenset(), kinds=frozenset(), stages=stages)
    members = [w.member(one, *(w.post(role, "R") for role, group in zip(roles, people, strict=True) if one in group)) for one in "abcd"]
    verdicts = resolve(chain, matter(), OfficeFacts(fonds=w.FONDS, people=tuple(members)))
    assert all(verdict.can_be_decided for verdict in verdicts) == brute_force(needs, people)
    assert [verdict.eligible for verdict in verdicts] == people


# ---------------------------------------------------------------------------------------------- deciding


def approval(person_id: str, stage: int = 0) -> Decision:
    return Decision(stage=stage, person_id=person_id, account_id="a", post_id="p", verdict="approve", at=w.NOW, approved=w.asked(w.NAME))


def test_nobody_decides_their_own_request_even_holding_every_post() -> None:
    posts = (w.post("handler", "A1"), w.post("principal", "A"))
    who = w.person("p1", "leader", "A", more=posts)
    assert decide(who, "request.decide", w.request(), (), w.NOW, RULES) == Refusal("decision-not-yours")


def test_one_person_counts_once_over_all_stages() -> None:
    who = w.person("p2", "principal", "A", more=(w.post("leader", "A"),))
    facts = w.request(state=w.at_stage(1, approval("p2")))
    assert decide(who, "request.decide", facts, (), w.NOW, RULES) == Refusal("decision-not-yours")
    assert isinstance(decide(w.person("p3", "principal", "A"), "request.decide", facts, (), w.NOW, RULES), Permit)


def test_a_machine_never_decides() -> None:
    assert decide(w.machine(), "request.decide", w.request(), (), w.NOW, RULES) == Refusal("not-permitted")
    assert decide(w.machine(role="leader"), "request.decide", w.request(), (), w.NOW, RULES) == Refusal("not-permitted")


def test_deciding_needs_two_factors() -> None:
    who = w.person("p2", "leader", "A", assurance=1)
    assert decide(who, "request.decide", w.request(), (), w.NOW, RULES) == Refusal("second-factor-required")


def test_a_request_of_another_fonds_does_not_exist_even_for_the_same_person_id() -> None:
    who = w.person("p2", "leader", "A", fonds="fonds-y")
    assert decide(who, "request.decide", w.request(), (), w.NOW, RULES) == decide(who, "request.decide", None, (), w.NOW, RULES)


def test_a_later_stages_approver_sees_the_request_but_cannot_decide_before_their_turn() -> None:
    who = w.person("p3", "principal", "A")
    assert isinstance(decide(who, "request.view", w.request(), (), w.NOW, RULES), Permit)
    assert decide(who, "request.decide", w.request(), (), w.NOW, RULES) == Refusal("decision-not-yours")


def test_a_request_with_a_null_applicant_is_stuck_for_nobody_to_approve_rather_than_open() -> None:
    who = w.person("p2", "leader", "A")
    assert isinstance(decide(who, "request.decide", w.request(applicant_id=None), (), w.NOW, RULES), Refusal)


def test_a_request_whose_chain_is_gone_from_the_rulebook_is_decided_by_nobody() -> None:
    who = w.person("p2", "leader", "A")
    assert isinstance(decide(who, "request.decide", w.request(chain="no-such-chain"), (), w.NOW, RULES), Refusal)


def test_removing_an_approver_leaves_the_decisions_already_made_in_place() -> None:
    state = w.at_stage(1, approval("p2"))
    gone = w.office(w.member("p3", w.post("principal", "A")))
    facts = w.request(state=state)
    assert eligible(PRINCIPAL_STAGE, Matter.of_request(facts), gone) == {"p3"}
    assert facts.state.decisions == (approval("p2"),)


def test_a_colleague_does_not_see_a_request_and_the_applicant_does() -> None:
    assert decide(w.person("p8", "handler", "A1"), "request.view", w.request(), (), w.NOW, RULES) == Refusal("request-not-found")
    assert isinstance(decide(w.person("p1", "handler", "A1"), "request.view", w.request(), (), w.NOW, RULES), Permit)
    assert isinstance(decide(w.person("p1", "handler", "A1"), "request.withdraw", w.request(), (), w.NOW, RULES), Permit)
    assert isinstance(decide(w.person("p2", "leader", "A"), "request.withdraw", w.request(), (), w.NOW, RULES), Refusal)
