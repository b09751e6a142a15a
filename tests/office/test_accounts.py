"""Accounts from first secret to last session."""

from __future__ import annotations

import pyotp
import pytest

from auth.errors import AlreadyThere, NotInForce, NotSignedIn, SecretMustChange, SignInRefused
from auth.own_secret import change_secret, confirm_factor, enrol_factor
from auth.sessions import SECRET, Session, by_id, principal_of
from foundation.errors import InvalidInput
from office.accounts import block_account, create_account, reset_factor, reset_secret, unblock_account
from office.clients import register_client, revoke_client
from office.reading import list_accounts, list_clients, list_people, list_posts, list_units
from office.sessions import revoke_session, sessions_of
from office.units import create_unit
from staff_world import FONDS, StaffWorld

OWN = "lantern over quiet 河 nine"


def again(world: StaffWorld, session: Session) -> Session:
    with world.desk.db.read() as conn:
        return by_id(world.auth, conn, session.fonds, session.session_id)


def test_a_first_secret_is_random_and_good_for_nothing_but_choosing_ones_own(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    other = staff_world.hire("inspector")
    assert handler.secret.secret != other.secret.secret
    assert len(handler.secret.secret) >= 20
    session = staff_world.sign_in(handler.secret.login, handler.secret.secret).session
    assert session.pending == {SECRET}
    with pytest.raises(SecretMustChange):
        principal_of(session)
    change_secret(staff_world.auth, session, present=handler.secret.secret, new=OWN)
    assert principal_of(again(staff_world, session)).role == "handler"
    with pytest.raises(SignInRefused):
        staff_world.sign_in(handler.secret.login, handler.secret.secret)


def test_neither_secret_nor_name_nor_login_stands_in_the_log(staff_world: StaffWorld) -> None:
    person_id = staff_world.person("拟可辨")
    secret = create_account(staff_world.staff, staff_world.as_("sysadmin"), person_id=person_id, login="kebian.ni")
    text = str([entry.members for entry in staff_world.entries()])
    assert not any(word in text for word in ("拟可辨", "kebian", secret.secret))
    assert secret.secret not in repr(secret)


def test_a_reset_secret_signs_in_at_once_from_where_its_holder_was_locked_out(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    for _ in range(5):
        with pytest.raises(SignInRefused):
            staff_world.sign_in(handler.secret.login, "a wrong lantern")
    with pytest.raises(SignInRefused):
        staff_world.sign_in(handler.secret.login, handler.secret.secret)
    told = reset_secret(staff_world.staff, staff_world.as_("secadmin"), handler.account_id)
    staff_world.sign_in(handler.secret.login, told.secret)


def test_one_person_has_one_account(staff_world: StaffWorld) -> None:
    person_id = staff_world.person()
    create_account(staff_world.staff, staff_world.as_("sysadmin"), person_id=person_id, login="first.one")
    with pytest.raises(AlreadyThere):
        create_account(staff_world.staff, staff_world.as_("sysadmin"), person_id=person_id, login="second.one")


def test_an_act_that_fails_leaves_neither_rows_nor_an_entry(staff_world: StaffWorld) -> None:
    before = len(staff_world.entries())
    with pytest.raises(InvalidInput):
        create_account(staff_world.staff, staff_world.as_("sysadmin"), person_id=staff_world.founded.unit_id, login="没有这种登录名")
    with pytest.raises(AlreadyThere):
        create_unit(staff_world.staff, staff_world.as_("sysadmin"), code="XFJ", title="又一个", parent_id=staff_world.founded.unit_id)
    assert len(staff_world.entries()) == before


def test_blocking_ends_the_sessions_at_once_and_unblocking_does_not_bring_them_back(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    session = staff_world.sign_in(handler.secret.login, handler.secret.secret).session
    block_account(staff_world.staff, staff_world.as_("sysadmin"), handler.account_id, reason="长期离岗")
    with pytest.raises(NotSignedIn):
        again(staff_world, session)
    with pytest.raises(SignInRefused):
        staff_world.sign_in(handler.secret.login, handler.secret.secret)
    with pytest.raises(NotInForce):
        block_account(staff_world.staff, staff_world.as_("secadmin"), handler.account_id)
    unblock_account(staff_world.staff, staff_world.as_("secadmin"), handler.account_id)
    with pytest.raises(NotSignedIn):
        again(staff_world, session)
    staff_world.sign_in(handler.secret.login, handler.secret.secret)


def test_a_reset_secret_ends_sessions_and_must_be_changed(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    session = staff_world.sign_in(handler.secret.login, handler.secret.secret).session
    change_secret(staff_world.auth, session, present=handler.secret.secret, new=OWN)
    told = reset_secret(staff_world.staff, staff_world.as_("secadmin"), handler.account_id)
    with pytest.raises(NotSignedIn):
        again(staff_world, session)
    with pytest.raises(SignInRefused):
        staff_world.sign_in(handler.secret.login, OWN)
    assert staff_world.sign_in(told.login, told.secret).session.pending == {SECRET}
    assert staff_world.entries("secret.reset")[-1].members["object"] == {"kind": "account", "id": handler.account_id}


def test_a_withdrawn_factor_must_be_enrolled_anew_before_anything_else(staff_world: StaffWorld) -> None:
    leader = staff_world.hire("leader")
    session = staff_world.sign_in(leader.secret.login, leader.secret.secret).session
    change_secret(staff_world.auth, session, present=leader.secret.secret, new=OWN)
    app = pyotp.TOTP(enrol_factor(staff_world.auth, again(staff_world, session), present=OWN).secret)
    confirm_factor(staff_world.auth, again(staff_world, session), app.at(staff_world.clock.now()))
    assert principal_of(again(staff_world, session)).role == "leader"
    reset_factor(staff_world.staff, staff_world.as_("secadmin"), leader.account_id)
    with pytest.raises(NotSignedIn):
        again(staff_world, session)
    assert staff_world.sign_in(leader.secret.login, OWN).session.pending == {"factor"}
    with pytest.raises(NotInForce):
        reset_factor(staff_world.staff, staff_world.as_("secadmin"), leader.account_id)


def test_a_session_of_another_is_seen_and_ended_by_the_security_administrator(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    session = staff_world.sign_in(handler.secret.login, handler.secret.secret).session
    by = staff_world.as_("secadmin")
    assert [view.session_id for view in sessions_of(staff_world.staff, by, handler.account_id)] == [session.session_id]
    revoke_session(staff_world.staff, by, session.session_id)
    with pytest.raises(NotSignedIn):
        again(staff_world, session)
    assert sessions_of(staff_world.staff, by, handler.account_id) == []


def test_a_case_systems_account_is_revoked_as_a_client_and_touched_no_other_way(staff_world: StaffWorld) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    from auth.errors import NoSuchThing
    from auth_office import jwk_of

    key = jwk_of(ec.generate_private_key(ec.SECP256R1()))
    client = register_client(staff_world.staff, staff_world.as_("sysadmin"), source_system="xf", title="业务系统", public_jwk=key)
    for act in (block_account, reset_secret, reset_factor):
        with pytest.raises(NoSuchThing):
            act(staff_world.staff, staff_world.as_("secadmin"), client.account_id)
    revoke_client(staff_world.staff, staff_world.as_("secadmin"), client.client_id)
    (seen,) = list_clients(staff_world.staff, staff_world.as_("secadmin"))
    assert (seen.name, seen.revoked) == (f"{FONDS}.{client.client_id}", staff_world.clock.now())
    with pytest.raises(NotInForce):
        revoke_client(staff_world.staff, staff_world.as_("secadmin"), client.client_id)


def test_the_lists_show_the_office_as_it_is_page_by_page(staff_world: StaffWorld) -> None:
    handler = staff_world.hire("handler")
    by = staff_world.as_("auditadmin")
    assert [unit.code for unit in list_units(staff_world.staff, by)] == ["XFJ"]
    posts = {post.role: post for post in list_posts(staff_world.staff, by)}
    assert [holder.person_id for holder in posts["handler"].holders] == [handler.person_id]
    people = list_people(staff_world.staff, by)
    assert len(people) == 4
    first = list_people(staff_world.staff, by, limit=2)
    assert first + list_people(staff_world.staff, by, limit=2, after=first[-1].person_id) == people
    assert all(not account.second_factor and account.must_change for account in list_accounts(staff_world.staff, by))
    with pytest.raises(InvalidInput):
        list_people(staff_world.staff, by, limit=0)
