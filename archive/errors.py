"""Errors of the closed cases. Texts never name a person, a value or another fonds' case."""

from __future__ import annotations

from foundation.errors import ArchiveError, Conflict, StorageUnavailable


class AlreadyDeposited(Conflict):
    """The case number is taken by other content. What fits is another act, never a second deposit."""

    code = "already-deposited"
    zh = "该来源系统的这一信访件编号已归档，内容不同。后续复查、复核、评价、裁决请用“补充归档”；原内容有误请用“更正”并说明理由。"
    en = (
        "This case number of this source system is archived with other content. Use a supplement for later reviews, ratings or"
        " rulings, or a correction, with its reason, where the archived content is wrong."
    )


class KeyReused(Conflict):
    """An Idempotency-Key came back with another content (draft-ietf-httpapi-idempotency-key-header, section 2.6)."""

    code = "idempotency-key-reused"
    zh = "此 Idempotency-Key 已用于另一内容，请换新键。"
    en = "This Idempotency-Key was used for another content; use a new key."


class VersionMoved(Conflict):
    """A supplement or correction was made from a version that is not the current one."""

    code = "case-version-changed"
    zh = "案卷已有更新的版本 {current}，请以它为基础重新提交。"
    en = "The case has a newer version, {current}; start from it and submit again."


class CursorRefused(ArchiveError):
    """A cursor that is damaged, of another caller or of another question."""

    code = "cursor-refused"
    zh = "翻页游标无效，或不属于本次查询，请从第一页重新查询。"
    en = "The cursor is not valid for this question; start again from the first page."


class TooManySearches(ArchiveError):
    """The limit of exact searches by identity is reached; each one is an oracle and is counted."""

    code = "identity-search-limit"
    zh = "按身份检索次数已达上限，请在 {seconds} 秒后再试。"
    en = "The limit of searches by identity is reached; try again in {seconds} seconds."


class PreparationInterrupted(StorageUnavailable):
    """A process that prepared cases ended in the middle; nothing of the unit was stored. Answered as any passing trouble: try again."""

    code = "preparation-interrupted"
    zh = "准备案卷的进程意外中断，未做任何更改，请稍后重试。"
    en = "A process that prepared the cases ended; nothing was changed. Try again later."
