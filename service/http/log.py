"""Proofs of inclusion and consistency in one request, for those who are signed in and read no tiles (`service.http.public_log`)."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from reviews import proofs
from service.http.answers import Answer, problems, reply
from service.http.identity import Who

router = APIRouter(prefix="/v1/log", tags=["日志 The log"])
_MOST = 2**53 - 1


class InclusionAnswer(Answer):
    """Hashes are base64; `checkpoint` is the signed note, whose root the path leads to."""

    index: int
    leaf_hash: str
    path: list[str]
    size: int
    checkpoint: str


class ConsistencyAnswer(Answer):
    """The proof that the log of `size` extends that of `old_size`."""

    old_size: int
    size: int
    path: list[str]
    checkpoint: str


@router.get("/inclusion", summary="包含证明 Inclusion", response_model=InclusionAnswer, responses=problems(404, 409))
def inclusion(index: Annotated[int, Query(ge=0, le=_MOST)], who: Who) -> Response:
    """That the entry at `index` is in the log as signed; 409 until a checkpoint covers it."""
    caller = who.caller()
    leaf, path, published = proofs.inclusion(who.desk, caller, index)
    answer = InclusionAnswer(
        index=index, leaf_hash=_b64(leaf), path=[_b64(one) for one in path], size=published.size, checkpoint=published.note.decode()
    )
    return reply(answer)


@router.get("/consistency", summary="一致性证明 Consistency", response_model=ConsistencyAnswer, responses=problems(404, 409))
def consistency(old_size: Annotated[int, Query(ge=0, le=_MOST)], who: Who) -> Response:
    """That the log as signed now extends its first `old_size` entries."""
    caller = who.caller()
    path, published = proofs.consistency(who.desk, caller, old_size)
    answer = ConsistencyAnswer(old_size=old_size, size=published.size, path=[_b64(one) for one in path], checkpoint=published.note.decode())
    return reply(answer)


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode()
