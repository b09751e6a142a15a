"""The trail holds the walls too: neither an id nor a number beside a shortened list tells of a case hidden from the asker."""

from __future__ import annotations

from archive.finding import find
from archive.intake import deposit
from audit.trail import Question
from case_world import World
from petition_records import accusation
from reviews.questions import ask


def test_a_count_beside_a_shortened_list_is_left_out(world: World) -> None:
    seen = deposit(world.desk, world.system, world.record()).case_id
    accused = accusation() | {"case_no": "ACC-1"}
    accused["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["S-4"]}]
    hidden = deposit(world.desk, world.system, accused).case_id
    assert find(world.desk, world.caller("S-8"), {}).total == 2
    logged = world.entries("case.listed")[-1]
    assert set(logged.cases) == {seen, hidden}
    assert logged.data["shown"] == 2
    answered = ask(world.desk, world.caller("S-4"), Question(kinds=("case.listed",)))
    assert [entry.members["cases"] for entry in answered.entries] == [[seen]]
    assert "shown" not in answered.entries[0].members.get("data", {})
    assert hidden not in str(answered)
