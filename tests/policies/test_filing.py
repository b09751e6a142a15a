"""A form is refused at filing for every fault at once, and never repeats what was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decision_world as w
from foundation.errors import Fault
from policies.decide import decide
from policies.facts import Target
from policies.level import Level
from policies.permit import Permit, Refusal

RULES = w.rules()
WHO = w.person("p1", "handler", "A1")


def faults(filing: Any, who: Any = WHO) -> list[tuple[str, str]]:
    answer = decide(who, "request.file", filing, (), w.NOW, RULES)
    if isinstance(answer, Permit):
        return []
    assert answer.code == "request-not-acceptable", answer
    return [(fault.path, fault.rule) for fault in answer.faults]


def told(filing: Any) -> tuple[Fault, ...]:
    answer = decide(WHO, "request.file", filing, (), w.NOW, RULES)
    assert isinstance(answer, Refusal)
    return answer.faults


def test_an_ordinary_form_may_be_filed_and_names_its_chain() -> None:
    answer = decide(WHO, "request.file", w.filing(w.NAME, "content"), (), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert answer.chain == "standard"


@pytest.mark.parametrize(
    "path", ["no_such_field", "query_code", "petitioners[].confidentiality_requested", "case_no", "integrity.key_id", ""]
)
def test_a_field_that_does_not_exist_or_can_never_be_had_gets_the_same_answer(path: str) -> None:
    assert faults(w.filing(w.NAME, path)) == [("fields[1]", "field-not-askable")]
    assert told(w.filing(w.NAME, path)) == told(w.filing(w.NAME, "another_that_does_not_exist"))


@pytest.mark.parametrize("path", ["content", "attachments[].sha256", w.BIRTH, "petitioners[].sex"])
def test_a_field_without_a_masked_form_cannot_be_asked_for_masked(path: str) -> None:
    assert "field-not-askable" in {rule for _, rule in faults(w.filing(asked=w.asked(path, level=Level.MASKED)))}


def test_a_field_name_that_was_made_up_is_never_repeated() -> None:
    assert faults(w.filing("petitioners[].张三的身份证")) == [("fields[0]", "field-not-askable")]
    assert "张三" not in str(told(w.filing("petitioners[].张三的身份证")))


def test_a_field_sent_twice_is_a_fault_once_at_its_first_place() -> None:
    assert faults(w.filing("x", w.NAME, "y", "x")) == [("fields[0]", "field-not-askable"), ("fields[2]", "field-not-askable")]


def test_a_purpose_off_the_list_is_told_which_are_on_it_for_the_role() -> None:
    (fault,) = told(w.filing(purpose="appraisal"))
    for text in (fault.zh, fault.en):
        assert all(code in text for code in ("review", "repeat_petition", "reply_follow_up"))
        assert "appraisal" not in text
        assert "supervision" not in text


def test_birth_date_without_the_id_number_in_clear_is_refused() -> None:
    assert ("fields[0]", "birth-date-needs-id-number") in faults(w.filing(w.BIRTH))
    assert ("fields[1]", "birth-date-needs-id-number") in faults(w.filing(w.NAME, w.BIRTH))
    assert faults(w.filing(w.BIRTH, w.ID_NUMBER)) == []


def test_birth_date_in_one_case_is_not_excused_by_the_id_number_in_another() -> None:
    two = w.case(case_id="c2")
    form = replace(w.asked(w.NAME), targets=frozenset({Target("c1", 1, w.BIRTH), Target("c2", 1, w.ID_NUMBER)}))
    sent = (w.ID_NUMBER, w.BIRTH)
    assert ("fields[1]", "birth-date-needs-id-number") in faults(w.filing(cases=(w.case(), two), asked=form, fields=sent))


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("openings-out-of-range", {"max_uses": 0}),
        ("openings-out-of-range", {"max_uses": -5}),
        ("openings-out-of-range", {"max_uses": 10_000}),
        ("end-before-start", {"expires_at": w.NOW}),
        ("end-before-start", {"expires_at": w.NOW - timedelta(days=1)}),
        ("end-before-start", {"not_before": w.NOW + timedelta(days=6)}),
        ("too-long", {"expires_at": w.NOW + timedelta(days=36_500)}),
        ("too-long", {"not_before": w.NOW + timedelta(days=200), "expires_at": w.NOW + timedelta(days=201)}),
        ("level-not-askable", {"level": Level.WITHHELD}),
        ("nothing-asked", {"targets": frozenset()}),
        ("case-not-asked", {"targets": frozenset({Target("c9", 1, w.NAME)})}),
        ("case-not-asked", {"targets": frozenset({Target("c1", 2, w.NAME)})}),
    ],
)
def test_negative_openings_an_end_before_the_start_forever_and_other_cases_are_refused(rule: str, changes: dict[str, Any]) -> None:
    assert rule in {found for _, found in faults(w.filing(asked=replace(w.asked(w.NAME), **changes)))}


@pytest.mark.parametrize("purpose", ["稳控", "截访", "", "supervision", "appraisal", "unknown"])
def test_a_purpose_off_the_list_or_of_another_role_is_refused(purpose: str) -> None:
    assert faults(w.filing(purpose=purpose)) == [("purpose", "purpose-not-allowed")]


def test_a_version_that_was_corrected_needs_a_new_form() -> None:
    assert faults(w.filing(cases=(w.case(corrected=True),))) == [("cases", "case-corrected")]


def test_every_fault_is_told_at_once() -> None:
    form = replace(w.asked(w.BIRTH, "nonsense"), max_uses=0, expires_at=w.NOW)
    rules = {rule for _, rule in faults(w.filing(asked=form, purpose="x"))}
    assert rules == {
        "purpose-not-allowed",
        "end-before-start",
        "openings-out-of-range",
        "field-not-askable",
        "birth-date-needs-id-number",
    }


def test_a_form_naming_a_case_of_another_fonds_or_a_colleagues_case_is_answered_like_absence() -> None:
    absent = decide(WHO, "request.file", None, (), w.NOW, RULES)
    for facts in (w.case(fonds="fonds-y"), w.case(handler_id="p9")):
        mixed = w.filing(cases=(w.case(case_id="c2"), facts))
        assert decide(WHO, "request.file", mixed, (), w.NOW, RULES) == absent


def test_a_form_of_many_cases_takes_the_bulk_chain_and_too_many_are_refused() -> None:
    many = tuple(w.case(case_id=f"c{n}") for n in range(10))
    answer = decide(WHO, "request.file", w.filing(cases=many), (), w.NOW, RULES)
    assert isinstance(answer, Permit)
    assert answer.chain == "careful"
    flood = tuple(w.case(case_id=f"c{n}") for n in range(RULES.chains.most_cases + 1))
    assert ("cases", "too-many-cases") in faults(w.filing(cases=flood))


@given(
    paths=st.lists(st.sampled_from([*(field.path for field in RULES.catalogue), "x"]), min_size=1, max_size=4, unique=True),
    protection=st.sampled_from(("normal", "high")),
    level=st.sampled_from((Level.MASKED, Level.CLEAR)),
)
def test_what_may_be_filed_would_really_open_every_field_it_names(paths: list[str], protection: str, level: Level) -> None:
    """A form that passes and is approved as asked raises each field to the level asked: nobody signs for nothing."""
    facts = w.case(protection=protection)
    form = w.asked(*paths, level=level)
    answer = decide(WHO, "request.file", w.filing(cases=(facts,), asked=form), (), w.NOW, RULES)
    opened = decide(WHO, "case.open", facts, (w.grant(granted=form),), w.NOW, RULES)
    if isinstance(answer, Permit):
        assert isinstance(opened, Permit)
        assert opened.view is not None
        assert all(opened.view.level(path) is level for path in paths)
    else:
        assert isinstance(answer, Refusal)
        assert answer.faults


def test_identity_search_needs_a_purpose_for_searching() -> None:
    from policies.facts import FondsFacts

    def search(purpose: str | None) -> Any:
        return decide(WHO, "case.search_identity", FondsFacts(fonds=w.FONDS, purpose=purpose), (), w.NOW, RULES)

    assert isinstance(search("review"), Permit)
    for purpose in (None, "", "稳控", "supervision", "appraisal"):
        assert search(purpose) == Refusal("purpose-required")


def test_no_search_by_identity_reaches_an_anonymous_or_highly_protected_case() -> None:
    for facts in (w.case(anonymous=True), w.case(protection="high")):
        assert decide(WHO, "case.search_identity", facts, (), w.NOW, RULES) == Refusal("case-not-found")
        assert isinstance(decide(WHO, "case.view", facts, (), w.NOW, RULES), Permit)
