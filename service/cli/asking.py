"""What only the person knows: typed at a terminal that does not show it, or read from a file that was named for it.

Where there is no terminal, what is typed would be shown, so nothing is read unless `--secret-file` says from where.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from service.cli.terminal import CommandFailed

STDIN: Final = Path("-")
SecretFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="口令和验证码取自文件（0600），按询问的顺序每行一项；- 为标准输入 / secret and one-time code from the lines of FILE (0600), in"
        " the order they are asked for; -: standard input; default: asked for at the terminal",
    ),
]


class Answers:
    """Answers in the order they are asked for. `patient`: a person answers, who may be asked again."""

    def __init__(self, source: Path | None) -> None:
        """CommandFailed when the file cannot be read, is open to others, or when there is neither file nor terminal."""
        self.patient = source is None
        self._lines: list[str] = []
        self._piped = source == STDIN
        if source is None:
            _want_terminal()
        elif not self._piped:
            self._lines = _lines_of(source)

    def secret(self, zh: str, en: str, *, again: bool = False) -> str:
        """A secret, never shown; `again`: a person types it twice."""
        if not self.patient:
            line = self._next()
            if not line:
                raise CommandFailed(f"口令文件的行数不够，缺少：{zh}。", f"The file of secrets has no line for the {en}.", status=2)
            return line
        confirmation = "再输一次 once more" if again else False
        typed: str = typer.prompt(f"{zh} {en}", hide_input=True, confirmation_prompt=confirmation, err=True)
        return typed

    def code(self, zh: str, en: str) -> str:
        """A one-time code without its spaces; empty for none."""
        if not self.patient:
            return self._next().replace(" ", "")
        typed: str = typer.prompt(f"{zh} {en}", default="", show_default=False, err=True)
        return typed.replace(" ", "")

    def _next(self) -> str:
        if self._piped:
            return sys.stdin.readline().rstrip("\r\n")
        return self._lines.pop(0) if self._lines else ""


def sign_in_answers(answers: Answers, login: str) -> tuple[str, str | None]:
    """(secret, one-time code or None) of somebody who signs in."""
    secret = answers.secret("口令", f"secret ({login})")
    return secret, answers.code("动态验证码，没有则回车", "one-time code, Enter for none") or None


def _want_terminal() -> None:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        if not sys.stdin.isatty():
            raise CommandFailed(
                "这里没有终端，输入的口令会显示出来，所以不读取；请在终端中运行，或用 --secret-file FILE 给出（- 为标准输入）。",
                "There is no terminal here and a secret would be shown as it is typed, so none is read; run this in a terminal, or give"
                " --secret-file FILE (-: standard input).",
                status=2,
            ) from None


def _lines_of(source: Path) -> list[str]:
    try:
        with source.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise CommandFailed(
                    f"口令文件 {source} 可被他人读取，不予使用；请先 chmod 600。",
                    f"The file of secrets {source} can be read by others and is not used; chmod 600 it first.",
                    status=2,
                )
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        raise CommandFailed(f"无法读取口令文件 {source}。", f"The file of secrets {source} cannot be read.", status=2) from None
