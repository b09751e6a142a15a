"""A grant is one only while everything about it holds; computed at every read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import decision_world as w
from policies.decide import decide
from policies.facts import HoldingFacts, Opening, Target
from policies.grant_state import running, status
from policies.level import Level
from policies.permit import Permit, Refusal

RULES = w.rules()
WHO = w.person("p1", "handler", "A1")
LATER = w.NOW + timedelta(days=1)
MINUTES = timedelta(minutes=15)


def opens(grant: Any, *, now: Any = w.NOW, who: Any = WHO, facts: Any = None) -> bool:
    return isinstance(decide(who, "case.open", facts or w.case(), (grant,), now, RULES), Permit)


def level_of(answer: Permit, path: str) -> Level:
    assert answer.view is not None
    return answer.view.level(path)


@pytest.mark.parametrize(
    ("state", "changes"),
    [
        ("returned", {"returned_at": w.NOW}),
        ("revoked", {"revoked_at": w.NOW}),
        ("revoked", {"revoked_at": w.NOW, "returned_at": w.NOW}),
        ("used-up", {"uses": 3}),
        ("used-up", {"uses": 99}),
        ("expired", {"granted": replace(w.asked(w.NAME), expires_at=w.NOW)}),
        ("not-yet", {"granted": replace(w.asked(w.NAME), not_before=w.NOW + timedelta(microseconds=1))}),
    ],
)
def test_an_expired_returned_revoked_used_up_or_not_yet_grant_is_no_grant(state: str, changes: dict[str, Any]) -> None:
    assert opens(w.grant())
    ended = w.grant(**changes)
    assert status(ended, w.NOW) == state
    assert decide(WHO, "case.open", w.case(), (ended,), w.NOW, RULES) == Refusal("grant-required")


@pytest.mark.parametrize(
    "changes",
    [
        {"holder_id": "p9"},
        {"fonds": "fonds-y"},
        {"role": "leader"},
        {"granted": w.asked(w.NAME, case_id="c2")},
        {"granted": w.asked(w.NAME, version=2)},
        {"granted": w.asked("query_code")},
        {"granted": w.asked("petitioners[].confidentiality_requested")},
        {"granted": w.asked("no_such_field")},
        {"granted": w.asked("case_no")},
        {"granted": w.asked(w.NAME, level=Level.WITHHELD)},
        {"granted": w.asked("content", level=Level.MASKED)},
        {"granted": w.asked(w.BIRTH)},
    ],
)
def test_a_grant_of_another_holder_fonds_role_case_version_or_of_nothing_raisable_opens_nothing(changes: dict[str, Any]) -> None:
    assert not opens(w.grant(**changes))


def test_a_grant_over_two_cases_or_versions_raises_in_each_only_what_it_names_there() -> None:
    targets = frozenset({Target("c1", 1, w.NAME), Target("c2", 1, "content"), Target("c1", 2, w.ID_NUMBER)})
    answer = decide(WHO, "case.open", w.case(), (w.grant(granted=replace(w.asked(w.NAME), targets=targets)),), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert answer.view is not None
    assert answer.view.raised == {w.NAME}


def test_a_correction_ends_the_grants_of_the_version_it_corrects_and_a_supplement_does_not() -> None:
    assert opens(w.grant(), facts=w.case(corrected=False))
    assert not opens(w.grant(), facts=w.case(corrected=True))


def test_the_last_counted_opening_may_be_read_again_until_its_session_ends() -> None:
    used = w.grant(uses=3, openings=(Opening("c1", 1, w.NOW + MINUTES),))
    again = decide(WHO, "case.open", w.case(), (used,), w.NOW + MINUTES - timedelta(seconds=1), RULES)
    assert isinstance(again, Permit)
    assert not again.new_opening
    assert not opens(used, now=w.NOW + MINUTES)


def test_a_session_on_one_case_is_not_one_on_another() -> None:
    used = w.grant(uses=3, openings=(Opening("c2", 1, w.NOW + MINUTES),))
    assert not opens(used)
    assert running(used, "c2", 1, w.NOW) is not None
    assert running(used, "c1", 1, w.NOW) is None


@pytest.mark.parametrize("end", [{"returned_at": w.NOW}, {"revoked_at": w.NOW}, {"granted": replace(w.asked(w.NAME), expires_at=w.NOW)}])
def test_a_session_never_outlives_its_grant(end: dict[str, Any]) -> None:
    session = (Opening("c1", 1, w.NOW + MINUTES),)
    assert opens(w.grant(openings=session))
    assert not opens(w.grant(openings=session, **end))


def test_a_first_opening_is_to_be_counted() -> None:
    answer = decide(WHO, "case.open", w.case(), (w.grant(),), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert answer.new_opening
    assert answer.grant_ids == ("g1",)


def test_a_holder_who_lost_the_relation_to_the_case_opens_nothing() -> None:
    assert not opens(w.grant(), facts=w.case(handler_id="p9"))


def test_birth_date_opens_together_with_the_id_number_and_never_without() -> None:
    def level(*paths: str) -> Level:
        answer = decide(WHO, "case.open", w.case(), (w.grant(granted=w.asked(*paths)),), w.NOW, RULES)
        return level_of(answer, w.BIRTH) if isinstance(answer, Permit) else Level.WITHHELD

    assert level(w.BIRTH, w.NAME) is Level.WITHHELD
    assert level(w.BIRTH, w.ID_NUMBER) is Level.CLEAR


def test_the_birth_date_stays_hidden_once_the_grant_of_the_id_number_has_ended() -> None:
    birth = w.grant(grant_id="g1", granted=w.asked(w.BIRTH, w.NAME))
    number = w.grant(grant_id="g2", granted=w.asked(w.ID_NUMBER))
    both = decide(WHO, "case.open", w.case(), (birth, number), w.NOW, RULES)
    one = decide(WHO, "case.open", w.case(), (birth, replace(number, revoked_at=w.NOW)), w.NOW, RULES)
    assert isinstance(both, Permit)
    assert isinstance(one, Permit)
    assert level_of(both, w.BIRTH) is Level.CLEAR
    assert level_of(one, w.BIRTH) is Level.WITHHELD


def test_a_narrower_grant_beside_a_wider_one_widens_nothing() -> None:
    masked = w.grant(grant_id="g2", granted=w.asked(w.NAME, level=Level.MASKED))
    facts = w.case(protection="high")
    answer = decide(WHO, "case.open", facts, (masked,), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert level_of(answer, w.NAME) is Level.MASKED
    assert level_of(answer, w.ID_NUMBER) is Level.WITHHELD


def test_an_export_carries_no_contact_data_in_clear() -> None:
    held = (w.grant(granted=w.asked("petitioners[].mobile", "petitioners[].name")),)
    answer = decide(WHO, "case.export", w.case(), held, w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert level_of(answer, "petitioners[].mobile") is Level.MASKED
    assert level_of(answer, w.NAME) is Level.CLEAR


def test_work_secrets_need_a_right_of_their_own() -> None:
    facts = w.case(sensitivity="work_secret", cooperating_units=frozenset({"B"}))
    partner = w.person("p7", "collaborator", "B")
    held = w.grant(holder_id="p7", role="collaborator", granted=w.asked("content"))
    assert opens(held, who=partner, facts=w.case())
    assert not opens(held, who=partner, facts=facts)
    assert opens(w.grant(granted=w.asked("content")), facts=facts)
    assert not opens(w.grant(granted=w.asked("content")), facts=w.case(sensitivity="state_secret"))


@pytest.mark.parametrize(
    ("who", "action", "permitted"),
    [
        (w.person("p1", "handler", "A1"), "grant.return", True),
        (w.person("p9", "handler", "A1"), "grant.return", False),
        (w.person("p2", "leader", "A"), "grant.return", False),
        (w.person("p1", "handler", "A1"), "grant.revoke", False),
        (w.person("p2", "leader", "A"), "grant.revoke", True),
        (w.person("p9", "leader", "A"), "grant.revoke", False),
        (w.person("p1", "leader", "A"), "grant.revoke", False),
        (w.person("p9", "principal", "A"), "grant.revoke", True),
        (w.person("p9", "principal", "B"), "grant.revoke", False),
        (w.person("p9", "secadmin", "R"), "grant.revoke", True),
        (w.person("p9", "secadmin", "R", fonds="fonds-y"), "grant.revoke", False),
        (w.person("p9", "sysadmin", "R"), "grant.revoke", False),
        (w.person("p9", "archivist", "R"), "grant.revoke", False),
        (w.person("p9", "archivist", "R"), "grant.view", True),
        (w.person("p1", "handler", "A1"), "grant.view", True),
        (w.person("p8", "handler", "A1"), "grant.view", False),
        (w.machine(), "grant.return", False),
    ],
)
def test_grants_are_returned_by_the_holder_and_revoked_by_approver_principal_or_security_admin(
    who: Any, action: str, permitted: bool
) -> None:
    answer = decide(who, action, HoldingFacts(grant=w.grant(), cases=(w.case(),)), (), w.NOW, RULES)
    assert isinstance(answer, Permit) == permitted


def test_a_target_names_case_version_and_field() -> None:
    assert w.asked(w.NAME).cases == {("c1", 1)}
    assert Target("c1", 1, "a") < Target("c1", 2, "a")
