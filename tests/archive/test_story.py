"""The archive's one story at the level of its acts."""

from __future__ import annotations

import pytest

from access_forms import form
from archive.finding import find
from archive.finding_persons import find_person
from archive.intake import deposit
from archive.reading import view
from archive.requests.approvals import Trim, decide_request
from archive.requests.filing import file
from archive.requests.grants import give_back
from archive.requests.openings import open_case, read_opening
from archive.versions import correct, supplement
from case_world import World
from foundation.errors import NotFound
from petition_records import ID_ZHANG, MOBILE


def test_a_case_is_deposited_seen_masked_granted_in_part_and_opened_in_clear(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record())
    assert deposit(world.desk, world.system, world.record()).status == "same"

    handler = world.caller("S-1")
    masked = view(world.desk, handler, receipt.case_id)
    assert masked.record["petitioners"][0]["id_number"] == "999999********1234"
    assert masked.record["petitioners"][0]["name"] == "张**"
    assert "content" in masked.withheld
    with pytest.raises(NotFound):
        view(world.desk, world.caller("S-5"), receipt.case_id)

    page = find(world.desk, handler, {"filters": {"petition_form": {"in": ["letter"]}}, "facets": ["closure_type", "stages[].stage"]})
    assert [row.case_id for row in page.rows] == [receipt.case_id]
    assert page.total == 1
    hits = find_person(world.desk, handler, "name", "张 三", purpose="review", reason="核对")
    assert [row.case_id for row in hits.rows] == [receipt.case_id]

    asked = form(world, receipt.case_id, fields=("petitioners[].name", "petitioners[].mobile", "content"))
    filed = file(world.desk, handler, asked)
    first = decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=1)
    assert first.status == "pending"
    second = decide_request(
        world.desk,
        world.caller("S-3"),
        filed.request_id,
        verdict="approve",
        reason="仅限姓名和电话",
        if_match=first.version,
        trim=Trim(fields=("petitioners[].name", "petitioners[].mobile")),
    )
    assert second.status == "approved"
    assert second.grant_id is not None
    clear = open_case(world.desk, handler, second.grant_id, receipt.case_id)
    petitioner = clear.view.record["petitioners"][0]
    assert petitioner["name"] == "张三"
    assert petitioner["mobile"] == MOBILE
    assert petitioner["id_number"] != ID_ZHANG
    assert "content" not in clear.view.record
    assert clear.uses_left == 1
    again = read_opening(world.desk, handler, clear.opening_id)
    assert again.uses_left == 1
    give_back(world.desk, handler, second.grant_id)
    with pytest.raises(NotFound):
        read_opening(world.desk, world.caller("S-2"), clear.opening_id)
    kinds = [entry.kind for entry in world.entries("access.intent", "access.outcome", "grant.made", "grant.returned")]
    assert kinds == ["grant.made", "access.intent", "access.outcome", "access.intent", "access.outcome", "grant.returned"]


def test_a_supplement_and_a_correction_make_new_versions_and_keep_the_old(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record())
    rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}
    second = supplement(world.desk, world.system, receipt.case_id, base_version=1, part=rating, reason="信访人评价")
    assert second.version == 2
    third = correct(world.desk, world.system, receipt.case_id, base_version=2, record=world.record(title="更正后的标题"), reason="标题有误")
    assert third.version == 3
    handler = world.caller("S-1")
    assert view(world.desk, handler, receipt.case_id).version == 3
    # What the correction replaced is kept and shown to nobody as if it were the case.
    for version in (1, 2):
        with pytest.raises(NotFound):
            view(world.desk, handler, receipt.case_id, version=version)
