"""`keys …`: what the key ring holds, and the next generation of its keys."""

from __future__ import annotations

from typing import Annotated

import typer

from foundation.clock import from_ms, iso
from office.keys import ROTATED, rotate_keys
from service.cli.signing_in import acting
from service.cli.terminal import CommandFailed, columns, installation, progress, say
from service.wiring import unlock_of
from vault.keyring import KeyRing

app = typer.Typer(
    help="密钥环：查看与轮换。 The key ring: what it holds, and rotating its keys.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("list")
def list_keys(fonds: Annotated[str, typer.Option("--fonds", help="全宗号；不写则全部 / default: all")] = "") -> None:
    """密钥环中有哪些密钥，不含密钥本身。 Which keys the ring holds; never the keys. 可在服务运行时使用。"""
    settings = installation()
    ring = KeyRing.load(settings.ring_file, unlock_of(settings))
    rows = [
        (code, info.id, info.suite, info.state, "" if info.retired_ms is None else iso(from_ms(info.retired_ms)))
        for code in ([fonds] if fonds else ring.fonds())
        for info in ring.keys(code)
    ]
    columns(("全宗 fonds", "密钥 key", "套件 suite", "状态 state", "停用时间 retired"), rows)


@app.command("rotate")
def rotate(
    fonds: Annotated[str, typer.Option("--fonds", help="全宗号 / code of the fonds")],
    login: Annotated[str, typer.Option(help="系统管理员的登录名 / login of a system administrator")],
    what: Annotated[str, typer.Option(help="wrapping 案卷密钥的包装, details 日志附存内容, digests 回执摘要, blind 精确检索")] = "wrapping",
) -> None:
    """换用新一代密钥；旧密钥包装的案卷密钥逐批改用新密钥，不打开任何字段。 Begin a new generation of keys.

    中断后再运行一次即可继续。签署日志的密钥不轮换：换了它，以往的检查点就无人能验。

    What the old keys wrap is wrapped anew in batches, opening no field; after an interruption run it again. The log's signing key is not
    rotated: earlier checkpoints could then not be checked with the key their keepers have.
    """
    if what not in ROTATED:
        raise CommandFailed(f"--what 须为 {', '.join(ROTATED)} 之一。", f"--what is one of {', '.join(ROTATED)}.", status=2)
    signed_in = acting(installation(), fonds=fonds, login=login, role="sysadmin")
    with signed_in as (house, caller), progress("改换包装", "wrapping anew") as advance:
        done = rotate_keys(house.desk, caller, what, progress=advance)
    say(
        f"新密钥 {len(done.key_ids)} 个：{', '.join(done.key_ids) or '无'}；改换包装 {done.moved} 个。",
        f"{len(done.key_ids)} new keys, {done.moved} wraps moved. Back up the key ring now.",
    )
