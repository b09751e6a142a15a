"""A form that may not be filed: all that is wrong with it at once, and nothing of a case that is not the applicant's."""

from __future__ import annotations

import pytest

from access_forms import form
from archive.intake import deposit
from archive.requests.filing import file
from case_world import World
from foundation.errors import InvalidInput, NotFound
from foundation.ids import new_id


@pytest.fixture
def case_id(world: World) -> str:
    return deposit(world.desk, world.system, world.record()).case_id


def test_a_form_wrong_in_many_ways_is_told_all_of_them_by_place_and_with_the_codes_that_fit(world: World, case_id: str) -> None:
    fields = ("petitioners[].name", "name", "petitioners[].name", "query_code")
    wrong = form(world, case_id, fields=fields, purpose="appraisal", usage="browse", max_uses=0, reason=" ")
    with pytest.raises(InvalidInput) as caught:
        file(world.desk, world.caller("S-1"), wrong)
    told = {(fault.path, fault.rule) for fault in caught.value.faults}
    assert told == {
        ("reason", "required"),
        ("usage", "unknown-code"),
        ("purpose", "purpose-not-allowed"),
        ("max_uses", "openings-out-of-range"),
        ("fields[1]", "field-not-askable"),
        ("fields[3]", "field-not-askable"),
    }
    text = {fault.path: f"{fault.zh} {fault.en}" for fault in caught.value.faults}
    assert "verification" in text["usage"]
    assert "review" in text["purpose"]
    assert "appraisal" not in str(text)
    assert "browse" not in str(text)
    # A field that can never be had is answered as one that does not exist.
    assert text["fields[1]"] == text["fields[3]"]


def test_a_form_with_faults_of_its_own_tells_no_more_of_a_case_of_others_than_of_none(world: World, case_id: str) -> None:
    answers = []
    for named in (case_id, new_id()):
        with pytest.raises(NotFound) as caught:
            file(world.desk, world.caller("S-5"), form(world, named, usage="browse", reason=""))
        answers.append((type(caught.value), caught.value.params))
        assert world.entries("access.refused")[-1].reason == "case-not-found"
    assert answers[0] == answers[1]
