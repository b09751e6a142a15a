"""A case system may raise a wall, but not close a case to all who answer for walls, and not unseen."""

from __future__ import annotations

from typing import Any

import pytest

from archive.intake import deposit, deposit_many
from archive.reading import view
from archive.versions import correct, supplement
from audit.trail import Question
from case_world import World
from foundation.errors import InvalidInput, NotFound
from petition_records import accusation
from reviews.questions import ask


def against(*people: str, unit: str | None = None) -> dict[str, Any]:
    """An accusation against these staff numbers and, if named, a unit."""
    parties: list[dict[str, Any]] = [
        {"party_role": "accused", "party_kind": "person", "party_name": "司马丁", "party_user_ids": [one]} for one in people
    ]
    if unit is not None:
        parties.append({"party_role": "accused", "party_kind": "unit", "party_name": "某某试例单位", "party_unit_code": unit})
    return accusation() | {"case_no": "XF-BODY", "involved_parties": parties}


CLOSING = {"the root unit": against(unit="U-0"), "everybody of the body": against("S-3", "S-8")}


@pytest.mark.parametrize("record", CLOSING.values(), ids=CLOSING)
def test_an_accusation_of_the_whole_office_is_refused_and_not_lost(world: World, record: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        deposit(world.desk, world.system, record)
    assert [(fault.path, fault.rule) for fault in refused.value.faults] == [("involved_parties", "nobody-left")]
    assert world.entries("case.deposited") == []
    assert world.entries("deposit.refused")[-1].data == {"rules": ["nobody-left"]}
    other = world.record(case_no="XF-BESIDE")
    answers = deposit_many(world.desk, world.system, [record, other])
    assert [type(answer).__name__ for answer in answers] == ["InvalidInput", "Receipt"]


@pytest.mark.parametrize("record", CLOSING.values(), ids=CLOSING)
def test_no_correction_closes_a_case_to_the_whole_office(world: World, record: dict[str, Any]) -> None:
    case_id = deposit(world.desk, world.system, world.record(case_no="XF-BODY")).case_id
    with pytest.raises(InvalidInput) as refused:
        correct(world.desk, world.system, case_id, base_version=1, record=record, reason="更正")
    assert [fault.rule for fault in refused.value.faults] == ["nobody-left"]
    assert (world.entries("deposit.refused")[-1].object["id"], world.entries("case.corrected")) == (case_id, [])
    for staff_no in ("S-1", "S-2", "S-3", "S-4", "S-8"):
        assert view(world.desk, world.caller(staff_no), case_id).version == 1


def test_a_refusal_tells_nothing_of_whom_an_earlier_version_accused(world: World) -> None:
    answers = []
    for number, first in enumerate((against("S-3"), against("P-7"))):
        case_id = deposit(world.desk, world.system, first | {"case_no": f"XF-{number}"}).case_id
        later = against("S-8") | {"case_no": f"XF-{number}"}
        answers.append(correct(world.desk, world.system, case_id, base_version=1, record=later, reason="更正").status)
    assert answers == ["created", "created"]


def test_one_of_the_body_outside_the_accused_unit_is_enough(world: World) -> None:
    assert view(world.desk, world.caller("S-8"), deposit(world.desk, world.system, against("S-3", unit="U-1")).case_id).version == 1


def test_a_later_version_that_changes_who_may_see_a_case_leaves_an_entry_that_names_nobody(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record(case_no="XF-BODY")).case_id
    correct(world.desk, world.system, case_id, base_version=1, record=world.record(case_no="XF-BODY", title="更正"), reason="标题有误")
    assert world.entries("case.access-changed") == []
    taken = world.record(case_no="XF-BODY", case_handler_staff_id="S-5")
    correct(world.desk, world.system, case_id, base_version=2, record=taken, reason="更正")
    correct(world.desk, world.system, case_id, base_version=3, record=against("S-4") | {"case_handler_staff_id": "S-5"}, reason="更正")
    rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}
    supplement(world.desk, world.system, case_id, base_version=4, part=rating, reason="评价")
    changes = world.entries("case.access-changed")
    assert [entry.object for entry in changes] == [{"kind": "case", "id": case_id, "version": version} for version in (3, 4)]
    assert changes[0].fields == ("case_handler_staff_id",)
    assert {"involved_parties[].party_role", "protection_level"} <= set(changes[1].fields)
    # The security administrator sees that a case system did it and when, of no case; the accused see nothing of it.
    seen = ask(world.desk, world.caller("S-10"), Question(kinds=("case.access-changed",))).entries
    assert len(seen) == 2
    assert all(not {"object", "fields", "cases"} & one.members.keys() and one.members["actor"]["role"] == "depositor" for one in seen)
    assert ask(world.desk, world.caller("S-4"), Question(kinds=("case.access-changed",))).entries == ()
    with pytest.raises(NotFound):
        view(world.desk, world.caller("S-4"), case_id)
