"""Finding cases. Always POST: what is looked for never stands in an address, where proxies and histories keep it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from archive import finding, finding_persons
from archive.errors import TooManySearches
from archive.finding import Found
from service.http.answers import Answer, problems, reply
from service.http.identity import Who
from service.http.problems import answer
from service.http.strict import Form, body_of

router = APIRouter(prefix="/v1", tags=["检索 Finding"])
_MOST_CURSOR = 1000


class Search(Form):
    """What to look for: conditions by field path, facets to count, order, page."""

    filters: dict[str, Any] = Field(
        default_factory=dict, examples=[{"closure_type": {"in": ["handled"]}, "petition_date": {"from": "2024-01-01"}}]
    )
    facets: list[Any] = Field(default_factory=list, examples=[["closure_type"]])
    sort: str = Field(default="-closed_at", max_length=60)
    limit: int = 50
    cursor: str | None = Field(default=None, max_length=_MOST_CURSOR)


class IdentitySearch(Form):
    """An exact search for one person, with its purpose and reason."""

    kind: str = Field(max_length=20, examples=["name"])
    value: str = Field(max_length=400)
    purpose: str = Field(max_length=60, examples=["repeat_petition"])
    reason: str = Field(max_length=2000)


class RowAnswer(Answer):
    """One case, as far as the caller may see it in a list."""

    case_id: str
    version: int
    fields: dict[str, Any]


class FacetValue(Answer):
    """How many of the cases found have this value."""

    value: Any
    count: int


class FoundAnswer(Answer):
    """A page. `total` counts what the caller may know of; `cursor` asks for the next page with the same question."""

    rows: list[RowAnswer]
    total: int
    facets: dict[str, list[FacetValue]]
    cursor: str | None = None
    log_index: int


@router.post("/cases:find", summary="检索 Find cases", response_model=FoundAnswer, responses=problems(400, 413, 415))
def find(who: Who, form: Annotated[Search, Depends(body_of(Search))]) -> Response:
    """Search, count and page through the cases in the caller's scope, by fields the caller sees in clear."""
    caller = who.caller()
    body = form.model_dump(include={"filters", "facets", "sort", "limit"})
    return reply(_found(finding.find(who.desk, caller, body, form.cursor)))


@router.post("/cases:find-identity", summary="按身份检索 Find by identity", response_model=FoundAnswer, responses=problems(413, 415, 429))
def find_identity(who: Who, form: Annotated[IdentitySearch, Depends(body_of(IdentitySearch))]) -> Response:
    """Exact search by name, document number or telephone: purposed, on record, and limited (`RateLimit`)."""
    caller = who.caller()
    try:
        found = finding_persons.find_person(who.desk, caller, form.kind, form.value, purpose=form.purpose, reason=form.reason)
    except TooManySearches as error:
        response = answer(error, who.request_id)
    else:
        response = reply(_found(found))
    most, left, seconds = finding_persons.allowance(who.desk, caller)
    # draft-ietf-httpapi-ratelimit-headers
    response.headers["RateLimit-Policy"] = f'"identity-search";q={most};w={finding_persons.WINDOW_MS // 1000}'
    response.headers["RateLimit"] = f'"identity-search";r={left};t={seconds}'
    return response


def _found(found: Found) -> FoundAnswer:
    return FoundAnswer(
        rows=[RowAnswer(case_id=row.case_id, version=row.version, fields=row.fields) for row in found.rows],
        total=found.total,
        facets={path: [FacetValue(value=value, count=count) for value, count in values] for path, values in found.facets.items()},
        cursor=found.cursor,
        log_index=found.log_index,
    )
