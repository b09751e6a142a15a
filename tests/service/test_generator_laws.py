"""What the invented cases promise: the same again, recognisably invented, and fit to be deposited."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from itertools import islice, zip_longest
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.rulebook.load import base
from policies.validation import validate
from service.generator.cases import UNTIL, generate, mark_of, specimens
from service.generator.course import FIRST_DAY
from service.generator.office import INVENTED_OFFICE, INVENTED_PLACES, OfficeShape, Place, Staff, UnitShape
from service.generator.people import COMPOUND, DOTS, MARKS, credit_code, new_id_number

TODAY = date(2026, 11, 22)
SEEDS = st.integers(min_value=0, max_value=2**63)


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    return list(generate(4000, 20260318))


def _texts(case: dict[str, Any]) -> str:
    """Everything written in a case, as it would be found in a dump."""
    return normalize("NFKC", json.dumps(case, ensure_ascii=False))


def _free_texts(case: dict[str, Any]) -> str:
    replies = "".join(reply["reply_text"] for reply in case["replies"])
    return normalize("NFKC", case["title"] + case["summary"] + case["content"] + replies)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(0, 60), st.integers(0, 60))
def test_the_same_seed_gives_the_same_cases_and_a_smaller_count_their_beginning(seed: int, few: int, more: int) -> None:
    longer = list(generate(few + more, seed))
    assert list(generate(few, seed)) == longer[:few]
    assert len(longer) == few + more


def test_cases_of_two_seeds_never_share_a_number() -> None:
    numbers = [{case["case_no"] for case in generate(60, seed)} for seed in (1, 2, 2026, 2027, 456_975)]
    assert len(set.union(*numbers)) == 5 * 60
    assert len({mark_of(seed) for seed in range(3000)}) == 3000
    assert mark_of(-1) == mark_of(26**4 - 1) == "ZZZZ"


def test_another_seed_gives_other_cases() -> None:
    assert all(one != other for one, other in zip_longest(generate(50, 1), generate(50, 2)))


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_every_generated_case_keeps_every_rule_of_the_archive(seed: int) -> None:
    rulebook = base()
    for case in generate(150, seed):
        validate(case, rulebook, today=TODAY)


def test_every_name_carries_a_mark_of_invention(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        for one in case["petitioners"]:
            assert any(mark in one["name"] for mark in MARKS) or "例行" in one["name"] or "试航" in one["name"]
        for party in case.get("involved_parties", ()):
            assert any(mark in party["party_name"] for mark in MARKS)


def test_no_number_in_any_text_could_belong_to_somebody(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        for item in case["petitioners"]:
            if item.get("id_type") == "resident_id":
                assert item["id_number"].startswith("99")
            if item.get("id_type") == "credit_code":
                assert item["id_number"][2:4] == "99"
            assert item["mobile"].startswith(("100", "026-"))
            assert item.get("email", "@example.invalid").endswith("@example.invalid")
        digits = re.sub(r"(?<=\d)[ -](?=\d)", "", _free_texts(case))
        for number in re.findall(r"(?<![0-9A-Z])[0-9]{11}(?![0-9])", digits):
            assert number.startswith(("100", "026", "86100")), number
        for number in re.findall(r"(?<![0-9A-Z])[0-9]{17}[0-9Xx]|(?<![0-9])[0-9]{15}(?![0-9A-Z])", digits):
            assert number.startswith("99") or number[2:4] == "99"


def test_no_place_has_a_code_of_a_province() -> None:
    assert all(place.code.startswith("99") for place in INVENTED_PLACES)


def test_check_characters_are_those_of_the_standards() -> None:
    # The example of GB 11643-1999; of GB 32100-2015 the congruence is tested, its known codes belong to somebody.
    assert new_id_number("110105", 1949, 12, 31, 2) == "11010519491231002X"
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    for serial in (0, 1, 30, 31**6, 31**7 - 1):
        code = credit_code("990121", serial)
        assert (sum(alphabet.index(one) * 3**place for place, one in enumerate(code[:17])) + alphabet.index(code[17])) % 31 == 0


def test_everything_happens_after_the_regulation_and_before_the_last_day(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        happened = {**case, "stages": [{**stage, "due_at": None} for stage in case["stages"]]}
        days = re.findall(r'"(20[0-9]{2}-[0-9]{2}-[0-9]{2})T', json.dumps(happened))
        assert FIRST_DAY.isoformat() <= case["petition_date"] <= min(days)
        assert max(days) <= UNTIL.isoformat()


def test_most_terms_are_kept_and_some_are_not(cases: list[dict[str, Any]]) -> None:
    terms = [stage for case in cases for stage in case["stages"] if stage["stage"] == "handling" and "finished_at" in stage]
    late = sum(stage["finished_at"] > stage["due_at"] for stage in terms)
    extended = sum(stage.get("extension_days", 0) > 0 for stage in terms)
    assert 0.01 < late / len(terms) < 0.15
    assert 0.03 < extended / len(terms) < 0.2
    assert max(stage.get("extension_days", 0) for stage in terms) <= 30


def test_every_petition_has_a_length_people_write(cases: list[dict[str, Any]]) -> None:
    lengths = [len(case["content"]) for case in cases]
    assert min(lengths) >= 150
    assert max(lengths) <= 800
    assert len({case["content"] for case in cases}) > 0.99 * len(cases)


def test_every_kind_of_case_occurs(cases: list[dict[str, Any]]) -> None:
    people = [one for case in cases for one in case["petitioners"]]
    texts = [case["content"] for case in cases]
    closures = Counter(case["closure_type"] for case in cases)
    assert set(closures) == {code for code in base().codes["closure_type"].codes if code != "unknown"}
    assert len({case["content_category_l1"] for case in cases}) >= 12
    assert {one["petitioner_kind"] for one in people} == {"citizen", "legal_person", "employee"}
    for happened in (
        any(one["name"].startswith(COMPOUND) for one in people),
        all(any(dot in one["name"] for one in people) for dot in DOTS),
        any(len(one.get("id_number", "")) == 15 for one in people),
        any(one["mobile"].startswith("026") for one in people),
        any("former_names" in one for one in people),
        any(one["confidentiality_requested"] for one in people),
        any(case["is_anonymous"] for case in cases),
        any(case["is_group_visit"] and 1 < len(case["petitioners"]) <= 5 for case in cases),
        any(case["is_joint_letter"] for case in cases),
        any(case["is_litigation_related"] for case in cases),
        any(case.get("reviews") for case in cases),
        any(case.get("feedback") for case in cases),
        any(re.search("[０-９]{11}", text) for text in texts),
        any(re.search("100 [0-9]{4} [0-9]{4}", text) for text in texts),
        any(re.search("[０-９]{17}[０-９Ｘ]", text) for text in texts),
        any(re.search("[\u4e00-\u9fff]某", text) for text in texts),
        any(re.search("老[\u4e00-\u9fff]", text) for text in texts),
        any(re.search("(主任|书记|科长)", text) for text in texts),
    ):
        assert happened
    assert all(sum(one["is_primary"] for one in case["petitioners"]) == 1 for case in cases if case["petitioners"])


def test_a_repeat_names_an_earlier_closed_case_of_the_same_petitioner() -> None:
    seen: dict[str, dict[str, Any]] = {}
    repeats = 0
    for case in generate(3000, 5):
        if case["is_repeat"]:
            repeats += 1
            earlier = seen[case["repeat_of_case_no"]]
            assert earlier["closed_at"][:10] < case["petition_date"]
            assert earlier["petitioners"][0]["name"] == case["petitioners"][0]["name"]
            assert earlier["content_category_l1"] == case["content_category_l1"]
        assert case["case_no"] not in seen
        seen[case["case_no"]] = case
    assert repeats > 100


def test_an_anonymous_case_tells_nobody(cases: list[dict[str, Any]]) -> None:
    anonymous = [case for case in cases if case["is_anonymous"]]
    assert anonymous
    for case in anonymous:
        assert case["petitioners"] == []
        assert not re.search(r"100[- ]?[0-9]{4}[- ]?[0-9]{4}|example\.invalid|99[0-9]{13}", _texts(case))


def test_an_accusation_names_its_accused_and_is_never_handled_in_their_unit(cases: list[dict[str, Any]]) -> None:
    staff = {one.staff_id: unit.code for unit in INVENTED_OFFICE.units for one in unit.handlers}
    resolved = unresolved = 0
    for case in cases:
        accused = [party for party in case.get("involved_parties", ()) if party["party_role"] == "accused"]
        assert (case["statutory_class"] == "accusation") == bool(accused)
        for party in accused:
            if "party_user_ids" in party:
                resolved += 1
                assert staff[party["party_user_ids"][0]] == party["party_unit_code"]
                assert case["case_handler_staff_id"] not in party["party_user_ids"]
                assert party["party_unit_code"] not in case.get("cooperating_unit_codes", ())
                assert all(stage["responsible_unit_code"] != party["party_unit_code"] for stage in case["stages"])
            else:
                unresolved += 1
    assert resolved > 20
    assert unresolved > 20


def test_every_mention_told_of_stands_in_a_text() -> None:
    kinds: Counter[str] = Counter()
    for specimen in specimens(1500, 3):
        case = specimen.case
        texts = [case["title"], case["summary"], case["content"], *(reply["reply_text"] for reply in case["replies"])]
        texts += [stage.get("opinion", "") for stage in case["stages"]] + [item.get("comment", "") for item in case.get("feedback", ())]
        for kind, text in specimen.mentions:
            assert any(text in one for one in texts)
            kinds[kind] += 1
        if not case["is_anonymous"] and len(case["replies"]) > 0:
            assert {"name", "call"} & {kind for kind, _text in specimen.mentions}
    assert set(kinds) == {"name", "call", "id_number", "phone", "email", "address", "staff", "accused", "witness"}


def test_specimens_are_the_generated_cases() -> None:
    assert [one.case for one in specimens(40, 9)] == list(generate(40, 9))


def test_the_cases_are_those_of_the_office_given() -> None:
    office = OfficeShape(
        source_system="other",
        registering_unit="R",
        units=(
            UnitShape("A", "甲科", (Staff("1", "王测"),), Staff("9", "李样")),
            UnitShape("B", "乙科", (Staff("2", "张例"),), Staff("8", "赵拟")),
        ),
        places=(Place("990900", "云岭省临溪市青禾县", "青禾县", ("城关镇",)),),
    )
    for case in generate(300, 4, office=office):
        assert case["source_system"] == "other"
        assert case["case_handler_staff_id"] in {"1", "2"}
        assert case["case_leader_staff_id"] in {"8", "9"}
        assert {stage["responsible_unit_code"] for stage in case["stages"]} <= {"R", "A", "B"}
        assert case["locality_code"] == "990900"


def test_an_office_that_could_only_handle_accusations_of_itself_is_refused() -> None:
    unit = UnitShape("A", "甲科", (Staff("1", "王测"),), Staff("9", "李样"))
    with pytest.raises(ValueError, match="two units"):
        OfficeShape("other", "R", (unit,), INVENTED_PLACES)


def test_cases_are_made_as_they_are_asked_for() -> None:
    assert len(list(islice(generate(10**9, 1), 3))) == 3


def test_an_earlier_last_day_moves_everything_before_it() -> None:
    assert all(case["closed_at"] < "2024-07-02" for case in generate(500, 1, until=date(2024, 7, 1)))
