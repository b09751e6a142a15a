"""How the commands speak: Chinese first, English beside it, results to standard output, what went wrong to standard error."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from foundation.clock import SHANGHAI
from foundation.database import Database
from foundation.errors import ArchiveError, InvalidInput
from office.accounts import FirstSecret
from service.wiring import Settings, SettingsRefused, read_settings
from tlog.errors import TlogError

NAME = "petition-archive"
INTERRUPTED = 130
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
Advance = Callable[[int, int], None]
"""(done, of how many)."""


class CommandFailed(Exception):
    """A command cannot go on; the two sentences are shown and the process ends with `status`."""

    def __init__(self, zh: str, en: str, *, status: int = 1) -> None:
        """Keep the sentences."""
        super().__init__(en)
        self.zh, self.en, self.status = zh, en, status


def program() -> str:
    """What somebody in this terminal types to run this program."""
    called = Path(sys.argv[0])
    if called.name != NAME or shutil.which(NAME):
        return NAME
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)


def say(zh: str, en: str = "") -> None:
    """A line of Chinese, and the English one below it. Neither is markup."""
    out.print(escape(zh))
    if en:
        out.print(f"[dim]{escape(en)}[/dim]")


def complain(error: Exception) -> int:
    """Show what went wrong and return the exit status."""
    if isinstance(error, CommandFailed):
        err.print(f"[bold red]{escape(error.zh)}[/bold red]")
        err.print(escape(error.en))
        return error.status
    if isinstance(error, ArchiveError):
        err.print(f"[bold red]{escape(error.text_zh)}[/bold red]")
        err.print(f"{escape(error.text_en)} [dim]({escape(error.code)})[/dim]")
        if isinstance(error, InvalidInput):
            for fault in error.faults:
                err.print(f"  - {escape(fault.path)} ({escape(fault.rule)}): {escape(fault.zh)}")
                err.print(f"    [dim]{escape(fault.en)}[/dim]")
        return 1
    raise error


def sentences(broken: TlogError) -> tuple[str, str]:
    """What is wrong with a log, in Chinese and in English."""
    zh, _, en = broken.text.partition(" / ")
    return zh.format_map(broken.evidence), en.format_map(broken.evidence)


def moment(instant: datetime) -> str:
    """An instant as an office reads it: Beijing time, which it says of itself."""
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}+08:00"


def grouped(key: str) -> str:
    """A key to be typed, in groups of four; what reads it ignores the spaces."""
    return " ".join(key[at : at + 4] for at in range(0, len(key), 4))


def installation() -> Settings:
    """The settings of this installation; CommandFailed naming those that are wrong."""
    try:
        return read_settings()
    except SettingsRefused as wrong:
        raise CommandFailed("\n".join(zh for zh, _ in wrong.faults), "\n".join(en for _, en in wrong.faults), status=2) from None


def warn_of_exposure(settings: Settings) -> None:
    """Say, to standard error, where what must be kept apart lies together, and where an SQLite file is open to others."""
    credential, ring = settings.key_ring_credential, settings.ring_file
    db = Database(settings.database, pool_size=1)
    file = Path(db.url.database or "") if db.dialect == "sqlite" else None
    homes = {ring.resolve().parent} | ({settings.home.resolve()} if file is not None else set())
    if credential is not None and any(credential.resolve().is_relative_to(home) for home in homes):
        warn(
            f"凭据 {credential} 与密钥环或数据库在同一文件夹：谁拿走这个文件夹，谁就能打开一切。请移到别处，如 /etc/petition-archive/。",
            f"The credential {credential} lies in one folder with the key ring or the database: whoever takes the folder opens everything."
            " Keep it elsewhere, such as in /etc/petition-archive/.",
        )
    if file is not None and file.exists() and db.open_to_others:
        warn(
            f"本机其他用户可以读取数据库 {file}；请运行 chmod 600 {file}*，并把所在文件夹设为 0700。",
            f"Other users of this machine may read the database {file}; run chmod 600 {file}* and make its folder 0700.",
        )


def warn(zh: str, en: str) -> None:
    """A warning, to standard error."""
    err.print(f"[bold yellow]{escape(zh)}[/bold yellow]")
    err.print(f"[dim]{escape(en)}[/dim]")


def columns(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows in columns as wide as their widest cell: nothing is cut short, because a secret that lost its end is lost."""
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(cell_len(line[place]) for line in lines) for place in range(len(headings))]
    for number, line in enumerate(lines):
        text = "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        out.print(f"[bold]{escape(text)}[/bold]" if number == 0 else escape(text))


def show_secrets(told: Sequence[tuple[str, FirstSecret]]) -> None:
    """First secrets, this once: (who, secret)."""
    columns(("人员 who", "登录名 login", "初始口令 first secret"), [(who, secret.login, secret.secret) for who, secret in told])
    say(
        "初始口令只在此显示一次，系统不保存明文。请当面交给本人；首次登录须修改，管理员和审批人还须绑定动态验证码。",
        "First secrets are shown this once and stored nowhere. Hand each over in person; it must be changed at the first sign-in, and"
        " administrators and approvers enrol a second factor.",
    )


@contextmanager
def progress(zh: str, en: str) -> Iterator[Advance]:
    """A progress bar; where the output is no terminal, nothing but the result is printed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=False, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"{escape(zh)} {escape(en)}", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
