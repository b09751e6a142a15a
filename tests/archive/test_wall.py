"""The accused wall (条例 art. 30): for the accused the case does not exist - no hit, no count, no facet, no place in the chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from access_forms import form
from acts.errors import Refused
from archive.finding import Found, find
from archive.finding_persons import find_person
from archive.intake import deposit
from archive.reading import view
from archive.requests.approvals import decide_request
from archive.requests.filing import file
from archive.requests.grants import read_request, requests_of
from audit.tables import log_details
from case_world import FONDS, World
from foundation.errors import ArchiveError, NotFound
from petition_records import accusation
from vault.details import Detail, open_detail

EVERYTHING = {"facets": ["closure_type", "statutory_class", "petition_form", "stages[].stage", "grade"], "limit": 50}


def accused(world: World, *people: str, unit: str | None = None, **changes: Any) -> str:
    """Deposit an accusation against these staff numbers and, if named, a unit."""
    record = accusation() | {"case_no": f"ACC-{'-'.join(people)}-{unit}"} | changes
    record["involved_parties"] = [
        {"party_role": "accused", "party_kind": "person", "party_name": "司马丁", "party_user_ids": [one]} for one in people
    ]
    if unit is not None:
        record["involved_parties"].append(
            {"party_role": "accused", "party_kind": "unit", "party_name": "某某试例单位", "party_unit_code": unit}
        )
    return deposit(world.desk, world.system, record).case_id


def seen(world: World, staff_no: str) -> Found:
    return replace(find(world.desk, world.caller(staff_no), EVERYTHING), log_index=0)


def test_an_accused_inspector_finds_lists_and_counts_as_if_the_case_were_not_there(world: World) -> None:
    deposit(world.desk, world.system, world.record())
    before = seen(world, "S-4")
    case_id = accused(world, "S-4")
    assert seen(world, "S-4") == before
    assert seen(world, "S-8").total == before.total + 1
    with pytest.raises(NotFound) as walled:
        view(world.desk, world.caller("S-4"), case_id)
    with pytest.raises(NotFound) as absent:
        view(world.desk, world.caller("S-4"), world.desk.keys.archive_id)
    assert (walled.value.code, walled.value.params) == (absent.value.code, absent.value.params)
    assert view(world.desk, world.caller("S-8"), case_id).case_id == case_id


def test_members_of_an_accused_unit_stand_outside_whatever_their_role(world: World) -> None:
    case_id = accused(world, "P-7", unit="U-1")
    for staff_no in ("S-1", "S-2", "S-5"):
        with pytest.raises(NotFound):
            view(world.desk, world.caller(staff_no), case_id)
        assert seen(world, staff_no).total == 0


def test_an_unresolved_accusation_is_open_to_the_persons_named_and_to_nobody_else(world: World) -> None:
    case_id = accused(world, "nobody-we-know")
    for staff_no in ("S-3", "S-4", "S-5", "S-7", "S-8", "S-9"):
        with pytest.raises(NotFound):
            view(world.desk, world.caller(staff_no), case_id)
        assert seen(world, staff_no).total == 0
    assert view(world.desk, world.caller("S-1"), case_id).case_id == case_id


def test_exact_search_by_identity_gives_the_accused_no_hit(world: World) -> None:
    accused(world, "S-8", statutory_class="accusation")
    found = find_person(world.desk, world.caller("S-8"), "name", "张三", purpose="supervision", reason="核对")
    assert found.rows == ()
    assert found.total == 0


def test_the_log_tells_an_attempt_on_the_wall_from_one_on_nothing_only_to_who_may_open_its_detail(world: World) -> None:
    case_id = accused(world, "S-4")
    causes = []
    for staff_no, target in (("S-4", case_id), ("S-5", case_id), ("S-4", world.desk.keys.archive_id)):
        with pytest.raises(NotFound):
            view(world.desk, world.caller(staff_no), target)
        entry = world.entries("access.refused")[-1]
        assert entry.data == {"action": "case.view"}
        with world.desk.db.read() as conn:
            row = conn.execute(select(log_details).where(log_details.c.entry_id == entry.id)).one()
        detail = Detail(bytes(row.commitment), bytes(row.sealed), row.key_ref)
        causes.append((open_detail(world.desk.keys.detail_key(FONDS), FONDS, "cause", detail).strip(), len(row.sealed)))
    assert [cause for cause, _ in causes] == ["wall alarm", "out-of-scope", "absent"]
    assert len({size for _, size in causes}) == 1


def test_a_form_whose_only_approver_is_accused_is_refused_at_filing_in_general_words(world: World) -> None:
    case_id = accused(world, "S-3")
    with pytest.raises(Refused) as caught:
        file(world.desk, world.caller("S-1"), form(world, case_id, fields=("content",)))
    assert caught.value.reason == "nobody-can-approve"
    said = f"{caught.value.text_zh}{caught.value.text_en}"
    assert not any(word in said for word in ("隔离", "检举", "wall", "accused"))


def test_an_accused_approver_neither_sees_nor_decides_a_request_that_names_the_case(world: World) -> None:
    innocent = deposit(world.desk, world.system, world.record()).case_id
    filed = file(world.desk, world.caller("S-1"), form(world, innocent, fields=("content",)))
    assert [one.request.request_id for one in requests_of(world.desk, world.caller("S-2"), to_decide=True)] == [filed.request_id]
    record = accusation() | {"case_no": "ACC-LATER"}
    record["involved_parties"][0]["party_user_ids"] = ["S-2"]
    case_id = deposit(world.desk, world.system, record).case_id
    with pytest.raises(ArchiveError):
        file(world.desk, world.caller("S-1"), form(world, case_id, fields=("content",)))
    for attempt in (
        lambda: decide_request(world.desk, world.caller("S-2"), case_id, verdict="approve", reason="", if_match=1),
        lambda: read_request(world.desk, world.caller("S-2"), case_id),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_high_protection_shows_no_identity_to_anybody_masked(world: World) -> None:
    case_id = accused(world, "P-7")
    for staff_no in ("S-1", "S-2", "S-3", "S-4", "S-8"):
        record = view(world.desk, world.caller(staff_no), case_id).record
        for person in record.get("petitioners", []):
            assert not {"name", "id_number", "mobile", "address", "email"} & set(person)
        for party in record.get("involved_parties", []):
            assert "party_name" not in party
