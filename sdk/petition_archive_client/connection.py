"""How the archive is reached: its address, who the client is, how long to wait and how often to try again. Nothing is opened here."""

from __future__ import annotations

import ipaddress
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, time
from urllib.parse import urlsplit

from petition_archive_client.assertion import ClientKey


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, for each piece sent or received, and for one whole answer (batches excepted)."""

    connect: float = 10.0
    piece: float = 60.0
    answer: float = 120.0


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential backoff with full jitter: before retry n, a random wait of up to `first` * 2**n seconds, at most `longest`.

    `attempts` counts the first one too. A `Retry-After` is waited out up to `patience` seconds; asked for more, the client gives up.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    patience: float = 120.0

    def wait(self, failed: int, retry_after: float | None = None) -> float | None:
        """Seconds to wait after the n-th failed attempt; None when it was the last."""
        if failed >= self.attempts or (retry_after is not None and retry_after > self.patience):
            return None
        jitter = random.uniform(0, min(self.longest, self.first * 2.0 ** min(failed, 30)))  # noqa: S311  spreads load, guards nothing
        return jitter + (retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class Terms:
    """All that the exchanges need to know. `now` gives POSIX seconds for assertions, `elapsed` a clock that never jumps."""

    base_url: str
    client: str
    key: ClientKey
    audience: str
    retries: Retries = field(default_factory=Retries)
    timeouts: Timeouts = field(default_factory=Timeouts)
    lines_per_request: int = 200
    now: Callable[[], float] = time
    elapsed: Callable[[], float] = monotonic

    @classmethod
    def of(
        cls, base_url: str, client: str, key: ClientKey, *, audience: str | None, retries: Retries | None, timeouts: Timeouts | None
    ) -> Terms:
        """Check the address and fill in what is usual; ValueError."""
        root = checked_base_url(base_url)
        return cls(root, client, key, audience or f"{root}/v1/token", retries or Retries(), timeouts or Timeouts())


def checked_base_url(base_url: str) -> str:
    """The address without its last slash. ValueError unless it is https://, or http:// on this very machine, with nothing else in it."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme not in {"https", "http"} or not host or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("地址须形如 https://主机[:端口][/路径] / the address is https://host[:port][/path] and nothing else")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http:// 只能用于本机回环地址，其他主机须用 https:// / http:// is for loopback hosts only; use https://")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its address or by the name reserved for it (RFC 6761, section 6.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_tls(context: ssl.SSLContext | None) -> ssl.SSLContext:
    """The context that verifies the archive's certificate, by default under the system's authorities. ValueError where it would not."""
    made = context or ssl.create_default_context()
    if made.verify_mode is not ssl.CERT_REQUIRED or not made.check_hostname:
        raise ValueError("TLS 校验不可关闭；内网证书请加载其 CA / TLS verification stays on; load your authority's certificate")
    return made
