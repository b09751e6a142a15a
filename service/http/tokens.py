"""The token endpoint (RFC 6749, section 4.4) for case systems that prove themselves with a signed assertion (RFC 7523)."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from auth.addresses import limited
from auth.clients import issue_token
from service.house import House
from service.http.answers import Answer, open_problems, reply
from service.http.errors import BadRequest, GrantTypeRefused
from service.http.identity import house_of, request_id_of
from service.http.strict import FORM, STRANGERS, read_body

router = APIRouter(prefix="/v1", tags=["登录 Signing in"])
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_assertion_type", "client_assertion"],
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "client_assertion_type": {"const": _ASSERTION},
                        "client_assertion": {
                            "type": "string",
                            "maxLength": 8192,
                            "description": "ES256 JWT：iss=sub=<client>，jti，exp ≤ 5 min",
                        },
                    },
                }
            }
        },
    }
}


class TokenAnswer(Answer):
    """An access token; it is good for as long as its session row lives."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  a kind of token, no token
    expires_in: int


async def _form(request: Request) -> dict[str, str]:
    body = await read_body(request, STRANGERS, FORM)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise BadRequest from None
    # A parameter sent twice could mean either (RFC 6749, section 3.2).
    if len(dict(pairs)) != len(pairs):
        raise BadRequest
    return dict(pairs)


@router.post(
    "/token",
    summary="业务系统取令牌 Token for a case system",
    response_model=TokenAnswer,
    responses=open_problems(400, 401, 413, 415, 429),
    openapi_extra=_FORM,
)
def token(form: Annotated[dict[str, str], Depends(_form)], request: Request, house: Annotated[House, Depends(house_of)]) -> Response:
    """One assertion, used once, for one access token. Every refusal of an assertion reads alike."""
    if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != _ASSERTION or "client_assertion" not in form:
        raise GrantTypeRefused
    state, request_id = request.state, request_id_of(request)
    with limited(house.auth, "token", state.address, client=state.client, request_id=request_id):
        issued = issue_token(house.auth, form["client_assertion"], network=state.client, request_id=request_id)
    return reply(TokenAnswer(access_token=issued.access_token, expires_in=issued.expires_in))
