"""A copy of a range of the log for another system, in a form of its own (docs/formats/log-copies.md)."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from reviews.copies import extract
from reviews.copies_forms import FORMS, media_type_of
from service.copies.files import copy_chunks
from service.http.answers import problems
from service.http.identity import Who

router = APIRouter(prefix="/v1/log", tags=["日志 The log"])
_MOST = 2**53 - 1
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_COPY: dict[int | str, dict[str, Any]] = {200: {"description": "副本 The copy", "content": {media_type_of(form): _FILE for form in FORMS}}}
_Form = Literal["ndjson", "csv", "xlsx", "ocsf", "cef"]


@router.get("/copy", summary="日志副本 Copy for another system", response_class=Response, responses=problems(404, 409) | _COPY)
def copy(
    who: Who,
    form: Annotated[_Form, Query(description="格式 form")] = "ndjson",
    first: Annotated[int, Query(ge=0, le=_MOST, description="起始序号（含） first index")] = 0,
    last: Annotated[int | None, Query(ge=0, le=_MOST, description="终止序号（含），默认至最新 last index; the newest by default")] = None,
) -> Response:
    """Published entries `first` to `last`, streamed. It takes the right to export the log, and is on record. A copy that ends before
    `Archive-Entries` says is not whole: the connection is broken then.
    """
    caller = who.caller()
    found = extract(who.desk, caller, form, first, last)
    headers = {
        "Archive-Entries": f"{found.first}-{found.last}",
        "Content-Disposition": f'attachment; filename="log-{found.first}-{found.last}.{form}"',
    }
    chunks = copy_chunks(who.desk.db, form, found)
    begun = next(chunks)  # what is wrong from the start is answered as an error; later the connection can only be broken
    return StreamingResponse(chain([begun], chunks), media_type=media_type_of(form), headers=headers)
