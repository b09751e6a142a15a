"""What a session's holder does with their own proofs: changing the secret, enrolling and confirming the second factor.

These acts take a Session, not a Principal, because they are all that a session with something pending may do.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from audit.events import Event
from auth.context import AuthContext
from auth.errors import FactorRefused, NotSignedIn, SecretMustChange, SecretWrong, SignInBusy
from auth.lockout import give_back, return_try, take_try
from auth.people import Account, account, end_sessions, person, recent_hashes, set_secret
from auth.sessions import SECRET, Session
from auth.tables import sessions, units
from auth.totp import Enrolment, factor_of, matching_counter, new_enrolment, store_provisional, take_code
from foundation.clock import to_ms
from foundation.uow import Unit


def change_secret(ctx: AuthContext, session: Session, *, present: str, new: str, request_id: str = "") -> None:
    """Change the holder's secret; every other session of the account ends.

    Raises SecretWrong (recorded, and counted per session: a stolen cookie gives no room to guess in), SecretRefused with every fault.
    """
    now, policy = ctx.clock.now(), ctx.policy_of(session.fonds)
    with ctx.db.read() as conn:
        mine = account(conn, session.fonds, session.account_id)
        earlier = recent_hashes(conn, session.fonds, session.account_id, policy.password_history)
        context = [mine.login]
        if mine.person_id is not None:
            context.append(person(conn, session.fonds, mine.person_id).display_name)
        homes = {post.unit_id for post in session.posts}
        for row in conn.execute(select(units.c.code, units.c.title).where(units.c.fonds == session.fonds, units.c.unit_id.in_(homes))):
            context += [row.code, row.title]
    _prove(ctx, session, mine, present, "secret-change", now, request_id)
    ctx.passwords.judge(new, policy, context=context, earlier=earlier)
    secret_hash = ctx.passwords.hash(new)

    def change(unit: Unit) -> None:
        if account(unit.conn, unit.fonds, session.account_id, lock=True).secret_hash != mine.secret_hash or not _alive(unit, session):
            raise NotSignedIn
        set_secret(
            unit,
            session.account_id,
            secret_hash,
            at=now,
            must_change=False,
            keep=policy.password_history,
            except_session=session.session_id,
        )
        unit.add(Event("secret.changed", session.actor(), now, object=_about(session), request_id=request_id))

    ctx.uow.run(session.fonds, change)


def enrol_factor(ctx: AuthContext, session: Session, *, present: str, request_id: str = "") -> Enrolment:
    """Make a provisional one-time-code factor and return what the app is shown, once; it counts for nothing until confirmed.

    `present` is the holder's secret: whoever has no more than a stolen token cannot bind their own app and shut the holder out.
    Raises SecretMustChange (whoever handed out the first secret must not be able to enrol in its holder's name), SecretWrong as
    `change_secret` does, FactorPresent.
    """
    if SECRET in session.pending:
        raise SecretMustChange
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        mine = account(conn, session.fonds, session.account_id)
    _prove(ctx, session, mine, present, "factor-enrolment", now, request_id)
    enrolment = new_enrolment(f"{mine.login}@{session.fonds}", ctx.issuer)
    sealed = ctx.seal_factor(session.fonds, session.account_id, enrolment.secret.encode("ascii"))

    def store(unit: Unit) -> None:
        if account(unit.conn, unit.fonds, session.account_id, lock=True).secret_hash != mine.secret_hash or not _alive(unit, session):
            raise NotSignedIn
        store_provisional(unit, session.account_id, sealed, at=now)

    ctx.uow.bookkeep(session.fonds, store)
    return enrolment


def confirm_factor(ctx: AuthContext, session: Session, code: str, *, request_id: str = "") -> None:
    """Confirm the provisional factor with a code: this session has two factors from now on, the account's others end.

    FactorRefused (recorded) when there is no provisional factor or the code is wrong.
    """
    if SECRET in session.pending:
        raise SecretMustChange
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        factor = factor_of(conn, session.fonds, session.account_id)
    counter = None
    if factor is not None and not factor.confirmed:
        secret = ctx.open_factor(session.fonds, session.account_id, factor.sealed)
        counter = matching_counter(secret, code, at=now, after=factor.last_counter)
    if counter is None:
        _refuse(ctx, session, "factor-enrolment", now, request_id)
        raise FactorRefused

    def confirm(unit: Unit) -> None:
        present = factor_of(unit.conn, unit.fonds, session.account_id)
        if present is None or factor is None or present.sealed != factor.sealed:
            raise FactorRefused  # another enrolment took its place: the code was not for that one
        if not _alive(unit, session):
            raise NotSignedIn
        take_code(unit, session.account_id, counter, confirm=True, at=now)
        unit.conn.execute(
            update(sessions)
            .where(sessions.c.fonds == unit.fonds, sessions.c.session_id == session.session_id)
            .values(assurance=2, factor_ms=to_ms(now))
        )
        end_sessions(unit, session.account_id, at=now, except_session=session.session_id)
        unit.add(Event("factor.enrolled", session.actor(), now, object=_about(session), data={"factor": "totp"}, request_id=request_id))

    ctx.uow.run(session.fonds, confirm)


def _alive(unit: Unit, session: Session) -> bool:
    query = select(sessions.c.session_id).where(
        sessions.c.fonds == unit.fonds, sessions.c.session_id == session.session_id, sessions.c.revoked_ms.is_(None)
    )
    return unit.conn.execute(query.with_for_update()).first() is not None


def _prove(ctx: AuthContext, session: Session, mine: Account, present: str, act: str, now: datetime, request_id: str) -> None:
    """Take `present` for the holder's secret, or record the refusal and raise SecretWrong; tries are counted per session."""
    source = ctx.sources.source(session.fonds, session.account_id, address=f"session {session.session_id}", device=None)
    policy = ctx.policy_of(session.fonds)
    may_try = ctx.uow.bookkeep(session.fonds, lambda unit: take_try(unit, session.account_id, source, policy, at=now))
    try:
        right = ctx.passwords.verify(mine.secret_hash, present)
    except SignInBusy:
        if may_try:
            ctx.uow.bookkeep(session.fonds, lambda unit: return_try(unit, session.account_id, source))
        raise
    if not (right and may_try):
        _refuse(ctx, session, act, now, request_id)
        raise SecretWrong
    ctx.uow.bookkeep(session.fonds, lambda unit: give_back(unit, session.account_id, source))


def _about(session: Session) -> dict[str, str]:
    return {"kind": "account", "id": session.account_id}


def _refuse(ctx: AuthContext, session: Session, act: str, now: datetime, request_id: str) -> None:
    event = Event(
        "session.refused",
        session.actor(),
        now,
        object=_about(session),
        verdict="refuse",
        reason=act,
        request_id=request_id,
    )
    ctx.uow.run(session.fonds, lambda unit: unit.add(event))
