"""`audit …`: exporting the log, checking it with the archive switched off, and looking after the stored one."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from acts.reasons import sealed
from audit.errors import LogRefused
from audit.events import Actor, Event
from audit.export import export
from audit.fsck import fsck
from audit.restoring import Admission, admit_restored
from audit.store import head_of
from foundation.clock import from_ms
from foundation.errors import WrongDatabase
from foundation.ids import new_id
from service.cli.asking import Answers, SecretFile
from service.cli.door import Door
from service.cli.log_copy import copy_log
from service.cli.teaching import teach
from service.cli.terminal import CommandFailed, columns, installation, moment, out, progress, say, sentences
from service.house import House
from service.wiring import open_archive
from tlog.errors import TlogError
from tlog.note import VerifierKey
from tlog.tiles import read_regular
from tlog.verify import verify_export
from vault.signer import LogSigner

app = typer.Typer(
    help="审计日志：导出、离线校验、检查存储。 The log: export it, check it offline, look after the stored one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Fonds = Annotated[str, typer.Option("--fonds", help="全宗号 / code of the fonds")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="导出目录 / the exported directory")]


@app.command(
    "export",
    epilog=teach(
        "petition-archive audit export ./export --fonds QH01 --url http://127.0.0.1:8700 --login sj.admin",
        zh="DIR 中的静态文件；日志里先记一条“已导出”",
        en="static files in DIR; and, first, an entry of the log that it was exported",
    ),
)
def export_log(
    directory: Directory,
    fonds: Fonds,
    url: Annotated[str, typer.Option(help="从运行中的服务导出 / export from a running service, e.g. http://127.0.0.1:8700")] = "",
    login: Annotated[str, typer.Option(help="与 --url 同用：安全审计员的登录名 / with --url: login of a security auditor")] = "",
    secret_file: SecretFile = None,
) -> None:
    """把已签名的日志导出为静态文件；再次导出到同一目录只补新增部分。 Export the signed log as static files; again: only what is new.

    导出本身先记入日志。使用 SQLite 且服务正在运行时，请加 --url 和 --login，由服务提供。

    The export is put on record first. While the service runs on SQLite, give --url and --login.
    """
    if url:
        if not login:
            raise CommandFailed("使用 --url 时请给出 --login。", "With --url, give --login too.", status=2)
        with Door.asked(url, fonds, login, Answers(secret_file)) as door, progress("导出", "exporting") as advance:
            size = copy_log(door.log_file, directory, advance)
    else:
        house = _opened_alone()
        try:
            event = Event("log.exported", Actor(), house.desk.clock.now(), object={"kind": "log", "id": fonds}, reason="command-line")
            house.desk.keys.suite(fonds)  # KeyMissing for a fonds that is not there, before a log is begun for it
            house.desk.uow.run(fonds, lambda unit: unit.add(event))
            house.publishing.publish(fonds)
            with progress("导出", "exporting") as advance:
                size = export(house.desk.db, fonds, directory, advance).size
        finally:
            house.close()
    say(f"已导出 {size} 条到 {directory}。", f"{size} entries exported to {directory}.")
    say(
        "校验：petition-archive audit verify DIR --key VKEY；VKEY 须由别的渠道取得（audit status 显示），不能取自导出目录。",
        "To check it: petition-archive audit verify DIR --key VKEY. VKEY must reach the checker by another way than DIR.",
    )


@app.command(
    "verify",
    epilog=teach(
        "petition-archive audit verify ./export --key 'archive.example/QH01+1a2b3c4d+AbCd…=' --against ./last-checkpoint",
        zh="什么也不写",
        en="nothing",
        status="0 通过 verified；1 未通过 not verified；2 用法错误 usage",
    ),
)
def verify(
    directory: Directory,
    key: Annotated[str, typer.Option(metavar="VKEY", help="日志的验证公钥，取自导出目录以外的渠道 / the log's verifier key, not from DIR")],
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="上次校验时另存的检查点 / a checkpoint kept from an earlier check")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="并行进程数 / worker processes")] = max(1, (os.cpu_count() or 1) - 1),
) -> None:
    """离线校验导出的日志：不需要数据库、服务和密钥环。 Check an export with nothing but its files and the key.

    全部条目重算一遍，逐个瓦片比对。不给 --against 时，只能证明这份日志是密钥持有者签的、自身一致；
    要证明历史没有被整体改写重签，须与先前另存的检查点比对。每次校验后请把 DIR/checkpoint 另存到档案系统够不到的地方。

    Everything is recomputed from the entries and compared tile by tile. Without --against this proves that the key's holder signed this
    log and that it is whole; that history was not rewritten as a whole and signed again is proven only against a checkpoint kept from
    earlier. After each check keep DIR/checkpoint where the archive cannot reach it.
    """
    if not directory.is_dir():
        raise CommandFailed(f"{directory} 不是文件夹。", f"{directory} is no folder.", status=2)
    try:
        verifier = VerifierKey.parse(key)
    except TlogError as wrong:
        raise CommandFailed(
            "--key 所给的不是验证公钥（形如 名称+1a2b3c4d+AbCd…=），请核对是否完整复制。",
            f"--key is no verifier key (name+1a2b3c4d+AbCd…=); check that it was copied whole: {sentences(wrong)[1]}.",
            status=2,
        ) from None
    try:
        old = None if against is None else read_regular(against)
    except OSError:
        raise CommandFailed(
            f"无法读取 --against 所指的文件 {against}。", f"The file {against} of --against cannot be read.", status=2
        ) from None
    try:
        with progress("校验", "checking") as advance:
            report = verify_export(directory, verifier, against=old, progress=advance, processes=processes)
    except TlogError as broken:
        zh, en = sentences(broken)
        say(f"校验未通过：{zh}。", f"NOT verified: {en}. ({broken.code})")
        raise typer.Exit(1) from None
    out.print(escape(str(report)), end="")


@app.command("status", epilog=teach("petition-archive audit status", zh="什么也不写", en="nothing"))
def status() -> None:
    """各全宗日志的公钥、条数和最近一次签名，可在服务运行时使用。 Key, size and last signature of every log; may run beside the service."""
    house = open_archive(installation(), purpose="examine")
    try:
        rows, keys = [], []
        for lag in house.publishing.lags():
            refused: LogRefused | None = None
            try:
                house.publishing.check(lag.fonds)
            except LogRefused as found:
                refused = found
            when = "-" if lag.signed_ms is None else moment(from_ms(lag.signed_ms))
            rows.append((lag.fonds, str(lag.size), str(lag.signed), when, "一致 in order" if refused is None else refused.code))
            keys.append(_vkey(house, lag.fonds))
        columns(("全宗 fonds", "条目 entries", "已签名 signed", "签名时间 signed at", "状态 state"), rows)
        say("验证公钥 verifier keys:")
        for line in keys:
            say(f"  {line}")
    finally:
        house.close()


@app.command(
    "fsck",
    epilog=teach(
        "petition-archive audit fsck --fonds QH01",
        zh="什么也不写",
        en="nothing",
        status="0 全部相符 all agrees；1 有不符 something is wrong；2 用法或设置有误 wrong usage or settings",
    ),
)
def check_stored(fonds: Annotated[str, typer.Option("--fonds", help="全宗号；不写则全部 / code of the fonds; default: all")] = "") -> None:
    """逐条重算数据库里的日志，指出第一处不对的地方，可在服务运行时使用。 Recompute the stored log and name the first thing wrong.

    条目按日志序号指明，序号从 0 起。 Entries are named by their index, which counts from 0. May run beside the service.
    """
    house = open_archive(installation(), purpose="examine")
    try:
        for one in [fonds] if fonds else [lag.fonds for lag in house.publishing.lags()]:
            with progress(f"检查 {one}", "checking") as advance:
                sound = fsck(house.desk.db, one, partial(_key_of, house, one), advance)
            say(
                f"{one}：{sound.entries} 条、{sound.tiles} 个瓦片、{sound.checkpoints} 个检查点，全部相符。",
                f"{one}: {sound.entries} entries, {sound.tiles} tiles and {sound.checkpoints} checkpoints agree.",
            )
    finally:
        house.close()


@app.command(
    "admit-restored",
    epilog=teach(
        "petition-archive audit admit-restored --fonds QH01 --reason 磁盘损坏，从昨日备份恢复",
        zh="日志的新起点和锚点；旧锚点另存为 .superseded-N，不删除",
        en="the new beginning of the log and its anchor; the old anchor is kept as .superseded-N",
    ),
)
def admit(
    fonds: Fonds,
    reason: Annotated[str, typer.Option(prompt="为何恢复 reason", help="恢复的原因，密封保存 / why it was restored; kept sealed")],
) -> None:
    """准入从备份恢复的数据库：日志以新的名称续写，此事永久在案。 Admit a database restored from a backup, for ever on record.

    恢复的数据库缺少已经签名的条目，服务会拒绝启动。准入后日志从恢复处起以新名称续写，第一条写明缺失了多少；旧检查点仍是有效证据。

    A restored database lacks entries that were signed, so the service refuses to start. Once admitted, the log goes on under a new name,
    and its first entry says how much is missing; old checkpoints stay valid evidence.
    """
    house = open_archive(installation(), purpose="examine")
    try:
        house.desk.db.own()
        detail = sealed(house.desk, fonds, reason)
        ticket = admit_restored(house.publishing, house.desk.uow, fonds, Admission(Actor(), request_id=new_id(), details=(detail,)))
        house.publishing.publish(fonds)
        say(
            f"已准入全宗 {fonds}，记为日志序号 {ticket.index}。新的验证公钥：\n  {_vkey(house, fonds)}",
            f"Admitted, on record at index {ticket.index}. Hand the new verifier key to whoever checks the log.",
        )
    finally:
        house.close()


def _opened_alone() -> House:
    try:
        return open_archive(installation(), purpose="act")
    except WrongDatabase as busy:
        raise CommandFailed(
            f"{busy.text_zh}服务运行时请加 --url 和 --login，由服务导出。",
            f"{busy.text_en} While it is served, give --url and --login, and the service exports.",
        ) from None


def _key_of(house: House, fonds: str, epoch: int) -> str:
    return LogSigner.of(house.desk.keys, fonds, epoch).vkey


def _vkey(house: House, fonds: str) -> str:
    """The key of the log in its present life."""
    with house.desk.db.read() as conn:
        head = head_of(conn, fonds)
    return _key_of(house, fonds, 1 if head is None else head.epoch)
