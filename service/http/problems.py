"""One table from error codes to HTTP statuses, and the one body every error has (RFC 9457).

Nothing of the input and no text of a foreign exception is ever part of an answer. A code without a row is answered 500 and opaque; a test
holds that every error class of every room has its row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from acts.errors import Refused
from foundation.errors import ArchiveError, Fault, InvalidInput

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "/v1/problems#"
REALM: Final = 'Bearer realm="petition-archive"'
_INVALID_TOKEN: Final = f'{REALM}, error="invalid_token"'
# RFC 9470: the session is good, but of one factor; `acr` 2 means two factors.
_STEP_UP: Final = f'{REALM}, error="insufficient_user_authentication", acr_values="2"'


@dataclass(frozen=True, slots=True)
class Row:
    """What an error becomes. `opaque`: the caller is told nothing but the status; `headers` go with every answer of this code."""

    status: int
    opaque: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def _rows(status: int, *codes: str, opaque: bool = False, **headers: str) -> dict[str, Row]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dict.fromkeys(codes, Row(status, opaque, named))


TABLE: Final[Mapping[str, Row]] = {
    **_rows(400, "bad-request", "if-match-malformed", "unsupported-grant-type", "cursor-refused"),
    # After these the connection ends: where the next request in it would begin is not known.
    **_rows(400, "ambiguous-request", Connection="close"),
    **_rows(408, "body-late", Connection="close"),
    **_rows(401, "not-signed-in", WWW_Authenticate=_INVALID_TOKEN),
    **_rows(401, "sign-in-refused", "client-refused", "token-refused", WWW_Authenticate=REALM),
    **_rows(401, "second-factor-required", "factor-missing", WWW_Authenticate=_STEP_UP),
    **_rows(403, "refused", "not-permitted", "grant-required", "purpose-required", "decision-not-yours"),
    **_rows(403, "secret-must-change", "role-not-held", "secret-wrong", "factor-refused"),
    **_rows(404, "not-found", "case-not-found", "request-not-found", "grant-not-found", "entry-not-found", "tile-not-found"),
    # RFC 8631: where somebody who knocked at a wrong address finds the right ones.
    **_rows(404, "no-such-route", Link='</v1/openapi.json>; rel="service-desc", </docs>; rel="service-doc"'),
    **_rows(405, "method-not-allowed"),
    **_rows(409, "conflict", "already-deposited", "idempotency-key-reused", "case-version-changed", "request-decided-meanwhile"),
    **_rows(409, "request-closed", "transition-refused", "nobody-can-approve", "grant-ended", "factor-present", "log-nothing-to-admit"),
    **_rows(409, "separation-broken", "post-taken", "not-in-force", "still-in-use", "unit-cycle", "already-there", "not-oneself"),
    **_rows(409, "last-administrator", "one-root"),
    **_rows(409, "archive-already-founded", "archive-not-founded", "fonds-exists"),
    **_rows(409, "not-yet-published", Retry_After="1"),
    **_rows(412, "request-version-changed"),
    **_rows(413, "body-too-large"),
    **_rows(415, "unsupported-media-type"),
    **_rows(422, "invalid-input", "request-not-acceptable", "secret-refused", "key-refused", "log-question-invalid"),
    **_rows(422, "log-answer-too-large"),
    **_rows(423, "import-busy"),
    **_rows(503, "clock-behind", Retry_After="2"),
    **_rows(428, "if-match-required"),
    **_rows(429, "identity-search-limit", "too-many-tries"),
    **_rows(503, "sign-in-busy", "bodies-busy", "storage-unavailable", "preparation-interrupted", Retry_After="2"),
    # Mistakes in the code, and states only the office's administrators can mend: told in full to the log and to nobody else.
    **_rows(500, "internal", "unrecorded-change", "entry-refused", "calendar-uncovered", opaque=True),
    **_rows(500, "cannot-open", "unknown-suite", "log-export-differs", "log-damaged", opaque=True),
    **_rows(500, "copy-differs", "copy-unreadable", opaque=True),
    **_rows(500, "mapping-refused", "source-unreadable", "import-state-refused", opaque=True),
    **_rows(503, "key-ring", "key-ring-missing", "key-ring-exists", "key-ring-exposed", "key-ring-wrong-secret", opaque=True),
    **_rows(503, "key-ring-damaged", "key-ring-foreign", "key-ring-stale", "key-ring-credential", opaque=True),
    **_rows(503, "key-ring-unreadable", opaque=True),
    **_rows(503, "key-missing", "key-destroyed", "key-still-needed", "rulebook-refused", "overlay-refused", "wrong-database", opaque=True),
    **_rows(503, "streams-refused", "witnesses-refused", opaque=True),
    # A witness is another program, with a door of its own (`service.witness.http`).
    **_rows(503, "witness-missing", "witness-exists", "witness-other-key", "witness-forgot", "witness-state-wrong", opaque=True),
    **_rows(500, "log-not-witnessed", opaque=True),
    **_rows(503, "log-refused", "log-rolled-back", "log-forked", "log-anchor-missing", "log-anchor-unreadable", opaque=True),
}
INTERNAL: Final = Row(500, opaque=True)

# A problem's title names its kind to a reader; the code names it to a program.
_TITLES: Final[Mapping[int, str]] = {
    400: "请求有误",
    401: "需要登录",
    403: "不允许",
    404: "没有找到",
    405: "方法不支持",
    408: "请求超时",
    409: "与现有状态冲突",
    412: "版本已变化",
    413: "内容过大",
    415: "类型不支持",
    422: "内容不符合规则",
    423: "正在被占用",
    428: "缺少前提条件",
    429: "次数已达上限",
    500: "系统内部错误",
    503: "暂不可用",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as it is answered."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


def code_of(error: ArchiveError) -> str:
    """The code an error is answered with: a refusal's is its reason."""
    return error.reason if isinstance(error, Refused) else error.code


def problem_of(error: ArchiveError, request_id: str) -> Problem:
    """The status, body and headers of an error."""
    code = code_of(error)
    row = TABLE.get(code, INTERNAL)
    shown: ArchiveError = ArchiveError() if row.opaque else error
    body: dict[str, Any] = {
        "type": TYPE + ("internal" if row.opaque else code),
        "title": HTTPStatus(row.status).phrase,
        "title_zh": _TITLES[row.status],
        "status": row.status,
        "code": "internal" if row.opaque else code,
        "detail": shown.text_en,
        "detail_zh": shown.text_zh,
        "request_id": request_id,
    }
    if isinstance(shown, InvalidInput):
        body["faults"] = [fault_json(fault) for fault in shown.faults]
    if isinstance(shown, Refused) and shown.stages:
        body["stages"] = [
            {"stage": stage.stage, "can_be_decided": stage.can_be_decided, "zh": stage.zh, "en": stage.en} for stage in shown.stages
        ]
    headers = dict(row.headers)
    if "seconds" in shown.params:
        headers["Retry-After"] = str(shown.params["seconds"])
    if code == "client-refused":
        body["error"] = "invalid_client"  # RFC 6749, section 5.2
    if code == "unsupported-grant-type":
        body["error"] = "unsupported_grant_type"
    return Problem(row.status, body, headers)


def fault_json(fault: Fault) -> dict[str, str]:
    """One fault as it is answered."""
    return {"path": fault.path, "rule": fault.rule, "zh": fault.zh, "en": fault.en}


def answer(error: ArchiveError, request_id: str) -> Response:
    """The whole response of an error."""
    problem = problem_of(error, request_id)
    content = json.dumps(problem.body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status_code=problem.status, headers=dict(problem.headers), media_type=MEDIA_TYPE)
