"""`audit account-for` and `audit check-answer`: every entry of the log about a subject, and the check that none is missing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from audit.answer_form import MOST_BYTES
from audit.index_check import check_answer
from service.cli.asking import Answers, SecretFile
from service.cli.auditing import verifier_key
from service.cli.door import Door, Refused
from service.cli.terminal import CommandFailed, out, say, sentences
from tlog.errors import TlogError
from tlog.tiles import read_regular

_SUBJECTS: Final = ("case", "person", "account", "grant")
_BODIES: Final = ("one-case", "all", "none")
_PATIENCE_SECONDS: Final = 30.0


def account_for(
    subject: Annotated[str, typer.Argument(metavar="KIND:ID", help="种类与编号 / kind and id: case:, person:, account:, grant:…")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="写到何处 / where to write the answer")],
    fonds: Annotated[str, typer.Option("--fonds", help="全宗号 / code of the fonds")],
    url: Annotated[str, typer.Option(help="运行中的服务 / the running service")],
    login: Annotated[str, typer.Option(help="安全审计员的登录名 / login of a security auditor")],
    bodies: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="附哪些条目的原文：one-case 至多涉及一案的，all 全部，none 不附 / of which entries the text goes with it: those that name"
            " one case at most, all, or none",
        ),
    ] = "one-case",
    since: Annotated[int | None, typer.Option(metavar="SIZE", help="先前检查点的条数 / size of an older checkpoint")] = None,
    secret_file: SecretFile = None,
) -> None:
    """取得日志中涉及某一案卷、人员、账号或授权的全部条目，附“一条不多、一条不少”的证明。

    限安全审计员；此次查询记入日志。--since 写先前另存的检查点的条数，答复即可与之比对（check-answer --against）。

    Every entry of the log about a case, person, account or grant, with the proof that there are no more and no fewer. For security
    auditors; the question is put on record. With --since, the size of a checkpoint kept from earlier, the answer can be checked against
    that (check-answer --against).
    """
    kind, _, name = subject.partition(":")
    if kind not in _SUBJECTS or bodies not in _BODIES:
        raise CommandFailed(
            f"KIND 须为 {'、'.join(_SUBJECTS)} 之一，--bodies 须为 {'、'.join(_BODIES)} 之一。",
            f"KIND is one of {', '.join(_SUBJECTS)}; --bodies is one of {', '.join(_BODIES)}.",
            status=2,
        )
    asked = {"kind": kind, "id": name, "bodies": bodies} | ({} if since is None else {"since": since})
    with Door.asked(url, fonds, login, Answers(secret_file)) as door:
        try:
            data = _answered(door, asked)
        finally:
            door.sign_out()
    file.write_bytes(data)  # half of it, where that is cut short, proves nothing: it is asked for again
    say(f"答复已写入 {file}。", f"The answer is in {file}.")
    say(
        "校验：petition-archive audit check-answer FILE --key VKEY；VKEY 须由别的渠道取得（audit status 显示）。",
        "To check it: petition-archive audit check-answer FILE --key VKEY. VKEY must reach the checker by another way (audit status).",
    )


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="清点答复 / the answer")],
    key: Annotated[str, typer.Option(metavar="VKEY", help="日志的验证公钥，由别的渠道取得 / the log's verifier key, had by another way")],
    against: Annotated[Path | None, typer.Option(metavar="FILE", help="先前另存的检查点 / a checkpoint kept from earlier")] = None,
) -> None:
    """离线校验清点答复：不需要日志、数据库、服务。 Check an answer with nothing but its file and the key.

    证明：所列即该对象在前 N 条中的全部条目，一条不多、一条不少，依据档案库当时承诺的索引。索引本身是否如实，由持有全部日志者
    以 audit verify 重算。

    It shows that the entries listed are all there are about the subject among the first N, by the index that the archive committed to.
    Whether that index is true to the entries is derived again by whoever holds the whole log (audit verify).
    """
    verifier = verifier_key(key)
    try:
        data, old = read_regular(file, MOST_BYTES), None if against is None else read_regular(against)
    except OSError:
        raise CommandFailed(
            "无法读取答复或 --against 所指的文件。", "The answer, or the file of --against, cannot be read.", status=2
        ) from None
    try:
        held = check_answer(data, verifier, old)
    except TlogError as broken:
        zh, en = sentences(broken)
        say(f"校验未通过：{zh}。", f"NOT verified: {en}. ({broken.code})")
        raise typer.Exit(1) from None
    out.print(escape(str(held)), end="")


def _answered(door: Door, asked: dict[str, Any]) -> bytes:
    """The answer, waiting for a commitment that is being published."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return door.request("POST", "/v1/audit:account-for", json=asked).content
        except Refused as refused:
            if refused.code == "not-permitted":
                raise CommandFailed(
                    f"{refused.zh}清点须由安全审计员登录（--login）。",
                    f"{refused.en} Accounting for a subject takes a security auditor (auditadmin) for --login.",
                ) from None
            if refused.code != "not-yet-published" or time.monotonic() > deadline:
                raise
        time.sleep(1.0)
