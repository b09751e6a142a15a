"""What `--witness` and `--quorum` mean wherever something signed is checked: cosignatures that must be there, by keys from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from audit.errors import NotWitnessed
from audit.witnessing import Panel, must_be_witnessed
from foundation.clock import from_ms
from service.cli.terminal import CommandFailed, moment, say, sentences
from tlog.errors import TlogError
from tlog.note import COSIGNATURE_V1, VerifierKey

WitnessKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="VKEY",
        help="见证人的公钥，可重复；检查点须有其有效签名 / a witness's key, once or more: the checkpoint must bear its cosignature",
    ),
]
Quorum = Annotated[
    int | None,
    typer.Option(metavar="K", min=1, help="至少几个见证人；默认全部 / how many of the witnesses named must have cosigned; default: all"),
]


def panel_of(keys: Sequence[str] | None, quorum: int | None) -> Panel | None:
    """The witnesses named, None for none. CommandFailed for what is no cosigner's key, and for a number nobody could meet."""
    if not keys:
        if quorum is not None:
            raise CommandFailed("--quorum 须与 --witness 同用。", "--quorum goes with --witness.", status=2)
        return None
    try:
        parsed = tuple(map(VerifierKey.parse, keys))
    except TlogError as wrong:
        raise CommandFailed(
            "--witness 所给的不是验证公钥（形如 名称+1a2b3c4d+BAbCd…=），请核对是否完整复制。",
            f"--witness is no verifier key (name+1a2b3c4d+BAbCd…=); check that it was copied whole: {sentences(wrong)[1]}.",
            status=2,
        ) from None
    if any(key.type_byte != COSIGNATURE_V1 for key in parsed):
        raise CommandFailed(
            "--witness 所给的是日志的公钥，不是见证人的（witness init、witness status 显示）。",
            "--witness is a log's key, not a witness's, which `witness init` and `witness status` show.",
            status=2,
        )
    try:
        return Panel(parsed, len(parsed) if quorum is None else quorum)
    except ValueError:
        raise CommandFailed(
            "--quorum 应为 1 至见证人数；每个见证人只能给一次。",
            "--quorum is 1 to the number of witnesses, each of whom is named once.",
            status=2,
        ) from None


def must_have(note: bytes, key: VerifierKey, panel: Panel | None) -> list[str]:
    """Sentences, Chinese / English, on who cosigned the checkpoint and when; typer.Exit(1) after saying so where too few did."""
    if panel is None:
        return []
    try:
        found = must_be_witnessed(note, key, panel)
    except NotWitnessed as few:
        say(f"校验未通过：{few.text_zh}", f"NOT verified: {few.text_en} ({few.code})")
    except TlogError as broken:
        zh, en = sentences(broken)
        say(f"校验未通过：{zh}。", f"NOT verified: {en}. ({broken.code})")
    else:
        return [
            f"{one.name} 于 {moment(from_ms(1000 * at))} 见证 / cosigned by {one.name} at {moment(from_ms(1000 * at))}" for one, at in found
        ]
    raise typer.Exit(1)
