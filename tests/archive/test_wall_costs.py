"""The wall costs the same whether it is there or not: equal statements and equal digests for absent, walled and others' cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest

from access_forms import form
from archive.facts import case_facts
from archive.finding import find
from archive.intake import deposit
from archive.reading import view
from archive.requests.filing import file
from archive.walls import Whom
from audit.trail import Question
from auth.people import register_person
from case_world import FONDS, World
from foundation.errors import ArchiveError
from foundation.ids import new_id
from petition_records import accusation
from policies.wall import walled
from reviews.questions import ask
from statement_notes import statements_of
from vault.blind import BlindKey


@contextmanager
def work(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement, and every tag that is made, in their order."""
    tag = BlindKey.tag

    def tagged(key: BlindKey, form: str, value: str) -> object:
        done.append(f"tag {form}")
        return tag(key, form, value)

    with statements_of(world.desk.db) as done, monkeypatch.context() as patched:
        patched.setattr(BlindKey, "tag", tagged)
        yield done


def attempted(world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[str]:
    with work(world, monkeypatch) as done:
        try:
            act()
        except ArchiveError:
            done.append("refused")
    return done


def accused(world: World, *people: str) -> str:
    record = accusation() | {"case_no": f"ACC-{new_id()}"}
    record["involved_parties"] = [
        {"party_role": "accused", "party_kind": "person", "party_name": "司马丁", "party_user_ids": [one]} for one in people
    ]
    return deposit(world.desk, world.system, record).case_id


@pytest.mark.parametrize("act", [view, file], ids=["view", "file"])
def test_the_work_of_a_refusal_tells_no_wall_from_an_absent_case(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[..., object]
) -> None:
    targets = {
        "absent": new_id(),
        "hidden": deposit(world.desk, world.system, world.record()).case_id,
        "walled": accused(world, "S-5"),
        "unresolved": accused(world, "nobody-we-know"),
    }
    world.do(lambda unit: [register_person(unit, staff_no=f"X-{one}", display_name=f"某{one}", at=world.clock.now()) for one in range(40)])
    asked = {name: case_id if act is view else form(world, case_id, fields=("content",)) for name, case_id in targets.items()}
    caller = world.caller("S-5")
    for what in asked.values():  # whatever is prepared once is prepared
        attempted(world, monkeypatch, partial(act, world.desk, caller, what))
    done = {name: attempted(world, monkeypatch, partial(act, world.desk, caller, what)) for name, what in asked.items()}
    assert done["absent"] == done["hidden"] == done["walled"] == done["unresolved"]
    assert done["absent"][-1] == "refused"
    assert sum(one.startswith("tag") for one in done["absent"]) < 40


def test_the_work_of_a_question_tells_no_window_with_a_hidden_case_from_an_empty_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = accused(world, "S-4")
    moments = [world.clock.now()]
    for look in (lambda: None, lambda: view(world.desk, world.caller("S-8"), case_id)):
        look()
        moments.append(world.clock.advance(60))
    asker = world.caller("S-4")
    questions = [Question(kinds=("case.viewed",), since=since, until=until) for since, until in pairwise(moments)]
    for question in questions:
        ask(world.desk, asker, question)
    empty, hidden = (attempted(world, monkeypatch, partial(ask, world.desk, asker, question)) for question in questions)
    assert empty == hidden


def test_a_page_makes_as_many_tags_with_an_accusation_on_it_as_without(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        deposit(world.desk, world.system, world.record(case_no=f"XF-{number}"))
    caller = world.caller("S-4")
    find(world.desk, caller, {})
    before = attempted(world, monkeypatch, lambda: find(world.desk, caller, {}))
    accused(world, "P-7")
    find(world.desk, caller, {})
    assert attempted(world, monkeypatch, lambda: find(world.desk, caller, {})) == before


def test_facts_asked_for_one_person_put_everybody_else_outside(world: World) -> None:
    case_id = accused(world, "P-7")
    one, other = world.principal("S-4"), world.principal("S-8")
    with world.desk.db.read() as conn:
        facts = case_facts(conn, world.desk.keys, FONDS, {case_id: None}, Whom.of(one))[case_id]
    assert not walled(one.person_id, frozenset(), facts)
    assert walled(other.person_id, frozenset(), facts)
