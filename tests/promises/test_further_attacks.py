"""Attacks on rules that no other test attacks; each is named by a mutation."""

from __future__ import annotations

import pytest

from archive.finding import find
from archive.intake import deposit
from case_world import World, world
from foundation.errors import InvalidInput
from policies.entities import Entities
from policies.redaction import redact
from policies.rulebook.load import base

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


@pytest.mark.parametrize("path", ["retention.retention_class", "retention.disposition_state"])
def test_a_role_finds_and_counts_by_nothing_that_its_cells_close(world: World, path: str) -> None:
    deposit(world.desk, world.system, world.record(cooperating_unit_codes=["U-3"]))
    collaborator = world.caller("S-6")
    assert find(world.desk, collaborator, {}).total == 1
    for body in ({"filters": {path: {"in": ["y30"]}}}, {"facets": [path]}):
        with pytest.raises(InvalidInput):
            find(world.desk, collaborator, body)
        find(world.desk, world.caller("S-4"), body)
