"""`petition-archive`: the commands put together, and the one place where what goes wrong becomes words and an exit status."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from foundation.errors import ArchiveError, StorageUnavailable
from petition_archive_client.errors import ArchiveClientError
from service.cli import accounting, auditing, copying, demo, founding, importing, keys, serving, tour, witness
from service.cli.first_sign_in import first_sign_in
from service.cli.misuse import misused
from service.cli.teaching import STATUS, teach
from service.cli.terminal import INTERRUPTED, NAME, CommandFailed, complain, out, sentences
from service.wiring import program_version
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
每个命令都有 --help，含例子 / every command has --help, with an example

\b
设置取自环境变量 / settings are environment variables:
  ARCHIVE_HOME                 数据目录 folder of everything that changes (default ./var)
  ARCHIVE_KEY_RING_CREDENTIAL  解锁密钥环的凭据文件 file that unlocks the key ring, or ARCHIVE_KEY_RING_PASSPHRASE
  ARCHIVE_DATABASE_URL         postgresql://… ；默认 SQLite (default: SQLite in ARCHIVE_HOME)
"""

_ACTS = (
    (
        "init",
        founding.init,
        "建立档案库 / found an archive",
        teach(
            "export ARCHIVE_HOME=./archive ARCHIVE_KEY_RING_CREDENTIAL=/etc/petition-archive/credential\n"
            "petition-archive init --fonds QH01 --title-zh 某某信访局 --sysadmin A1,甲,a1 --secadmin A2,乙,a2 --auditadmin A3,丙,a3",
            zh="ARCHIVE_HOME 下的数据库、密钥环、锚点，以及凭据文件（不存在时）；已有档案库则什么也不动",
            en="database, key ring, anchors and, where it is absent, the credential file; nothing where an archive is founded already",
        ),
    ),
    (
        "fonds-create",
        founding.fonds_create,
        "再设一个全宗 / found one more fonds",
        teach(
            "petition-archive fonds-create --fonds SP01 --title-zh 某某县信访局 --superior QH01 \\\n"
            "  --sysadmin B1,甲,b1 --secadmin B2,乙,b2 --auditadmin B3,丙,b3",
            zh="数据库（全宗、首个机构、三员）和密钥环；初始口令只显示在屏幕上",
            en="the database (fonds, first unit, three administrators) and the key ring; first secrets on the screen alone",
        ),
    ),
    (
        "migrate",
        founding.migrate,
        "升级数据库结构 / take the database to this program's schema",
        teach(
            "petition-archive migrate\npetition-archive migrate --owner-url postgresql://archive_owner@db.example/archive",
            zh="数据库结构，一个事务内完成；先停服务并备份",
            en="the database's schema, in one transaction; stop the service and back up first",
        ),
    ),
    (
        "serve",
        serving.serve,
        "启动服务 / serve the archive",
        teach(
            "ARCHIVE_HOME=./archive ARCHIVE_KEY_RING_CREDENTIAL=/etc/petition-archive/credential petition-archive serve",
            zh="数据库、锚点；日志逐行 JSON 写到标准输出",
            en="the database and the anchors; its log, one JSON object a line, to standard output",
            status="0 按信号正常停止 stopped by a signal；1 无法启动 could not start；2 用法或设置有误 wrong usage or settings",
        ),
    ),
    (
        "first-sign-in",
        first_sign_in,
        "首次登录 / a first sign-in: choose a secret, enrol a factor",
        teach(
            "petition-archive first-sign-in --fonds QH01 --login s1001 --url http://127.0.0.1:8700",
            zh="服务端的口令和验证码绑定；本机不写文件",
            en="the account's secret and factor at the service; no file on this machine",
        ),
    ),
    (
        "import",
        importing.import_table,
        "导入台账 / import an office's own table",
        teach(
            "petition-archive import cases.xlsx --mapping m.toml --dry-run\n"
            "petition-archive import cases.xlsx --mapping m.toml --fonds QH01 --login s1803\n"
            'petition-archive import cases.xlsx --mapping m.toml --url https://archive.example --client "$CLIENT" --client-key client.pem',
            zh="档案库；FILE.error-rows.csv（被拒的行）和续传用的进度文件；--dry-run 不存入",
            en="the archive; FILE.error-rows.csv with refused rows, and a file of progress for the next run; --dry-run deposits nothing",
            status="0 全部接收 all taken；1 有行被拒或未读完 rows refused, or cut short；2、130 同上级命令 as everywhere",
        ),
    ),
    (
        "generate",
        importing.generate_cases,
        "生成虚构案卷 / make invented cases",
        teach(
            "petition-archive generate 100 --seed 7 --to cases.ndjson",
            zh="--to 所指文件（已有则覆盖），或标准输出",
            en="the file of --to (written over where it exists), or standard output",
        ),
    ),
    (
        "demo",
        demo.demo,
        "演示库 / a demonstration archive, served",
        teach(
            "petition-archive demo\npetition-archive demo --cases 50 --port 8701 --home ./play",
            zh="--home 所指的空文件夹；再次运行沿用，绝不覆盖别的内容",
            en="the empty folder of --home; a later run goes on with it, and nothing else is ever written over",
        ),
    ),
    (
        "tour",
        tour.tour,
        "讲一遍全过程 / the whole story, in the terminal",
        teach(
            "petition-archive tour",
            zh="只写临时文件夹，讲完即删",
            en="a temporary folder alone, deleted in the end",
        ),
    ),
)

app = typer.Typer(
    help=_HELP,
    epilog=f"\b\n退出码 exit status:\n  {STATUS}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _show_version(asked: bool) -> None:  # noqa: FBT001  the framework hands the value over by its place
    if asked:
        out.print(f"{NAME} {program_version()}")
        raise typer.Exit


@app.callback()
def whole(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="版本 / version of the program")
    ] = False,
) -> None:
    """What stands before any command."""


for _name, _act, _short, _end in _ACTS:
    app.command(_name, short_help=_short, epilog=_end)(_act)
auditing.app.command(
    "extract",
    short_help="提取副本 / copy entries for another system",
    epilog=teach(
        "petition-archive audit extract ./log.ocsf --fonds QH01 --url http://127.0.0.1:8700 --login sj.admin\n"
        "petition-archive audit extract ./log.xlsx --fonds QH01 --first 0 --last 9999",
        zh="FILE（已有则替换）；日志里先记下提取了哪些条目",
        en="FILE (one that is there is replaced); and, first, an entry of the log that says which range",
    ),
)(copying.extract)
auditing.app.command(
    "check-copy",
    short_help="核对副本 / hold a copy against the log",
    epilog=teach(
        "petition-archive audit check-copy ./log.ocsf --export ./export --key 'archive.example/QH01+1a2b3c4d+AbCd…='",
        zh="什么也不写",
        en="nothing",
        status="0 一致 all lines agree；1 不一致，或日志未通过校验 a line differs, or the log does not verify；2 用法错误 usage",
    ),
)(copying.check_copy)
auditing.app.command(
    "streams",
    short_help="外送进度 / how far each stream has come",
    epilog=teach("petition-archive audit streams", zh="什么也不写", en="nothing"),
)(copying.streams)
auditing.app.command(
    "account-for",
    short_help="清点某一案卷等的全部条目 / all entries about a subject, with proofs",
    epilog=teach(
        "petition-archive audit account-for case:0198…-… ./answer.json --fonds QH01 --url http://127.0.0.1:8700 --login sj.admin",
        zh="FILE；日志里先记一条“查询审计日志”",
        en="FILE; and, first, an entry of the log that it was questioned",
    ),
)(accounting.account_for)
auditing.app.command(
    "check-answer",
    short_help="离线校验清点答复 / check such an answer offline",
    epilog=teach(
        "petition-archive audit check-answer ./answer.json --key 'archive.example/QH01+1a2b3c4d+AbCd…=' --against ./last-checkpoint",
        zh="什么也不写",
        en="nothing",
        status="0 成立 it holds；1 不成立 it does not；2 用法错误 usage",
    ),
)(accounting.check)
app.add_typer(auditing.app, name="audit", short_help="审计日志 / the log: export, verify, look after it")
app.add_typer(keys.app, name="keys", short_help="密钥环 / the key ring: list, rotate, relock")
app.add_typer(witness.app, name="witness", short_help="见证人 / a witness of other archives' logs")


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 refused or failed, 2 wrong usage or settings, 130 interrupted."""
    try:
        status = app(prog_name=NAME, standalone_mode=False)
    except typer.Abort:
        status = complain(_aborted())
    except TyperException as wrong:
        if type(wrong).__name__ == "NoArgsIsHelpError":  # a command alone asked for nothing wrong: its help, and no fault
            sys.stdout.write(f"{wrong.format_message()}\n")
            sys.exit(0)
        status = complain(misused(wrong))
    except StorageUnavailable as away:
        status = complain(_away(away))
    except (ArchiveError, CommandFailed) as error:
        status = complain(error)
    except ArchiveClientError as error:
        status = complain(CommandFailed(error.zh, f"{error.en} ({error.code}{f': {error.reason}' if error.reason else ''})"))
    except TlogError as broken:
        zh, en = sentences(broken)
        status = complain(CommandFailed(f"日志校验未通过：{zh}。", f"The log does not hold: {en}. ({broken.code})"))
    except OSError as failed:
        status = complain(_inaccessible(failed))
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status if isinstance(status, int) else 0)


def _aborted() -> CommandFailed:
    """A prompt that got no answer: somebody pressed Ctrl-C, or the input ended."""
    if sys.stdin.isatty():
        return CommandFailed("已中断。", "Interrupted.", status=INTERRUPTED)
    return CommandFailed(
        "输入到此为止，还有问题没有回答；请在终端中运行，或把答案写成选项（见 --help）。",
        "The input ended before everything was answered; run this in a terminal, or give the answers as options (see --help).",
        status=2,
    )


def _away(away: StorageUnavailable) -> CommandFailed:
    """The database does not answer. Here, unlike behind HTTP, it may be told what to look at."""
    return CommandFailed(
        "数据库没有应答，或不能写入，未做任何更改；请核对 ARCHIVE_DATABASE_URL、数据库是否在运行、磁盘是否已满，再试一次。",
        "The database does not answer, or cannot be written, and nothing was changed; check ARCHIVE_DATABASE_URL, that it runs and"
        f" that its disk is not full, and try again. ({away.code})",
    )


def _inaccessible(failed: OSError) -> CommandFailed:
    """A file or folder the system refused."""
    name, why = failed.filename or "", os.strerror(failed.errno) if failed.errno else type(failed).__name__
    zh = {
        errno.EACCES: "当前用户无权访问",
        errno.EPERM: "当前用户无权访问",
        errno.ENOENT: "文件或文件夹不存在",
        errno.ENOSPC: "磁盘已满",
        errno.EROFS: "文件系统只读",
        errno.ENOTDIR: "路径中有一段不是文件夹",
        errno.EEXIST: "已经存在",
        errno.EISDIR: "是文件夹，不是文件",
    }.get(failed.errno or 0, "系统拒绝访问")
    return CommandFailed(f"无法读写 {name}：{zh}。", f"{name} cannot be read or written: {why}.")


if __name__ == "__main__":
    main()
