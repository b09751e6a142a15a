"""Which witnesses an archive asks: a TOML file named by ARCHIVE_WITNESSES, read once, at start.

    quorum = 2                # how many make a checkpoint of any log a witnessed one
    every_seconds = 10        # how often each is asked at the most; this is the default

    [quorum_of]               # other numbers for some fonds
    system = 1

    [[witness]]
    url = "https://witness.city.example"
    vkey = "witness.city.example/w1+24b5d9fe+BP0X…"
    ca = "/etc/petition-archive/city-ca.pem"     # whose certificates its address is believed by; default: those of the system

A file that cannot be used stops the start: witnesses that are silently not asked would be worse than none.
"""

from __future__ import annotations

import ssl
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from audit.witnessing import Panel
from foundation.errors import ArchiveError
from tlog.errors import TlogError
from tlog.note import VerifierKey

_MOST: Final = 32
_EVERY_SECONDS: Final = 10.0


class WitnessesRefused(ArchiveError):
    """The file of ARCHIVE_WITNESSES cannot be used; nothing is served."""

    code = "witnesses-refused"
    zh = "见证人名单 {file} 不能使用，服务不启动：{why_zh}。"
    en = "The list of witnesses {file} cannot be used, so nothing is served: {why_en}."


@dataclass(frozen=True, slots=True)
class AskedWitness:
    """A witness, where it is asked, and what its address is believed by."""

    url: str
    key: VerifierKey
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Those an archive asks, each at most every so many seconds, and what makes a checkpoint witnessed."""

    asked: tuple[AskedWitness, ...] = ()
    panel: Panel = field(default_factory=Panel)
    every_seconds: float = _EVERY_SECONDS


def read_witnesses(file: Path | None) -> Witnesses:
    """The witnesses of a file, none where no file is named. WitnessesRefused."""
    if file is None:
        return Witnesses()
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise _refused(file, "文件不存在，或当前用户无权读取", "it is not there, or this user may not read it") from None
    except ValueError:
        raise _refused(file, "不是 TOML 文件", "it is no TOML file") from None
    listed = given.get("witness")
    if not set(given) <= {"quorum", "quorum_of", "every_seconds", "witness"} or not isinstance(listed, list):
        raise _refused(
            file, "只应有 quorum、quorum_of、every_seconds 和 [[witness]]", "it has quorum, quorum_of, every_seconds and [[witness]]"
        )
    if not 1 <= len(listed) <= _MOST:
        raise _refused(file, f"见证人应为 1 至 {_MOST} 个", f"it lists 1 to {_MOST} witnesses")
    every = given.get("every_seconds", _EVERY_SECONDS)
    if type(every) not in {int, float} or not 0 < every <= 3600:
        raise _refused(file, "every_seconds 应为 0 以上、3600 以下的数", "every_seconds is above 0 and at most 3600")
    asked = tuple(_witness(file, number, one) for number, one in enumerate(listed, start=1))
    return Witnesses(asked, _panel(file, tuple(one.key for one in asked), given), float(every))


def _panel(file: Path, keys: tuple[VerifierKey, ...], given: dict[str, Any]) -> Panel:
    quorum, quorum_of = given.get("quorum"), given.get("quorum_of", {})
    whole = isinstance(quorum_of, dict) and all(type(number) is int for number in (quorum, *quorum_of.values()))
    try:
        if whole:
            return Panel(keys, quorum or 0, quorum_of)
    except ValueError:
        pass
    raise _refused(
        file,
        "quorum 应为 1 至见证人数的整数；每个见证人的名称和密钥都只能出现一次，名称不能太长",
        "quorum is 1 to the number of witnesses; each witness's name and key stands there once, and no name is too long",
    )


def _witness(file: Path, number: int, given: Any) -> AskedWitness:
    match given:
        case {"url": str(url), "vkey": str(vkey), **rest} if set(rest) <= {"ca"}:
            parts = urlsplit(url)
        case _:
            raise _refused(file, f"第 {number} 个见证人应有 url 和 vkey，可有 ca", f"witness {number} has url and vkey, and may have ca")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise _refused(file, f"第 {number} 个见证人的 url 应为 http(s)://主机[:端口][/路径]", f"the url of witness {number} is no address")
    try:
        key = VerifierKey.parse(vkey)
    except TlogError:
        raise _refused(file, f"第 {number} 个见证人的 vkey 不是验证公钥", f"the vkey of witness {number} is no verifier key") from None
    try:
        tls = ssl.create_default_context(cafile=str(rest["ca"]) if "ca" in rest else None) if parts.scheme == "https" else None
    except OSError:  # ssl.SSLError is one
        raise _refused(file, f"第 {number} 个见证人的 ca 不是证书文件", f"the ca of witness {number} is no file of certificates") from None
    return AskedWitness(url.rstrip("/"), key, tls)


def _refused(file: Path, zh: str, en: str) -> WitnessesRefused:
    return WitnessesRefused(file=str(file), why_zh=zh, why_en=en)
