"""The newest checkpoint that enough witnesses have cosigned, beside the latest one of `service.http.public_log` and as open as that.

The latest checkpoint carries the cosignatures it has so far, which are few while it is new. Whoever wants the word of the archive's whole
quorum asks here, and is some seconds behind.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from reviews import proofs
from service.http.answers import open_problems, text_answer
from service.http.identity import house_of
from service.http.public_log import ASK_AGAIN, MOVED, UNCHANGED, Log, caller_of, log_answer, read_aside

router = APIRouter(prefix="/log", tags=["日志 The log"])


@router.head("/{log:path}/witnessed-checkpoint", include_in_schema=False)
@router.get(
    "/{log:path}/witnessed-checkpoint",
    summary="经见证的检查点 Witnessed checkpoint",
    response_class=Response,
    responses=open_problems(401, 403, 404, 422) | text_answer("text/plain", "C2SP tlog-checkpoint") | UNCHANGED | MOVED,
)
async def witnessed_checkpoint(request: Request, log: Log) -> Response:
    """The newest checkpoint that as many witnesses as the archive asks for have cosigned; 404 where there is none."""
    caller, desk = await caller_of(request), house_of(request).desk
    address, found = await read_aside(request, lambda: proofs.checkpoint(desk, log, caller(), witnessed=True))
    if address != log:
        return RedirectResponse(f"{address.removeprefix(f'{log}/')}/witnessed-checkpoint", 307)
    return log_answer(request, found, "text/plain; charset=utf-8", ASK_AGAIN)
