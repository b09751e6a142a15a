"""`petition-archive`: the commands put together, and the one place where what goes wrong becomes words and an exit status."""

from __future__ import annotations

import sys

import typer

from foundation.errors import ArchiveError
from petition_archive_client.errors import ArchiveClientError
from service.cli import auditing, demo, founding, importing, keys, serving, tour
from service.cli.first_sign_in import first_sign_in
from service.cli.terminal import CommandFailed, complain
from tlog.errors import TlogError

_HELP = """\
信访档案库：已办结信访案卷的密封保存、脱敏查阅与防篡改留痕。\n
An archive of closed petition cases: sealed, seen masked, opened only under an approved grant, with a log nobody can rewrite unseen.

\b
看看它 / to see it       petition-archive tour      讲一遍全过程 the whole story, in the terminal
                         petition-archive demo      演示库 a demonstration archive on 127.0.0.1:8700
建起来 / to set it up    petition-archive init      建立档案库 found an archive
                         petition-archive serve     启动服务 serve it
不求人 / to trust nobody petition-archive audit verify DIR --key VKEY

\b
设置取自环境变量 / settings are environment variables:
  ARCHIVE_HOME                 数据目录 folder of everything that changes (default ./var)
  ARCHIVE_KEY_RING_CREDENTIAL  解锁密钥环的凭据文件 file that unlocks the key ring, or ARCHIVE_KEY_RING_PASSPHRASE
  ARCHIVE_DATABASE_URL         postgresql://… ；默认 SQLite (default: SQLite in ARCHIVE_HOME)
"""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
for name, act, short in (
    ("init", founding.init, "建立档案库 / found an archive"),
    ("fonds-create", founding.fonds_create, "再设一个全宗 / found one more fonds"),
    ("migrate", founding.migrate, "升级数据库结构 / take the database to this program's schema"),
    ("serve", serving.serve, "启动服务 / serve the archive"),
    ("first-sign-in", first_sign_in, "首次登录 / a first sign-in: choose a secret, enrol a factor"),
    ("import", importing.import_table, "导入台账 / import an office's own table"),
    ("generate", importing.generate_cases, "生成虚构案卷 / make invented cases"),
    ("demo", demo.demo, "演示库 / a demonstration archive, served"),
    ("tour", tour.tour, "讲一遍全过程 / the whole story, in the terminal"),
):
    app.command(name, short_help=short)(act)
app.add_typer(auditing.app, name="audit", short_help="审计日志 / the log: export, verify, look after it")
app.add_typer(keys.app, name="keys", short_help="密钥环 / the key ring: list and rotate")


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 refused or failed, 2 wrong usage or settings, 130 interrupted."""
    try:
        app(prog_name="petition-archive")
    except (ArchiveError, CommandFailed) as error:
        sys.exit(complain(error))
    except ArchiveClientError as error:
        sys.exit(complain(CommandFailed(f"{error.zh} [{error.code}]", str(error))))
    except TlogError as error:
        sys.exit(complain(CommandFailed(f"日志校验未通过（{error.code}）：{error}", "The log does not hold, see above.")))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
