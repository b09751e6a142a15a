"""Who saw a case or a petitioner, and the timelines: whole for those who may ask, and nothing of what is hidden from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from access_forms import granted
from acts.errors import Refused
from archive.finding import find
from archive.finding_persons import find_person
from archive.intake import deposit
from archive.reading import view
from archive.requests.grants import give_back
from archive.requests.openings import open_case
from case_world import World
from foundation import steps
from foundation.errors import NotFound
from foundation.ids import new_id
from petition_records import accusation
from reviews.sightings import Sighting, who_saw, who_saw_petitioner
from reviews.timelines import of_case, of_grant


@pytest.fixture
def case_id(world: World) -> str:
    return deposit(world.desk, world.system, world.record()).case_id


@pytest.fixture
def walled(world: World) -> str:
    """An accusation of the inspector S-4."""
    record = accusation() | {"case_no": "ACC-1"}
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["S-4"]}]
    return deposit(world.desk, world.system, record).case_id


def ways(world: World, found: tuple[Sighting, ...]) -> dict[tuple[str, str], int]:
    staff = {person: staff_no for staff_no, person in world.persons.items()}
    return {(staff[str(one.person)], one.way): one.times for one in found}


def test_every_way_a_case_was_seen_is_told_by_person_and_way(world: World, case_id: str) -> None:
    view(world.desk, world.caller("S-1"), case_id)
    view(world.desk, world.caller("S-1"), case_id)
    find(world.desk, world.caller("S-8"), {})
    find(world.desk, world.caller("S-1"), {"filters": {"closure_type": {"in": ["handled"]}}})
    find_person(world.desk, world.caller("S-1"), "name", "张三", purpose="review", reason="核对")
    grant_id = granted(world, case_id)
    open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    other = deposit(world.desk, world.system, world.record(case_no="OTHER-1")).case_id
    view(world.desk, world.caller("S-2"), other)
    found = who_saw(world.desk, world.caller("S-4"), case_id)
    assert ways(world, found.sightings) == {
        ("S-1", "view"): 2,
        ("S-8", "list"): 1,
        ("S-1", "search"): 1,
        ("S-1", "identity-search"): 1,
        ("S-1", "clear"): 1,
    }
    assert found.complete
    clear = next(one for one in found.sightings if one.way == "clear")
    assert (clear.cases, clear.grants, clear.purposes, clear.roles) == ({case_id}, {grant_id}, {"review"}, {"handler"})
    assert world.entries("log.queried")[-1].data["shown"] == 7  # an opening has two entries


def test_an_opening_without_an_outcome_counts_as_seen_and_a_stopped_one_is_told(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id)

    def killed(step: str) -> None:
        if step == "opening.intended":
            steps.install_hook(None)
            raise MemoryError

    steps.install_hook(killed)
    try:
        with pytest.raises(MemoryError):
            open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    finally:
        steps.install_hook(None)
    assert ways(world, who_saw(world.desk, world.caller("S-4"), case_id).sightings) == {("S-1", "clear-unsure"): 1}

    def returned(step: str) -> None:
        if step == "opening.intended":
            steps.install_hook(None)
            give_back(world.desk, world.caller("S-1"), grant_id)

    steps.install_hook(returned)
    try:
        with pytest.raises((Refused, NotFound)):
            open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    finally:
        steps.install_hook(None)
    assert ways(world, who_saw(world.desk, world.caller("S-4"), case_id).sightings) == {
        ("S-1", "clear-unsure"): 1,
        ("S-1", "clear-stopped"): 1,
    }


def test_who_saw_a_petitioner_gathers_all_their_cases_and_is_a_search_by_identity_on_record(world: World, case_id: str) -> None:
    second = deposit(world.desk, world.system, world.record(case_no="SECOND-1")).case_id
    view(world.desk, world.caller("S-1"), case_id)
    view(world.desk, world.caller("S-1"), second)
    found = who_saw_petitioner(world.desk, world.caller("S-4"), "name", "张三", purpose="supervision", reason="信访人询问")
    assert set(found.cases) == {case_id, second}
    seen = {(one.way, one.times): one.cases for one in found.sightings if one.person == world.persons["S-1"]}
    assert seen == {("view", 2): {case_id, second}}
    assert [one.kind for one in world.entries()][-2:] == ["case.searched-by-identity", "log.queried"]


@pytest.mark.parametrize("staff_no", ["S-1", "S-2", "S-3", "S-6", "S-7", "S-9"])
def test_only_those_who_may_question_the_trail_learn_who_saw(world: World, case_id: str, staff_no: str) -> None:
    for ask in (who_saw, of_case):
        with pytest.raises((Refused, NotFound)):
            ask(world.desk, world.caller(staff_no), case_id)


def test_a_walled_case_and_one_that_was_never_there_are_answered_alike(world: World, case_id: str, walled: str) -> None:
    view(world.desk, world.caller("S-8"), walled)
    find(world.desk, world.caller("S-8"), {})
    asks: list[Callable[[str], object]] = [
        lambda case: who_saw(world.desk, world.caller("S-4"), case),
        lambda case: of_case(world.desk, world.caller("S-4"), case),
    ]
    for ask in asks:
        records = []
        for case in (walled, new_id()):
            with pytest.raises(NotFound):
                ask(case)
            records.append(world.entries("log.queried")[-1].data["shown"])
        assert records == [0, 0]
    # What the list of both tells of the case that is known leaves the other one out.
    found = who_saw(world.desk, world.caller("S-4"), case_id)
    assert all(one.cases <= {case_id} for one in found.sightings)


def test_a_grants_timeline_runs_from_its_form_to_its_return(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id)
    open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    give_back(world.desk, world.caller("S-1"), grant_id)
    found = of_grant(world.desk, world.caller("S-4"), grant_id)
    assert [one.members["kind"] for one in found.entries] == [
        "request.filed",
        "request.approved",
        "request.approved",
        "grant.made",
        "access.intent",
        "access.outcome",
        "grant.returned",
    ]
    assert [one.index for one in found.entries] == sorted(one.index for one in found.entries)
    with pytest.raises(NotFound):
        of_grant(world.desk, world.caller("S-4"), new_id())


def test_a_cases_timeline_begins_with_its_deposit_and_a_grant_on_a_walled_case_has_none(world: World, case_id: str, walled: str) -> None:
    view(world.desk, world.caller("S-1"), case_id)
    found = of_case(world.desk, world.caller("S-4"), case_id)
    assert [one.members["kind"] for one in found.entries] == ["case.deposited", "case.viewed"]
    assert found.complete
    with pytest.raises(NotFound):
        of_case(world.desk, world.caller("S-4"), walled)
