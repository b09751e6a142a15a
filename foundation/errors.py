"""The archive's errors: a stable code, a sentence in Chinese and in English, and parameters that never name a person.

Every room's own errors subclass these in its `errors.py`. The service turns codes into HTTP statuses in one table; nothing ever
shows `str(exc)` of a foreign exception to a caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: where (`petitioners[0].id_number`), which rule, and what to do - never the value."""

    path: str
    rule: str
    zh: str
    en: str


class ArchiveError(Exception):
    """Base of all errors with a meaning for the caller. `code` is stable; `zh` and `en` may use `params` by name."""

    code: ClassVar[str] = "internal"
    zh: ClassVar[str] = "系统内部错误。"
    en: ClassVar[str] = "Internal error."

    def __init__(self, **params: str | int) -> None:
        """Keep the parameters: ids, codes and numbers only, never personal data."""
        super().__init__(self.code)
        self.params = params

    @property
    def text_zh(self) -> str:
        """The Chinese sentence with its parameters filled in."""
        return self.zh.format_map(self.params)

    @property
    def text_en(self) -> str:
        """The English sentence with its parameters filled in."""
        return self.en.format_map(self.params)


class InvalidInput(ArchiveError):
    """Input that breaks rules; carries every fault found."""

    code = "invalid-input"
    zh = "输入不符合规则，请按所列各项修改后重试。"
    en = "The input breaks rules; mend each of the listed faults and try again."

    def __init__(self, faults: Sequence[Fault], **params: str | int) -> None:
        """Keep the faults in the order they were found; there is at least one."""
        super().__init__(**params)
        self.faults = tuple(faults)


class NotFound(ArchiveError):
    """Absent, or not the caller's to know of: the two are answered alike."""

    code = "not-found"
    zh = "没有找到，或您无权知悉。"
    en = "Not found, or not yours to know of."


class Conflict(ArchiveError):
    """The request contradicts what is already stored."""

    code = "conflict"
    zh = "与已有内容冲突。"
    en = "This conflicts with what is already stored."


class StorageUnavailable(ArchiveError):
    """The database could not durably take the act; nothing was released and nothing changed."""

    code = "storage-unavailable"
    zh = "存储暂不可用，未做任何更改，请稍后重试。"
    en = "Storage is unavailable; nothing was changed. Try again later."


class UnrecordedChange(ArchiveError):
    """A unit of work ended without an audit entry and was rolled back: a mistake in the code, never in the input."""

    code = "unrecorded-change"
    zh = "操作没有审计记录，已回退。"
    en = "The act left no audit entry and was rolled back."


class WrongDatabase(ArchiveError):
    """The database cannot be used by this program as it is: too new, too old, unsafe settings, or held by another process."""

    code = "wrong-database"
    zh = "数据库不可用：{why_zh}。"
    en = "The database cannot be used: {why_en}."
