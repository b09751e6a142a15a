"""Settings of one installation, from the environment alone: every name begins with ARCHIVE_. Only `service.wiring` reads them.

A misspelt name is refused: a protection that was switched on by a typo would be worse than none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "ARCHIVE_"
# Names of the test suite, which are not settings of the archive.
_OTHERS = "ARCHIVE_TEST_"
Network = IPv4Network | IPv6Network
# What pydantic's kinds of errors say in Chinese; their limits are filled in.
_SHAPES = {
    "int_parsing": "须为整数",
    "float_parsing": "须为数字",
    "greater_than": "须大于 {gt}",
    "greater_than_equal": "不得小于 {ge}",
    "less_than_equal": "不得大于 {le}",
    "string_pattern_mismatch": "须符合 {pattern}",
}
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


class Settings(BaseSettings):
    """All settings, each with a default that is safe on one machine. Paths that are not given lie under `home`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    home: Path = Field(default=Path("var"), description="folder of everything that changes")
    database_url: SecretStr = Field(default=SecretStr(""), description="sqlite:///… or postgresql://…; empty: <home>/archive.sqlite")
    connections: int = Field(default=48, ge=4, le=500, description="database connections of this process")

    key_ring: Path | None = Field(default=None, description="key ring file (0600); empty: <home>/keys/ring")
    key_ring_credential: Path | None = Field(default=None, description="file of 32 random bytes that unlocks the key ring")
    key_ring_passphrase: SecretStr | None = Field(default=None, description="or a passphrase; exactly one of the two is given")
    anchors: Path | None = Field(default=None, description="last checkpoints, apart from the database; empty: <home>/anchors")

    witnesses: Path | None = Field(default=None, description="TOML file of the witnesses that are asked to cosign the logs; empty: none")
    streams: Path | None = Field(default=None, description="TOML file of the systems the logs are sent to; empty: none")
    rulebooks: Path | None = Field(default=None, description="overlays of the rulebook, <fonds>.toml each; empty: <home>/rulebook")

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8700, ge=0, le=65535, description="port to listen on; 0: any free one")
    public_url: str = Field(default="http://127.0.0.1:8700", description="how clients reach it: issuer and audience of tokens")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(default=(), description="whose X-Forwarded-For is believed; by comma")
    intranet: Annotated[tuple[str, ...], NoDecode] = Field(default=_PRIVATE, description="networks of the class `intranet`, by comma")

    threads: int = Field(default=96, ge=8, le=1000, description="acts that may run at once in this process")
    clients: int = Field(default=1000, ge=16, le=100_000, description="client connections that may be open at once")
    clients_per_address: int = Field(default=250, ge=8, le=100_000, description="of these, from one address that is no trusted proxy")
    preparers: int | None = Field(default=None, ge=0, le=64, description="processes that prepare bulk deposits; empty: one a core")
    hashing: int = Field(default=4, ge=1, le=64, description="secrets checked at once, 64 MiB each")
    publish_seconds: float = Field(default=1.0, gt=0, le=60, description="longest time between two checkpoints while entries come in")
    index_seconds: float = Field(default=60.0, gt=0, le=86_400, description="longest time between two commitments to the index of a log")
    heartbeat_seconds: int = Field(default=3600, ge=0, le=30 * 86_400, description="a log that is quiet says so this often; 0: never")
    public_log: bool = Field(default=True, description="checkpoints and hash tiles for everybody, without sign-in, at /log/<fonds>/")
    max_body_bytes: int = Field(default=8 * 2**20, ge=2**16, le=2**28, description="largest body, and largest line of a batch")
    max_batch_bytes: int = Field(default=4 * 2**30, ge=2**20, description="largest batch")
    max_batch_lines: int = Field(default=1_000_000, ge=1, description="most lines of a batch")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="least level that is logged")

    @field_validator("trusted_proxies", "intranet", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        parts = tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)
        for part in parts:
            try:
                ip_network(part)
            except ValueError:
                raise _refused("须为以逗号分隔的网段，如 10.0.0.0/8", "it is a list of networks by comma, such as 10.0.0.0/8") from None
        return parts

    @field_validator("public_url")
    @classmethod
    def _bare(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment or value.endswith("/"):
            raise _refused(
                "须为 http(s)://主机[:端口][/路径]，末尾不带斜杠", "it is http(s)://host[:port][/path], without a slash at the end"
            )
        return value

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.home / 'archive.sqlite'}"

    @property
    def database_named_by(self) -> str:
        """The setting that says where the database is."""
        return f"{PREFIX}DATABASE_URL" if self.database_url.get_secret_value() else f"{PREFIX}HOME"

    @property
    def crew_size(self) -> int:
        """How many processes prepare bulk deposits beside this one: on a single core none would help."""
        cores = len(os.sched_getaffinity(0))
        return self.preparers if self.preparers is not None else cores if cores > 1 else 0

    @property
    def ring_file(self) -> Path:
        """The key ring's file."""
        return self.key_ring or self.home / "keys" / "ring"

    @property
    def anchor_folder(self) -> Path:
        """The anchors' folder."""
        return self.anchors or self.home / "anchors"

    @property
    def rulebook_folder(self) -> Path:
        """The overlays' folder."""
        return self.rulebooks or self.home / "rulebook"

    @property
    def networks(self) -> tuple[tuple[Network, ...], tuple[Network, ...]]:
        """(trusted proxies, intranet)."""
        return tuple(map(ip_network, self.trusted_proxies)), tuple(map(ip_network, self.intranet))


class SettingsRefused(ValueError):
    """Settings that are wrong: a sentence in Chinese and one in English for each, naming settings and rules, never a value."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        """Keep the (Chinese, English) sentences."""
        super().__init__(" ".join(en for _, en in faults))
        self.faults = tuple(faults)


def _refused(zh: str, en: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{en}", {"zh": zh, "en": en})


def faults_of(wrong: ValidationError) -> list[tuple[str, str]]:
    """What is wrong with settings, in both languages."""
    found = []
    for error in wrong.errors(include_url=False, include_input=False):
        name = PREFIX + str(error["loc"][0]).upper()
        limits = error.get("ctx", {})
        zh, en = str(limits.get("zh", _SHAPES.get(error["type"], "取值不符合要求"))), str(limits.get("en", error["msg"]))
        found.append((f"设置 {name} 有误：{zh.format_map(limits)}。", f"The setting {name} is wrong: {en}."))
    return found


def unknown_name(name: str) -> tuple[str, str]:
    """That a name is no setting, and which one it may have been meant for."""
    near = get_close_matches(name, [f"{PREFIX}{field}".upper() for field in Settings.model_fields], n=1)
    zh, en = (
        (f"是否应为 {near[0]}？", f" Is {near[0]} meant?")
        if near
        else ("全部设置见 docs/operations.md。", " All are in docs/operations.md.")
    )
    return f"没有名为 {name} 的设置；{zh}", f"There is no setting {name}.{en}"


def unknown_names() -> list[str]:
    """Names that look like settings and are none."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known and not name.startswith(_OTHERS))
