"""Three administrators are three persons, nobody serves themselves, and it takes two to let somebody in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from acts.errors import Refused
from auth.errors import NotInForce, PostTaken, SeparationBroken
from auth_office import holdings_of
from foundation.errors import InvalidInput
from office.accounts import block_account, reset_factor, reset_secret, unblock_account
from office.errors import NotOneself
from office.posts import hold_post, leave_post
from policies.rulebook.load import base
from staff_world import StaffWorld

PEOPLE_ROLES = sorted(role.code for role in base().roles.by_code.values() if role.holders == "person")


@pytest.mark.parametrize("role", PEOPLE_ROLES)
def test_nobody_appoints_themselves_to_any_post(staff_world: StaffWorld, role: str) -> None:
    me = staff_world.as_("secadmin")
    post_id = staff_world.post(role)
    assert me.principal.person_id is not None
    with pytest.raises(NotOneself):
        hold_post(staff_world.staff, me, post_id=post_id, person_id=me.principal.person_id)
    entry = staff_world.entries("access.refused")[-1]
    assert entry.members["reason"] == "not-oneself"
    assert entry.members["object"] == {"kind": "post", "id": post_id}
    with staff_world.desk.db.read() as conn:
        assert holdings_of(conn, me.fonds, post_id=post_id) == []


@pytest.mark.parametrize("act", [block_account, unblock_account, reset_secret, reset_factor])
def test_nobody_resets_or_blocks_their_own_account(staff_world: StaffWorld, act: object) -> None:
    me = staff_world.as_("secadmin")
    with pytest.raises(NotOneself):
        act(staff_world.staff, me, me.principal.account_id)  # type: ignore[operator]
    assert staff_world.entries("access.refused")[-1].members["reason"] == "not-oneself"


def test_nobody_takes_themselves_out_of_their_post(staff_world: StaffWorld) -> None:
    me = staff_world.as_("secadmin")
    assert me.principal.person_id is not None
    with staff_world.desk.db.read() as conn:
        holding = holdings_of(conn, me.fonds, person_id=me.principal.person_id)[0].holding_id
    with pytest.raises(NotOneself):
        leave_post(staff_world.staff, me, holding)


@pytest.mark.parametrize("one", ["sysadmin", "secadmin", "auditadmin"])
@pytest.mark.parametrize("other", PEOPLE_ROLES)
def test_an_administrator_holds_no_second_role_and_the_attempt_is_on_record(staff_world: StaffWorld, one: str, other: str) -> None:
    # Another security administrator does it, so that it is the separation and not the self-appointment that refuses.
    second = staff_world.hire("secadmin")
    by = staff_world.caller_of(second.account_id, "secadmin")
    person_id = staff_world.as_(one).principal.person_id
    assert person_id is not None
    post_id = staff_world.post(other)
    if one == other:
        hold_post(staff_world.staff, by, post_id=post_id, person_id=person_id)
        return
    with pytest.raises(SeparationBroken):
        hold_post(staff_world.staff, by, post_id=post_id, person_id=person_id)
    entry = staff_world.entries("access.refused")[-1]
    assert (entry.members["reason"], entry.members["data"]["action"]) == ("separation-broken", "office.post_hold")


def test_a_business_role_is_not_followed_by_an_administrators_later_either(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    later = staff_world.clock.now() + timedelta(days=30)
    post_id = staff_world.post("auditadmin")
    with pytest.raises(SeparationBroken):
        hold_post(staff_world.staff, staff_world.as_("secadmin"), post_id=post_id, person_id=handler.person_id, begins=later)
    leave_post(staff_world.staff, staff_world.as_("secadmin"), handler.holding_id)
    hold_post(staff_world.staff, staff_world.as_("secadmin"), post_id=post_id, person_id=handler.person_id, begins=later)


def test_it_takes_two_to_let_somebody_in(staff_world: StaffWorld) -> None:
    """The one who opens accounts cannot give them a role; the one who gives roles cannot open accounts."""
    from office.accounts import create_account

    person_id, post_id = staff_world.person(), staff_world.post("handler")
    with pytest.raises(Refused):
        hold_post(staff_world.staff, staff_world.as_("sysadmin"), post_id=post_id, person_id=person_id)
    with pytest.raises(Refused):
        create_account(staff_world.staff, staff_world.as_("secadmin"), person_id=person_id, login="newcomer")


def test_who_held_a_post_cannot_be_rewritten_afterwards(staff_world: StaffWorld) -> None:
    person_id, post_id = staff_world.person(), staff_world.post("handler")
    with pytest.raises(InvalidInput):
        hold_post(
            staff_world.staff,
            staff_world.as_("secadmin"),
            post_id=post_id,
            person_id=person_id,
            begins=staff_world.clock.now() - timedelta(days=1),
        )


def test_a_post_has_one_holder_and_one_acting_holder(staff_world: StaffWorld) -> None:
    first, second, third = (staff_world.person() for _ in range(3))
    post_id, by = staff_world.post("leader"), staff_world.as_("secadmin")
    hold_post(staff_world.staff, by, post_id=post_id, person_id=first)
    with pytest.raises(PostTaken):
        hold_post(staff_world.staff, by, post_id=post_id, person_id=second)
    hold_post(staff_world.staff, by, post_id=post_id, person_id=second, acting=True)
    with pytest.raises(PostTaken):
        hold_post(staff_world.staff, by, post_id=post_id, person_id=third, acting=True)


def test_a_post_left_stays_in_the_history_and_gives_nothing_any_more(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    leave_post(staff_world.staff, staff_world.as_("secadmin"), handler.holding_id, reason="调离")
    assert staff_world.caller_of(handler.account_id, "handler").principal.posts == ()
    with pytest.raises(NotInForce):
        leave_post(staff_world.staff, staff_world.as_("secadmin"), handler.holding_id)
    entry = staff_world.entries("post.left")[-1]
    assert entry.members["data"] == {"person": handler.person_id, "holding": handler.holding_id}
    assert "reason" in entry.members["details"]
    assert "调离" not in str(entry.members)
