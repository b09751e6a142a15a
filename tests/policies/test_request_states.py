"""The life of a request: a state machine against a small reference, and its single rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import decision_world as w
from policies import request_state as r
from policies.eligibility import ApproverRule, Need, StageRule
from policies.errors import TransitionRefused, VersionChanged
from policies.facts import Asked, Decision, RequestState, Target, Verdict
from policies.level import Level

FORM = w.asked(w.NAME, "content", uses=3, days=5)
LAPSE = w.NOW + timedelta(days=10)
PEOPLE = ("a", "b", "c")


def stage(need: Need = 1) -> StageRule:
    return StageRule(zh="x", en="x", approvers=(ApproverRule("leader", "fonds"),), need=need)


def decision(person: str, at_stage: int = 0, verdict: Verdict = "approve", approved: Asked | None = FORM, **more: Any) -> Decision:
    return Decision(stage=at_stage, person_id=person, account_id="x", post_id="x", verdict=verdict, at=w.NOW, approved=approved, **more)


def turn(*needs: Need, eligible: tuple[str, ...] = PEOPLE, now: Any = w.NOW, if_match: int = 1) -> r.Turn:
    return r.Turn(stages=tuple(stage(need) for need in needs), eligible=frozenset(eligible), now=now, if_match=if_match)


def pending() -> RequestState:
    return r.filed(FORM, LAPSE)


def test_two_stages_approve_in_order_and_grant_exactly_what_was_asked() -> None:
    first = r.decided(pending(), decision("a"), turn(1, 1))
    assert (first.status, first.stage, first.version) == ("pending", 1, 2)
    last = r.decided(first, decision("b", 1), turn(1, 1, if_match=2))
    assert (last.status, last.version) == ("approved", 3)
    assert r.granted(last) == FORM


def test_a_double_approve_race_makes_one_decision_and_the_other_is_told_the_version_changed() -> None:
    read = pending()
    first = r.decided(read, decision("a"), turn(2, 1))
    with pytest.raises(VersionChanged):
        r.decided(first, decision("b"), turn(2, 1, if_match=read.version))


def test_one_person_decides_once_over_all_stages() -> None:
    first = r.decided(pending(), decision("a"), turn(1, 1))
    with pytest.raises(TransitionRefused):
        r.decided(first, decision("a", 1), turn(1, 1, if_match=2))


def test_a_person_not_eligible_now_cannot_decide() -> None:
    with pytest.raises(TransitionRefused):
        r.decided(pending(), decision("a"), turn(1, eligible=("b",)))


def test_a_deputy_is_not_in_force() -> None:
    with pytest.raises(TransitionRefused):
        r.decided(pending(), decision("a", standing_for="b"), turn(1))


@pytest.mark.parametrize("final", ["approved", "refused", "withdrawn", "lapsed"])
def test_what_is_decided_is_final(final: Any) -> None:
    state = replace(pending(), status=final)
    acts: list[Any] = [
        lambda: r.decided(state, decision("a"), turn(1)),
        lambda: r.decided(state, decision("a", verdict="refuse", approved=None), turn(1)),
        lambda: r.withdrawn(state, now=w.NOW, if_match=1),
    ]
    for act in acts:
        with pytest.raises(TransitionRefused):
            act()


def test_one_refusal_ends_the_request_at_any_stage() -> None:
    refused = r.decided(pending(), decision("a", verdict="refuse", approved=None), turn(2, 1))
    assert refused.status == "refused"
    with pytest.raises(TransitionRefused):
        r.granted(refused)


def test_an_unanswered_request_has_lapsed_from_that_moment_though_nothing_writes_it_down() -> None:
    state = pending()
    assert r.status_at(state, LAPSE - timedelta(microseconds=1)) == "pending"
    assert r.status_at(state, LAPSE) == "lapsed"
    with pytest.raises(TransitionRefused):
        r.decided(state, decision("a"), turn(1, now=LAPSE))


def test_all_waits_for_everybody_who_may_decide_and_is_never_complete_with_nobody() -> None:
    first = r.decided(pending(), decision("a"), turn("all"))
    assert first.status == "pending"
    second = r.decided(first, decision("b"), turn("all", if_match=2))
    done = r.decided(second, decision("c"), turn("all", if_match=3))
    assert done.status == "approved"
    with pytest.raises(TransitionRefused):
        r.decided(pending(), decision("a"), turn("all", eligible=()))
    gone = r.decided(first, decision("b"), turn("all", eligible=("a", "b"), if_match=2))
    assert gone.status == "approved"


def test_a_chain_without_stages_approves_nothing() -> None:
    with pytest.raises(TransitionRefused):
        r.decided(pending(), decision("a"), turn())


# ---------------------------------------------------------------------------------------------- trimming


LESS: dict[str, Any] = {
    "targets": frozenset({Target("c1", 1, w.NAME)}),
    "level": Level.MASKED,
    "max_uses": 1,
    "not_before": w.NOW + timedelta(days=1),
    "expires_at": w.NOW + timedelta(days=2),
}
MORE: dict[str, Any] = {
    "targets": FORM.targets | {Target("c2", 1, w.NAME)},
    "max_uses": 4,
    "not_before": w.NOW - timedelta(seconds=1),
    "expires_at": w.NOW + timedelta(days=6),
}


@pytest.mark.parametrize("field", LESS)
def test_an_approver_may_trim_each_part(field: str) -> None:
    trimmed = replace(FORM, **{field: LESS[field]})
    assert r.trim(FORM, trimmed) == trimmed
    assert r.granted(r.decided(pending(), decision("a", approved=trimmed), turn(1))) == trimmed


@pytest.mark.parametrize("field", MORE)
def test_an_approver_can_add_nothing(field: str) -> None:
    with pytest.raises(TransitionRefused):
        r.trim(FORM, replace(FORM, **{field: MORE[field]}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"targets": frozenset()},
        {"targets": frozenset({Target("c1", 2, w.NAME)})},
        {"max_uses": 0},
        {"max_uses": -1},
        {"expires_at": FORM.not_before},
    ],
)
def test_trimming_to_nothing_to_another_version_or_to_no_time_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TransitionRefused):
        r.trim(FORM, replace(FORM, **wrong))


def test_masked_cannot_be_trimmed_up_to_clear() -> None:
    with pytest.raises(TransitionRefused):
        r.trim(replace(FORM, level=Level.MASKED), FORM)


def test_a_later_approver_cannot_restore_what_an_earlier_one_trimmed() -> None:
    trimmed = replace(FORM, max_uses=1)
    first = r.decided(pending(), decision("a", approved=trimmed), turn(1, 1))
    with pytest.raises(TransitionRefused):
        r.decided(first, decision("b", 1, approved=FORM), turn(1, 1, if_match=2))


_days = st.integers(-2, 8).map(lambda day: w.NOW + timedelta(days=day))
_asked = st.builds(
    Asked,
    targets=st.frozensets(st.sampled_from([Target(case, 1, path) for case, path in product(("c1", "c2"), (w.NAME, "content"))])),
    level=st.sampled_from(Level),
    max_uses=st.integers(-1, 4),
    not_before=_days,
    expires_at=_days,
)


@given(asked=_asked, approved=_asked)
def test_what_trim_lets_through_is_never_more_in_any_part(asked: Asked, approved: Asked) -> None:
    try:
        left = r.trim(asked, approved)
    except TransitionRefused:
        return
    assert left.targets
    assert left.targets <= asked.targets
    assert left.level <= asked.level
    assert 1 <= left.max_uses <= asked.max_uses
    assert asked.not_before <= left.not_before < left.expires_at <= asked.expires_at


# ---------------------------------------------------------------------------------------------- the machine


class RequestLife(RuleBasedStateMachine):
    """Random acts by random people at random times, against a reference kept as a plain set and two words."""

    @initialize(needs=st.lists(st.sampled_from([1, 2, "all"]), min_size=1, max_size=3))
    def file(self, needs: list[Need]) -> None:
        self.needs = needs
        self.state = pending()
        self.now = w.NOW
        self.status, self.stage, self.version = "pending", 0, 1
        self.counted: list[tuple[str, int]] = []

    @rule(days=st.integers(0, 4))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule(
        person=st.sampled_from("abcdef"), verdict=st.sampled_from(["approve"] * 4 + ["refuse"]), stale=st.booleans(), late=st.integers(0, 5)
    )
    def decide(self, person: str, verdict: Verdict, stale: bool, late: int) -> None:
        free = set("abcdef") - {one for one, _ in self.counted if _ != self.stage}
        act = decision(person, self.stage, verdict, FORM if verdict == "approve" else None)
        match = self.version - 1 if stale and late == 0 else self.version
        may = self.status == "pending" and self.now < LAPSE and match == self.version and person not in {one for one, _ in self.counted}
        try:
            self.state = r.decided(self.state, act, r.Turn(tuple(stage(need) for need in self.needs), frozenset(free), self.now, match))
        except (TransitionRefused, VersionChanged):
            assert not may
            return
        assert may
        self.version += 1
        self.counted.append((person, self.stage))
        if verdict == "refuse":
            self.status = "refused"
            return
        here = {one for one, at in self.counted if at == self.stage}
        need = self.needs[self.stage]
        if here == free if need == "all" else len(here) >= need:
            self.stage += 1
            if self.stage == len(self.needs):
                self.status, self.stage = "approved", self.stage - 1

    @rule()
    def withdraw(self) -> None:
        may = self.status == "pending" and self.now < LAPSE
        try:
            self.state = r.withdrawn(self.state, now=self.now, if_match=self.version)
        except TransitionRefused:
            assert not may
            return
        assert may
        self.status, self.version = "withdrawn", self.version + 1

    @invariant()
    def the_state_is_the_references(self) -> None:
        if hasattr(self, "state"):
            assert (self.state.status, self.state.stage, self.state.version) == (self.status, self.stage, self.version)
            people = [one.person_id for one in self.state.decisions]
            assert len(people) == len(set(people))
            if self.state.status == "approved":
                stages = {one.stage for one in self.state.decisions}
                assert stages == set(range(len(self.needs)))


TestRequestLife = RequestLife.TestCase
