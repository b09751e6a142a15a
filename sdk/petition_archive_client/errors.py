"""Everything that can go wrong, each with a stable code and a sentence in Chinese and in English.

No text, representation or attribute chain of these errors carries what was sent: they may be logged. What the archive's answer says is
shown only where it has the shape of a code or of a field path; its sentences are kept in attributes of their own, to be read on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# A code and a field path as the archive writes them. A run of digits could be a number somebody is known by.
_CODE = re.compile(r"(?!.*[0-9]{4})[a-z][a-z0-9]{0,30}(?:[._-][a-z0-9]{1,30}){0,7}")
# An unknown field is named by its place, `#12`.
_STEP = r"(?:[a-z][a-z_]{0,40}(?:\[[0-9]{0,4}\])?|#[0-9]{1,4})"
_PATH = re.compile(rf"\$|{_STEP}(?:\.{_STEP}){{0,5}}")
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ArchiveClientError(Exception):
    """Root of the tree."""

    code: str = "archive-client-error"
    zh: str = "档案系统客户端出错。"
    en: str = "The archive's client failed."

    def __init__(self, reason: str = "") -> None:
        """`reason`: a code that tells kinds of this error apart, written in this package and nowhere else."""
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return f"[{self.code}{f': {self.reason}' if self.reason else ''}] {self.zh} / {self.en}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class CaseNotJson(ArchiveClientError):
    """The case cannot be written as JSON (RFC 8259) in UTF-8: a NaN, a lone surrogate, or an object that is no JSON value."""

    code = "case-not-json"
    zh = "案件无法写成 JSON（含 NaN、孤立代理项或非 JSON 对象），未发送。"
    en = "The case cannot be written as JSON (a NaN, a lone surrogate, or an object that is no JSON value); nothing was sent."


class ConnectionFailed(ArchiveClientError):
    """No usable answer after every attempt. Deposits may be repeated at any time: the same content is never archived twice."""

    code = "connection-failed"
    zh = "多次尝试后仍无法连接档案系统或收到完整答复。归档可随时重发，相同内容不会重复归档。"
    en = "No connection or no whole answer after every attempt. Deposit again at any time: the same content is never archived twice."


class OutcomeUnknown(ArchiveClientError):
    """No answer to a supplement or correction after every attempt, and one of them may have taken effect.

    `idempotency_key`: the key they were sent under. Submitted again with it, unchanged, the archive answers what became of them.
    """

    code = "outcome-unknown"
    zh = "多次尝试后仍未收到补充或更正的答复，可能已生效。请以本错误的 idempotency_key 原样再次提交：已生效则得到当时的回执，不会重复办理。"
    en = (
        "No answer to the supplement or correction after every attempt; it may have taken effect. Submit it again unchanged with this"
        " error's idempotency_key: if it did, its receipt is answered and nothing is done twice."
    )

    def __init__(self, idempotency_key: str) -> None:
        """Keep the key; no text of the error shows it."""
        super().__init__()
        self.idempotency_key = idempotency_key


class AnswerRefused(ArchiveClientError):
    """The answer is not one to this question, or not in its form; `reason` says which. Nothing of it is to be believed."""

    code = "answer-refused"
    zh = "答复不可采信：与所问不符或格式不符。"
    en = "The answer is not to be believed: it does not fit the question, or its form."


class ReceiptRefused(ArchiveClientError):
    """The receipt is not proved by the log; `reason` says at which step the check failed."""

    code = "receipt-refused"
    zh = "回执未通过日志校验。"
    en = "The receipt is not proved by the log."


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a case: where, which rule, and what to do about it in both languages."""

    path: str = field(repr=False)
    rule: str = field(repr=False)
    zh: str = field(repr=False)
    en: str = field(repr=False)

    def __str__(self) -> str:
        return f"{shown(self.path, _PATH)}: {shown(self.rule, _CODE)}"


class ArchiveProblem(ArchiveClientError):
    """The archive refused (RFC 9457). `code` is its stable code, `zh` and `en` are its words, `faults` name every thing to mend.

    `status` is the HTTP status; `retry_after` the seconds after which the archive wants to be asked again, where it said so.
    """

    code = "archive-problem"

    def __init__(
        self,
        status: int,
        code: str,
        *,
        zh: str = "",
        en: str = "",
        faults: Sequence[Fault] = (),
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        """Take what the archive said."""
        super().__init__()
        self.status = status
        self.code = shown(code, _CODE)
        self.zh, self.en = zh, en
        self.faults = tuple(faults)
        self.request_id = shown(request_id, _REQUEST_ID)
        self.retry_after = retry_after

    def __str__(self) -> str:
        faults = "; ".join(str(fault) for fault in self.faults[:10])
        more = f" (+{len(self.faults) - 10})" if len(self.faults) > 10 else ""
        asked = f", request {self.request_id}" if self.request_id else ""
        return f"[{self.code}] HTTP {self.status}{asked}{f': {faults}{more}' if faults else ''}"

    def explain(self) -> str:
        """All that the archive said, for a person to read. The archive repeats no values; another server in its place might."""
        lines = [str(self), f"{self.zh} / {self.en}"]
        lines += [f"{fault.path} ({fault.rule}): {fault.zh} / {fault.en}" for fault in self.faults]
        return "\n".join(lines)


def shown(text: str, shape: re.Pattern[str]) -> str:
    """The text where it has the shape; a mark that something else stood there otherwise."""
    return text if shape.fullmatch(text) else "?" if text else ""
