"""`audit extract`, `check-copy` and `streams`: copies of the log for other systems, checked against it, and how far they are sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from audit.events import Actor, Event
from reviews.copies import range_of, told
from reviews.copies_forms import FORMS
from service.cli.asking import Answers, SecretFile
from service.cli.auditing import must_exist, opened_alone, verifier_key
from service.cli.door import Door, Refused
from service.cli.terminal import CommandFailed, columns, installation, moment, progress, say, sentences
from service.copies.checking import CopyDiffers, Held, check_against_checkpoint, check_against_export, form_of
from service.copies.files import copy_chunks, write_copy
from service.streams.positions import all_standings
from service.wiring import open_archive
from tlog.errors import TlogError
from tlog.note import VerifierKey
from tlog.tiles import read_regular
from tlog.verify import verify_export

Form = Annotated[str, typer.Option("--form", help=f"格式 / {', '.join(FORMS)}; default: by the file's name (.ocsf, .cef, …)")]


def extract(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="写入的文件 / the file to write")],
    fonds: Annotated[str, typer.Option("--fonds", help="全宗号 / code of the fonds")],
    form: Form = "",
    first: Annotated[int, typer.Option(min=0, help="起始序号（含） / first index")] = 0,
    last: Annotated[int | None, typer.Option(min=0, help="终止序号（含），默认至最新 / last index; default: the newest")] = None,
    url: Annotated[str, typer.Option(help="从运行中的服务提取 / from a running service, e.g. http://127.0.0.1:8700")] = "",
    login: Annotated[str, typer.Option(help="与 --url 同用：安全审计员的登录名 / with --url: login of a security auditor")] = "",
    secret_file: SecretFile = None,
) -> None:
    """把已签名的日志条目提取成其他系统可读的副本。 Copy published entries into a form other systems read.

    提取先记入日志。副本逐行带有日志序号和叶哈希，可用 audit check-copy 与日志核对。

    The copy is put on record first. Each line carries its index and leaf hash; `audit check-copy` holds it against the log.
    """
    form = form_of(file, form)
    if url:
        if not login:
            raise CommandFailed("使用 --url 时请给出 --login。", "With --url, give --login too.", status=2)
        said = _fetched(file, form, first, last, url, fonds, login, Answers(secret_file))
    else:
        said = _made_here(file, form, first, last, fonds)
    say(f"已提取第 {said} 条到 {file}。", f"Entries {said} copied to {file}.")


def check_copy(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="要核对的副本 / the copy to check")],
    key: Annotated[str, typer.Option(metavar="VKEY", help="日志的验证公钥 / the log's verifier key")],
    export: Annotated[Path | None, typer.Option(metavar="DIR", help="日志的导出目录 / an export of the log to hold it against")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="或仅凭检查点：ndjson、ocsf 的完整副本 / or a checkpoint alone: whole ndjson, ocsf")
    ] = None,
    form: Form = "",
    processes: Annotated[int, typer.Option(min=1, max=64, help="并行进程数 / worker processes")] = max(1, (os.cpu_count() or 1) - 1),
) -> None:
    """核对一份副本：每一行都须与日志所载一致。 Hold a copy against the log: every line must be what the log has.

    先校验导出目录（或检查点的签名），再由日志条目重新生成每一行，逐行比对。不需要数据库、服务和密钥环。

    The export (or the checkpoint's signature) is verified first; then every line is made again from the log's entries and compared.
    """
    form = form_of(file, form)
    if (export is None) == (checkpoint is None):
        raise CommandFailed("请给出 --export 或 --checkpoint 之一。", "Give one of --export and --checkpoint.", status=2)
    verifier = verifier_key(key)
    try:
        if checkpoint is not None:
            held = check_against_checkpoint(file, form, read_regular(checkpoint), verifier)
        else:
            held = _held(file, form, verifier, export or Path(), processes)
    except CopyDiffers as differs:
        say(f"核对未通过：{differs.text_zh}", f"NOT as the log: {differs.text_en} ({differs.code})")
        raise typer.Exit(1) from None
    except TlogError as broken:
        zh, en = sentences(broken)
        say(f"核对未通过，日志本身未通过校验：{zh}。", f"NOT checked, the log itself does not verify: {en}. ({broken.code})")
        raise typer.Exit(1) from None
    say(
        f"核对通过：第 {held.first} 至 {held.last} 条，与日志 {held.checkpoint.origin}（共 {held.checkpoint.size} 条）逐行一致。",
        f"As the log has them: entries {held.first} to {held.last} of {held.checkpoint.origin}, which has {held.checkpoint.size}.",
    )


def streams() -> None:
    """各外送目前送到哪里，可在服务运行时使用。 How far each stream has come; may run beside the service."""
    house = open_archive(installation(), purpose="examine")
    try:
        known = all_standings(house.desk.db)
        columns(
            ("外送 stream", "全宗 fonds", "已收 taken", "未收 behind", "上次 last", "状态 state"),
            [
                (
                    one.stream,
                    one.fonds,
                    str(one.position),
                    "-" if one.ended else str(one.behind),
                    "-" if one.moved is None else moment(one.moved),
                    "已停 ended" if one.ended else "在送 sent",
                )
                for one in known
            ],
        )
    finally:
        house.close()


def _held(file: Path, form: str, key: VerifierKey, export: Path, processes: int) -> Held:
    with progress("校验日志", "verifying the log") as advance:
        report = verify_export(export, key, progress=advance, processes=processes)
    return check_against_export(file, form, export, report.checkpoint)


def _made_here(file: Path, form: str, first: int, last: int | None, fonds: str) -> str:
    house = opened_alone()
    try:
        desk = house.desk
        must_exist(house, fonds)
        house.publishing.publish(fonds)
        found = range_of(desk.db, fonds, form, first, last)
        about, data = {"kind": "log", "id": fonds}, told(found, form)
        event = Event("log.exported", Actor(), desk.clock.now(), object=about, reason="command-line", data=data)
        desk.uow.run(fonds, lambda unit: unit.add(event))
        house.publishing.publish(fonds)
        with progress("提取", "copying") as advance:
            write_copy(file, copy_chunks(desk.db, form, found, advance))
        return f"{found.first}-{found.last}"
    finally:
        house.close()


def _fetched(file: Path, form: str, first: int, last: int | None, url: str, fonds: str, login: str, answers: Answers) -> str:
    query = {"form": form, "first": str(first)} | ({} if last is None else {"last": str(last)})
    with Door.asked(url, fonds, login, answers) as door:
        try:
            with door.streamed("/v1/log/copy", query) as answer, progress("提取（字节）", "copying, in bytes") as advance:
                write_copy(file, _counted(answer.iter_bytes(), advance))
                return str(answer.headers["Archive-Entries"])
        except Refused as refused:
            if refused.code == "not-permitted":
                raise CommandFailed(
                    f"{refused.zh}提取日志须由安全审计员登录（--login）。",
                    f"{refused.en} Copying the log takes a security auditor (auditadmin) for --login.",
                ) from None
            raise
        finally:
            door.sign_out()


def _counted(chunks: Iterator[bytes], advance: Callable[[int, int], None]) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        advance(done, done)
