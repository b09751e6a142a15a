"""The file of streams (TOML): who gets the log, how, and in which form. Read once, at start, and strictly.

    [siem]                                  # the stream's name
    kind = "syslog"                         # or "webhook"
    host = "siem.example"
    port = 6514
    form = "cef"                            # or "ocsf", "ndjson"
    ca = "/etc/petition-archive/siem-ca.pem"

Secrets stand in files of their own, which nobody but their owner may read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import ssl
import stat
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from service.streams.errors import StreamsRefused

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
# What the log can name: a code (docs/formats/audit-entry.md).
_HOST: Final = re.compile(r"[A-Za-z0-9.:_\-]{1,100}", re.ASCII)
_PATH: Final = re.compile(r"/[!-~]{0,2000}", re.ASCII)
_COMMON: Final = {"kind": str, "form": str, "fonds": list, "start": str, "ca": str, "certificate": str, "key": str}
_MEMBERS: Final[Mapping[str, Mapping[str, type]]] = {
    "syslog": {**_COMMON, "host": str, "port": int, "acknowledge": str},
    "webhook": {**_COMMON, "url": str, "secret": str},
}
_FORMS: Final = {"syslog": ("cef", "ocsf", "ndjson"), "webhook": ("ndjson", "ocsf")}
_LARGEST_FILE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. `fonds` empty: every log of the archive; `path` of a webhook's URL and `secrets` are told to nobody."""

    name: str
    kind: str
    form: str
    host: str
    port: int
    tls: bool = True
    path: str = field(default="", repr=False)
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    fonds: tuple[str, ...] = ()
    newest: bool = False
    strict: bool = True
    context: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    @property
    def destination(self) -> str:
        """A digest of where to and in which form: another one is another receiver."""
        return hashlib.sha256(json.dumps([self.kind, self.form, self.host, self.port, self.path]).encode()).hexdigest()

    def sends(self, fonds: str) -> bool:
        """Whether this log is sent."""
        return not self.fonds or fonds in self.fonds


def read_streams(path: Path | None, known: Iterable[str]) -> tuple[Stream, ...]:
    """The streams of the file, none where none is named. `known`: the fonds there are. StreamsRefused says what is to be mended."""
    if path is None:
        return ()
    reading = _Reading(path)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        reading.refuse("文件不可读，或不是 UTF-8。", "it cannot be read, or is not UTF-8.")
    except tomllib.TOMLDecodeError as error:
        reading.refuse(f"不是有效的 TOML（{error}）。", f"it is no valid TOML ({error}).")
    return tuple(reading.stream(name, table, frozenset(known)) for name, table in tables.items())


class _Reading:
    def __init__(self, path: Path) -> None:
        self._path = path

    def refuse(self, zh: str, en: str) -> NoReturn:
        raise StreamsRefused(file=str(self._path), why_zh=zh, why_en=en) from None

    def stream(self, name: str, table: Any, known: frozenset[str]) -> Stream:
        if not _NAME.fullmatch(name) or not isinstance(table, dict):
            self.refuse(
                "每个外送是一个以小写字母、数字、连字符命名的表。", "each stream is a table named in small letters, digits and hyphens."
            )
        kind = table.get("kind")
        if not isinstance(kind, str) or kind not in _MEMBERS:
            self.refuse(f"[{name}] kind 须为 syslog 或 webhook。", f"[{name}] kind is syslog or webhook.")
        for member, value in table.items():
            if member not in _MEMBERS[kind]:
                self.refuse(f"[{name}] 没有 {member} 这一项。", f"[{name}] has no member {member}.")
            if type(value) is not _MEMBERS[kind][member]:
                self.refuse(f"[{name}] {member} 的类型不对。", f"[{name}] {member} is of the wrong type.")
        return self._checked(name, kind, table, known)

    def _checked(self, name: str, kind: str, table: dict[str, Any], known: frozenset[str]) -> Stream:
        form = table.get("form", _FORMS[kind][0])
        if form not in _FORMS[kind]:
            self.refuse(f"[{name}] form 须为 {'、'.join(_FORMS[kind])} 之一。", f"[{name}] form is one of {', '.join(_FORMS[kind])}.")
        fonds = tuple(table.get("fonds", ()))
        for one in fonds:
            if one not in known:
                self.refuse(f"[{name}] 本库没有所写的全宗。", f"[{name}] names a fonds this archive does not have.")
        start, acknowledge = table.get("start", "beginning"), table.get("acknowledge", "tls")
        if start not in {"beginning", "newest"}:
            self.refuse(f"[{name}] start 须为 beginning 或 newest。", f"[{name}] start is beginning or newest.")
        if acknowledge not in {"tls", "tcp"}:
            self.refuse(f"[{name}] acknowledge 须为 tls 或 tcp。", f"[{name}] acknowledge is tls or tcp.")
        host, port, path, tls = self._address(name, kind, table)
        return Stream(
            name=name,
            kind=kind,
            form=form,
            host=host,
            port=port,
            tls=tls,
            path=path,
            secrets=self._secrets(name, table) if kind == "webhook" else (),
            fonds=fonds,
            newest=start == "newest",
            strict=acknowledge == "tls",
            context=self._context(name, table) if tls else None,
        )

    def _address(self, name: str, kind: str, table: dict[str, Any]) -> tuple[str, int, str, bool]:
        """(host, port, path, whether by TLS)."""
        if kind == "syslog":
            host, port, path, tls = table.get("host", ""), table.get("port", 6514), "", True
        else:
            try:
                url = urlsplit(table.get("url", ""))
                host, tls = url.hostname or "", url.scheme == "https"
                port = url.port or (443 if tls else 80)
            except ValueError:
                self.refuse(f"[{name}] url 不是有效的地址。", f"[{name}] url is no valid address.")
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            if url.scheme not in {"https", "http"} or url.username is not None or url.password is not None or url.fragment:
                self.refuse(
                    f"[{name}] url 须为 https://主机[:端口]/路径，不含用户名和片段。",
                    f"[{name}] url is https://host[:port]/path, without a user and a fragment.",
                )
            if not tls and not is_loopback(host):
                self.refuse(f"[{name}] url 须为 https；仅本机可用 http。", f"[{name}] url is https; http is for this machine alone.")
            if not _PATH.fullmatch(path):
                self.refuse(f"[{name}] url 的路径含有不可用的字符。", f"[{name}] the path of url has characters that cannot be used.")
        if not _HOST.fullmatch(host) or not 1 <= port <= 65535:
            self.refuse(f"[{name}] 须写明主机和端口。", f"[{name}] a host and a port are wanted.")
        return host, port, path, tls

    def _secrets(self, name: str, table: dict[str, Any]) -> tuple[bytes, ...]:
        """The keys of a webhook's file: `whsec_` and base64, one a line; each signs, so that one can take the other's place."""
        found = []
        for line in self._private(name, "secret", table.get("secret", "")).decode("ascii", "replace").split():
            try:
                secret = base64.b64decode(line.removeprefix("whsec_"), validate=True)
            except binascii.Error:
                secret = b""
            if not line.startswith("whsec_") or not 24 <= len(secret) <= 64:
                self.refuse(
                    f"[{name}] secret 所指文件每行须为 whsec_ 加 24 至 64 字节的 base64。",
                    f"[{name}] the file of secret holds whsec_ and the base64 of 24 to 64 bytes, one a line.",
                )
            found.append(secret)
        if not 1 <= len(found) <= 2:
            self.refuse(f"[{name}] secret 所指文件须有一或两个密钥。", f"[{name}] the file of secret holds one key or two.")
        return tuple(found)

    def _private(self, name: str, member: str, value: str) -> bytes:
        """A file that nobody but its owner may read."""
        path = Path(value)
        mode, data = 0, b""
        with suppress(OSError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST_FILE:
                mode, data = found.st_mode, path.read_bytes()
        if not data:
            self.refuse(f"[{name}] {member} 所指文件不可读。", f"[{name}] the file of {member} cannot be read.")
        if mode & 0o077:
            self.refuse(f"[{name}] {member} 所指文件他人可读，请 chmod 600。", f"[{name}] others may read the file of {member}; chmod 600.")
        return data

    def _context(self, name: str, table: dict[str, Any]) -> ssl.SSLContext:
        """TLS 1.2 and later, the receiver's certificate and name always checked: against `ca`, or what the system trusts."""
        certificate, key = table.get("certificate"), table.get("key")
        if (certificate is None) != (key is None):
            self.refuse(f"[{name}] certificate 与 key 须同时写明。", f"[{name}] certificate and key go together.")
        if key is not None:
            self._private(name, "key", key)
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=table.get("ca"))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if certificate is not None:
                context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError):  # ssl.SSLError is an OSError; no path of a key is repeated
            self.refuse(f"[{name}] ca、certificate 或 key 不可用。", f"[{name}] ca, certificate or key cannot be used.")
        return context


def is_loopback(host: str) -> bool:
    """Whether this names the machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
