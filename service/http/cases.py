"""Deposits, later versions, and the masked view."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from archive.intake import deposit
from archive.masking import CaseView
from archive.reading import view
from archive.versions import correct, supplement
from foundation.errors import InvalidInput
from foundation.strict_json import loads
from service.http.answers import Answer, Id, known_id, problems, reply
from service.http.batches import BatchAnswer
from service.http.identity import Who, house_of
from service.http.preconditions import IdempotencyKey
from service.http.receipts import ReceiptAnswer, receipt_reply
from service.http.strict import JSON, NDJSON, Form, checked, read_body, require_type

router = APIRouter(prefix="/v1", tags=["案卷 Cases"])
# The form of a deposit is derived from the rulebook when the description is made (service.http.openapi).
_DEPOSIT = {"requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/CaseDeposit"}}}}}
_BATCH = {
    "requestBody": {
        "required": True,
        "description": "每行一件案卷 One case a line",
        "content": {NDJSON: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_SAME: dict[int | str, dict[str, Any]] = {200: {"description": "相同内容已归档 The same content was archived", "model": ReceiptAnswer}}


class Later(Form):
    """What a supplement and a correction have in common."""

    base_version: int = Field(ge=1, le=2**31 - 1, description="所依据的版本 The version it starts from")
    reason: str = Field(min_length=1, max_length=2000)


class Supplement(Later):
    """补充归档: later items of these groups."""

    supplement: dict[str, Any]


class Correction(Later):
    """更正: the whole record, corrected."""

    case: dict[str, Any]


class CaseAnswer(Answer):
    """A case as the caller's role and relation show it. `masked` and `withheld` name fields, whether they are filled or not."""

    case_id: str
    version: int
    record: dict[str, Any]
    clear: list[str]
    masked: list[str]
    withheld: list[str]
    log_index: int


def case_members(shown: CaseView) -> dict[str, Any]:
    """A view in the form of `CaseAnswer`."""
    return {
        "case_id": shown.case_id,
        "version": shown.version,
        "record": shown.record,
        "clear": list(shown.clear),
        "masked": list(shown.masked),
        "withheld": list(shown.withheld),
        "log_index": shown.log_index,
    }


async def case_body(request: Request) -> bytes:
    """The body of one case, unparsed."""
    return await read_body(request, house_of(request).limits.body, JSON)


RawCase = Annotated[bytes, Depends(case_body)]


@router.post(
    "/cases",
    status_code=201,
    summary="报送一件 Deposit a case",
    response_model=ReceiptAnswer,
    responses=problems(409, 413, 415) | _SAME,
    openapi_extra=_DEPOSIT,
)
def deposit_one(who: Who, body: RawCase, key: IdempotencyKey) -> Response:
    """Take one closed case in. Acknowledged when durable. The same content again answers the same receipt (200); other content is 409."""
    caller = who.caller()
    try:
        record: object = loads(body, max_bytes=who.house.limits.body)
    except InvalidInput as fault:
        # Handed on, so that the refusal is decided and on record like every other.
        record = fault
    return receipt_reply(who.house, deposit(who.desk, caller, record, idempotency_key=key))


@router.post(
    "/cases:batch",
    summary="批量报送 Deposit many",
    response_class=Response,
    responses=problems(413, 415)
    | {
        200: {
            "description": "每行一个应答，提交后给出 An answer a line, given after its commit",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        }
    },
    openapi_extra=_BATCH,
)
async def deposit_stream(who: Who, request: Request) -> Response:
    """A stream of cases, one a line, answered by a stream: `{"line", "status", "receipt" | "problem"}`, and `{"done": true, …}` at its end.

    A line without an answer was not taken: send it again. A client that does not read while it sends keeps it under 20,000 lines.
    """
    require_type(request, NDJSON)
    return BatchAnswer(who, request.app.state.metrics)


@router.post(
    "/cases/{case_id}/supplements",
    status_code=201,
    summary="补充归档 Supplement a case",
    response_model=ReceiptAnswer,
    responses=problems(404, 409, 413, 415) | _SAME,
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": Supplement.model_json_schema()}}}},
)
def add(who: Who, case_id: Id, body: RawCase, key: IdempotencyKey) -> Response:
    """Add later reviews, ratings, rulings: a new version; every earlier one is kept. Repeated under its key, the same receipt (200)."""
    caller = who.caller()
    form = checked(Supplement, loads(body, max_bytes=who.house.limits.body))
    made = supplement(
        who.desk,
        caller,
        known_id(case_id),
        base_version=form.base_version,
        part=form.supplement,
        reason=form.reason,
        idempotency_key=key,
    )
    return receipt_reply(who.house, made)


@router.post(
    "/cases/{case_id}/corrections",
    status_code=201,
    summary="更正 Correct a case",
    response_model=ReceiptAnswer,
    responses=problems(404, 409, 413, 415) | _SAME,
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": Correction.model_json_schema()}}}},
)
def replace(who: Who, case_id: Id, body: RawCase, key: IdempotencyKey) -> Response:
    """Replace the record by a corrected one of the same number: a new version; grants for earlier ones are dead. Repeated under its key,
    the same receipt (200).
    """
    caller = who.caller()
    form = checked(Correction, loads(body, max_bytes=who.house.limits.body))
    made = correct(
        who.desk,
        caller,
        known_id(case_id),
        base_version=form.base_version,
        record=form.case,
        reason=form.reason,
        idempotency_key=key,
    )
    return receipt_reply(who.house, made)


@router.get("/cases/{case_id}", summary="看案卷（脱敏） See a case masked", response_model=CaseAnswer, responses=problems(404))
def see(case_id: Id, who: Who, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None) -> Response:
    """The masked view, everyone's default. One entry per view, durable before anything is opened."""
    caller = who.caller()
    return reply(CaseAnswer.model_validate(case_members(view(who.desk, caller, known_id(case_id), version))))
