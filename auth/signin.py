"""Signing in: login, secret and, where enrolled, a one-time code make a session; everything else is one and the same refusal.

Every refused attempt does the same work whatever its cause: one hash computation, one counted try, one refusal on record (auth.refusals)
in the log of the fonds that was named. The entry of an attempt on a login that does not exist holds nothing of what was typed, because
people type secrets into the wrong box.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import update

from audit.events import Actor, Event
from auth.context import AuthContext
from auth.errors import FactorRefused, SignInBusy, SignInRefused
from auth.lockout import NOBODY, Source, give_back, return_try, sweep, take_try
from auth.people import Account, account, account_of_login, log_of_strangers
from auth.refusals import STRANGERS, record_refusal
from auth.sessions import Session, by_id, cookie, new_cookie_secret, open_session
from auth.tables import accounts
from auth.totp import Factor, factor_of, matching_counter, take_code
from foundation.steps import reach
from foundation.tables import SYSTEM_FONDS
from foundation.uow import Unit


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just opened, its cookie, and the device mark to leave with the browser (see `auth.lockout`)."""

    session: Session
    cookie: str = field(repr=False)
    device: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came with a sign-in. `client` is the class of the network; `address` and `device` are used for counting, never stored."""

    client: str
    address: str
    device: str | None = None
    request_id: str = ""


class _ChangedMeanwhile(Exception):
    """Account or secret changed between the check and the opening; leaves the unit of work, the caller gets the uniform refusal."""


def sign_in(ctx: AuthContext, *, fonds: str, login: str, secret: str, code: str | None, attempt: Attempt) -> SignedIn:
    """Open a session, or record the refusal and raise SignInRefused.

    The session may come back with `pending` set: then it is good only for changing the secret or enrolling the factor.
    """
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        found = account_of_login(conn, fonds, login)
        strangers = log_of_strangers(conn, fonds)
        if found is not None and found.kind != "person":
            found = None
        home, account_id = (SYSTEM_FONDS, NOBODY) if found is None else (found.fonds, found.account_id)
        factor = factor_of(conn, home, account_id)
    source = ctx.sources.source(home, account_id, address=attempt.address, device=attempt.device)
    policy = ctx.policy_of(home)
    may_try = ctx.uow.bookkeep(home, lambda unit: take_try(unit, account_id, source, policy, at=now))
    try:
        right = ctx.passwords.verify(None if found is None else found.secret_hash, secret)
    except SignInBusy:
        if may_try:
            ctx.uow.bookkeep(home, lambda unit: return_try(unit, account_id, source))
        raise
    reason, counter = _judge(ctx, found, factor, code, may_try=may_try, right=right, now=now)
    if found is None or reason:
        _refuse(ctx, found, strangers, reason, attempt, now)
        raise SignInRefused
    renewed = None
    if found.secret_hash and ctx.passwords.is_outdated(found.secret_hash):
        with suppress(SignInBusy):
            renewed = ctx.passwords.hash(secret)
    try:
        session_id, cookie_secret = _open(ctx, found, counter, source, attempt, renewed, now)
    except (FactorRefused, _ChangedMeanwhile) as error:
        _refuse(ctx, found, strangers, "code-used" if isinstance(error, FactorRefused) else "changed-meanwhile", attempt, now)
        raise SignInRefused from None
    device = attempt.device if source.marked and attempt.device else ctx.sources.new_mark(found.fonds, found.account_id)
    with ctx.db.read() as conn:
        session = by_id(ctx, conn, found.fonds, session_id)
    return SignedIn(session, cookie(found.fonds, session_id, cookie_secret), device)


def _judge(
    ctx: AuthContext, found: Account | None, factor: Factor | None, code: str | None, *, may_try: bool, right: bool, now: datetime
) -> tuple[str, int | None]:
    """The reason to refuse, for the log alone ('' for none), and the step of the code that was given."""
    if found is None:
        return "unknown-login", None
    if not may_try:
        return "locked", None
    if not right:
        return "wrong-secret", None
    if found.state != "active":
        return "account-not-active", None
    if factor is None or not factor.confirmed:
        return "", None
    if not code:
        return "code-missing", None
    secret = ctx.open_factor(found.fonds, found.account_id, factor.sealed)
    counter = matching_counter(secret, code, at=now, after=factor.last_counter)
    return ("code-wrong", None) if counter is None else ("", counter)


def _open(
    ctx: AuthContext, found: Account, counter: int | None, source: Source, attempt: Attempt, renewed: str | None, now: datetime
) -> tuple[str, str]:
    lifetime = timedelta(hours=ctx.policy_of(found.fonds).session_hours)
    cookie_secret = new_cookie_secret()
    assurance = 1 if counter is None else 2

    def enter(unit: Unit) -> str:
        present = account(unit.conn, unit.fonds, found.account_id, lock=True)
        if present.state != "active" or present.secret_hash != found.secret_hash:
            raise _ChangedMeanwhile
        if counter is not None:
            take_code(unit, found.account_id, counter, at=now)
        elif (enrolled := factor_of(unit.conn, unit.fonds, found.account_id)) is not None and enrolled.confirmed:
            raise _ChangedMeanwhile
        if renewed is not None:
            mine = (accounts.c.fonds == unit.fonds, accounts.c.account_id == found.account_id)
            unit.conn.execute(update(accounts).where(*mine).values(secret_hash=renewed))
        give_back(unit, found.account_id, source)
        sweep(unit, at=now)
        session_id = open_session(
            unit,
            account_id=found.account_id,
            assurance=assurance,
            client=attempt.client,
            lifetime=lifetime,
            at=now,
            secret=cookie_secret,
        )
        actor = Actor(
            account=found.account_id,
            person=found.person_id,
            role="account-holder",
            assurance=assurance,
            session=session_id,
            client=attempt.client,
        )
        about = {"kind": "session", "id": session_id}
        unit.add(Event("session.opened", actor, now, object=about, request_id=attempt.request_id))
        return session_id

    session_id = ctx.uow.run(found.fonds, enter)
    reach("auth.session-opened")
    return session_id, cookie_secret


def _refuse(ctx: AuthContext, found: Account | None, strangers: str, reason: str, attempt: Attempt, now: datetime) -> None:
    event = Event(
        "session.refused",
        Actor(role="unknown", client=attempt.client),
        now,
        object=None if found is None else {"kind": "account", "id": found.account_id},
        verdict="refuse",
        reason=reason,
        request_id=attempt.request_id,
    )
    home, subject = (strangers, STRANGERS) if found is None else (found.fonds, found.account_id)
    record_refusal(ctx, home, subject, "sign-in", event)
