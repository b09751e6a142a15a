"""The published log as C2SP tlog-tiles has it, under `/log/<fonds>/`: whoever checks it needs no account here, and no trust in us.

Checkpoint and hash tiles are for everybody, unless `ARCHIVE_PUBLIC_LOG` is off; entries take the right to export. Nothing past the latest
checkpoint is ever served. What was served once never changes, so every tile may be kept for ever; a log that began another life after
a restoration has another address, as it has another origin, so that nothing kept of the old one is taken for the new.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from acts.desk import Caller
from reviews import proofs
from service.house import House
from service.http.answers import open_problems, problems, text_answer
from service.http.identity import Who, asking, bearer, house_of

T = TypeVar("T")
router = APIRouter(prefix="/log", tags=["日志 The log"])
# What never changes may be kept; a checkpoint may too, but is asked about each time.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "字节 Bytes", "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "与 If-None-Match 所写相同 As If-None-Match has it"}}
MOVED: Final[dict[int | str, dict[str, Any]]] = {307: {"description": "恢复准入后日志在新地址续写 It goes on at another address"}}
Log = Annotated[
    str,
    Path(description="全宗号；恢复准入后为 全宗号/序次 fonds; after an admitted restoration fonds/epoch", examples=["QH01"]),
]
File = Annotated[str, Path(description="C2SP 瓦片路径 as C2SP names it: <N>[.p/<W>]", examples=["000"])]


def readers(threads: int) -> CapacityLimiter:
    """How many outsiders' reads may run at once: an eighth of the acts that may, so that nobody who works here waits for them."""
    return CapacityLimiter(max(1, threads // 8))


# Entries first: their paths would fit those of hash tiles.
@router.get(
    "/{log:path}/tile/entries/{file:path}", summary="条目包 Entry bundle", response_class=Response, responses=problems(404) | _BYTES
)
def entries(who: Who, log: Log, file: File) -> Response:
    """Entries, for those who may export the log of their own fonds. Each answer is on record."""
    caller = who.caller()
    return Response(proofs.bundle(who.desk, log, file, caller), media_type="application/octet-stream")


@router.head("/{log:path}/tile/{level}/{file:path}", include_in_schema=False)
@router.get(
    "/{log:path}/tile/{level}/{file:path}",
    summary="哈希瓦片 Hash tile",
    response_class=Response,
    responses=open_problems(401, 403, 404, 422) | _BYTES | UNCHANGED,
)
async def tile(request: Request, log: Log, level: Annotated[str, Path(examples=["0"])], file: File) -> Response:
    """For everybody; 401 where the archive keeps its log to those who are signed in."""
    caller, desk = await caller_of(request), house_of(request).desk
    found = await read_aside(request, lambda: proofs.hashes(desk, log, f"{level}/{file}", caller()))
    return log_answer(request, found, "application/octet-stream", _FOR_EVER)


@router.head("/{log:path}/checkpoint", include_in_schema=False)
@router.get(
    "/{log:path}/checkpoint",
    summary="检查点 Checkpoint",
    response_class=Response,
    responses=open_problems(401, 403, 404, 422) | text_answer("text/plain", "C2SP tlog-checkpoint") | UNCHANGED | MOVED,
)
async def checkpoint(request: Request, log: Log) -> Response:
    """The latest signed checkpoint, for everybody; 401 where the archive keeps its log to those who are signed in."""
    caller, desk = await caller_of(request), house_of(request).desk
    address, found = await read_aside(request, lambda: proofs.checkpoint(desk, log, caller()))
    if address != log:
        return RedirectResponse(f"{address.removeprefix(f'{log}/')}/checkpoint", 307)
    return log_answer(request, found, "text/plain; charset=utf-8", ASK_AGAIN)


async def caller_of(request: Request) -> Callable[[], Caller | None]:
    """Nobody where the log is public; otherwise whoever is signed in. NotSignedIn."""
    if house_of(request).public_log:
        return lambda: None
    return (await asking(request, await bearer(request), request.headers.get("archive-role"))).caller


async def read_aside(request: Request, read: Callable[[], T]) -> T:
    """Read in a thread, when it is this reader's turn among outsiders."""
    return await run_sync(read, limiter=request.app.state.readers)


def log_answer(request: Request, found: bytes, media_type: str, caching: str) -> Response:
    """A file of the log; 304 where the asker has it."""
    house: House = house_of(request)
    tag = f'"{sha256(found).hexdigest()[:32]}"'
    headers = {"ETag": tag} | ({"Cache-Control": caching} if house.public_log else {})
    if tag in {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(found, media_type=media_type, headers=headers)
