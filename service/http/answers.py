"""Answers as values: what is documented is what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from foundation.errors import NotFound
from foundation.ids import is_id
from service.http.problems import MEDIA_TYPE
from service.http.strict import JSON

Id = Annotated[str, Path(max_length=64, description="编号 id", examples=["01987000-0000-7000-8000-000000000001"])]


class Answer(BaseModel):
    """The body of an answer."""

    model_config = ConfigDict(frozen=True)


class FaultAnswer(Answer):
    """One thing to mend, without the value."""

    path: str
    rule: str
    zh: str
    en: str


class ProblemAnswer(Answer):
    """An error (RFC 9457). `code` is stable; `faults` name every thing to mend."""

    type: str
    title: str
    title_zh: str
    status: int
    code: str
    detail: str
    detail_zh: str
    request_id: str
    faults: list[FaultAnswer] | None = None


class LoggedAnswer(Answer):
    """The act is on record at this place of the fonds' log."""

    log_index: int


def reply(answer: BaseModel, status: int = 200, **headers: str) -> Response:
    """An answer as JSON. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(answer.model_dump_json(exclude_none=True), status_code=status, headers=named, media_type=JSON)


def known_id(text: str) -> str:
    """An id from a path; what is none is as absent as one that is nobody's."""
    if not is_id(text):
        raise NotFound
    return text


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of error answers, beside those every operation may give."""
    return {
        status: {"description": _MEANINGS[status], "model": ProblemAnswer, "content": {MEDIA_TYPE: {}}}
        for status in (*statuses, 400, 401, 403, 422, 500, 503)
    }


def open_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for operations that need no session."""
    return {
        status: {"description": _MEANINGS[status], "model": ProblemAnswer, "content": {MEDIA_TYPE: {}}}
        for status in (*statuses, 400, 500, 503)
    }


def text_answer(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The documentation of an answer that is no JSON."""
    return {200: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}}


_MEANINGS: Mapping[int, str] = {
    400: "请求有误 Not understood",
    401: "需要登录或双因素 Signed out, or two factors needed (RFC 6750, RFC 9470)",
    403: "不允许 Not allowed",
    404: "没有找到，或无权知悉 Absent, or not yours to know of",
    409: "与现有状态冲突 Conflicts with what is stored",
    412: "版本已变化 Changed since it was read",
    413: "内容过大 Too large",
    415: "类型不支持 Media type not taken",
    422: "内容不符合规则，逐项列明 Breaks rules; every fault is listed",
    428: "缺少 If-Match If-Match is missing",
    429: "次数已达上限 Limit reached",
    500: "系统内部错误 Internal error",
    503: "暂不可用 Unavailable for now",
}
