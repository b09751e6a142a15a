"""Bodies: read up to a limit, parsed so that they mean one thing only, checked against a model, and never repeated in a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from foundation.clock import parse_iso
from foundation.errors import Fault, InvalidInput
from foundation.strict_json import loads
from service.http.bodies import Bodies
from service.http.errors import BodyLate, BodyTooLarge, UnsupportedType

M = TypeVar("M", bound=BaseModel)
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
FORM: Final = "application/x-www-form-urlencoded"
# Requests but deposits are forms of a few lines; so many bytes of JSON are parsed in less time than it takes to hand them to a thread.
SMALL: Final = 256 * 1024
_AT_ONCE: Final = 8 * 1024
# What a stranger may send: a sign-in with the longest secret there is, in Chinese.
STRANGERS: Final = 16 * 1024
# A body has this long, and longer only while it comes at this rate: 8 MiB take ten minutes at most.
_PATIENCE_SECONDS: Final = 15.0
_BYTES_A_SECOND: Final = 14 * 1024


class Form(BaseModel):
    """What a body is read into: every member known, every type exact."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


def _instant(value: object) -> object:
    if isinstance(value, str) and len(value) <= 40:
        with suppress(ValueError):
            return parse_iso(value)
    raise PydanticCustomError("instant", "instant")


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-12-01T09:00:00+08:00"]}),
]

# Rules of pydantic in our words: (rule, zh, en); what is not here is answered by the last.
_RULES: Final[Mapping[str, tuple[str, str, str]]] = {
    "missing": ("required", "缺少此项。", "It is missing."),
    "extra_forbidden": ("unknown-member", "含有未定义的项。", "There is a member that is not defined."),
    "string_too_long": ("too-long", "超过 {max_length} 字。", "It is longer than {max_length} characters."),
    "string_too_short": ("too-short", "少于 {min_length} 字。", "It is shorter than {min_length} characters."),
    "too_long": ("too-many-items", "超过 {max_length} 项。", "It has more than {max_length} items."),
    "too_short": ("too-few-items", "少于 {min_length} 项。", "It has fewer than {min_length} items."),
    "greater_than_equal": ("out-of-range", "小于 {ge}。", "It is less than {ge}."),
    "less_than_equal": ("out-of-range", "大于 {le}。", "It is more than {le}."),
    "string_pattern_mismatch": ("format", "格式不符。", "It is of another form."),
    "literal_error": ("unknown-code", "不在清单内：{expected}。", "It is not on the list: {expected}."),
    "instant": (
        "format",
        "须为日期和时间，并带时区，如 2026-12-01T09:00:00+08:00。",
        "It must be a date and time with its zone, as in 2026-12-01T09:00:00+08:00.",
    ),
    "value_error": ("format", "格式不符。", "It is of another form."),
    "string_type": ("type", "应为文本。", "It must be a text."),
    "int_type": ("type", "应为整数。", "It must be an integer."),
    "int_parsing": ("type", "应为整数。", "It must be an integer."),
    "bool_type": ("type", "应为 true 或 false。", "It must be true or false."),
    "list_type": ("type", "应为列表。", "It must be a list."),
    "dict_type": ("type", "应为对象。", "It must be an object."),
    "model_type": ("type", "应为对象。", "It must be an object."),
}
_OTHERWISE: Final = ("type", "类型或格式不符。", "It is of the wrong type or form.")


class body_of(Generic[M]):  # noqa: N801  read as a function where it is used: Depends(body_of(Form))
    """A dependency that reads a small JSON body into a model; BodyTooLarge, UnsupportedType, InvalidInput."""

    def __init__(self, model: type[M], most: int = SMALL) -> None:
        """`model` is also what `service.http.openapi` describes the body by; `most`: bytes."""
        self.model = model
        self.most = most

    async def __call__(self, request: Request) -> M:
        """Read the body of `request`."""
        body = await read_body(request, self.most, JSON)
        # Parsing a large one here would keep every other request waiting.
        return self._parsed(body) if len(body) <= _AT_ONCE else await run_sync(self._parsed, body)

    def _parsed(self, body: bytes) -> M:
        return checked(self.model, loads(body, max_bytes=self.most))


def checked(model: type[M], value: object) -> M:
    """A parsed value as a model, or InvalidInput with every fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidInput(faults_of(error.errors(include_url=False, include_input=False))) from None


async def read_body(request: Request, limit: int, media_type: str) -> bytes:
    """The whole body, at most `limit` bytes; UnsupportedType, BodyTooLarge, BodyLate, BodiesBusy."""
    require_type(request, media_type)
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:20]) > limit:
        raise BodyTooLarge(limit=limit)
    bodies: Bodies = request.app.state.bodies
    parts, size = [], 0
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(began + _PATIENCE_SECONDS) as deadline:
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise BodyTooLarge(limit=limit)
                bodies.take(request.scope["state"], len(part))
                parts.append(part)
                deadline.reschedule(began + _PATIENCE_SECONDS + size / _BYTES_A_SECOND)
    except TimeoutError:
        raise BodyLate from None
    return b"".join(parts)


def require_type(request: Request, wanted: str) -> None:
    """Refuse another media type than `wanted`, another charset than UTF-8, and content codings."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower()
    if kind.strip().lower() != wanted or charset not in {"", "charset=utf-8", 'charset="utf-8"'} or "content-encoding" in request.headers:
        raise UnsupportedType(wanted=wanted)


def faults_of(errors: Sequence[Mapping[str, Any]], skip: int = 0) -> list[Fault]:
    """Pydantic's errors as faults. `skip`: leading parts of a location that name where it came from (`path`, `query`)."""
    return list(dict.fromkeys(_fault(error, tuple(error["loc"])[skip:]) for error in errors))


def _fault(error: Mapping[str, Any], location: tuple[Any, ...]) -> Fault:
    rule, zh, en = _RULES.get(error["type"], _OTHERWISE)
    context = {name: value for name, value in (error.get("ctx") or {}).items() if isinstance(value, str | int)}
    if error["type"] == "extra_forbidden":
        # The name of an unknown member is not repeated: it may be a value in the wrong place.
        location = location[:-1]
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return Fault(path or "$", rule, zh.format_map(context), en.format_map(context))
