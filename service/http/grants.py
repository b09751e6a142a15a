"""Grants: listing, returning, revoking, and opening cases in clear under them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from archive.requests import grants, openings
from archive.requests.openings import ClearView
from service.http.answers import Answer, Id, LoggedAnswer, known_id, problems, reply
from service.http.cases import CaseAnswer, case_members
from service.http.identity import Who
from service.http.preconditions import IdempotencyKey
from service.http.requests import AskedAnswer, asked_answer
from service.http.strict import Form, body_of

router = APIRouter(prefix="/v1", tags=["授权与调阅 Grants and openings"])


class Revocation(Form):
    """Why a grant is taken back."""

    reason: str = Field(min_length=1, max_length=2000)


class OpeningForm(Form):
    """Which case to open under the grant."""

    case_id: str = Field(max_length=64)


class GrantAnswer(Answer):
    """A grant with its status as of now."""

    grant_id: str
    request_id: str
    status: str
    holder_id: str
    role: str
    purpose: str
    granted: AskedAnswer
    uses: int


class GrantsAnswer(Answer):
    """Grants, newest first."""

    grants: list[GrantAnswer]


class Watermark(Answer):
    """What stands across every clear view: who read it, when, under which grant, at which place in the log."""

    person_id: str
    opened_at: str
    grant_id: str
    log_index: int


class OpeningAnswer(Answer):
    """The granted fields in clear. Reading again until `ends_at` costs no further use; each reading is on record."""

    opening_id: str
    grant_id: str
    ends_at: str
    uses_left: int
    intent_index: int
    outcome_index: int
    watermark: Watermark
    view: CaseAnswer


@router.get("/grants", summary="授权列表 List grants", response_model=GrantsAnswer, responses=problems())
def several(who: Who) -> Response:
    """One's own grants with their status now."""
    caller = who.caller()
    shown = [
        GrantAnswer(
            grant_id=view.grant.grant_id,
            request_id=view.grant.request_id,
            status=view.status,
            holder_id=view.grant.holder_id,
            role=view.grant.role,
            purpose=view.grant.purpose,
            granted=asked_answer(view.grant.granted),
            uses=view.grant.uses,
        )
        for view in grants.grants_of(who.desk, caller)
    ]
    return reply(GrantsAnswer(grants=shown))


@router.post("/grants/{grant_id}/return", summary="归还 Return a grant", response_model=LoggedAnswer, responses=problems(404, 409))
def give_back(grant_id: Id, who: Who, key: IdempotencyKey) -> Response:
    """The holder returns the grant early."""
    caller = who.caller()
    return reply(LoggedAnswer(log_index=grants.give_back(who.desk, caller, known_id(grant_id), idempotency_key=key)))


@router.post(
    "/grants/{grant_id}/revocation",
    summary="撤销授权 Revoke a grant",
    response_model=LoggedAnswer,
    responses=problems(404, 409, 413, 415),
)
def revoke(who: Who, grant_id: Id, form: Annotated[Revocation, Depends(body_of(Revocation))], key: IdempotencyKey) -> Response:
    """An approver, the principal or the security administrator takes the grant back, at once and for good."""
    caller = who.caller()
    return reply(LoggedAnswer(log_index=grants.revoke(who.desk, caller, known_id(grant_id), form.reason, idempotency_key=key)))


@router.post(
    "/grants/{grant_id}/openings",
    status_code=201,
    summary="调阅明文 Open a case in clear",
    response_model=OpeningAnswer,
    responses=problems(404, 409, 413, 415),
)
def open_case(who: Who, grant_id: Id, form: Annotated[OpeningForm, Depends(body_of(OpeningForm))]) -> Response:
    """Begin a session on one case (one use), or read again inside the one that runs. It takes no Idempotency-Key: asked for again, it is
    judged again; inside the session that costs no further use, and no answer in clear is kept to be repeated.
    """
    caller = who.caller()
    clear = openings.open_case(who.desk, caller, known_id(grant_id), known_id(form.case_id))
    return reply(_opening(clear), 201, Location=f"/v1/openings/{clear.opening_id}")


@router.get("/openings/{opening_id}", summary="续看 Read on", response_model=OpeningAnswer, responses=problems(404, 409))
def read_on(opening_id: Id, who: Who) -> Response:
    """Read once more inside one's own running session; 404 when it has ended."""
    caller = who.caller()
    return reply(_opening(openings.read_opening(who.desk, caller, known_id(opening_id))))


def _opening(clear: ClearView) -> OpeningAnswer:
    return OpeningAnswer(
        opening_id=clear.opening_id,
        grant_id=clear.grant_id,
        ends_at=clear.ends_at,
        uses_left=clear.uses_left,
        intent_index=clear.intent_index,
        outcome_index=clear.outcome_index,
        watermark=Watermark(person_id=clear.holder_id, opened_at=clear.opened_at, grant_id=clear.grant_id, log_index=clear.outcome_index),
        view=CaseAnswer.model_validate(case_members(clear.view)),
    )
