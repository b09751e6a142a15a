"""Every act of the office, tried by every role: what the rulebook gives is done and on record, everything else is refused and on record."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from acts.desk import Caller
from acts.errors import Refused
from auth_office import jwk_of
from foundation.errors import ArchiveError
from foundation.ids import new_id
from office import people, units
from office.accounts import block_account, create_account, reset_factor, reset_secret, unblock_account
from office.clients import register_client, revoke_client
from office.founding import found_office
from office.people import register_person
from office.posts import create_post, end_post, hold_post, leave_post
from office.reading import list_accounts, list_clients, list_people, list_posts, list_units
from office.sessions import revoke_session, sessions_of
from office.units import create_unit
from policies.roles import ROLES
from staff_world import FIRST, StaffWorld, a_fonds

Act = Callable[[StaffWorld, Caller], object]

# action -> an act that somebody who may do it can try; the things it names need not exist.
ACTS: dict[str, Act] = {
    "office.unit_create": lambda w, c: create_unit(w.staff, c, code=new_id(), title="某科", parent_id=None),
    "office.unit_rename": lambda w, c: units.rename(w.staff, c, w.founded.unit_id, title="某局"),
    "office.unit_move": lambda w, c: units.move(w.staff, c, w.founded.unit_id, parent_id=None),
    "office.unit_end": lambda w, c: units.end(w.staff, c, new_id(), successor_id=None),
    "office.post_end": lambda w, c: end_post(w.staff, c, new_id()),
    "office.person_leave": lambda w, c: people.leave(w.staff, c, new_id()),
    "office.post_create": lambda w, c: create_post(w.staff, c, unit_id=w.founded.unit_id, role="handler", title="承办岗"),
    "office.person_register": lambda w, c: register_person(w.staff, c, staff_no=new_id(), display_name="试某"),
    "office.account_create": lambda w, c: create_account(w.staff, c, person_id=new_id(), login="somebody"),
    "office.account_block": lambda w, c: block_account(w.staff, c, new_id()),
    "office.account_unblock": lambda w, c: unblock_account(w.staff, c, new_id()),
    "office.post_hold": lambda w, c: hold_post(w.staff, c, post_id=new_id(), person_id=new_id()),
    "office.post_leave": lambda w, c: leave_post(w.staff, c, new_id()),
    "office.secret_reset": lambda w, c: reset_secret(w.staff, c, new_id()),
    "office.factor_reset": lambda w, c: reset_factor(w.staff, c, new_id()),
    "office.session_list": lambda w, c: sessions_of(w.staff, c, new_id()),
    "office.session_revoke": lambda w, c: revoke_session(w.staff, c, new_id()),
    "office.client_register": lambda w, c: register_client(
        w.staff, c, source_system="xf", title="业务系统", public_jwk=jwk_of(ec.generate_private_key(ec.SECP256R1()))
    ),
    "office.client_revoke": lambda w, c: revoke_client(w.staff, c, new_id()),
}
LOOKS: tuple[Act, ...] = (
    lambda w, c: list_units(w.staff, c),
    lambda w, c: list_posts(w.staff, c),
    lambda w, c: list_people(w.staff, c),
    lambda w, c: list_accounts(w.staff, c),
    lambda w, c: list_clients(w.staff, c),
)
# The rulebook's word on it, written out here so that a slip in the matrix shows as a failing test.
MAY = {
    "sysadmin": {
        "office.unit_rename",
        "office.unit_end",
        "office.post_end",
        "office.person_leave",
        "office.unit_create",
        "office.post_create",
        "office.person_register",
        "office.account_create",
        "office.account_block",
        "office.client_register",
        "office.client_revoke",
    },
    "secadmin": {
        "office.unit_move",
        "office.account_block",
        "office.account_unblock",
        "office.post_hold",
        "office.post_leave",
        "office.secret_reset",
        "office.factor_reset",
        "office.session_list",
        "office.session_revoke",
        "office.client_revoke",
    },
}
MAY_LOOK = {"principal", "archivist", "sysadmin", "secadmin", "auditadmin"}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_does_what_the_rulebook_gives_it_and_is_refused_the_rest_on_record(staff_world: StaffWorld, role: str) -> None:
    world = staff_world
    caller = world.as_(role)
    allowed, refused = set(), set()
    for action, act in ACTS.items():
        before = len(world.entries("access.refused"))
        try:
            act(world, caller)
        except Refused:
            refused.add(action)
            assert len(world.entries("access.refused")) == before + 1
            assert world.entries("access.refused")[-1].members["data"]["action"] == action
        except ArchiveError:
            allowed.add(action)  # it got past the decision; what it named is not there
        else:
            allowed.add(action)
    assert allowed == MAY.get(role, set())
    assert refused == set(ACTS) - allowed


@pytest.mark.parametrize("role", ROLES)
def test_the_register_is_shown_to_those_who_need_it_and_every_look_is_on_record(staff_world: StaffWorld, role: str) -> None:
    caller = staff_world.as_(role)
    before = len(staff_world.entries("office.listed"))
    for look in LOOKS:
        if role in MAY_LOOK:
            look(staff_world, caller)
        else:
            with pytest.raises(Refused):
                look(staff_world, caller)
    assert len(staff_world.entries("office.listed")) - before == (len(LOOKS) if role in MAY_LOOK else 0)


def test_an_administrator_with_one_factor_does_nothing_at_all(staff_world: StaffWorld) -> None:
    caller = staff_world.as_("sysadmin", assurance=1)
    with pytest.raises(Refused) as refused:
        register_person(staff_world.staff, caller, staff_no="E-9", display_name="试某")
    assert refused.value.reason == "second-factor-required"


def test_a_role_that_is_claimed_but_not_held_gives_nothing(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    caller = staff_world.caller_of(handler.account_id, "secadmin")
    with pytest.raises(Refused):
        hold_post(staff_world.staff, caller, post_id=staff_world.post("leader"), person_id=handler.person_id)


def test_an_administrator_of_another_fonds_finds_nothing_here(staff_world: StaffWorld) -> None:
    founded = found_office(staff_world.staff, a_fonds(code="SP01", title_zh="松坪县信访局"), FIRST)
    stranger = founded.secrets["secadmin"].account_id
    mine = staff_world.hire("handler")
    home = staff_world.as_("secadmin")
    foreign = Caller(
        type(home.principal)(**{name: getattr(home.principal, name) for name in home.principal.__slots__} | {"fonds": "SP01"}), new_id()
    )
    with pytest.raises(ArchiveError) as error:
        reset_secret(staff_world.staff, foreign, mine.account_id)
    assert error.value.code == "not-found"
    with pytest.raises(ArchiveError) as error:
        reset_secret(staff_world.staff, home, stranger)
    assert error.value.code == "not-found"


def test_a_session_ended_in_the_middle_of_an_act_does_not_act_on(staff_world: StaffWorld) -> None:
    caller = staff_world.as_("sysadmin")
    revoke_session(staff_world.staff, staff_world.as_("secadmin"), caller.principal.session_id)
    before = len(staff_world.entries("person.registered"))
    with pytest.raises(Refused) as refused:
        register_person(staff_world.staff, caller, staff_no="E-9", display_name="试某")
    assert refused.value.reason == "not-permitted"
    assert len(staff_world.entries("person.registered")) == before
    (said,) = (entry.members for entry in staff_world.entries("access.refused"))
    assert (said["data"]["action"], said["data"]["cause"]) == ("office.person_register", "no-longer-standing")


def test_posts_that_changed_in_the_middle_of_an_act_end_it(staff_world: StaffWorld) -> None:
    second = staff_world.hire("secadmin")
    caller = staff_world.caller_of(second.account_id, "secadmin")
    leave_post(staff_world.staff, staff_world.as_("secadmin"), second.holding_id)
    staff_world.clock.advance(1)
    handler = staff_world.hire("handler")
    with pytest.raises(Refused):
        reset_secret(staff_world.staff, caller, handler.account_id)
    assert staff_world.entries("secret.reset") == []
