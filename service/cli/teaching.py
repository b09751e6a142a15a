"""What every command's help ends with: how it is typed, what it writes, and what its exit status says."""

from __future__ import annotations

from typing import Final

# The whole table is in docs/operations.md.
STATUS: Final = "0 完成 done；1 被拒绝或未成 refused or failed；2 用法或设置有误 wrong usage or settings；130 被中断 interrupted"


def teach(example: str, *, zh: str, en: str, status: str = STATUS) -> str:
    """The end of a help page: examples line by line, what is written, the exit status. Its lines are not wrapped."""
    examples = "".join(f"  {line}\n" for line in example.splitlines())
    return f"\b\n例 example:\n{examples}写入 writes:\n  {zh}\n  {en}\n退出码 exit status:\n  {status}"
