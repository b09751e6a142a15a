from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import select, update

from auth.errors import SignInRefused
from auth.passwords import Passwords
from auth.people import set_state
from auth.sessions import principal_of
from auth.tables import accounts, sign_in_failures
from auth_office import FONDS, OWN, Office, refusal
from foundation.tables import SYSTEM_FONDS
from statement_notes import statements_of


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
        before = office.ctx.passwords.computed
        with statements_of(office.database) as statements:
            refused = refusal(partial(office.sign_in, login, secret, code, fonds=fonds))
        assert office.ctx.passwords.computed == before + 1
        alike = tuple(one for one in statements if "log_subjects" not in one)
        seen.add((type(refused), refused.text_zh, refused.text_en, str(refused.params), alike))
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
    known, _ = office.settled("zhang.san", "handler")
    before = len(office.entries("session.refused"))
    refusal(lambda: office.sign_in(typed, "anything at all"))
    entries = office.entries("session.refused")
    assert len(entries) == before + 1
    assert entries[-1]["reason"] == "unknown-login"
    assert "object" not in entries[-1]
    assert typed not in json.dumps(entries)
    with office.database.read() as conn:
        assert all(typed not in str(row) and row.account_id in {"nobody", known} for row in conn.execute(select(sign_in_failures)))


def test_the_sizes_of_the_logs_tell_no_login_that_exists_from_one_that_does_not(office: Office) -> None:
    """Sizes are in every checkpoint, and checkpoints are for everybody."""
    seen = set()
    for login, secret, code, fonds in _causes(office).values():
        before = [len(office.entries("session.refused", of)) for of in (FONDS, SYSTEM_FONDS)]
        refusal(partial(office.sign_in, login, secret, code, fonds=fonds))
        after = [len(office.entries("session.refused", of)) for of in (FONDS, SYSTEM_FONDS)]
        if fonds == FONDS:
            seen.add(tuple(now - then for now, then in zip(after, before, strict=True)))
    assert seen == {(1, 0)}


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
