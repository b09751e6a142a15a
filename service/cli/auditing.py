"""`audit …`: exporting the log, checking it with the archive switched off, and looking after the stored one."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.markup import escape

from acts.reasons import sealed
from audit.errors import NoSuchTile
from audit.events import Actor, Event
from audit.export import export
from audit.fsck import fsck
from audit.index_recompute import verify_index
from audit.restoring import Admission, admit_restored
from audit.store import head_of
from audit.witnessing import check_lines
from foundation.errors import WrongDatabase
from foundation.ids import new_id
from service.cli import log_status
from service.cli.asking import Answers, SecretFile
from service.cli.door import Door, Refused
from service.cli.log_copy import copy_log, must_be_of
from service.cli.teaching import teach
from service.cli.terminal import CommandFailed, installation, out, program, progress, say, sentences
from service.cli.witnessed import Quorum, WitnessKeys, must_have, panel_of
from service.house import House
from service.migrations.run import check_guards
from service.wiring import open_archive
from tlog.errors import TlogError
from tlog.note import VerifierKey
from tlog.tiles import read_regular
from tlog.verify import verify_export
from vault.errors import CredentialUnusable
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
    short_help="导出日志 / export the log as static files",
    epilog=teach(
        "petition-archive audit export ./export --fonds QH01 --url http://127.0.0.1:8700 --login sj.admin\n"
        "petition-archive audit export ./export --fonds QH01",
        zh="DIR 中的静态文件；日志里记下导出",
        en="static files in DIR; and entries of the log that it was exported",
    ),
)
def export_log(
    directory: Directory,
    fonds: Fonds,
    url: Annotated[str, typer.Option(help="从运行中的服务导出 / export from a running service, e.g. http://127.0.0.1:8700")] = "",
    login: Annotated[str, typer.Option(help="与 --url 同用：安全审计员的登录名 / with --url: login of a security auditor")] = "",
    key: Annotated[
        str,
        typer.Option(
            metavar="VKEY",
            help="与 --url 同用：日志的验证公钥，签名不符则什么也不写 / with --url: the log's verifier key; what it did not sign is not"
            " written",
        ),
    ] = "",
    secret_file: SecretFile = None,
    *,
    witnessed: Annotated[
        bool,
        typer.Option(
            "--witnessed",
            help="只到最近一个经足够见证人签署的检查点 / no further than the newest checkpoint that enough witnesses cosigned",
        ),
    ] = False,
) -> None:
    """把已签名的日志导出为静态文件；再次导出到同一目录只补新增部分。 Export the signed log as static files; again: only what is new.

    在本机导出：用 ARCHIVE_HOME 和密钥环凭据，先记入日志再导出。服务正在使用 SQLite 时，或在别的机器上：用 --url 和 --login，由服务提供，
    不需要密钥环凭据；取每个条目包都记入日志。

    On this machine: with ARCHIVE_HOME and the key ring's credential; the export is put on record first. While the service uses an SQLite
    file, or from another machine: with --url and --login, which needs no credential of the key ring; each bundle fetched is on record.
    """
    if url:
        if not login:
            raise CommandFailed("使用 --url 时请给出 --login。", "With --url, give --login too.", status=2)
        name = "witnessed-checkpoint" if witnessed else "checkpoint"
        size = _fetched(url, fonds, login, directory, Answers(secret_file), None if not key else verifier_key(key), name)
    elif key:
        raise CommandFailed(
            "--key 只与 --url 同用；在本机导出，签名由本机的密钥环作出。",
            "--key goes with --url alone; on this machine the key ring itself signs.",
            status=2,
        )
    else:
        house = opened_alone()
        try:
            must_exist(house, fonds)
            with house.desk.db.read() as conn:
                head = head_of(conn, fonds)
            must_be_of(directory, LogSigner.of(house.desk.keys, fonds, 1 if head is None else head.epoch).name)
            event = Event("log.exported", Actor(), house.desk.clock.now(), object={"kind": "log", "id": fonds}, reason="command-line")
            house.desk.uow.run(fonds, lambda unit: unit.add(event))
            house.publishing.publish(fonds)
            house.cosigning.ask(fonds)
            with progress("导出", "exporting") as advance:
                size = export(house.desk.db, fonds, directory, advance, witnessed=house.cosigning.panel if witnessed else None).size
        except NoSuchTile:
            raise CommandFailed(
                "这份日志还没有经足够见证人签署的检查点；audit status 显示各见证人的进度。",
                "No checkpoint of this log has been cosigned by enough witnesses yet; `audit status` shows how far each is.",
            ) from None
        finally:
            house.close()
    say(f"已导出 {size} 条到 {directory}。", f"{size} entries exported to {directory}.")
    say(
        f"校验：{program()} audit verify {directory} --key VKEY。VKEY 不能取自导出目录或导出用的接口：向档案库的运行人员当面或书面索取，"
        "由其运行 audit status 查得。",
        f"To check it: {program()} audit verify {directory} --key VKEY. VKEY must come by another way than DIR or the service it was"
        " exported from: on paper or in person from whoever runs the archive, to whom `audit status` shows it.",
    )


def _fetched(url: str, fonds: str, login: str, directory: Path, answers: Answers, key: VerifierKey | None, checkpoint: str) -> int:
    with Door.asked(url, fonds, login, answers) as door:
        try:
            with progress("导出", "exporting") as advance:
                return copy_log(lambda name: door.log_file(checkpoint if name == "checkpoint" else name), directory, advance, key)
        except Refused as refused:
            if refused.code == "not-permitted":
                raise CommandFailed(
                    f"{refused.zh}导出日志须由安全审计员登录（--login）。",
                    f"{refused.en} Exporting the log takes a security auditor (auditadmin) for --login.",
                ) from None
            raise
        finally:
            door.sign_out()


def verifier_key(key: str) -> VerifierKey:
    try:
        return VerifierKey.parse(key)
    except TlogError as wrong:
        raise CommandFailed(
            "--key 所给的不是验证公钥（形如 名称+1a2b3c4d+AbCd…=），请核对是否完整复制。",
            f"--key is no verifier key (name+1a2b3c4d+AbCd…=); check that it was copied whole: {sentences(wrong)[1]}.",
            status=2,
        ) from None


@app.command(
    "verify",
    short_help="离线校验导出的日志 / check an export offline",
    epilog=teach(
        "petition-archive audit verify ./export --key 'archive.example/QH01+1a2b3c4d+AbCd…=' --against ./last-checkpoint\n"
        "petition-archive audit verify ./export --key VKEY --witness 'witness.city.example+5e6f7a8b+BAbCd…=' --quorum 1",
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
    witness: WitnessKeys = None,
    quorum: Quorum = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="并行进程数 / worker processes")] = max(1, (os.cpu_count() or 1) - 1),
) -> None:
    """离线校验导出的日志：不需要数据库、服务和密钥环。 Check an export with nothing but its files and the key.

    全部条目重算一遍，逐个瓦片比对，日志中每个索引承诺也由条目重算。不给 --against 时，只能证明这份日志是密钥持有者签的、自身一致；
    要证明历史没有被整体改写重签，须与先前另存的检查点比对，或者有信得过的见证人签名（--witness）。每次校验后请把 DIR/checkpoint
    另存到档案系统够不到的地方。

    Everything is recomputed from the entries and compared tile by tile, and so is every commitment to the index. Without --against this
    proves that the key's holder signed this log and that it is whole; that history was not rewritten as a whole and signed again is proven
    only against a checkpoint kept from earlier, or by cosignatures of witnesses you trust (--witness). After each check keep DIR/checkpoint
    where the archive cannot reach it.
    """
    if not directory.is_dir():
        raise CommandFailed(f"{directory} 不是文件夹。", f"{directory} is no folder.", status=2)
    verifier, panel = verifier_key(key), panel_of(witness, quorum)
    try:
        old = None if against is None else read_regular(against)
    except OSError:
        raise CommandFailed(
            f"无法读取 --against 所指的文件 {against}。", f"The file {against} of --against cannot be read.", status=2
        ) from None
    try:
        with progress("校验", "checking") as advance:
            report = verify_export(directory, verifier, against=old, progress=advance, processes=processes)
        with TemporaryDirectory() as folder, progress("重算索引", "deriving the index") as advance:
            derived = verify_index(directory, report.checkpoint, Path(folder), advance)
    except TlogError as broken:
        zh, en = sentences(broken)
        say(f"校验未通过：{zh}。", f"NOT verified: {en}. ({broken.code})")
        raise typer.Exit(1) from None
    witnessed = must_have(read_regular(directory / "checkpoint"), verifier, panel)
    out.print(escape(f"{report}索引 / index: {derived}"))
    for line in witnessed:
        say(f"  - {line}")


app.command(
    "status",
    short_help="日志是否正常、验证公钥 / how each log is; verifier keys",
    epilog=teach(
        "petition-archive audit status\npetition-archive audit status --url http://127.0.0.1:8700",
        zh="什么也不写",
        en="nothing",
        status="0 一切正常 all in order；1 有不对之处及办法 what is wrong, and what to do；2 用法或设置有误 wrong usage or settings",
    ),
)(log_status.status)


@app.command(
    "fsck",
    short_help="逐条重算库中的日志 / recompute the stored log",
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
        if fonds:
            must_exist(house, fonds)
        for one in [fonds] if fonds else _known(house):
            with progress(f"检查 {one}", "checking") as advance:
                sound = fsck(house.desk.db, one, partial(_key_of, house, one), advance)
            with house.desk.db.read() as conn:
                said = check_lines(conn, one, house.desk.panel)
            say(
                f"{one}：{sound.entries} 条、{sound.tiles} 个瓦片、{sound.checkpoints} 个检查点、{sound.commitments} 个索引承诺、"
                f"{sound.segments} 个索引段、{said} 个见证签名，全部相符。",
                f"{one}: {sound.entries} entries, {sound.tiles} tiles, {sound.checkpoints} checkpoints, {sound.commitments} commitments to"
                f" the index, {sound.segments} segments of it and {said} cosignatures agree.",
            )
        check_guards(house.desk.db)
    finally:
        house.close()


@app.command(
    "admit-restored",
    short_help="准入恢复的数据库 / admit a restored database",
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
        must_exist(house, fonds)
        detail = sealed(house.desk, fonds, reason)
        ticket = admit_restored(house.publishing, house.desk.uow, fonds, Admission(Actor(), request_id=new_id(), details=(detail,)))
        house.publishing.publish(fonds)
        say(
            f"已准入全宗 {fonds}，记为日志序号 {ticket.index}。新的验证公钥：\n  {log_status.vkey_of(house, fonds)}",
            f"Admitted, on record at index {ticket.index}. Hand the new verifier key to whoever checks the log.",
        )
    finally:
        house.close()


def opened_alone() -> House:
    try:
        return open_archive(installation(), purpose="act")
    except (WrongDatabase, CredentialUnusable) as barred:
        raise CommandFailed(
            f"{barred.text_zh}服务正在运行的，可加 --url 和 --login 由服务导出，不需要密钥环的凭据。",
            f"{barred.text_en} Where it is served, give --url and --login: the service exports, and the key ring's credential is not"
            f" needed. ({barred.code})",
        ) from None


def _known(house: House) -> list[str]:
    """The fonds that have a log or keys: one whose log is gone from the database is not to be passed over."""
    return sorted({lag.fonds for lag in house.publishing.lags()} | set(house.desk.keys.fonds()))


def must_exist(house: House, fonds: str) -> None:
    """CommandFailed for a fonds that is not there, before a log is begun for it or nothing is found to agree."""
    known = _known(house)
    if fonds not in known:
        raise CommandFailed(
            f"没有全宗 {fonds}；这个档案库的日志属于：{'、'.join(known)}。",
            f"There is no fonds {fonds}; the logs of this archive are of: {', '.join(known)}.",
        )


def _key_of(house: House, fonds: str, epoch: int) -> str:
    return LogSigner.of(house.desk.keys, fonds, epoch).vkey
