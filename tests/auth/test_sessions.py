from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from auth.errors import NoSuchThing, NotSignedIn, RoleNotHeld
from auth.people import end_sessions, set_state
from auth.sessions import Session, bearer_of, of_bearer, of_cookie, principal_of, revoke, revoke_own, sessions_of, sign_out, touch
from auth.signin import SignedIn
from auth.tables import accounts, sessions
from auth_office import FONDS, OWN, Office, refusal
from foundation.ids import new_id


@pytest.fixture
def signed_in(office: Office) -> SignedIn:
    office.settled("zhang.san", "handler")
    return office.sign_in("zhang.san", OWN)


def by_cookie(office: Office, value: str) -> Session:
    with office.database.read() as conn:
        return of_cookie(office.ctx, conn, value)


def by_bearer(office: Office, token: str) -> Session:
    with office.database.read() as conn:
        return of_bearer(office.ctx, conn, token)


def test_cookie_and_bearer_are_two_ways_to_one_row(office: Office, signed_in: SignedIn) -> None:
    token, seconds = bearer_of(office.ctx, signed_in.session)
    assert by_cookie(office, signed_in.cookie) == by_bearer(office, token)
    assert seconds == 600


@pytest.mark.parametrize("way", ["sign-out", "revoked-by-holder", "revoked-by-administrator", "blocked", "all-ended", "closed"])
def test_what_ends_a_session_ends_cookie_and_bearer_at_their_next_use(office: Office, signed_in: SignedIn, way: str) -> None:
    session = signed_in.session
    token, _ = bearer_of(office.ctx, session)
    by_cookie(office, signed_in.cookie)
    by_bearer(office, token)
    now = office.clock.now()
    if way == "sign-out":
        sign_out(office.ctx, session)
        assert office.entries("session.closed")[-1]["object"]["id"] == session.session_id
    elif way == "revoked-by-holder":
        revoke_own(office.ctx, office.sign_in("zhang.san", OWN).session, session.session_id)
        assert office.entries("session.revoked")[-1]["object"]["id"] == session.session_id
    elif way == "revoked-by-administrator":
        office.do(lambda unit: revoke(unit, session.session_id, at=now))
    elif way == "all-ended":
        assert office.do(lambda unit: end_sessions(unit, session.account_id, at=now)) >= 1
    else:
        office.do(lambda unit: set_state(unit, session.account_id, way, at=now))
    assert isinstance(refusal(lambda: by_cookie(office, signed_in.cookie)), NotSignedIn)
    assert isinstance(refusal(lambda: by_bearer(office, token)), NotSignedIn)


def test_an_account_blocked_past_the_code_has_no_live_session(office: Office, signed_in: SignedIn) -> None:
    with office.database.write() as conn:
        conn.execute(accounts.update().where(accounts.c.account_id == signed_in.session.account_id).values(state="blocked"))
    assert isinstance(refusal(lambda: by_cookie(office, signed_in.cookie)), NotSignedIn)


def test_unblocking_an_account_does_not_bring_its_sessions_back(office: Office, signed_in: SignedIn) -> None:
    account_id = signed_in.session.account_id
    for state in ("blocked", "active"):
        office.do(partial(set_state, account_id=account_id, state=state, at=office.clock.now()))
    refusal(lambda: by_cookie(office, signed_in.cookie))
    office.sign_in("zhang.san", OWN)


def test_a_session_ends_at_its_hour_however_busy_and_when_idle_however_young(office: Office, signed_in: SignedIn) -> None:
    for _ in range(10 * 60 // 29):
        office.clock.advance(29 * 60)
        touch(office.ctx, by_cookie(office, signed_in.cookie))
    office.clock.advance(29 * 60)
    assert isinstance(refusal(lambda: by_cookie(office, signed_in.cookie)), NotSignedIn)
    young = office.sign_in("zhang.san", OWN)
    office.clock.advance(30 * 60 - 1)
    by_cookie(office, young.cookie)
    office.clock.advance(1)
    assert isinstance(refusal(lambda: by_cookie(office, young.cookie)), NotSignedIn)


def test_touching_writes_at_most_once_a_minute_and_never_backwards(office: Office, signed_in: SignedIn) -> None:
    first = by_cookie(office, signed_in.cookie)
    office.clock.advance(59)
    touch(office.ctx, first)
    assert by_cookie(office, signed_in.cookie).last_seen == first.last_seen
    office.clock.advance(1)
    touch(office.ctx, first)
    assert by_cookie(office, signed_in.cookie).last_seen == office.clock.now()


def test_a_stolen_row_is_no_cookie(office: Office, signed_in: SignedIn) -> None:
    with office.database.read() as conn:
        row = conn.execute(select(sessions).where(sessions.c.session_id == signed_in.session.session_id)).one()
    secret = signed_in.cookie.rpartition(".")[2]
    assert secret.encode() not in bytes(row.token_digest)
    forged = f"{FONDS}.{row.session_id}.{bytes(row.token_digest).hex()[:43]}"
    assert isinstance(refusal(lambda: by_cookie(office, forged)), NotSignedIn)


def test_a_cookie_changed_anywhere_is_worth_nothing(office: Office, signed_in: SignedIn) -> None:
    fonds, session_id, secret = signed_in.cookie.split(".")
    other = office.sign_in("zhang.san", OWN)
    attempts = (
        "", "..", "a.b.c", signed_in.cookie + "x", signed_in.cookie[:-1], signed_in.cookie + "\n", "\ud800",
        f"F002.{session_id}.{secret}", f"{fonds}.{new_id()}.{secret}", f"{fonds}.{other.session.session_id}.{secret}",
        f"{fonds}.{session_id}.{'A' * 43}", f"{fonds}\0.{session_id}.{secret}",
    )  # fmt: skip
    for value in attempts:
        assert isinstance(refusal(partial(by_cookie, office, value)), NotSignedIn)


def test_a_bearer_of_one_account_does_not_open_the_session_of_another(office: Office, signed_in: SignedIn) -> None:
    office.settled("li.si", "handler")
    victim = office.sign_in("li.si", OWN).session
    token = office.ctx.access_tokens.issue(
        fonds=FONDS,
        account_id=signed_in.session.account_id,
        client_id="cli",
        session_id=victim.session_id,
        now=office.clock.now(),
        lifetime=timedelta(minutes=5),
    )
    assert isinstance(refusal(lambda: by_bearer(office, token)), NotSignedIn)


def test_a_bearer_never_outlives_its_session(office: Office, signed_in: SignedIn) -> None:
    for _ in range(20):
        office.clock.advance(29 * 60)
        touch(office.ctx, by_cookie(office, signed_in.cookie))
    office.clock.advance(16 * 60)
    session = by_cookie(office, signed_in.cookie)
    assert bearer_of(office.ctx, session)[1] == (session.expires - office.clock.now()) // timedelta(seconds=1) == 4 * 60


def test_a_holder_sees_their_own_live_sessions_without_any_digest(office: Office, signed_in: SignedIn) -> None:
    second = office.sign_in("zhang.san", OWN)
    office.settled("li.si", "handler")
    office.sign_in("li.si", OWN)
    account_id = signed_in.session.account_id
    with office.database.read() as conn:
        listed = sessions_of(conn, FONDS, account_id, office.policy, at=office.clock.now())
    ids = {row.session_id for row in listed}
    assert {signed_in.session.session_id, second.session.session_id} <= ids
    assert all(row.account_id == account_id for row in listed)
    assert "token_digest" not in listed[0]._fields
    sign_out(office.ctx, second.session)
    with office.database.read() as conn:
        left = {row.session_id for row in sessions_of(conn, FONDS, account_id, office.policy, at=office.clock.now())}
        later = sessions_of(conn, FONDS, account_id, office.policy, at=office.clock.now() + timedelta(minutes=31))
    assert ids - left == {second.session.session_id}
    assert later == []


def test_nobody_revokes_another_persons_session_as_their_own(office: Office, signed_in: SignedIn) -> None:
    office.settled("li.si", "handler")
    other = office.sign_in("li.si", OWN).session
    for target in (signed_in.session.session_id, new_id(), "x"):
        assert isinstance(refusal(partial(revoke_own, office.ctx, other, target)), NoSuchThing)
    by_cookie(office, signed_in.cookie)


def test_a_session_of_a_person_without_a_post_becomes_no_principal(office: Office) -> None:
    office.settled("wang.wu")
    session = office.sign_in("wang.wu", OWN).session
    assert isinstance(refusal(lambda: principal_of(session)), RoleNotHeld)
    assert isinstance(refusal(lambda: principal_of(session, "handler")), RoleNotHeld)


def test_a_promotion_asks_the_running_session_for_the_second_factor_at_once(office: Office, signed_in: SignedIn) -> None:
    person_id = signed_in.session.person_id
    assert person_id is not None
    office.hold(person_id, office.post("principal", "bureau"))
    assert by_cookie(office, signed_in.cookie).pending == {"factor"}
