from __future__ import annotations

import base64
import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pyotp
import pytest
from sqlalchemy import select

from auth.errors import FactorMissing, FactorPresent, FactorRefused, SignInRefused
from auth.own_secret import change_secret, confirm_factor, enrol_factor
from auth.sessions import principal_of
from auth.tables import totp_factors
from auth.totp import matching_counter, withdraw_factor
from auth_office import FIRST, FONDS, OWN, Office, refusal


def test_a_role_that_needs_a_second_factor_can_do_nothing_before_it_is_enrolled(office: Office) -> None:
    office.account("li.si", "leader")
    session = office.sign_in("li.si", FIRST).session
    assert session.pending == {"secret", "factor"}
    change_secret(office.ctx, session, present=FIRST, new=OWN)
    session = office.read(session)
    assert isinstance(refusal(lambda: principal_of(session)), FactorMissing)


def test_confirming_a_factor_raises_this_session_and_ends_the_others(office: Office) -> None:
    office.account("li.si", "leader")
    session = office.sign_in("li.si", FIRST).session
    change_secret(office.ctx, session, present=FIRST, new=OWN)
    other = office.sign_in("li.si", OWN).session
    session = office.read(session)
    app = pyotp.TOTP(enrol_factor(office.ctx, session, present=OWN).secret)
    assert isinstance(refusal(lambda: principal_of(office.read(session))), FactorMissing)
    confirm_factor(office.ctx, session, app.at(office.clock.now()))
    assert principal_of(office.read(session)).assurance == 2
    refusal(lambda: office.read(other))
    assert len(office.entries("factor.enrolled")) == 1
    assert isinstance(refusal(lambda: enrol_factor(office.ctx, office.read(session), present=OWN)), FactorPresent)


def test_a_wrong_code_confirms_nothing_and_is_on_record(office: Office) -> None:
    office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    assert isinstance(refusal(lambda: confirm_factor(office.ctx, session, "000000")), FactorRefused)
    enrol_factor(office.ctx, session, present=OWN)
    for code in ("", "12345", "abcdef", "１２", "0" * 40):
        assert isinstance(refusal(partial(confirm_factor, office.ctx, session, code)), FactorRefused)
    assert {entry["reason"] for entry in office.entries("session.refused")} == {"factor-enrolment"}


def test_no_code_is_taken_twice_not_even_the_one_that_confirmed(office: Office) -> None:
    office.account("li.si", "leader")
    session = office.sign_in("li.si", FIRST).session
    change_secret(office.ctx, session, present=FIRST, new=OWN)
    app = pyotp.TOTP(enrol_factor(office.ctx, office.read(session), present=OWN).secret)
    code = app.at(office.clock.now())
    confirm_factor(office.ctx, office.read(session), code)
    assert isinstance(refusal(lambda: office.sign_in("li.si", OWN, code)), SignInRefused)
    office.clock.advance(30)
    code = app.at(office.clock.now())
    assert office.sign_in("li.si", OWN, code).session.assurance == 2
    assert isinstance(refusal(lambda: office.sign_in("li.si", OWN, code)), SignInRefused)


def test_a_later_step_spends_the_earlier_ones(office: Office) -> None:
    _, app = office.settled("li.si", "leader")
    assert app is not None
    office.sign_in("li.si", OWN, app.at(office.clock.now() + timedelta(seconds=30)))
    assert isinstance(refusal(lambda: office.sign_in("li.si", OWN, app.at(office.clock.now()))), SignInRefused)


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_holds_one_step_before_and_after_its_own(office: Office, steps: int, taken: bool) -> None:
    _, app = office.settled("li.si", "leader")
    assert app is not None
    office.clock.advance(300)
    code = app.at(office.clock.now() + steps * timedelta(seconds=30))
    if taken:
        assert office.sign_in("li.si", OWN, f" {code[:3]} {code[3:]} ").session.assurance == 2
    else:
        assert isinstance(refusal(lambda: office.sign_in("li.si", OWN, code)), SignInRefused)


def test_one_code_used_by_two_sign_ins_at_the_same_instant_lets_one_in(office: Office) -> None:
    _, app = office.settled("li.si", "leader")
    assert app is not None
    code = app.at(office.clock.now())
    gate, outcomes = threading.Barrier(4), list[str]()

    def enter() -> None:
        gate.wait()
        try:
            office.sign_in("li.si", OWN, code)
            outcomes.append("in")
        except SignInRefused:
            outcomes.append("out")

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "out", "out", "out"]


def test_an_enrolled_factor_is_asked_for_also_where_the_role_does_not_need_it(office: Office) -> None:
    office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    app = pyotp.TOTP(enrol_factor(office.ctx, session, present=OWN).secret)
    confirm_factor(office.ctx, session, app.at(office.clock.now()))
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN)), SignInRefused)


def test_a_provisional_factor_counts_for_nothing(office: Office) -> None:
    office.settled("zhang.san", "handler")
    enrol_factor(office.ctx, office.sign_in("zhang.san", OWN).session, present=OWN)
    assert office.sign_in("zhang.san", OWN).session.assurance == 1


def test_a_withdrawn_factor_lets_its_holder_enrol_again_and_nothing_else(office: Office) -> None:
    account_id, _ = office.settled("li.si", "leader")
    office.do(lambda unit: withdraw_factor(unit, account_id))
    session = office.sign_in("li.si", OWN).session
    assert session.pending == {"factor"}
    assert enrol_factor(office.ctx, session, present=OWN).uri.startswith("otpauth://totp/")


def test_a_factors_secret_is_sealed_and_bound_to_its_account(office: Office) -> None:
    office.settled("zhang.san", "handler")
    other, _ = office.settled("li.si", "handler")
    session = office.sign_in("zhang.san", OWN).session
    secret = enrol_factor(office.ctx, session, present=OWN).secret
    with office.database.read() as conn:
        sealed = bytes(conn.execute(select(totp_factors.c.secret_sealed)).scalar_one())
    assert secret.encode() not in sealed
    assert office.ctx.open_factor(FONDS, session.account_id, sealed) == secret.encode()
    refusal(lambda: office.ctx.open_factor(FONDS, other, sealed))
    refusal(lambda: office.ctx.open_factor("F002", session.account_id, sealed))
    refusal(lambda: office.ctx.open_factor(FONDS, session.account_id, sealed[:20]))


def test_a_spent_step_is_passed_over_before_anything_is_written() -> None:
    secret, at = pyotp.random_base32(), datetime(2026, 3, 18, 4, 0, tzinfo=UTC)
    step = int(at.timestamp()) // 30
    code = pyotp.TOTP(secret).at(at)
    assert matching_counter(secret.encode(), code, at=at, after=step - 1) == step
    assert matching_counter(secret.encode(), code, at=at, after=step) is None


def test_codes_are_those_of_rfc_6238() -> None:
    """RFC 6238, appendix B: the SHA-1 vectors, their last six digits."""
    secret = base64.b32encode(b"12345678901234567890")
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert matching_counter(secret, code, at=datetime.fromtimestamp(seconds, UTC), after=-1) == seconds // 30
