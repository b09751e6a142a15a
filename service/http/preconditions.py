"""What a request says of itself before it acts: which version it was decided on, and by which key its repetition is known.

If-Match and ETag: RFC 9110, sections 8.8.3 and 13.1.1. Idempotency-Key: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from archive.repeating import KEPT
from foundation.errors import Fault, InvalidInput
from service.http.errors import PreconditionMalformed, PreconditionMissing

KEY_LENGTH = 128
_KEY = re.compile(rf"[!-~]{{1,{KEY_LENGTH}}}")
_BAD_KEY = Fault("Idempotency-Key", "shape", f"须为 1 至 {KEY_LENGTH} 个可见 ASCII 字符。", f"1 to {KEY_LENGTH} visible ASCII characters.")
_ETAG = re.compile(r'"([1-9][0-9]{0,8})"')


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def _version(
    if_match: Annotated[
        str | None,
        Header(alias="If-Match", description="您读取的版本（ETag） The ETag you read; required", examples=['"1"'], max_length=200),
    ] = None,
) -> int:
    if if_match is None:
        raise PreconditionMissing
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise PreconditionMalformed
    return int(match[1])


ReadVersion = Annotated[int, Depends(_version)]


def _key(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description=(
                f"没收到应答时，以同一键、同一内容重发：只办一次，{KEPT.days} 日内答复相同；同键而内容不同为 409。键属于账号，请用随机值。"
                f" The same key and content for every attempt: done once, answered alike for {KEPT.days} days; other content under it is"
                " 409. A key is its account's own; make it random."
            ),
            examples=["7d0f4f0e-6a0d-4b8e-9d7c-1f3a5b7c9d01"],
            json_schema_extra={"minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
        ),
    ] = None,
) -> str | None:
    if idempotency_key is not None and _KEY.fullmatch(idempotency_key) is None:
        raise InvalidInput([_BAD_KEY])
    return idempotency_key


IdempotencyKey = Annotated[str | None, Depends(_key)]
