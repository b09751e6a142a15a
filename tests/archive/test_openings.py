"""Clear openings: never without a form, never beyond it, never after it, and never more often than it says."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from access_forms import form, granted
from acts.errors import Refused
from acts.reasons import REASON_LENGTH
from archive import opening
from archive.finding_persons import find_person
from archive.intake import deposit
from archive.reading import view
from archive.requests.approvals import Trim, decide_request
from archive.requests.filing import file, withdraw
from archive.requests.grants import give_back, grants_of, read_request, requests_of, revoke
from archive.requests.openings import ClearView, ClockBehind, GrantSpent, open_case, read_opening
from archive.requests.tables import grants
from archive.versions import correct, supplement
from auth.tables import sessions
from case_world import World
from foundation import steps
from foundation.errors import ArchiveError, InvalidInput, NotFound
from petition_records import accusation
from policies.errors import TransitionRefused, VersionChanged
from vault.errors import CannotOpen


@pytest.fixture
def case_id(world: World) -> str:
    return deposit(world.desk, world.system, world.record()).case_id


def test_openings_are_never_overspent_by_any_number_of_threads(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id, max_uses=3)

    def once(_: int) -> ClearView | None:
        try:
            return open_case(world.desk, world.caller("S-1"), grant_id, case_id)
        except (GrantSpent, Refused):
            return None

    with ThreadPoolExecutor(16) as pool:
        views = [view for view in pool.map(once, range(40)) if view is not None]
    with world.desk.db.read() as conn:
        uses = conn.execute(select(grants.c.uses)).scalar_one()
    counted = [entry for entry in world.entries("access.intent") if entry.data["counted"]]
    assert uses == len(counted) <= 3
    assert len({view.opening_id for view in views}) == len(counted)


def test_reading_inside_a_session_costs_no_use_and_every_reading_is_on_record(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id)
    first = open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    again = read_opening(world.desk, world.caller("S-1"), first.opening_id)
    same = open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    assert {first.opening_id, again.opening_id, same.opening_id} == {first.opening_id}
    assert (first.uses_left, again.uses_left, same.uses_left) == (1, 1, 1)
    assert [entry.data["counted"] for entry in world.entries("access.intent")] == [True, False, False]
    assert len(world.entries("access.outcome")) == 3


def test_a_session_ends_after_fifteen_minutes_and_the_next_costs_a_use(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id)
    first = open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    world.clock.advance(15 * 60)
    with pytest.raises(NotFound):
        read_opening(world.desk, world.caller("S-1"), first.opening_id)
    second = open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    assert second.opening_id != first.opening_id
    assert second.uses_left == 0
    world.clock.advance(15 * 60)
    with pytest.raises(Refused):
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)


@pytest.mark.parametrize("how", ["expired", "returned", "revoked"])
def test_a_grant_that_ended_opens_nothing_even_inside_a_running_session(world: World, case_id: str, how: str) -> None:
    grant_id = granted(world, case_id, expires_at=world.clock.now() + timedelta(minutes=10))
    opened = open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    if how == "expired":
        world.clock.advance(10 * 60)
    elif how == "returned":
        give_back(world.desk, world.caller("S-1"), grant_id)
    else:
        revoke(world.desk, world.caller("S-2"), grant_id, "不再需要")
    with pytest.raises((Refused, NotFound)):
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    with pytest.raises((Refused, NotFound)):
        read_opening(world.desk, world.caller("S-1"), opened.opening_id)
    assert len(world.entries("access.intent")) == 1


def test_a_clock_set_back_revives_no_grant_that_expired(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id)
    world.clock.advance(4 * 86_400)
    with pytest.raises(Refused):
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    world.clock.advance(-3 * 86_400)
    view(world.desk, world.caller("S-1"), case_id)  # an entry at the false time does not help
    with pytest.raises(ClockBehind):
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    assert world.entries("access.intent") == []
    assert world.entries("access.refused")[-1].data["cause"] == "clock-behind"


def test_what_changes_between_the_decision_and_the_opening_holds(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id, max_uses=5)
    accused = accusation() | {"case_no": world.record()["case_no"]}
    accused["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["S-1"]}]

    def accuse(step: str) -> None:
        if step == "opening.intended":
            steps.install_hook(None)
            correct(world.desk, world.system, case_id, base_version=1, record=accused, reason="更正")

    steps.install_hook(accuse)
    try:
        with pytest.raises((NotFound, Refused)):
            open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    finally:
        steps.install_hook(None)
    assert [entry.verdict for entry in world.entries("access.outcome")] == ["refuse"]


@pytest.mark.parametrize("how", ["revoked", "signed-out"])
def test_a_grant_or_session_that_ends_while_it_is_opened_releases_nothing(world: World, case_id: str, how: str) -> None:
    grant_id = granted(world, case_id)
    caller = world.caller("S-1")

    def end(step: str) -> None:
        if step != "opening.opened":
            return
        steps.install_hook(None)
        if how == "revoked":
            revoke(world.desk, world.caller("S-2"), grant_id, "不再需要")
        else:
            ended = update(sessions).where(sessions.c.session_id == caller.principal.session_id).values(revoked_ms=1)
            world.desk.uow.bookkeep("F001", lambda unit: unit.conn.execute(ended))

    steps.install_hook(end)
    try:
        with pytest.raises(Refused):
            open_case(world.desk, caller, grant_id, case_id)
    finally:
        steps.install_hook(None)
    assert [entry.verdict for entry in world.entries("access.outcome")] == ["refuse"]


@pytest.mark.parametrize("first", ["returned", "revoked"])
def test_a_grant_that_was_returned_or_revoked_is_ended_no_second_time(world: World, case_id: str, first: str) -> None:
    grant_id = granted(world, case_id)
    acts = {
        "returned": lambda: give_back(world.desk, world.caller("S-1"), grant_id),
        "revoked": lambda: revoke(world.desk, world.caller("S-2"), grant_id, "不再需要"),
    }
    acts[first]()
    for again in acts.values():
        with pytest.raises(TransitionRefused):
            again()
    assert [entry.kind for entry in world.entries("grant.returned", "grant.revoked")] == [f"grant.{first}"]


def test_a_reason_has_one_greatest_length_wherever_one_is_given(world: World, case_id: str) -> None:
    grant_id, longest = granted(world, case_id), "长" * REASON_LENGTH
    purpose = "verify-identity"
    acts: list[Callable[[str], object]] = [
        lambda reason: revoke(world.desk, world.caller("S-2"), grant_id, reason),
        lambda reason: find_person(world.desk, world.caller("S-4"), "name", "某某", purpose=purpose, reason=reason),
        lambda reason: supplement(world.desk, world.system, case_id, base_version=9, part={}, reason=reason),
    ]
    for act in acts:
        with pytest.raises(InvalidInput) as refused:
            act(longest + "长")
        assert ("reason", "too-long") in {(fault.path, fault.rule) for fault in refused.value.faults}
    revoke(world.desk, world.caller("S-2"), grant_id, longest)


def test_a_clock_set_back_opens_no_grant_that_was_returned(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id)
    give_back(world.desk, world.caller("S-1"), grant_id)
    world.clock.advance(-3600)
    with pytest.raises((Refused, NotFound)):
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)


@pytest.mark.parametrize("staff_no", ["S-2", "S-3", "S-4", "S-5", "S-6", "S-7", "S-8", "S-9", "S-10"])
def test_a_grant_opens_for_its_holder_and_for_nobody_else(world: World, case_id: str, staff_no: str) -> None:
    grant_id = granted(world, case_id)
    with pytest.raises((Refused, NotFound)):
        open_case(world.desk, world.caller(staff_no), grant_id, case_id)
    assert world.entries("access.intent") == []


def test_a_grant_opens_its_own_case_alone(world: World, case_id: str) -> None:
    other = deposit(world.desk, world.system, world.record(case_no="XF-OTHER")).case_id
    grant_id = granted(world, case_id)
    with pytest.raises((Refused, NotFound)):
        open_case(world.desk, world.caller("S-1"), grant_id, other)


def test_a_correction_ends_grants_of_the_old_version_and_a_supplement_does_not(world: World, case_id: str) -> None:
    grant_id = granted(world, case_id, max_uses=5)
    rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}
    supplement(world.desk, world.system, case_id, base_version=1, part=rating, reason="评价")
    assert open_case(world.desk, world.caller("S-1"), grant_id, case_id).view.version == 1
    correct(world.desk, world.system, case_id, base_version=2, record=world.record(title="更正"), reason="标题有误")
    with pytest.raises(Refused):
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)


def test_nothing_is_opened_when_the_intent_cannot_be_recorded(world: World, case_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grant_id = granted(world, case_id)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.desk.uow, "_sequencer", full)
    looked: list[str] = []
    monkeypatch.setattr(opening, "fields", lambda *_args: looked.append("opened"))
    with pytest.raises(ArchiveError) as caught:
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    assert caught.value.code == "storage-unavailable"
    assert looked == []


def test_an_intent_stands_alone_when_the_opening_itself_fails(world: World, case_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grant_id = granted(world, case_id)

    def broken(*_: object) -> None:
        raise CannotOpen

    monkeypatch.setattr(opening, "fields", broken)
    with pytest.raises(CannotOpen):
        open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    assert len(world.entries("access.intent")) == 1
    assert world.entries("access.outcome") == []


def test_nobody_approves_their_own_request_and_one_person_counts_once(world: World, case_id: str) -> None:
    filed = file(world.desk, world.caller("S-1"), form(world, case_id))
    with pytest.raises((Refused, NotFound)):
        decide_request(world.desk, world.caller("S-1"), filed.request_id, verdict="approve", reason="", if_match=1)
    first = decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=1)
    with pytest.raises((Refused, NotFound)):
        decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=first.version)


def test_two_decisions_at_once_make_one_decision_and_at_most_one_grant(world: World, case_id: str) -> None:
    filed = file(world.desk, world.caller("S-1"), form(world, case_id))
    first = decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=1)

    def decide(i: int) -> bool:
        try:
            decide_request(
                world.desk,
                world.caller("S-3"),
                filed.request_id,
                verdict="approve" if i % 2 else "refuse",
                reason="理由",
                if_match=first.version,
            )
        except (VersionChanged, TransitionRefused, Refused):
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(decide, range(10))) == 1
    assert len(world.entries("grant.made")) <= 1


def test_a_decision_on_a_version_that_was_not_read_is_refused(world: World, case_id: str) -> None:
    filed = file(world.desk, world.caller("S-1"), form(world, case_id))
    with pytest.raises(VersionChanged):
        decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=7)


def test_an_approver_takes_away_and_never_adds(world: World, case_id: str) -> None:
    filed = file(world.desk, world.caller("S-1"), form(world, case_id))
    late = world.clock.now() + timedelta(days=30)
    for trim in (
        Trim(fields=("petitioners[].id_number",)),
        Trim(cases=("x",)),
        Trim(max_uses=99),
        Trim(expires_at=late),
        Trim(max_uses=0),
        Trim(fields=()),
    ):
        with pytest.raises((TransitionRefused, InvalidInput)):
            decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=1, trim=trim)
    assert read_request(world.desk, world.caller("S-1"), filed.request_id).request.state.version == 1


def test_a_withdrawn_or_refused_request_is_final(world: World, case_id: str) -> None:
    filed = file(world.desk, world.caller("S-1"), form(world, case_id))
    version = withdraw(world.desk, world.caller("S-1"), filed.request_id, 1)
    with pytest.raises(Refused):
        decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=version)
    other = file(world.desk, world.caller("S-1"), form(world, case_id))
    decided = decide_request(world.desk, world.caller("S-2"), other.request_id, verdict="refuse", reason="事由不足", if_match=1)
    assert decided.status == "refused"
    with pytest.raises(Refused):
        withdraw(world.desk, world.caller("S-1"), other.request_id, decided.version)


def test_a_request_nobody_answered_has_lapsed_when_it_is_read(world: World, case_id: str) -> None:
    filed = file(world.desk, world.caller("S-1"), form(world, case_id, purpose="review", expires_at=world.clock.now() + timedelta(days=29)))
    world.clock.advance(28 * 86_400)
    assert read_request(world.desk, world.caller("S-1"), filed.request_id).status == "lapsed"
    with pytest.raises(Refused):
        decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason="", if_match=1)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"purpose": "稳控"}, "purpose-not-allowed"),
        ({"max_uses": 0}, "openings-out-of-range"),
        ({"max_uses": -1}, "openings-out-of-range"),
        ({"fields": ("no.such.field",)}, "field-not-askable"),
        ({"fields": ("confidentiality_requested",)}, "field-not-askable"),
        ({"fields": ("petitioners[].birth_date",)}, "birth-date-needs-id-number"),
        ({"fields": ()}, "nothing-asked"),
        ({"reason": " "}, "required"),
        ({"usage": "browse"}, "unknown-code"),
    ],
)
def test_a_form_that_breaks_a_rule_is_refused_with_that_rule(world: World, case_id: str, changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        file(world.desk, world.caller("S-1"), form(world, case_id, **changes))
    assert rule in {fault.rule for fault in caught.value.faults}


def test_a_form_that_names_a_case_of_others_is_refused_like_one_that_does_not_exist(world: World, case_id: str) -> None:
    hidden = deposit(world.desk, world.system, accusation() | {"case_no": "XF-ACC", "case_handler_staff_id": "S-1"}).case_id
    absent = world.desk.keys.archive_id
    answers = []
    for staff_no, target in (("S-5", case_id), ("P-7", hidden), ("S-1", absent)):
        with pytest.raises(NotFound) as caught:
            file(world.desk, world.caller(staff_no), form(world, target))
        answers.append((caught.value.code, caught.value.text_zh, caught.value.text_en, caught.value.params))
    assert answers[0] == answers[1] == answers[2]


def test_lists_of_requests_show_what_is_the_callers_to_see(world: World, case_id: str) -> None:
    filed = file(world.desk, world.caller("S-1"), form(world, case_id))
    assert [one.request.request_id for one in requests_of(world.desk, world.caller("S-1"), to_decide=False)] == [filed.request_id]
    assert [one.request.request_id for one in requests_of(world.desk, world.caller("S-2"), to_decide=True)] == [filed.request_id]
    assert requests_of(world.desk, world.caller("S-5"), to_decide=False) == []
    assert grants_of(world.desk, world.caller("S-1")) == []


def test_asking_for_an_opening_that_is_not_there_is_on_record_too(world: World, case_id: str) -> None:
    opened = open_case(world.desk, world.caller("S-1"), granted(world, case_id), case_id)
    for staff_no, opening_id in (("S-2", opened.opening_id), ("S-1", case_id)):
        before = len(world.entries("access.refused"))
        with pytest.raises(NotFound):
            read_opening(world.desk, world.caller(staff_no), opening_id)
        assert len(world.entries("access.refused")) == before + 1
