"""The archive put together: one value that every door of this process is given. Made by `service.wiring`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from acts.desk import Desk
from archive.preparing import Preparers
from audit.indexing import Indexer
from audit.proofs import Proofs
from audit.publishing import Publisher, Publishing
from auth.context import AuthContext
from office.staff_desk import StaffDesk
from service.cosigning import Cosigning
from service.streams.sending import Streams

Network = IPv4Network | IPv6Network
# `address`, `address:port`, `[address]:port`; IPv6 with or without a zone.
_ZONE = r"(?:%[^%\[\]]*)?"
_PORT = r"(?::[0-9]{1,5})?"
_HOP = re.compile(rf"\[(?P<bracketed>[0-9A-Fa-f:.]+){_ZONE}\]{_PORT}|(?P<four>[0-9.]+){_PORT}|(?P<six>[0-9A-Fa-f:.]+){_ZONE}")
_DIGESTS: Mapping[str, str] = {"aes-256-gcm": "hmac-sha-256", "sm4-gcm": "hmac-sm3"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, and counts."""

    body: int
    batch: int
    batch_lines: int
    threads: int
    clients: int
    clients_per_address: int


@dataclass(frozen=True, slots=True)
class Networks:
    """Which addresses are whose. An address decides nothing but its class, and how failed sign-ins are counted."""

    trusted_proxies: tuple[Network, ...]
    intranet: tuple[Network, ...]

    def came_from(self, peer: str, forwarded: str) -> tuple[str, str]:
        """The address a request came from and its class: the peer's, or, behind trusted proxies, the last hop that is none of them.

        `forwarded`: all lines of `X-Forwarded-For`, joined by commas in their order. A hop may have a port. What a trusted proxy wrote
        that is no address stands for the proxy itself where addresses are counted, and for somebody from outside where they open anything.
        """
        hops = [hop for part in forwarded.split(",") if (hop := part.strip())]
        address = plain_address(peer) or peer
        while hops and self.trusts(address):
            written = plain_address(hops.pop())
            if written is None:
                return address, "other"
            address = written
        return address, self.class_of(address)

    def class_of(self, address: str) -> str:
        """`loopback`, `intranet` or `other`."""
        parsed = _parsed(address)
        if parsed is None:
            return "other"
        if parsed.is_loopback:
            return "loopback"
        return "intranet" if any(parsed in network for network in self.intranet) else "other"

    def trusts(self, address: str) -> bool:
        """Whether this is the address of a trusted proxy."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.trusted_proxies)


@lru_cache(maxsize=1024)
def plain_address(text: str) -> str | None:
    """An address as it is counted: without port, brackets and zone, IPv4 as IPv4 even where it came mapped into IPv6; None: it is none."""
    match = _HOP.fullmatch(text)
    parsed = _parsed(match["bracketed"] or match["four"] or match["six"]) if match is not None else None
    if parsed is None:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


@lru_cache(maxsize=1024)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class House:
    """Desk, auth and log of one open archive, and what its doors must know of the installation."""

    archive_id: str
    public_url: str
    desk: Desk
    auth: AuthContext
    publishing: Publishing
    publisher: Publisher
    indexer: Indexer
    cosigning: Cosigning
    streams: Streams
    proofs: Proofs
    limits: Limits
    networks: Networks
    origin_of: Callable[[str], str]
    # Whether outsiders may read checkpoints and hash tiles, and after how many seconds a quiet log says that it is (0: it does not).
    public_log: bool
    heartbeat_seconds: int
    preparers: Preparers
    closing: ExitStack = field(repr=False)

    @property
    def staff(self) -> StaffDesk:
        """The desk of the office's acts."""
        return StaffDesk(self.desk, self.auth.passwords, self.auth.policy_of)

    def digest_name(self, fonds: str) -> str:
        """How the keyed digests of a fonds' receipts are made."""
        return _DIGESTS[self.desk.keys.suite(fonds).name]

    def close(self) -> None:
        """Finish what was handed over, publish it, and let go of everything; a second call does nothing."""
        self.closing.close()
