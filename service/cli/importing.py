"""`import` and `generate`: an office's own tables into the archive, and invented cases out of nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from foundation.clock import SystemClock, office_day
from policies.rulebook.load import base
from policies.validation import validate
from service.cli.asking import Answers, SecretFile
from service.cli.signing_in import acting
from service.cli.terminal import CommandFailed, columns, installation, progress, say
from service.importing.depositor import Depositor
from service.importing.mapping import load
from service.importing.report import Summary
from service.importing.run import Options, dry_run, import_file
from service.importing.state import digest_of

_MOST_REASONS = 20


def import_table(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV、XLSX、XLS 或 NDJSON 文件 / a table, or whole cases")
    ],
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="M.toml", exists=True, dir_okay=False, help="映射文件；NDJSON 整件案卷可不给 / the mapping; not needed for whole cases"
        ),
    ] = None,
    fonds: Annotated[str, typer.Option(help="全宗号 / code of the fonds")] = "",
    login: Annotated[str, typer.Option(help="档案员的登录名，在本机导入 / login of an archivist, importing on this machine")] = "",
    url: Annotated[str, typer.Option(help="经运行中的服务导入 / import through a running service, e.g. http://127.0.0.1:8700")] = "",
    client: Annotated[str, typer.Option(help="与 --url 同用：业务系统名 <全宗>.<id> / with --url: name of the case system")] = "",
    client_key: Annotated[Path | None, typer.Option(help="与 --url 同用：业务系统私钥 PEM / with --url: its private key")] = None,
    secret_file: SecretFile = None,
    *,
    dry: Annotated[bool, typer.Option("--dry-run", help="只检查，不存入 / check every row, deposit nothing")] = False,
    with_cells: Annotated[
        bool, typer.Option("--with-cells", help="出错文件中写入单元格原文，含个人信息 / error rows hold raw cells, which are personal data")
    ] = False,
) -> None:
    """导入单位自己的台账；中断后用同一命令续传，不会重复。 Import an office's own table; after a kill run the same command again.

    每行经映射成为一件案卷，与业务系统报送走同一道门。被拒的行写入 FILE.error-rows.csv，附字段和规则。映射文件的写法见 docs/import.md。

    Each row passes the same door as a deposit. Refused rows go to FILE.error-rows.csv with field and rule. Mappings: docs/import.md.
    """
    known = None if mapping is None else load(mapping, base())
    if known is None and file.suffix.lower() not in {".ndjson", ".jsonl"}:
        raise CommandFailed(
            "请用 --mapping 给出映射文件，写法见 docs/import.md。",
            "Give the mapping with --mapping; docs/import.md tells how to write one.",
            status=2,
        )
    if dry:
        rules, today = base(), office_day(SystemClock().now())
        summary = _with_bar(
            lambda options: dry_run(file, known, lambda record: validate(record, rules, today=today), options=options),
            with_cells=with_cells,
        )
    else:
        digest = "" if mapping is None else digest_of(mapping)
        summary = _deposit(
            partial(import_file, file, known, mapping_digest=digest),
            with_cells=with_cells,
            fonds=fonds,
            login=login,
            url=url,
            client=client,
            client_key=client_key,
            secret_file=secret_file,
        )
    _tell(summary)
    if summary.refused or summary.stopped is not None:
        raise typer.Exit(1)


def generate_cases(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="件数 / how many")],
    seed: Annotated[
        int,
        typer.Option(
            help="种子；同一种子得到同样的案卷，编号带种子的标记 / the same seed gives the same cases, with its mark in their numbers"
        ),
    ] = 1,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="写入文件；默认标准输出 / a file; default: standard output")] = None,
) -> None:
    """生成虚构的已办结案卷，每行一件 JSON，可直接报送或导入。 Invented closed cases as NDJSON, ready to be deposited or imported.

    人物、证件号、电话、地点均为虚构且一望可知，见 docs/generator.md。 Everybody in them is recognisably invented: docs/generator.md.
    """
    from service.generator.cases import generate

    lines = (json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n" for case in generate(number, seed))
    if to is None:
        sys.stdout.writelines(lines)
        return
    with to.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    say(f"{number} 件已写入 {to}。", f"{number} cases written to {to}.")


def _deposit(
    run: Callable[..., Summary],
    *,
    with_cells: bool,
    fonds: str,
    login: str,
    url: str,
    client: str,
    client_key: Path | None,
    secret_file: Path | None,
) -> Summary:
    """Import through the door that was named. A bar that is drawn would wipe out what is asked on the way in, so it begins inside."""

    def through(door: Depositor) -> Summary:
        return _with_bar(lambda options: run(door, options=options), with_cells=with_cells)

    if url:
        from service.cli.depositors import OverHttp

        if not client or client_key is None:
            raise CommandFailed("使用 --url 时请给出 --client 和 --client-key。", "With --url, give --client and --client-key.", status=2)
        with OverHttp(url, client, client_key) as door:
            return through(door)
    if not fonds or not login:
        raise CommandFailed(
            "请给出 --fonds 和 --login；服务运行时请给出 --url、--client 和 --client-key。",
            "Give --fonds and --login; while the archive is served, --url, --client and --client-key.",
            status=2,
        )
    from service.cli.depositors import InThisProcess

    with acting(installation(), Answers(secret_file), fonds=fonds, login=login, role="archivist") as (house, caller):
        return InThisProcess(house.desk, caller, house.preparers).on_record(through)


def _with_bar(run: Callable[[Options], Summary], *, with_cells: bool) -> Summary:
    with progress("导入", "importing") as advance:
        return run(Options(with_cells=with_cells, progress=lambda at: advance(at.answered, at.total)))


def _tell(summary: Summary) -> None:
    zh, en = ("试运行，未存入任何内容", "Dry run, nothing deposited") if summary.dry_run else ("导入结束", "Import done")
    new_zh, new_en = ("可存入", "to be deposited") if summary.dry_run else ("新存入", "new")
    say(
        f"{zh}：{summary.rows} 行，{new_zh} {summary.created}，已存在 {summary.same}，"
        f"此前已答复 {summary.resumed}，拒收 {summary.refused}。",
        f"{en}: {summary.rows} rows, {summary.created} {new_en}, {summary.same} there already,"
        f" {summary.resumed} answered in an earlier run, {summary.refused} refused.",
    )
    _counts("拒收原因 reasons", [(f"{rule}  {path}", count) for (rule, path), count in summary.reasons.most_common(_MOST_REASONS)])
    _counts("清洗 cleaned cells", list(summary.cleaned.most_common()))
    if summary.error_rows is not None:
        say(f"被拒的行、字段和规则见 {summary.error_rows}。", f"The refused rows, with field and rule: {summary.error_rows}.")
    if summary.stopped is not None:
        say(f"文件未能读完。{summary.stopped.text_zh}", f"The file was not read to its end. {summary.stopped.text_en}")


def _counts(title: str, rows: list[tuple[str, int]]) -> None:
    if rows:
        columns(("", title), [(str(count), what) for what, count in rows])
