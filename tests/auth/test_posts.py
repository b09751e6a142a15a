from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import combinations

import pytest

from auth.errors import AlreadyThere, NoSuchThing, NotInForce, PostTaken, RoleNotHeld, SeparationBroken, StillInUse
from auth.own_secret import change_secret
from auth.people import account_of_person, open_account, person_leaves, register_person, set_state
from auth.posts import end_post, holders, leave_post, posts_held
from auth.sessions import principal_of
from auth.units import rename_unit
from auth_office import FIRST, FONDS, OWN, POLICY, Office, holdings_of, refusal
from foundation.errors import InvalidInput

THREE = ("sysadmin", "secadmin", "auditadmin")


def test_a_person_holds_a_post_from_its_first_instant_until_just_before_its_last(office: Office) -> None:
    person_id, post_id = office.person(), office.post("handler")
    begins = office.clock.now() + timedelta(days=1)
    ends = begins + timedelta(days=30)
    office.hold(person_id, post_id, begins=begins, ends=ends)
    step = timedelta(milliseconds=1)
    with office.database.read() as conn:
        for at, expected in ((begins - step, 0), (begins, 1), (ends - step, 1), (ends, 0)):
            assert len(posts_held(conn, FONDS, person_id, at=at)) == expected
            assert len(holders(conn, FONDS, role="handler", at=at)) == expected
        held = posts_held(conn, FONDS, person_id, at=begins)[0]
    assert (held.post_id, held.unit_path, held.role, held.acting) == (post_id, ("XF", "XF-01"), "handler", False)


def test_names_in_a_holding_stay_as_they_were_when_it_began(office: Office) -> None:
    person_id, post_id = office.person("甲某"), office.post("handler")
    office.hold(person_id, post_id)
    office.clock.advance(60)
    office.do(lambda unit: rename_unit(unit, office.units["letters"], title="新办信科", at=office.clock.now()))
    with office.database.read() as conn:
        row = holdings_of(conn, FONDS, person_id=person_id)[0]
    assert (row.person_name, row.unit_title, row.post_title) == ("甲某", "办信科", "handler岗")


def test_leaving_a_post_closes_the_holding_and_deletes_nothing(office: Office) -> None:
    person_id, post_id = office.person(), office.post("handler")
    holding_id = office.hold(person_id, post_id)
    office.clock.advance(3600)
    office.do(lambda unit: leave_post(unit, holding_id, at=office.clock.now()))
    with office.database.read() as conn:
        assert posts_held(conn, FONDS, person_id, at=office.clock.now()) == ()
        assert len(posts_held(conn, FONDS, person_id, at=office.clock.now() - timedelta(seconds=1))) == 1
        assert len(holdings_of(conn, FONDS, post_id=post_id)) == 1
    again = refusal(lambda: office.do(lambda unit: leave_post(unit, holding_id, at=office.clock.now())))
    assert isinstance(again, NotInForce)


def test_a_post_has_one_regular_and_one_acting_holder_at_a_time(office: Office) -> None:
    post_id = office.post("principal", "bureau")
    office.hold(office.person(), post_id)
    office.hold(office.person(), post_id, acting=True)
    assert isinstance(refusal(lambda: office.hold(office.person(), post_id)), PostTaken)
    assert isinstance(refusal(lambda: office.hold(office.person(), post_id, acting=True)), PostTaken)


@pytest.mark.parametrize("pair", [*combinations(THREE, 2), *((one, "handler") for one in THREE), *(("principal", one) for one in THREE)])
def test_the_three_administrators_are_three_persons_without_business_posts(office: Office, pair: tuple[str, str]) -> None:
    person_id = office.person()
    office.hold(person_id, office.post(pair[0]))
    refused = refusal(lambda: office.hold(person_id, office.post(pair[1])))
    assert isinstance(refused, SeparationBroken)
    assert (refused.params["role"], refused.params["held"]) == (pair[1], pair[0])
    with office.database.read() as conn:
        assert len(holdings_of(conn, FONDS, person_id=person_id)) == 1


def test_a_separated_post_is_refused_for_any_overlap_even_in_the_future_and_as_acting(office: Office) -> None:
    person_id = office.person()
    begins = office.clock.now() + timedelta(days=10)
    office.hold(person_id, office.post("secadmin"), begins=begins, ends=begins + timedelta(days=10), acting=True)
    for start, end in ((None, None), (begins + timedelta(days=9), None), (None, begins + timedelta(milliseconds=1))):
        assert isinstance(
            refusal(partial(office.hold, person_id, office.post("handler"), begins=start or office.clock.now(), ends=end)),
            SeparationBroken,
        )
    office.hold(person_id, office.post("handler"), ends=begins)
    office.hold(person_id, office.post("handler"), begins=begins + timedelta(days=10))


def test_two_separated_posts_given_at_the_same_instant_by_two_administrators_do_not_both_succeed(office: Office) -> None:
    person_id = office.person()
    posts = [office.post(role) for role in THREE]
    outcomes: list[str] = []
    gate = threading.Barrier(3)

    def assign(post_id: str) -> None:
        gate.wait()
        try:
            office.hold(person_id, post_id)
            outcomes.append("held")
        except SeparationBroken:
            outcomes.append("refused")

    threads = [threading.Thread(target=assign, args=(post_id,)) for post_id in posts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held", "refused", "refused"]


def test_a_role_the_rulebook_gives_to_no_person_makes_no_post(office: Office) -> None:
    for role in ("depositor", "root", ""):
        assert isinstance(refusal(partial(office.post, role)), InvalidInput)


def test_a_person_of_another_fonds_holds_no_post_here(office: Office) -> None:
    stranger = office.do(lambda u: register_person(u, staff_no="9", display_name="外人", at=office.clock.now()), fonds="F002")
    post_id = office.post("handler")
    assert isinstance(refusal(lambda: office.hold(stranger, post_id)), NoSuchThing)


def test_a_post_in_use_does_not_end_and_an_ended_one_is_not_taken(office: Office) -> None:
    post_id = office.post("handler")
    holding_id = office.hold(office.person(), post_id)
    assert isinstance(refusal(lambda: office.do(lambda u: end_post(u, post_id, at=office.clock.now()))), StillInUse)
    office.clock.advance(1)
    office.do(lambda u: leave_post(u, holding_id, at=office.clock.now()))
    office.do(lambda u: end_post(u, post_id, at=office.clock.now()))
    assert isinstance(refusal(lambda: office.hold(office.person(), post_id)), NotInForce)


def test_one_person_has_one_account_and_one_login_one_person(office: Office) -> None:
    person_id, account_id = office.account("zhang.san", "handler")
    secret_hash = office.ctx.passwords.hash(OWN)

    def another(someone: str, login: str) -> None:
        office.do(lambda u: open_account(u, person_id=someone, login=login, secret_hash=secret_hash, at=office.clock.now()))

    assert isinstance(refusal(lambda: another(person_id, "zhang.two")), AlreadyThere)
    assert isinstance(refusal(lambda: another(office.person(), "ＺＨＡＮＧ.San")), AlreadyThere)
    office.do(lambda u: set_state(u, account_id, "closed", at=office.clock.now()))
    another(person_id, "zhang.two")
    with office.database.read() as conn:
        found = account_of_person(conn, FONDS, person_id)
    assert found is not None
    assert found.login == "zhang.two"


def test_nobody_leaves_while_holding_a_post_or_an_account(office: Office) -> None:
    person_id, account_id = office.account("li.si")
    assert isinstance(refusal(lambda: office.do(lambda u: person_leaves(u, person_id, at=office.clock.now()))), StillInUse)
    office.do(lambda u: set_state(u, account_id, "closed", at=office.clock.now()))
    post_id = office.post("handler")
    holding_id = office.hold(person_id, post_id)
    assert isinstance(refusal(lambda: office.do(lambda u: person_leaves(u, person_id, at=office.clock.now()))), StillInUse)
    office.clock.advance(1)
    office.do(lambda u: leave_post(u, holding_id, at=office.clock.now()))
    office.do(lambda u: person_leaves(u, person_id, at=office.clock.now()))
    assert isinstance(refusal(lambda: office.hold(person_id, post_id)), NotInForce)


def test_a_post_left_is_gone_from_the_next_reading_of_a_running_session(office: Office) -> None:
    person_id, _ = office.account("wang.wu")
    handler = office.hold(person_id, office.post("handler"))
    office.clock.advance(1)
    office.hold(person_id, office.post("archivist"))
    session = office.sign_in("wang.wu", FIRST).session
    change_secret(office.ctx, session, present=FIRST, new=OWN)
    assert principal_of(office.read(session)).role == "handler"
    assert principal_of(office.read(session), "archivist").roles == {"handler", "archivist"}
    office.clock.advance(1)
    office.do(lambda u: leave_post(u, handler, at=office.clock.now()))
    assert principal_of(office.read(session)).roles == {"archivist"}
    assert isinstance(refusal(lambda: principal_of(office.read(session), "handler")), RoleNotHeld)


@pytest.mark.parametrize("order", [("handler", "archivist"), ("archivist", "handler")])
def test_of_posts_taken_up_in_the_same_millisecond_chance_does_not_choose_the_role_acted_in(office: Office, order: tuple[str, str]) -> None:
    person_id, _ = office.account("wang.wu")
    for role in order:
        office.hold(person_id, office.post(role))
    session = office.sign_in("wang.wu", FIRST).session
    change_secret(office.ctx, session, present=FIRST, new=OWN)
    assert principal_of(office.read(session)).role == "archivist"


def test_a_separation_that_keeps_nothing_apart_cannot_be_made() -> None:
    for pair in (frozenset[str](), frozenset({"handler", "legal", "archivist"})):
        with pytest.raises(ValueError, match="one or two roles"):
            replace(POLICY, separation=frozenset({pair}))


@pytest.mark.parametrize("staff_no", ["工号一", "E 1", "Ｅ1", "E[1]", "é1"])
def test_a_staff_number_that_no_record_could_name_is_refused(office: Office, staff_no: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        office.do(lambda u: register_person(u, staff_no=staff_no, display_name="试某", at=office.clock.now()))
    assert [(fault.path, fault.rule) for fault in refused.value.faults] == [("staff_no", "shape")]
