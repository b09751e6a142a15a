"""`witness …`: a witness of other archives' logs, run by a supervising office (第三方监督) on a machine of its own."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from foundation.clock import SystemClock, from_ms
from foundation.errors import ArchiveError
from service import logs
from service.cli.asking import Answers, SecretFile
from service.cli.teaching import teach
from service.cli.terminal import CommandFailed, columns, moment, say, sentences, warn
from service.cli.witnessed import Quorum, WitnessKeys, must_have, panel_of
from service.witness.folder import WitnessFolder
from tlog.checkpoint import open_checkpoint
from tlog.errors import TlogError
from tlog.note import ED25519, MAX_NOTE_BYTES, VerifierKey
from tlog.proof import HEADER, LogProof
from tlog.tiles import read_regular
from vault.cosigner import Cosigner
from vault.errors import KeyRingExists
from vault.unlock import Credential, Passphrase, Unlock

app = typer.Typer(
    help="见证人：由上级机关或第三方监督机构在自己的机器上运行，为信访档案库的日志作证。 A witness of other archives' logs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="见证人的文件夹 / the witness's folder")]
CredentialFile = Annotated[
    Path | None,
    typer.Option(
        "--credential", help="解锁见证人密钥的凭据文件；不写则询问口令 / file that unlocks its key; default: a passphrase is asked for"
    ),
]


@app.command(
    "init",
    short_help="设立见证人 / make a witness",
    epilog=teach(
        "petition-archive witness init ./witness --name witness.city.example \\\n"
        "  --credential /etc/witness/credential --memory /mnt/other/witness",
        zh="DIR（密钥、witness.json）、第二份见证记录的文件夹，以及凭据文件（不存在时）",
        en="DIR (its key, witness.json), the folder of its second memory and, where it is absent, the credential file",
    ),
)
def init(
    directory: Folder,
    name: Annotated[str, typer.Option(help="见证人的名称，写入每个见证签名，不可更改 / its name, part of every cosignature, final")],
    credential: CredentialFile = None,
    memory: Annotated[
        Path | None,
        typer.Option(
            help="第二份见证记录的文件夹，宜在另一块盘、不随 DIR 备份 / folder of its second memory: another disk, not backed up with DIR"
        ),
    ] = None,
    secret_file: SecretFile = None,
) -> None:
    """设立见证人：生成密钥，显示公钥。 Make a witness: its key is drawn, its public key shown.

    见证人只记住每份日志最近签过的检查点；新的检查点必须是它的延续，否则不签。档案库改写历史，再用真的密钥重签，在见证人这里也过不去。
    名称用不带 https:// 的域名，可带路径。公钥当面或书面交给各档案库和查验人。

    A witness remembers the last checkpoint it cosigned of each log, and cosigns only what extends it: a history that was rewritten and
    signed again with the real key does not pass. The name is a host name without https://, with a path if you like. Hand the public key
    to the archives, and to whoever checks their logs, on paper or in person.
    """
    if (directory / "witness.json").exists():
        raise CommandFailed(
            f"{directory} 中已有见证人，不会覆盖。", f"There already is a witness in {directory}; it is never written over."
        )
    try:
        VerifierKey(name, ED25519, bytes(32))
    except TlogError:
        raise CommandFailed("--name 不能有空格和加号。", "--name has no spaces and no +.", status=2) from None
    unlock = _new_unlock(credential, secret_file)
    try:
        cosigner = Cosigner.make(WitnessFolder.key_file(directory), name, unlock)
    except KeyRingExists:
        # A run that was cut short after the key was made: the key has signed nothing yet and is good for the same witness.
        cosigner = Cosigner.load(WitnessFolder.key_file(directory), unlock)
        if cosigner.verifier.name != name:
            raise
    folder = WitnessFolder.make(directory, cosigner.verifier, memory or directory / "memory")
    say(f"见证人已设立。公钥：\n  {folder.key}", "The witness is made; above is its public key.")
    if memory is None:
        warn(
            f"两份见证记录在同一文件夹 {directory}：把它整个恢复到旧备份，见证人就会忘记签过什么。请用 --memory 把第二份放到另一块盘。",
            f"Both copies of its memory lie in {directory}: put back from a backup as a whole, the witness forgets what it signed. Keep the"
            " second on another disk with --memory.",
        )
    say(
        "下一步：petition-archive witness trust DIR VKEY，登记要见证的日志；再 petition-archive witness serve DIR。",
        "Next: petition-archive witness trust DIR VKEY for each log, then petition-archive witness serve DIR.",
    )


@app.command(
    "trust",
    short_help="登记一份日志 / know a log",
    epilog=teach(
        "petition-archive witness trust ./witness 'archive.example/QH01+1a2b3c4d+AbCd…=' --checkpoint ./kept-checkpoint",
        zh="DIR 和第二份见证记录；可在 serve 运行时使用",
        en="DIR and the second memory; may run beside `serve`",
    ),
)
def trust(
    directory: Folder,
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="日志的验证公钥，由其 audit status 显示 / the log's verifier key")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="以前另存的检查点：从它开始见证 / a checkpoint kept from earlier, which the log is held to from the first"
        ),
    ] = None,
) -> None:
    """登记要见证的日志；缺了一份见证记录时再运行一次，由另一份补全。 Know a log from now on; again: mend a memory that lost a copy.

    公钥要从档案库以外的渠道核对。同一名称不接受第二把公钥：那是冒名，或另一份日志。恢复备份后经准入的日志有新的名称和公钥，须重新登记。

    Compare the key by another way than the archive's own service. A name never gets a second key: that is a forgery or another log. A log
    that was restored and admitted has a new name and key, and is made known anew.
    """
    folder = WitnessFolder.open(directory)
    try:
        key = VerifierKey.parse(vkey)
    except TlogError as wrong:
        raise CommandFailed(
            "VKEY 不是验证公钥，请核对是否完整复制。", f"VKEY is no verifier key: {sentences(wrong)[1]}.", status=2
        ) from None
    if key.type_byte != ED25519:
        raise CommandFailed("VKEY 是见证人的公钥，不是日志的。", "VKEY is a witness's key, not a log's.", status=2)
    folder.trust(key, b"" if checkpoint is None else _read(checkpoint))
    say(f"已登记日志 {key.name}。", f"The log {key.name} is known.")


@app.command(
    "serve",
    short_help="启动见证服务 / serve",
    epilog=teach(
        "petition-archive witness serve ./witness --credential /etc/witness/credential --host 127.0.0.1 --port 8710",
        zh="DIR 和第二份见证记录；日志逐行 JSON 写到标准输出",
        en="DIR and the second memory; its log, one JSON object a line, to standard output",
        status="0 按信号正常停止 stopped by a signal；1 无法启动 could not start；2 用法有误 wrong usage",
    ),
)
def serve(
    directory: Folder,
    host: Annotated[str, typer.Option(help="监听地址 / address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口 / port")] = 8710,
    credential: CredentialFile = None,
    secret_file: SecretFile = None,
) -> None:
    """启动见证服务（C2SP tlog-witness）。 Serve it.

    POST /add-checkpoint 收检查点和一致性证明，答见证签名；GET /<日志名的 SHA-256>/checkpoint 给出最近签过的检查点。TLS 由前置代理终结。

    POST /add-checkpoint takes a checkpoint with its proof and answers the cosignature; GET /<SHA-256 of the log's name>/checkpoint gives
    the last one cosigned. TLS ends in front of it.
    """
    from service.witness.http import server_of
    from service.witness.judging import Witness

    folder = WitnessFolder.open(directory)
    witness = Witness(folder, Cosigner.load(WitnessFolder.key_file(directory), _unlock(credential, secret_file)), SystemClock())
    logs.configure()
    logs.log().info("witness.started", address=host, port=port, witness=folder.key.name)
    # The server ends by itself at a signal, and passes it on when it has: it was asked to end, and did.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    server_of(witness, host=host, port=port).run()
    logs.log().info("witness.stopped")


@app.command(
    "status",
    short_help="各日志见证到哪里 / what was cosigned",
    epilog=teach(
        "petition-archive witness status ./witness",
        zh="什么也不写",
        en="nothing",
        status="0 正常 in order；1 有日志不能见证，或自相矛盾 a log cannot be cosigned, or has contradicted itself；2 用法有误 wrong usage",
    ),
)
def status(directory: Folder) -> None:
    """见证人的公钥，以及各份日志见证到哪里，可在 serve 运行时使用。 Its public key, and how far each log was cosigned."""
    folder = WitnessFolder.open(directory)
    rows, against = [], []
    wrong = False
    for log in folder.logs():
        against += log.contradictions
        try:
            seen = folder.seen(log)
        except ArchiveError as fault:
            wrong = True
            rows.append((log.key.name, "-", "-", fault.code))
        else:
            at = "-" if seen.seconds is None else moment(from_ms(1000 * seen.seconds))
            rows.append((log.key.name, str(seen.size), at, "矛盾 contradicted" if log.contradictions else "正常 in order"))
    say(f"公钥 public key:\n  {folder.key}")
    columns(("日志 log", "条目 entries", "见证时间 cosigned at", "状态 state"), rows)
    for path in against:
        say(
            f"证据：{path} 与已见证的检查点矛盾，两份都由该日志签名。",
            f"Evidence: {path} contradicts what was cosigned, and the log signed both.",
        )
    if wrong or against:
        raise typer.Exit(1)


@app.command(
    "verify",
    short_help="离线校验见证签名 / check cosignatures offline",
    epilog=teach(
        "petition-archive witness verify ./receipt.tlog-proof --key 'archive.example/QH01+1a2b3c4d+AbCd…=' \\\n"
        "  --witness 'witness.city.example+5e6f7a8b+BAbCd…=' --quorum 1",
        zh="什么也不写",
        en="nothing",
        status="0 通过 verified；1 未通过 not verified；2 用法错误 usage",
    ),
)
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="检查点，或收录凭证 / a checkpoint, or a .tlog-proof receipt")],
    key: Annotated[str, typer.Option(metavar="VKEY", help="日志的验证公钥 / the log's verifier key")],
    witness: WitnessKeys = None,
    quorum: Quorum = None,
) -> None:
    """离线校验一个检查点或收录凭证上的日志签名和见证签名。 Check the log's signature and witnesses' cosignatures, offline.

    收录凭证附有条目原文时，同时校验条目确在日志中。 Where a receipt carries its entry, that is checked to be in the log too.
    """
    panel = panel_of(witness, quorum)
    if panel is None:
        raise CommandFailed("请给出 --witness。", "Give --witness.", status=2)
    try:
        log = VerifierKey.parse(key)
    except TlogError as wrong:
        raise CommandFailed("--key 不是验证公钥。", f"--key is no verifier key: {sentences(wrong)[1]}.", status=2) from None
    data = _read(file)
    try:
        note = data
        if data.startswith(HEADER.encode()):
            proof = LogProof.parse(data)
            note = proof.checkpoint
            if proof.extra is not None:
                proof.verify(proof.extra, log)
        checkpoint = open_checkpoint(note, log)
    except TlogError as broken:
        zh, en = sentences(broken)
        say(f"校验未通过：{zh}。", f"NOT verified: {en}. ({broken.code})")
        raise typer.Exit(1) from None
    lines = must_have(note, log, panel)
    say(
        f"校验通过：日志 {checkpoint.origin}，{checkpoint.size} 条。",
        f"Verified: log {checkpoint.origin}, {checkpoint.size} entries.",
    )
    for line in lines:
        say(f"  - {line}")


def _read(file: Path) -> bytes:
    try:
        return read_regular(file, 2 * MAX_NOTE_BYTES)
    except OSError:
        raise CommandFailed(f"无法读取文件 {file}。", f"The file {file} cannot be read.", status=2) from None


def _new_unlock(credential: Path | None, secret_file: Path | None) -> Unlock:
    if credential is None:
        return Passphrase(Answers(secret_file).secret("见证人密钥的新口令", "new passphrase of the witness's key", again=True))
    return Credential(credential) if credential.exists() else Credential.make(credential)


def _unlock(credential: Path | None, secret_file: Path | None) -> Unlock:
    if credential is not None:
        return Credential(credential)
    return Passphrase(Answers(secret_file).secret("见证人密钥的口令", "passphrase of the witness's key"))
