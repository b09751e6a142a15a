"""Masked views and lists: on record before anything is opened, and cursors that are worth nothing to others."""

from __future__ import annotations

import pytest

from acts.desk import Caller
from archive import opening
from archive.errors import CursorRefused, TooManySearches
from archive.finding import find
from archive.finding_persons import find_person
from archive.intake import deposit, deposit_many
from archive.reading import view
from archive.versions import correct
from case_world import World
from foundation import steps
from foundation.errors import ArchiveError, InvalidInput, NotFound
from petition_records import accusation
from policies.rulebook.load import base


def break_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.desk.uow, "_sequencer", full)


@pytest.mark.parametrize("what", ["view", "list", "identity"])
def test_nothing_is_opened_when_the_look_cannot_be_recorded(world: World, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    opened: list[object] = []
    monkeypatch.setattr(opening, "masks", lambda *args: opened.append(args))
    break_the_log(world, monkeypatch)
    looks = {
        "view": lambda: view(world.desk, world.caller("S-1"), case_id),
        "list": lambda: find(world.desk, world.caller("S-1"), {}),
        "identity": lambda: find_person(world.desk, world.caller("S-1"), "name", "张三", purpose="review", reason="核对"),
    }
    with pytest.raises(ArchiveError) as caught:
        looks[what]()
    assert caught.value.code == "storage-unavailable"
    assert opened == []


def test_a_view_a_list_and_a_search_each_leave_their_entry(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    handler = world.caller("S-1")
    view(world.desk, handler, case_id)
    find(world.desk, handler, {})
    find(world.desk, handler, {"filters": {"closure_type": {"in": ["handled"]}}})
    find(world.desk, handler, {"facets": ["closure_type"]})
    find_person(world.desk, handler, "id_number", "999999199013321234", purpose="review", reason="核对")
    kinds = ["case.viewed", "case.listed", "case.searched", "case.faceted", "case.searched-by-identity"]
    entries = world.entries(*kinds)
    assert [entry.kind for entry in entries] == kinds
    assert [case_id in (entry.cases or (entry.object.get("id"),)) for entry in entries] == [True] * 5


def test_a_refusal_is_on_record_before_it_is_raised(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    with pytest.raises(NotFound):
        view(world.desk, world.caller("S-5"), case_id)
    refused = world.entries("access.refused")[-1]
    assert (refused.verdict, refused.reason, refused.data["action"]) == ("refuse", "case-not-found", "case.view")


def test_a_refusal_that_cannot_be_recorded_is_no_answer_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    break_the_log(world, monkeypatch)
    with pytest.raises(ArchiveError) as caught:
        view(world.desk, world.caller("S-5"), case_id)
    assert caught.value.code == "storage-unavailable"


def test_pages_follow_each_other_without_gap_or_repeat(world: World) -> None:
    deposit_many(world.desk, world.system, [world.record(case_no=f"P-{i:03d}") for i in range(23)])
    for sort in ("-closed_at", "closed_at", "petition_date"):
        cursor, seen = None, []
        while True:
            page = find(world.desk, world.caller("S-1"), {"limit": 5, "sort": sort}, cursor)
            seen += [row.case_id for row in page.rows]
            assert page.total == 23
            cursor = page.cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 23


def test_a_cursor_is_worth_nothing_to_another_person_question_or_hand(world: World) -> None:
    deposit_many(world.desk, world.system, [world.record(case_no=f"P-{i:03d}", case_leader_staff_id="S-2") for i in range(7)])
    cursor = find(world.desk, world.caller("S-1"), {"limit": 5}).cursor
    assert cursor is not None
    attempts: list[tuple[Caller, dict[str, object], str]] = [
        (world.caller("S-2"), {"limit": 5}, cursor),
        (world.caller("S-1"), {"limit": 5, "sort": "closed_at"}, cursor),
        (world.caller("S-1"), {"limit": 5, "filters": {"closure_type": {"in": ["handled"]}}}, cursor),
        (world.caller("S-1"), {"limit": 5}, ("A" if cursor[0] != "A" else "B") + cursor[1:]),
        (world.caller("S-1"), {"limit": 5}, "x" * 500),
        (world.caller("S-1"), {"limit": 5}, "不是游标"),
        (world.caller("S-1"), {"limit": 5}, ""),
        (world.caller("S-1"), {"limit": 5}, cursor + "!!"),
        (world.caller("S-1"), {"limit": 5}, cursor[:4] + " " + cursor[4:]),
    ]
    for caller, body, given in attempts:
        with pytest.raises(CursorRefused):
            find(world.desk, caller, body, given)


@pytest.mark.parametrize(
    "body",
    [
        {"filters": {"petitioners[].name": {"in": ["张三"]}}},
        {"filters": {"title": {"prefix": "反"}}},
        {"filters": {"protection_level": {"in": ["high"]}}},
        {"filters": {"is_anonymous": {"in": [True]}}},
        {"facets": ["petitioners[].name"]},
        {"facets": ["is_anonymous"]},
        {"facets": ["petitioners[].confidentiality_requested"]},
        {"filters": {"no_such_field": {"in": ["x"]}}},
        {"sort": "title"},
        {"limit": 0},
        {"limit": 10_000},
        {"filters": {"petitioner_count": {"from": "many"}}},
        {"filters": {"closed_at": {"from": "yesterday"}}},
        {"filters": {"closure_type": {"in": []}}},
        {"filters": {"closure_type": {"prefix": "h"}}},
        {"filters": []},
        {"unknown": 1},
    ],
)
def test_nothing_is_filtered_sorted_or_counted_by_what_is_not_seen_in_clear(world: World, body: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        find(world.desk, world.caller("S-1"), body)


def test_exact_search_wants_a_purpose_a_reason_and_ends_at_its_limit(world: World) -> None:
    deposit(world.desk, world.system, world.record())
    handler = world.caller("S-1")
    with pytest.raises(ArchiveError, match="refused"):
        find_person(world.desk, handler, "name", "张三", purpose="稳控", reason="核对")
    for kind, value, reason in (("name", "张三", " "), ("birth_date", "张三", "核对"), ("name", "", "核对"), ("name", "张" * 101, "核对")):
        with pytest.raises(InvalidInput):
            find_person(world.desk, handler, kind, value, purpose="review", reason=reason)
    for _ in range(base().limits.count("identity_searches")):
        find_person(world.desk, handler, "name", "无此人", purpose="review", reason="核对")
    for move in (0, -7200):
        world.clock.advance(move)
        with pytest.raises(TooManySearches):
            find_person(world.desk, handler, "name", "张三", purpose="review", reason="核对")
    world.clock.advance(7200 + 3600)
    assert find_person(world.desk, handler, "name", "张三", purpose="review", reason="核对").total == 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("name", "张三"),
        ("name", "欧阳大明"),
        ("name", "买买提•阿不都"),
        ("name", "买买提．阿不都"),
        ("id_number", "９９９９９９１９９０１３３２１２３４"),
        ("phone", "+86 100-0000-1234"),
    ],
)
def test_exact_search_finds_every_spelling_of_the_same_person(world: World, kind: str, value: str) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    found = find_person(world.desk, world.caller("S-1"), kind, value, purpose="review", reason="核对")
    assert [row.case_id for row in found.rows] == [case_id]


def test_a_wall_that_goes_up_after_the_entry_holds_for_the_view_itself(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    accused = accusation() | {"case_no": world.record()["case_no"]}
    accused["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["S-1"]}]

    def accuse(step: str) -> None:
        if step == "reading.recorded":
            steps.install_hook(None)
            correct(world.desk, world.system, case_id, base_version=1, record=accused, reason="更正")

    steps.install_hook(accuse)
    try:
        with pytest.raises(NotFound):
            view(world.desk, world.caller("S-1"), case_id)
    finally:
        steps.install_hook(None)
    assert world.entries("access.refused")[-1].data == {"action": "case.view"}
