from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pyotp
import pytest
from sqlalchemy import event, select, update

from auth.errors import FactorMissing, FactorPresent, FactorRefused, SecretMustChange, SecretRefused, SecretWrong, SignInBusy, SignInRefused
from auth.lockout import is_locked
from auth.own_secret import change_secret, confirm_factor, enrol_factor
from auth.passwords import Passwords
from auth.people import set_state
from auth.sessions import principal_of
from auth.tables import accounts, sign_in_failures, totp_factors
from auth.totp import withdraw_factor
from auth_office import FIRST, FONDS, OWN, Office, refusal
from foundation.errors import ArchiveError
from foundation.tables import SYSTEM_FONDS


def test_signing_in_opens_a_session_and_puts_it_on_record(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    signed_in = office.sign_in("zhang.san", OWN)
    entry = office.entries("session.opened")[-1]
    assert entry["object"] == {"kind": "session", "id": signed_in.session.session_id}
    assert entry["actor"]["account"] == account_id
    principal = principal_of(signed_in.session)
    assert (principal.account_id, principal.role, principal.assurance, principal.client) == (account_id, "handler", 1, "intranet")


def test_a_login_is_found_whatever_its_case_and_width(office: Office) -> None:
    office.settled("zhang.san", "handler")
    assert office.sign_in(" ＺＨＡＮＧ.San ", OWN).session.account_id


# ------------------------------------------------------------------------------------------------ one refusal for every cause


def _causes(office: Office) -> dict[str, Any]:
    _, app = office.settled("li.si", "leader")
    assert app is not None
    blocked, _ = office.settled("wang.wu", "handler")
    office.do(lambda unit: set_state(unit, blocked, "blocked", at=office.clock.now()))
    closed, _ = office.settled("zhao.liu", "handler")
    office.do(lambda unit: set_state(unit, closed, "closed", at=office.clock.now()))
    client, _ = office.client()
    wrong_code = f"{(int(app.at(office.clock.now())) + 1) % 1_000_000:06d}"
    return {
        "unknown-login": ("nobody.here", OWN, None, FONDS),
        "wrong-secret": ("li.si", "a wrong lantern", app.at(office.clock.now()), FONDS),
        "code-missing": ("li.si", OWN, None, FONDS),
        "code-wrong": ("li.si", OWN, wrong_code, FONDS),
        "account-not-active": ("wang.wu", OWN, None, FONDS),
        "closed": ("zhao.liu", OWN, None, FONDS),
        "service-account": (f"client-{client.client_id}", OWN, None, FONDS),
        "other-fonds": ("li.si", OWN, app.at(office.clock.now()), "F002"),
        "no-such-fonds": ("li.si", OWN, None, "nowhere\0"),
        "impossible-login": ("li.si\0\ud800", OWN, None, FONDS),
        "empty": ("", "", "", FONDS),
    }


def test_every_cause_is_refused_in_the_same_words_with_the_same_work(office: Office) -> None:
    """Uniform by construction: the same hashes and the same statements in the same order; time then differs only by noise.

    One statement may differ: the log indexes the account a refusal is about, in the transaction that writes the entry.
    """
    refusal(lambda: office.sign_in("nobody.before", OWN))
    seen: set[tuple[Any, ...]] = set()
    for login, secret, code, fonds in _causes(office).values():
        statements: list[str] = []

        def count(_c: Any, _cur: Any, statement: str, *_rest: Any, into: list[str] = statements) -> None:
            if "log_subjects" not in statement:
                into.append(statement)

        before = office.ctx.passwords.computed
        event.listen(office.database.engine, "before_cursor_execute", count)
        refused = refusal(partial(office.sign_in, login, secret, code, fonds=fonds))
        event.remove(office.database.engine, "before_cursor_execute", count)
        assert office.ctx.passwords.computed == before + 1
        seen.add((type(refused), refused.text_zh, refused.text_en, str(refused.params), tuple(statements)))
    assert len(seen) == 1
    assert seen.pop()[0] is SignInRefused


def test_every_refusal_is_on_record_with_its_true_reason_before_it_is_raised(office: Office) -> None:
    causes = _causes(office)
    for name in ("wrong-secret", "code-missing", "code-wrong", "account-not-active"):
        login, secret, code, fonds = causes[name]
        refusal(partial(office.sign_in, login, secret, code, fonds=fonds))
        entry = office.entries("session.refused")[-1]
        assert (entry["verdict"], entry["reason"], entry["object"]["kind"]) == ("refuse", name, "account")


def test_what_was_typed_as_an_unknown_login_is_nowhere_in_the_database(office: Office) -> None:
    """People type their secret into the login box."""
    typed = "lantern-over-quiet-river-nine"
    before = len(office.entries("session.refused", SYSTEM_FONDS))
    refusal(lambda: office.sign_in(typed, "anything at all"))
    entries = office.entries("session.refused", SYSTEM_FONDS)
    assert len(entries) == before + 1
    assert entries[-1]["reason"] == "unknown-login"
    assert "object" not in entries[-1]
    assert typed not in json.dumps(entries)
    with office.database.read() as conn:
        assert all(typed not in str(row) and row.account_id == "nobody" for row in conn.execute(select(sign_in_failures)))


def test_an_account_blocked_between_check_and_opening_gets_no_session(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")

    class BlockedMeanwhile(Passwords):
        def verify(self, secret_hash: str | None, secret: str) -> bool:
            office.do(lambda unit: set_state(unit, account_id, "blocked", at=office.clock.now()))
            return super().verify(secret_hash, secret)

    office.ctx = replace(office.ctx, passwords=BlockedMeanwhile(memory_kib=64, passes=1))
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN)), SignInRefused)
    assert office.entries("session.refused")[-1]["reason"] == "changed-meanwhile"


def test_a_hash_of_older_cost_is_renewed_at_the_next_right_sign_in(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    older = Passwords(memory_kib=32, passes=1).hash(OWN)
    with office.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.account_id == account_id).values(secret_hash=older))
    office.sign_in("zhang.san", OWN)
    with office.database.read() as conn:
        renewed = conn.execute(select(accounts.c.secret_hash).where(accounts.c.account_id == account_id)).scalar_one()
    assert renewed != older
    assert not office.ctx.passwords.is_outdated(renewed)
    office.sign_in("zhang.san", OWN)


# ------------------------------------------------------------------------------------------------ lock-out


def _fail(office: Office, times: int, **given: Any) -> None:
    for n in range(times):
        assert isinstance(refusal(partial(office.sign_in, "zhang.san", f"a wrong lantern {n}", **given)), SignInRefused)


def test_five_failures_lock_their_source_even_against_the_right_secret_for_half_an_hour(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    _fail(office, 5)
    with office.database.read() as conn:
        assert is_locked(conn, FONDS, account_id, at=office.clock.now())
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN)), SignInRefused)
    assert office.entries("session.refused")[-1]["reason"] == "locked"
    office.clock.advance(30 * 60 - 1)
    refusal(lambda: office.sign_in("zhang.san", OWN))
    office.clock.advance(1)
    office.sign_in("zhang.san", OWN)


def test_four_failures_and_a_right_secret_start_the_count_anew(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for _ in range(3):
        _fail(office, 4)
        office.sign_in("zhang.san", OWN)


def test_nobody_can_lock_a_colleague_out_from_elsewhere(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for host in range(1, 31):
        _fail(office, 6, address=f"198.51.100.{host}")
    office.sign_in("zhang.san", OWN, address="192.0.2.7")


def test_a_neighbour_behind_the_same_address_cannot_lock_out_a_marked_device(office: Office) -> None:
    office.settled("zhang.san", "handler")
    mark = office.sign_in("zhang.san", OWN, address="192.0.2.7").device
    _fail(office, 12, address="192.0.2.7")
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address="192.0.2.7")), SignInRefused)
    again = office.sign_in("zhang.san", OWN, address="192.0.2.7", device=mark)
    assert again.device == mark


def test_a_forged_or_borrowed_device_mark_is_worth_nothing(office: Office) -> None:
    office.settled("zhang.san", "handler")
    office.settled("li.si", "handler")
    borrowed = office.sign_in("li.si", OWN).device
    _fail(office, 5)
    for mark in (borrowed, "x.00", "", "河.00", borrowed[:-1] + ("0" if borrowed[-1] != "0" else "1")):
        assert isinstance(refusal(partial(office.sign_in, "zhang.san", OWN, device=mark)), SignInRefused)


def test_guessing_from_many_networks_is_slowed_to_one_try_each(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for host in range(1, 101):
        _fail(office, 1, address=f"198.51.100.{host}")
    fresh = "203.0.113.9"
    _fail(office, 1, address=fresh)
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address=fresh)), SignInRefused)
    office.clock.advance(23 * 3600)
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address=fresh)), SignInRefused)
    office.sign_in("zhang.san", OWN, address="203.0.113.10")  # a source that has not failed always has one try


def test_an_ipv6_guesser_is_counted_by_network_not_by_address(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for host in range(1, 6):
        _fail(office, 1, address=f"2001:db8:1:2::{host:x}")
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address="2001:db8:1:2::ffff")), SignInRefused)
    office.sign_in("zhang.san", OWN, address="2001:db8:1:3::1")


def test_guesses_sent_all_at_once_get_no_more_tries_than_one_after_another(office: Office) -> None:
    office.settled("zhang.san", "handler")
    threads = [threading.Thread(target=_fail, args=(office, 1)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reasons = [entry["reason"] for entry in office.entries("session.refused")]
    assert (reasons.count("wrong-secret"), reasons.count("locked")) == (5, 7)


def test_a_busy_machine_costs_nobody_a_try(office: Office) -> None:
    office.settled("zhang.san", "handler")

    office.ctx.passwords._wait_seconds = 0.01
    with ExitStack() as taken:
        for _ in range(4):
            taken.enter_context(office.ctx.passwords._slot())
        for _ in range(8):
            assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN)), SignInBusy)
    office.sign_in("zhang.san", OWN)


def test_failures_are_kept_as_keyed_digests_that_show_no_address(office: Office) -> None:
    office.settled("zhang.san", "handler")
    _fail(office, 1, address="198.51.100.77")
    with office.database.read() as conn:
        rows = conn.execute(select(sign_in_failures)).all()
    assert rows
    assert all(len(row.source_digest) == 32 and b"198.51" not in bytes(row.source_digest) for row in rows)


# ------------------------------------------------------------------------------------------------ the first secret


def test_a_first_secret_is_good_for_nothing_but_changing_it(office: Office) -> None:
    office.account("zhang.san", "handler")
    session = office.sign_in("zhang.san", FIRST).session
    assert session.pending == {"secret"}
    assert isinstance(refusal(lambda: principal_of(session)), SecretMustChange)
    assert isinstance(refusal(lambda: enrol_factor(office.ctx, session)), SecretMustChange)
    change_secret(office.ctx, session, present=FIRST, new=OWN)
    assert principal_of(office.read(session)).role == "handler"
    assert office.entries("secret.changed")[-1]["actor"]["session"] == session.session_id
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", FIRST)), SignInRefused)


def test_a_secret_past_its_age_must_be_changed_and_zero_days_means_never(office: Office) -> None:
    office.settled("zhang.san", "handler")
    office.clock.advance(90 * 86_400)
    assert office.sign_in("zhang.san", OWN).session.pending == {"secret"}
    assert office.ruled(password_max_age_days=0).sign_in("zhang.san", OWN).session.pending == frozenset()


def test_changing_the_secret_ends_every_other_session(office: Office) -> None:
    office.settled("zhang.san", "handler")
    kept, other = office.sign_in("zhang.san", OWN).session, office.sign_in("zhang.san", OWN).session
    change_secret(office.ctx, kept, present=OWN, new="another lantern over 9 seas")
    office.read(kept)
    refusal(lambda: office.read(other))


def test_the_present_secret_cannot_be_guessed_through_a_stolen_session(office: Office) -> None:
    office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    for n in range(5):
        assert isinstance(refusal(partial(change_secret, office.ctx, session, present=f"guess {n}", new="x")), SecretWrong)
    locked = refusal(lambda: change_secret(office.ctx, session, present=OWN, new="another lantern over 9 seas"))
    assert isinstance(locked, SecretWrong)
    office.sign_in("zhang.san", OWN)  # its holder is not locked out by it
    assert [entry["reason"] for entry in office.entries("session.refused")] == ["secret-change"] * 6


def test_a_new_secret_is_judged_with_its_holders_names_and_history(office: Office) -> None:
    office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    for new, rule in ((OWN, "used-before"), (FIRST, "used-before"), ("over zhang.san lantern", "contains-context"), ("short", "too-short")):
        refused = refusal(partial(change_secret, office.ctx, session, present=OWN, new=new))
        assert isinstance(refused, SecretRefused)
        assert [fault.rule for fault in refused.faults] == [rule]
    assert len(office.entries("secret.changed")) == 1


def test_of_two_changes_at_once_only_one_takes(office: Office) -> None:
    office.settled("zhang.san", "handler")
    sessions = [office.sign_in("zhang.san", OWN).session for _ in range(2)]
    gate, outcomes = threading.Barrier(2), list[str]()

    def change(n: int) -> None:
        gate.wait()
        try:
            change_secret(office.ctx, sessions[n], present=OWN, new=f"another lantern over {n} seas")
            outcomes.append("changed")
        except ArchiveError:
            outcomes.append("refused")

    threads = [threading.Thread(target=change, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["changed", "refused"]


# ------------------------------------------------------------------------------------------------ the second factor


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
    app = pyotp.TOTP(enrol_factor(office.ctx, session).secret)
    assert isinstance(refusal(lambda: principal_of(office.read(session))), FactorMissing)
    confirm_factor(office.ctx, session, app.at(office.clock.now()))
    assert principal_of(office.read(session)).assurance == 2
    refusal(lambda: office.read(other))
    assert len(office.entries("factor.enrolled")) == 1
    assert isinstance(refusal(lambda: enrol_factor(office.ctx, office.read(session))), FactorPresent)


def test_a_wrong_code_confirms_nothing_and_is_on_record(office: Office) -> None:
    office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    assert isinstance(refusal(lambda: confirm_factor(office.ctx, session, "000000")), FactorRefused)
    enrol_factor(office.ctx, session)
    for code in ("", "12345", "abcdef", "１２", "0" * 40):
        assert isinstance(refusal(partial(confirm_factor, office.ctx, session, code)), FactorRefused)
    assert {entry["reason"] for entry in office.entries("session.refused")} == {"factor-enrolment"}


def test_no_code_is_taken_twice_not_even_the_one_that_confirmed(office: Office) -> None:
    office.account("li.si", "leader")
    session = office.sign_in("li.si", FIRST).session
    change_secret(office.ctx, session, present=FIRST, new=OWN)
    app = pyotp.TOTP(enrol_factor(office.ctx, office.read(session)).secret)
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
    app = pyotp.TOTP(enrol_factor(office.ctx, session).secret)
    confirm_factor(office.ctx, session, app.at(office.clock.now()))
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN)), SignInRefused)


def test_a_provisional_factor_counts_for_nothing(office: Office) -> None:
    office.settled("zhang.san", "handler")
    enrol_factor(office.ctx, office.sign_in("zhang.san", OWN).session)
    assert office.sign_in("zhang.san", OWN).session.assurance == 1


def test_a_withdrawn_factor_lets_its_holder_enrol_again_and_nothing_else(office: Office) -> None:
    account_id, _ = office.settled("li.si", "leader")
    office.do(lambda unit: withdraw_factor(unit, account_id))
    session = office.sign_in("li.si", OWN).session
    assert session.pending == {"factor"}
    assert enrol_factor(office.ctx, session).uri.startswith("otpauth://totp/")


def test_a_factors_secret_is_sealed_and_bound_to_its_account(office: Office) -> None:
    office.settled("zhang.san", "handler")
    other, _ = office.settled("li.si", "handler")
    session = office.sign_in("zhang.san", OWN).session
    secret = enrol_factor(office.ctx, session).secret
    with office.database.read() as conn:
        sealed = bytes(conn.execute(select(totp_factors.c.secret_sealed)).scalar_one())
    assert secret.encode() not in sealed
    assert office.ctx.open_factor(FONDS, session.account_id, sealed) == secret.encode()
    refusal(lambda: office.ctx.open_factor(FONDS, other, sealed))
    refusal(lambda: office.ctx.open_factor("F002", session.account_id, sealed))
    refusal(lambda: office.ctx.open_factor(FONDS, session.account_id, sealed[:20]))
