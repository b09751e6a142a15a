from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select

from auth.errors import NotSignedIn, SecretMustChange, SecretRefused, SecretWrong, SignInRefused
from auth.own_secret import change_secret, enrol_factor
from auth.sessions import principal_of
from auth.tables import password_history
from auth.totp import factor_of
from auth_office import FIRST, FONDS, OWN, Office, refusal
from foundation.errors import ArchiveError


def test_a_first_secret_is_good_for_nothing_but_changing_it(office: Office) -> None:
    office.account("zhang.san", "handler")
    session = office.sign_in("zhang.san", FIRST).session
    assert session.pending == {"secret"}
    assert isinstance(refusal(lambda: principal_of(session)), SecretMustChange)
    assert isinstance(refusal(lambda: enrol_factor(office.ctx, session, present=FIRST)), SecretMustChange)
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


def test_a_stolen_token_binds_no_factor_without_the_present_secret(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    for n in range(5):
        assert isinstance(refusal(partial(enrol_factor, office.ctx, session, present=f"guess {n}")), SecretWrong)
    assert isinstance(refusal(lambda: enrol_factor(office.ctx, session, present=OWN)), SecretWrong)
    with office.database.read() as conn:
        assert factor_of(conn, FONDS, account_id) is None
    refused = office.entries("session.refused")
    assert [(entry["reason"], entry["object"]["id"]) for entry in refused] == [("factor-enrolment", account_id)] * 6
    enrol_factor(office.ctx, office.sign_in("zhang.san", OWN).session, present=OWN)  # its holder is not locked out by it


def test_a_secret_changed_meanwhile_binds_no_factor(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    stolen, own = office.sign_in("zhang.san", OWN).session, office.sign_in("zhang.san", OWN).session
    seal = office.ctx.seal_factor

    def changed_first(fonds: str, account: str, raw: bytes) -> bytes:
        change_secret(office.ctx, own, present=OWN, new="another lantern over 9 seas")
        return seal(fonds, account, raw)

    ctx = replace(office.ctx, seal_factor=changed_first)
    assert isinstance(refusal(lambda: enrol_factor(ctx, stolen, present=OWN)), NotSignedIn)
    with office.database.read() as conn:
        assert factor_of(conn, FONDS, account_id) is None


def test_a_new_secret_is_judged_with_its_holders_names_and_history(office: Office) -> None:
    office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    for new, rule in ((OWN, "used-before"), (FIRST, "used-before"), ("over zhang.san lantern", "contains-context"), ("short", "too-short")):
        refused = refusal(partial(change_secret, office.ctx, session, present=OWN, new=new))
        assert isinstance(refused, SecretRefused)
        assert [fault.rule for fault in refused.faults] == [rule]
    assert len(office.entries("secret.changed")) == 1


@pytest.mark.parametrize("tabs_of_one_session", [True, False])
def test_of_two_changes_at_once_only_one_takes(office: Office, tabs_of_one_session: bool) -> None:
    office.settled("zhang.san", "handler")
    sessions = [office.sign_in("zhang.san", OWN).session for _ in range(2)]
    if tabs_of_one_session:
        sessions[1] = sessions[0]
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


def test_only_the_last_secrets_are_remembered_and_older_ones_deleted(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    session = office.sign_in("zhang.san", OWN).session
    present = OWN
    for n in range(6):
        office.clock.advance(60)
        change_secret(office.ctx, session, present=present, new=f"lantern over quiet krm {n}")
        present = f"lantern over quiet krm {n}"
    with office.database.read() as conn:
        kept = conn.execute(select(password_history.c.secret_hash).where(password_history.c.account_id == account_id)).scalars().all()
    assert len(kept) == 5
    change_secret(office.ctx, session, present=present, new=OWN)
