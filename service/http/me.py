"""Oneself: who the session is, its secret and its second factor. All of it works while the session may do nothing else yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from auth.addresses import limited
from auth.own_secret import change_secret, confirm_factor, enrol_factor
from auth.people import person
from foundation.clock import iso
from service.http.answers import Answer, problems, reply
from service.http.identity import Asking, Who
from service.http.strict import Form, body_of

router = APIRouter(prefix="/v1/me", tags=["本人 Oneself"])


class NewSecret(Form):
    """The present secret and the one to come."""

    current: str = Field(max_length=4096)
    new: str = Field(max_length=4096)


class Present(Form):
    """The present secret: a token alone binds no factor."""

    current: str = Field(max_length=4096)


class Code(Form):
    """A one-time code of the app that was just set up."""

    code: str = Field(max_length=32, examples=["123456"])


class PostAnswer(Answer):
    """A post held now; `unit_path` runs from the root unit's code to the post's."""

    post_id: str
    unit_path: list[str]
    role: str
    acting: bool


class MeAnswer(Answer):
    """The session's holder."""

    fonds: str
    account_id: str
    kind: str
    person_id: str | None = None
    display_name: str | None = None
    posts: list[PostAnswer]
    session_id: str
    assurance: int
    expires_at: str
    must_change_secret: bool
    must_enrol_factor: bool


class EnrolmentAnswer(Answer):
    """What the authenticator app is shown, once."""

    otpauth_uri: str
    secret: str


@router.get("", summary="我是谁 Who am I", response_model=MeAnswer, responses=problems())
def me(who: Who) -> Response:
    """The account, the posts held now, and what the session must do before anything else."""
    session = who.session()
    name = None
    if session.person_id is not None:
        with who.desk.db.read() as conn:
            name = person(conn, session.fonds, session.person_id).display_name
    return reply(
        MeAnswer(
            fonds=session.fonds,
            account_id=session.account_id,
            kind=session.kind,
            person_id=session.person_id,
            display_name=name,
            posts=[
                PostAnswer(post_id=post.post_id, unit_path=list(post.unit_path), role=post.role, acting=post.acting)
                for post in session.posts
            ],
            session_id=session.session_id,
            assurance=session.assurance,
            expires_at=iso(session.expires),
            must_change_secret="secret" in session.pending,
            must_enrol_factor="factor" in session.pending,
        )
    )


@router.post("/secret", status_code=204, summary="修改口令 Change the secret", responses=problems(413, 415, 429))
def secret(who: Who, form: Annotated[NewSecret, Depends(body_of(NewSecret))]) -> Response:
    """Change one's own secret; every other session of the account ends."""
    session = who.session()
    with _proving(who):
        change_secret(who.house.auth, session, present=form.current, new=form.new, request_id=who.request_id)
    return Response(status_code=204)


@router.post(
    "/totp",
    status_code=201,
    summary="绑定动态验证码 Enrol a second factor",
    response_model=EnrolmentAnswer,
    responses=problems(409, 413, 415, 429),
)
def enrol(who: Who, form: Annotated[Present, Depends(body_of(Present))]) -> Response:
    """Begin enrolling a one-time-code app with the present secret; it counts for nothing until confirmed."""
    session = who.session()
    with _proving(who):
        enrolment = enrol_factor(who.house.auth, session, present=form.current, request_id=who.request_id)
    return reply(EnrolmentAnswer(otpauth_uri=enrolment.uri, secret=enrolment.secret), 201)


@router.post("/totp:confirm", status_code=204, summary="确认动态验证码 Confirm the second factor", responses=problems(413, 415, 429))
def confirm(who: Who, form: Annotated[Code, Depends(body_of(Code))]) -> Response:
    """Confirm with a code: this session has two factors from now on, the account's others end."""
    session = who.session()
    with limited(who.house.auth, "factor", who.address, client=who.client, request_id=who.request_id):
        confirm_factor(who.house.auth, session, form.code, request_id=who.request_id)
    return Response(status_code=204)


@contextmanager
def _proving(who: Asking) -> Iterator[None]:
    with who.house.auth.passwords.place(), limited(who.house.auth, "secret", who.address, client=who.client, request_id=who.request_id):
        yield
