"""Wrong usage in words: the framework says in English what is wrong, and the Chinese sentence says as much.

The framework has no codes for its sentences, so they are told apart by their form. One that is not known here is quoted, never left out.
"""

from __future__ import annotations

import re
from typing import Final

from typer.exceptions import TyperException

from service.cli.terminal import NAME, CommandFailed

# What the framework says, from its first word to its last, and the same in Chinese.
_SAID: Final = (
    (r"Missing argument '(.+?)'\.?", "缺少 {0}"),
    (r"Missing option '(.+?)'\.?", "缺少选项 {0}"),
    (r"Missing command\.?", "没有写命令"),
    (r"No such command '(.+?)'\.? Did you mean (.+?)\?", "没有命令 {0}，是否应为 {1}"),
    (r"No such command '(.+?)'\.?", "没有命令 {0}"),
    (r"No such option: (\S+) \(Possible options: (.+?)\)", "没有选项 {0}，是否应为 {1}"),
    (r"No such option: (\S+)", "没有选项 {0}"),
    (r"Option '(.+?)' requires an argument\.?", "选项 {0} 后面缺少取值"),
    (r"Option '(.+?)' requires (\d+) arguments\.?", "选项 {0} 后面须有 {1} 项取值"),
    (r"Option '(.+?)' does not take a value\.?", "选项 {0} 不带取值"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", "多写了 {0}"),
    (r"Invalid value for '(.+?)': [Ff]ile (.+) does not exist\.?", "{0} 所指的文件 {1} 不存在"),
    (r"Invalid value for '(.+?)': [Ff]ile (.+) is a directory\.?", "{0} 所指的 {1} 是文件夹，须为文件"),
    (r"Invalid value for '(.+?)': [Ff]ile (.+) is not readable\.?", "{0} 所指的文件 {1} 不可读取"),
    (r"Invalid value for '(.+?)': Input should be a valid integer.*", "{0} 须为整数"),
    (r"Invalid value for '(.+?)': Input should be greater than or equal to (\S+?)\.?", "{0} 不得小于 {1}"),
    (r"Invalid value for '(.+?)': Input should be less than or equal to (\S+?)\.?", "{0} 不得大于 {1}"),
    (r"Invalid value for '(.+?)': (.+)", "{0} 的取值不对（{1}）"),
)


def misused(wrong: TyperException) -> CommandFailed:
    """Wrong usage as a Chinese and an English sentence, each with where the right one is told. Status 2."""
    command = getattr(getattr(wrong, "ctx", None), "command_path", NAME)
    said = " ".join(wrong.format_message().split())
    return CommandFailed(
        f"命令写法有误：{in_chinese(said)}；用法见 {command} --help。",
        f"{said if said[-1:] in '.?' else said + '.'} See `{command} --help`.",
        status=2,
    )


def in_chinese(said: str) -> str:
    """The framework's sentence in Chinese, without a full stop; quoted where it has a form that is not known."""
    for form, zh in _SAID:
        found = re.fullmatch(form, said)
        if found is not None:
            return zh.format(*(part.replace("'", "") for part in found.groups()))
    return f"“{said.rstrip('.')}”"
