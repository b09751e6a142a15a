"""What is asked of the archive, as plain values: nothing here sends anything, and no value shows its body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from petition_archive_client.assertion import ASSERTION_TYPE
from petition_archive_client.errors import CaseNotJson

Case = Mapping[str, Any]
"""A closed case in the archive's form: see the archive's own field documentation."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; sent again as it is, it does nothing twice.

    `key_settles`: only its own key tells what became of it when no answer came; `authorised`: it carries the access token.
    """

    method: str
    path: str
    accept: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    idempotency_key: str = ""
    key_settles: bool = False
    authorised: bool = True

    def headers(self, token: str | None) -> dict[str, str]:
        """The headers to send, the token among them. No compression is accepted: an answer's size is what arrives."""
        chosen = {
            "Accept": self.accept,
            "Accept-Encoding": "identity",
            "Content-Type": self.content_type,
            "Idempotency-Key": self.idempotency_key,
            "Authorization": f"Bearer {token}" if token else "",
        }
        return {name: value for name, value in chosen.items() if value}


def token_request(assertion: str) -> Request:
    """Ask for an access token (RFC 6749, section 4.4; RFC 7523, section 2.2)."""
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    body = urlencode(form).encode()
    return Request("POST", "/v1/token", "application/json", body, "application/x-www-form-urlencoded", authorised=False)


def deposit_request(case: Case, idempotency_key: str | None = None) -> Request:
    """Deposit one case. CaseNotJson; ValueError for an unusable key."""
    return _post("/v1/cases", encoded(case), idempotency_key)


def batch_request(lines: Sequence[bytes]) -> Request:
    """Deposit encoded cases, one a line."""
    body = b"".join(line + b"\n" for line in lines)
    return Request("POST", "/v1/cases:batch", "application/x-ndjson", body, "application/x-ndjson")


def supplement_request(case_id: str, base_version: int, supplement: Case, reason: str, idempotency_key: str | None = None) -> Request:
    """Add later items to a case (补充归档). Under another key, its own first attempt would stand in its way."""
    body = encoded({"base_version": base_version, "reason": reason, "supplement": supplement})
    return _post(f"/v1/cases/{checked_id(case_id)}/supplements", body, idempotency_key, key_settles=True)


def correction_request(case_id: str, base_version: int, case: Case, reason: str, idempotency_key: str | None = None) -> Request:
    """Replace a case by its corrected form (更正), under a key as a supplement."""
    body = encoded({"base_version": base_version, "reason": reason, "case": case})
    return _post(f"/v1/cases/{checked_id(case_id)}/corrections", body, idempotency_key, key_settles=True)


def receipt_request(entry_id: str) -> Request:
    """Fetch a receipt again."""
    return Request("GET", f"/v1/receipts/{checked_id(entry_id)}", "application/json")


def proof_request(entry_id: str) -> Request:
    """Fetch the proof of a receipt, a `.tlog-proof`."""
    return Request("GET", f"/v1/receipts/{checked_id(entry_id)}/proof", "text/plain")


def encoded(case: Case) -> bytes:
    """A case as JSON in UTF-8, on one line. CaseNotJson, whose chain holds nothing of the case."""
    body = None
    try:
        body = json.dumps(dict(case), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        body = None
    if body is None:
        raise CaseNotJson
    return body


def checked_id(text: str) -> str:
    """The id, fit to stand in a path; ValueError for anything but an id of the archive."""
    if _ID.fullmatch(text) is None:
        raise ValueError("不是档案系统的编号 / not an id of the archive")
    return text


def _post(path: str, body: bytes, idempotency_key: str | None, *, key_settles: bool = False) -> Request:
    # A random key: one derived from the content would be a bare hash of it.
    key = str(uuid4()) if idempotency_key is None else idempotency_key
    if _KEY.fullmatch(key) is None:
        raise ValueError("Idempotency-Key 须为 1 至 128 个可见 ASCII 字符 / an Idempotency-Key is 1 to 128 visible ASCII characters")
    return Request("POST", path, "application/json", body, "application/json", key, key_settles=key_settles)
