"""One field added to the rulebook, and nothing else: every door knows what to do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from access_forms import granted
from archive.finding import find
from archive.intake import deposit
from archive.reading import view
from archive.requests.openings import open_case
from case_world import World, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import InvalidInput
from policies import field_docs
from policies.form_schema import json_schema
from policies.rulebook.load import Rulebook, base, base_sources
from policies.rulebook.load import compile as compile_rulebook

SEALED: dict[str, Any] = {
    "path": "petitioners[].contact_person",
    "label_zh": "联系人姓名",
    "label_en": "Contact person",
    "type": "string",
    "format": "name",
    "max_length": 60,
    "required": False,
    "classification": "personal",
    "search": ["blind_index"],
    "mask": "name_first_char",
    "sealed": True,
    "tier": "extended",
    "class": "identity",
    "identity": True,
    "note_zh": "示例",
    "note_en": "example",
}
PLAIN: dict[str, Any] = {
    "path": "stages[].meeting_count",
    "label_zh": "会商次数",
    "label_en": "Meetings held",
    "type": "integer",
    "minimum": 0,
    "maximum": 999,
    "required": False,
    "classification": "internal",
    "search": ["facet", "range"],
    "mask": "none",
    "sealed": False,
    "tier": "extended",
    "class": "handling_fact",
    "note_zh": "示例",
    "note_en": "example",
}


@pytest.fixture
def rules() -> Rulebook:
    return compile_rulebook(base_sources(), {"fields": {"field": [SEALED, PLAIN]}})


@pytest.fixture
def world(database: Database, clock: MovableClock, tmp_path: Path, rules: Rulebook) -> Any:
    made = make_world(database, clock, tmp_path, rules)
    yield made
    made.desk.uow.close()


def record(world: World) -> dict[str, Any]:
    made = world.record()
    made["petitioners"][0]["contact_person"] = "司马试例"
    made["title"] = "司马试例代张三反映宅基地一事"
    made["stages"][0]["meeting_count"] = 7
    return made


def test_the_base_rulebook_refuses_what_the_overlay_admits(world: World, rules: Rulebook) -> None:
    deposit(world.desk, world.system, record(world))
    assert rules.version != base().version


def test_a_wrong_value_is_refused_by_the_new_fields_own_rules(world: World) -> None:
    spoilt = record(world)
    spoilt["petitioners"][0]["contact_person"] = "试" * 61
    spoilt["stages"][0]["meeting_count"] = -1
    with pytest.raises(InvalidInput) as caught:
        deposit(world.desk, world.system, spoilt)
    assert {"petitioners[0].contact_person", "stages[0].meeting_count"} <= {fault.path for fault in caught.value.faults}


def test_the_new_field_is_masked_redacted_searched_and_opened(world: World) -> None:
    case_id = deposit(world.desk, world.system, record(world)).case_id
    handler = world.caller("S-1")
    masked = view(world.desk, handler, case_id)
    assert masked.record["petitioners"][0]["contact_person"] == "司马**"
    assert "司马试例" not in str(masked.record)
    assert masked.record["stages"][0]["meeting_count"] == 7
    for filters in ({"stages[].meeting_count": {"in": [7]}}, {"stages[].meeting_count": {"from": 5, "to": 9}}):
        page = find(world.desk, handler, {"filters": filters, "facets": ["stages[].meeting_count"]})
        assert [row.case_id for row in page.rows] == [case_id]
    assert find(world.desk, handler, {"filters": {"stages[].meeting_count": {"from": 8}}}).total == 0
    grant_id = granted(world, case_id, fields=("petitioners[].contact_person",))
    clear = open_case(world.desk, handler, grant_id, case_id)
    assert clear.view.record["petitioners"][0]["contact_person"] == "司马试例"


def test_the_new_field_is_in_the_schema_and_in_the_documentation(rules: Rulebook) -> None:
    assert "contact_person" in str(json_schema(rules))
    assert "联系人姓名" in field_docs.render(rules)
    assert "meeting_count" in str(json_schema(rules))
