"""`keys …`: what the key ring holds, the next generation of its keys, and what unlocks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foundation.clock import from_ms
from foundation.tables import SYSTEM_FONDS
from office.keys import ROTATED, relock, rotate_keys
from service.cli.asking import Answers, SecretFile
from service.cli.signing_in import acting
from service.cli.teaching import teach
from service.cli.terminal import CommandFailed, columns, installation, moment, progress, say
from service.wiring import open_archive, unlock_of
from vault.keyring import KeyRing
from vault.unlock import Credential, Passphrase, Unlock

app = typer.Typer(
    help="密钥环：查看、轮换、更换解锁方式。 The key ring: what it holds, rotating its keys, what unlocks it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(
    "list",
    short_help="有哪些密钥 / which keys there are, never the keys",
    epilog=teach("petition-archive keys list --fonds QH01", zh="什么也不写", en="nothing"),
)
def list_keys(fonds: Annotated[str, typer.Option("--fonds", help="全宗号；不写则全部 / default: all")] = "") -> None:
    """密钥环中有哪些密钥（不含密钥本身），可在服务运行时使用。 Which keys the ring holds, never the keys; may run beside the service."""
    settings = installation()
    ring = KeyRing.load(settings.ring_file, unlock_of(settings))
    if fonds and fonds not in ring.fonds():
        known = ring.fonds()
        raise CommandFailed(
            f"密钥环中没有全宗 {fonds}；有：{'、'.join(known)}。", f"The key ring has no fonds {fonds}; it has: {', '.join(known)}."
        )
    rows = [
        (code, info.id, info.suite, info.state, "" if info.retired_ms is None else moment(from_ms(info.retired_ms)))
        for code in ([fonds] if fonds else ring.fonds())
        for info in ring.keys(code)
    ]
    columns(("全宗 fonds", "密钥 key", "套件 suite", "状态 state", "停用时间 retired"), rows)


@app.command(
    "rotate",
    short_help="换用新一代密钥 / begin a new generation of keys",
    epilog=teach(
        "petition-archive keys rotate --fonds QH01 --login xt.admin --what wrapping",
        zh="密钥环（新一代密钥）、数据库（改换的包装）和日志；之后请备份密钥环",
        en="the key ring (new generation), the database (wraps moved) and the log; back up the key ring then",
    ),
)
def rotate(
    fonds: Annotated[str, typer.Option("--fonds", help="全宗号 / code of the fonds")],
    login: Annotated[str, typer.Option(help="系统管理员的登录名 / login of a system administrator")],
    what: Annotated[
        str,
        typer.Option(
            help="wrapping 案卷密钥的包装 wraps, details 日志附存内容 details, digests 回执摘要 digests, blind 精确检索 blind indexes"
        ),
    ] = "wrapping",
    secret_file: SecretFile = None,
) -> None:
    """换用新一代密钥；旧密钥包装的案卷密钥逐批改用新密钥，不打开任何字段。 Begin a new generation of keys.

    中断后再运行一次即可继续。签署日志的密钥不轮换：换了它，以往的检查点就无人能验。

    What the old keys wrap is wrapped anew in batches, opening no field; after an interruption run it again. The log's signing key is not
    rotated: earlier checkpoints could then not be checked with the key their keepers have.
    """
    if what not in ROTATED:
        raise CommandFailed(f"--what 须为 {'、'.join(ROTATED)} 之一。", f"--what is one of {', '.join(ROTATED)}.", status=2)
    signed_in = acting(installation(), Answers(secret_file), fonds=fonds, login=login, role="sysadmin")
    with signed_in as (house, caller), progress("改换包装", "wrapping anew") as advance:
        done = rotate_keys(house.desk, caller, what, progress=advance)
    say(
        f"新密钥 {len(done.key_ids)} 个：{', '.join(done.key_ids) or '无'}；改换包装 {done.moved} 个。",
        f"{len(done.key_ids)} new keys ({', '.join(done.key_ids) or 'none'}), {done.moved} wraps moved.",
    )
    say("请立即备份密钥环。", "Back up the key ring now.")


@app.command(
    "relock",
    short_help="更换解锁方式 / lock the ring with another secret",
    epilog=teach(
        "petition-archive keys relock --credential /etc/petition-archive/credential-2\npetition-archive keys relock",
        zh="密钥环文件、新凭据文件（不存在时生成）和系统全宗的日志",
        en="the key ring's file, the new credential file where it is absent, and the log of the system fonds",
    ),
)
def relock_ring(
    credential: Annotated[
        Path | None,
        typer.Option(help="新凭据文件，不存在时生成；不写则询问新口令 / new credential file; default: a new passphrase is asked for"),
    ] = None,
    secret_file: SecretFile = None,
) -> None:
    """更换密钥环的解锁口令或凭据，须先停止所有服务进程。 Lock the key ring with another passphrase or credential; stop every process first.

    口令或凭据可能泄露、保管人离任时使用。密钥本身不变：此前备份的密钥环仍可用旧口令打开，须一并销毁或另行保管。

    For a secret that may have leaked, or whose keeper has left. The keys stay what they are: copies of the ring made before still open
    with the old secret, so destroy them, or keep them as what they are.
    """
    settings = installation()
    present = settings.key_ring_credential
    if credential is not None and present is not None and credential.resolve() == present.resolve():
        raise CommandFailed("这是现用的凭据文件。", "This is the credential file in use.", status=2)
    house = open_archive(settings, purpose="act")
    try:
        relock(house.desk, _new_unlock(credential, secret_file))
        house.publishing.publish(SYSTEM_FONDS)
    finally:
        house.close()
    name = "ARCHIVE_KEY_RING_PASSPHRASE" if credential is None else f"ARCHIVE_KEY_RING_CREDENTIAL={credential}"
    say(
        f"密钥环已改用新的解锁方式。请改设 {name}，再启动服务；立即备份密钥环，并销毁旧的备份。",
        f"The key ring is locked anew. Set {name} before starting again; back up the key ring now and destroy its older copies.",
    )


def _new_unlock(credential: Path | None, secret_file: Path | None) -> Unlock:
    if credential is None:
        return Passphrase(Answers(secret_file).secret("密钥环新口令", "new passphrase of the key ring", again=True))
    return Credential(credential) if credential.exists() else Credential.make(credential)
