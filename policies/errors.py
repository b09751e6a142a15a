"""Errors of the rules: a rulebook that cannot be trusted, a transition that does not exist, a date outside the calendar."""

from __future__ import annotations

from foundation.errors import ArchiveError, Conflict


class RulebookRefused(ArchiveError):
    """A rulebook file is incomplete, contradicts itself or loosens what may not be loosened; nothing of it is used."""

    code = "rulebook-refused"
    zh = "规则文件 {file} 被拒绝：{where}（{rule_zh}）"
    en = "The rulebook file {file} was refused at {where}: {rule}"

    def __init__(self, *, file: str, where: str, rule: str, rule_zh: str = "") -> None:
        """`rule` in English; `rule_zh` where people of a fonds may meet it, who write overlays."""
        super().__init__(file=file, where=where, rule=rule, rule_zh=rule_zh or rule)


class TransitionRefused(Conflict):
    """The request or grant is not in a state from which this step leads anywhere; `rule` names why."""

    code = "transition-refused"
    zh = "当前状态不允许此操作（{rule}）。"
    en = "The current state does not allow this step ({rule})."


class VersionChanged(Conflict):
    """The request was changed after it was read (RFC 9110, section 13.1.1): read it again before deciding."""

    code = "request-version-changed"
    zh = "申请在您读取之后已有变化，请重新读取后再作决定。"
    en = "The request changed after you read it; read it again before deciding."


class CalendarUncovered(ArchiveError):
    """No working-day data for the year asked about; guessing a deadline would be worse than none."""

    code = "calendar-uncovered"
    zh = "工作日历未覆盖 {year} 年。"
    en = "The working-day calendar does not cover the year {year}."
