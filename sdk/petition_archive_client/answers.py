"""What the archive answered, read strictly from bytes into values. An answer that is not one to the question is refused, never mended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self
from unicodedata import normalize

from petition_archive_client.errors import AnswerRefused, ArchiveProblem, Fault
from petition_archive_client.requests import Case
from petition_archive_client.tokens import Token

MOST_FAULTS = 1000
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EDGES = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer as it came. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    now: float = 0.0

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait as the archive asks (RFC 9110, section 10.2.3: a number, or a date)."""
        return retry_after(self.headers, self.now)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One case version in the archive: which, where in the log, and a keyed digest that confirms its content to whoever deposited it.

    `status` is `created`, or `same` where the content had been archived before. `received_at` is UTC, RFC 3339.
    """

    case_id: str
    version: int
    status: Literal["created", "same"]
    fonds: str
    source_system: str
    case_no: str
    log_origin: str
    log_index: int
    entry_id: str
    digest_algorithm: str
    digest: str
    received_at: str

    @classmethod
    def parse(cls, members: object) -> Self:
        """Read a receipt in the form of the archive's answers. AnswerRefused."""
        whole = _object(members)
        log, digest = _object(whole.get("log")), _object(whole.get("digest"))
        status = whole.get("status")
        if status not in {"created", "same"}:
            raise AnswerRefused("receipt-form")
        return cls(
            case_id=_id(whole, "case_id"),
            version=_count(whole, "version", 1),
            status=status,
            fonds=_text(whole, "fonds"),
            source_system=_text(whole, "source_system"),
            case_no=_text(whole, "case_no"),
            log_origin=_text(log, "origin"),
            log_index=_count(log, "index", 0),
            entry_id=_id(log, "entry_id"),
            digest_algorithm=_text(digest, "algorithm"),
            digest=_text(digest, "value"),
            received_at=_text(whole, "received_at"),
        )

    def members(self) -> dict[str, Any]:
        """The receipt as a JSON object in the form of the archive's answers, for keeping; `parse` reads it back."""
        flat = asdict(self)
        log = {"origin": flat.pop("log_origin"), "index": flat.pop("log_index"), "entry_id": flat.pop("entry_id")}
        digest = {"algorithm": flat.pop("digest_algorithm"), "value": flat.pop("digest")}
        return {**flat, "log": log, "digest": digest}


@dataclass(frozen=True, slots=True)
class CaseNumber:
    """What a deposit's receipt has to name, where the case said it in a form that can be compared."""

    source_system: str | None = field(repr=False)
    case_no: str | None = field(repr=False)

    @classmethod
    def of(cls, case: Case) -> Self:
        return cls(_comparable(case.get("source_system")), _comparable(case.get("case_no")))

    def is_of(self, receipt: Receipt) -> bool:
        """Whether the receipt is for the case with this number; the archive stores text trimmed and in NFC."""
        return (self.source_system, self.case_no) == (_comparable(receipt.source_system), _comparable(receipt.case_no))


def receipt_of(reply: Reply, number: CaseNumber) -> Receipt:
    """The receipt of a deposit. ArchiveProblem; AnswerRefused where it is another case's."""
    receipt = Receipt.parse(_json(_expect(reply, {200, 201}, "application/json")))
    if not number.is_of(receipt) or (receipt.status == "created") is not (reply.status == 201):
        raise AnswerRefused("receipt-of-another-case")
    return receipt


def version_receipt_of(reply: Reply, case_id: str, base_version: int) -> Receipt:
    """The receipt of a supplement or correction. ArchiveProblem; AnswerRefused where it is for another version."""
    receipt = Receipt.parse(_json(_expect(reply, {200, 201}, "application/json")))
    if (receipt.case_id, receipt.version) != (case_id, base_version + 1) or (receipt.status == "created") is not (reply.status == 201):
        raise AnswerRefused("receipt-of-another-case")
    return receipt


def fetched_receipt_of(reply: Reply, entry_id: str) -> Receipt:
    """A receipt asked for by its entry. ArchiveProblem; AnswerRefused where it is of another entry."""
    receipt = Receipt.parse(_json(_expect(reply, {200}, "application/json")))
    if receipt.entry_id != entry_id:
        raise AnswerRefused("receipt-of-another-entry")
    return receipt


def proof_of(reply: Reply) -> bytes:
    """A `.tlog-proof`, not yet looked at. ArchiveProblem, AnswerRefused."""
    return _expect(reply, {200}, "text/plain").body


def token_of(reply: Reply) -> Token:
    """An access token. ArchiveProblem where the assertion was refused, AnswerRefused."""
    members = _object(_json(_expect(reply, {200}, "application/json")))
    text, kind, seconds = members.get("access_token"), members.get("token_type"), members.get("expires_in")
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text) or len(text) > 8192:  # RFC 6750, section 2.1
        raise AnswerRefused("token-form")
    if not isinstance(kind, str) or kind.lower() != "bearer" or type(seconds) is not int or not 0 < seconds < 10**7:
        raise AnswerRefused("token-form")
    return Token(text, seconds)


def problem_of(reply: Reply) -> ArchiveProblem:
    """The refusal in an answer: RFC 9457, or RFC 6749, section 5.2 from the token endpoint, or a bare status from something in between."""
    members: object = None
    if reply.media_type in {"application/problem+json", "application/json"}:
        try:
            members = json.loads(reply.body)
        except (ValueError, RecursionError):
            members = None
    return problem_in(members if isinstance(members, dict) else {}, reply.status, reply.retry_after)


def problem_in(members: Mapping[str, Any], status: int, wait: float | None = None) -> ArchiveProblem:
    """The refusal told by these members."""
    faults = members.get("faults")
    error = _said(members, "error").replace("_", "-")
    return ArchiveProblem(
        status,
        _said(members, "code") or error or f"http-{status}",
        zh=_said(members, "detail_zh") or _said(members, "title_zh"),
        en=_said(members, "detail") or _said(members, "title"),
        faults=[
            Fault(_said(fault, "path"), _said(fault, "rule"), _said(fault, "zh"), _said(fault, "en"))
            for fault in (faults[:MOST_FAULTS] if isinstance(faults, list) else [])
            if isinstance(fault, dict)
        ],
        request_id=_said(members, "request_id"),
        retry_after=wait,
    )


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds of a `Retry-After`; `now`: POSIX seconds, for dates. None where there is none that makes sense."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", said):
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def parsed(body: bytes) -> object:
    """JSON from the archive; AnswerRefused."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        value = _NOTHING
    if value is _NOTHING:
        raise AnswerRefused("not-json")
    return value


_NOTHING = object()


def _json(reply: Reply) -> object:
    return parsed(reply.body)


def _expect(reply: Reply, statuses: set[int], media_type: str) -> Reply:
    # A redirect is not followed: whoever answers it would be handed the case and the token.
    if 300 <= reply.status < 400:
        raise AnswerRefused("redirect")
    if reply.status not in statuses:
        if reply.status < 400:
            raise AnswerRefused("status")
        raise problem_of(reply)
    if reply.media_type != media_type:
        raise AnswerRefused("media-type")
    return reply


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnswerRefused("answer-form")
    return value


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 300 or not value.isprintable():
        raise AnswerRefused("answer-form")
    return value


def _id(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise AnswerRefused("answer-form")
    return value


def _count(members: Mapping[str, Any], name: str, least: int) -> int:
    value = members.get(name)
    if type(value) is not int or not least <= value < 2**63:
        raise AnswerRefused("answer-form")
    return value


def _said(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    return value[:2000] if isinstance(value, str) else ""


def _comparable(value: object) -> str | None:
    return normalize("NFC", value.strip().strip(_EDGES).strip()) if isinstance(value, str) else None
