"""Attacks on rules that no other test attacks; each is named by a mutation."""

from __future__ import annotations

import pytest

from archive.finding import find
from archive.intake import deposit
from case_world import World, world
from foundation.errors import InvalidInput
from policies.entities import Entities
from policies.errors import RulebookRefused
from policies.redaction import redact
from policies.rulebook.load import base, base_sources
from policies.rulebook.load import compile as compile_rulebook

__all__ = ["world"]


def test_every_mention_of_a_person_is_taken_out_and_not_the_first_alone() -> None:
    entities = Entities()
    entities.person("买买提·吐尔逊", base().surnames)
    entities.number("100001234567", "电话")
    text = "买买提·吐尔逊来访，买买提·吐尔逊又来电（100001234567），次日买买提·吐尔逊再来电（100001234567）。"
    redacted = redact(text, entities).text
    assert "吐尔逊" not in redacted
    assert "1234567" not in redacted
    assert redacted.count("〔姓名1〕") == 3


@pytest.mark.parametrize("zero", [0x0966, 0x0E50, 0x0F20, 0x1810, 0xFF10], ids=["Devanagari", "Thai", "Tibetan", "Mongolian", "wide"])
def test_a_number_is_taken_out_of_a_text_in_whatever_script_it_stands(zero: int) -> None:
    entities = Entities()
    entities.number("100001234567", "电话")
    for number in ("100001234567", "139999912345", "999999199013321234"):
        written = "".join(chr(zero + int(digit)) for digit in number)
        redacted = redact(f"请打{written}找他", entities).text
        assert not set(written) & set(redacted)


@pytest.mark.parametrize("path", ["retention.retention_class", "retention.disposition_state"])
def test_a_role_finds_and_counts_by_nothing_that_its_cells_close(world: World, path: str) -> None:
    deposit(world.desk, world.system, world.record(cooperating_unit_codes=["U-3"]))
    collaborator = world.caller("S-6")
    assert find(world.desk, collaborator, {}).total == 1
    for body in ({"filters": {path: {"in": ["y30"]}}}, {"facets": [path]}):
        with pytest.raises(InvalidInput):
            find(world.desk, collaborator, body)
        find(world.desk, world.caller("S-4"), body)


@pytest.mark.parametrize("path", ["records.content", "records.title", "records.extra_note"])
def test_no_overlay_puts_a_readable_field_in_the_place_of_a_sealed_one(path: str) -> None:
    row = {
        "path": path,
        "label_zh": "示例",
        "label_en": "Example",
        "type": "text",
        "max_length": 20000,
        "required": False,
        "classification": "public",
        "search": [],
        "mask": "none",
        "sealed": False,
        "tier": "extended",
        "class": "handling_fact",
    }
    with pytest.raises(RulebookRefused) as refused:
        compile_rulebook(base_sources(), {"fields": {"field": [row]}})
    assert "belongs to no group" in refused.value.text_en
