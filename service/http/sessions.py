"""Signing in, and the list of one's own sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from auth.addresses import limited
from auth.sessions import FACTOR, SECRET, bearer_of, revoke_own, sessions_of, sign_out
from auth.signin import Attempt, sign_in
from foundation.clock import from_ms, iso
from service.house import House
from service.http.answers import Answer, Id, known_id, open_problems, problems, reply
from service.http.identity import Who, house_of, request_id_of
from service.http.strict import STRANGERS, Form, body_of

router = APIRouter(prefix="/v1/sessions", tags=["登录 Signing in"])


class SignIn(Form):
    """Who signs in. `device` is the mark this archive gave at an earlier sign-in on the same device."""

    fonds: str = Field(max_length=40, examples=["F001"])
    login: str = Field(max_length=256, examples=["wang"])
    password: str = Field(max_length=4096)
    totp: str | None = Field(default=None, max_length=32)
    device: str | None = Field(default=None, max_length=200)


class SessionAnswer(Answer):
    """A session just opened. While one of the two `must_` is true it is good for that alone."""

    access_token: str
    expires_in: int
    session_id: str
    must_change_secret: bool
    must_enrol_factor: bool
    device: str


class RenewedAnswer(Answer):
    """A fresh access token for the same session."""

    access_token: str
    expires_in: int


class SessionRow(Answer):
    """One live session of the account."""

    session_id: str
    created_at: str
    last_seen_at: str
    expires_at: str
    assurance: int
    client: str
    current: bool


class SessionsAnswer(Answer):
    """All live sessions, newest first."""

    sessions: list[SessionRow]


@router.post("", status_code=201, summary="登录 Sign in", response_model=SessionAnswer, responses=open_problems(401, 413, 415, 422, 429))
def enter(
    form: Annotated[SignIn, Depends(body_of(SignIn, STRANGERS))], request: Request, house: Annotated[House, Depends(house_of)]
) -> Response:
    """Open a session with login, secret and, where enrolled, a one-time code. Every refusal reads and takes alike."""
    attempt = Attempt(
        client=request.state.client, address=request.state.address, device=form.device or None, request_id=request_id_of(request)
    )
    with (
        house.auth.passwords.place(),
        limited(house.auth, "sign-in", attempt.address, client=attempt.client, request_id=attempt.request_id),
    ):
        signed = sign_in(house.auth, fonds=form.fonds, login=form.login, secret=form.password, code=form.totp or None, attempt=attempt)
    token, seconds = bearer_of(house.auth, signed.session)
    answer = SessionAnswer(
        access_token=token,
        expires_in=seconds,
        session_id=signed.session.session_id,
        must_change_secret=SECRET in signed.session.pending,
        must_enrol_factor=FACTOR in signed.session.pending,
        device=signed.device,
    )
    return reply(answer, 201)


@router.get("", summary="我的会话 My sessions", response_model=SessionsAnswer, responses=problems())
def mine(who: Who) -> Response:
    """The live sessions of one's own account."""
    session = who.session()
    house = who.house
    with house.desk.db.read() as conn:
        rows = sessions_of(conn, session.fonds, session.account_id, house.auth.policy_of(session.fonds), at=house.desk.clock.now())
    return reply(
        SessionsAnswer(
            sessions=[
                SessionRow(
                    session_id=row.session_id,
                    created_at=iso(from_ms(row.created_ms)),
                    last_seen_at=iso(from_ms(row.last_seen_ms)),
                    expires_at=iso(from_ms(row.expires_ms)),
                    assurance=row.assurance,
                    client=row.client,
                    current=row.session_id == session.session_id,
                )
                for row in rows
            ]
        )
    )


@router.post("/current/token", summary="换新令牌 Renew the token", response_model=RenewedAnswer, responses=problems())
def renew(who: Who) -> Response:
    """A new access token for the running session: a token lives minutes, a session hours."""
    token, seconds = bearer_of(who.house.auth, who.session())
    return reply(RenewedAnswer(access_token=token, expires_in=seconds))


@router.delete("/{session_id}", status_code=204, summary="退出 Sign out", responses=problems(404))
def leave(session_id: Id, who: Who) -> Response:
    """End a session of one's own: this one (`current`, or its id), or one left open elsewhere."""
    session = who.session()
    if session_id in {"current", session.session_id}:
        sign_out(who.house.auth, session, request_id=who.request_id)
    else:
        revoke_own(who.house.auth, session, known_id(session_id), request_id=who.request_id)
    return Response(status_code=204)
