"""Accounting for a subject: all entries of the log about it, with proofs that hold without the archive."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from audit.index_answers import Asked
from reviews import accounting
from service.http.answers import problems
from service.http.identity import Who
from service.http.strict import JSON, Form, body_of

router = APIRouter(prefix="/v1", tags=["留痕 The trail"])
_MOST: Final = 2**53 - 1
_PROVEN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "docs/formats/log-index.md", "content": {JSON: {"schema": {"type": "object"}}}}
}


class Subject(Form):
    """Whose entries to account for; `bodies`: of which of them the text goes with the answer; `since`: the size of an older checkpoint."""

    kind: Literal["case", "person", "account", "grant"]
    id: str = Field(max_length=64)
    bodies: Literal["one-case", "all", "none"] = "one-case"
    since: int | None = Field(default=None, ge=0, le=_MOST)


@router.post(
    "/audit:account-for",
    summary="清点留痕（附证明） Account for a subject, with proofs",
    response_class=Response,
    responses=problems(409, 413, 415) | _PROVEN,
)
def account_for(who: Who, form: Annotated[Subject, Depends(body_of(Subject))]) -> Response:
    """Every entry about a case, person, account or grant, proven to be all there are up to a size: for those who may export the log.

    `petition-archive audit check-answer` checks the answer with the archive switched off. `since`: the size of a checkpoint kept from
    earlier, from which on the log is then shown to have only grown. 409 while a commitment is being published: ask again in a second.
    """
    asked = Asked(form.kind, form.id, form.bodies, form.since)
    found = accounting.account_for(who.desk, who.house.indexer.indexing, who.caller(), asked)
    return Response(found.data, media_type=JSON)
