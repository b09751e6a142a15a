"""If-Match and ETag (RFC 9110, sections 8.8.3 and 13.1.1): a decision says which version it was taken on."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from service.http.errors import PreconditionMalformed, PreconditionMissing

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
