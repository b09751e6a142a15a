"""The archive put together: one value that every door of this process is given. Made by `service.wiring`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from acts.desk import Desk
from audit.proofs import Proofs
from audit.publishing import Publisher, Publishing
from auth.context import AuthContext
from office.staff_desk import StaffDesk

Network = IPv4Network | IPv6Network
_DIGESTS: Mapping[str, str] = {"aes-256-gcm": "hmac-sha-256", "sm4-gcm": "hmac-sm3"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, and counts."""

    body: int
    batch: int
    batch_lines: int
    threads: int


@dataclass(frozen=True, slots=True)
class Networks:
    """Which addresses are whose. An address decides nothing but its class, and how failed sign-ins are counted."""

    trusted_proxies: tuple[Network, ...]
    intranet: tuple[Network, ...]

    def client(self, peer: str, forwarded: str) -> str:
        """The address a request came from: the peer's, or, behind trusted proxies, the last hop in `X-Forwarded-For` that is none."""
        hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
        address = peer
        while hops and self._is_of(address, self.trusted_proxies):
            address = hops.pop()
        return address

    def class_of(self, address: str) -> str:
        """`loopback`, `intranet` or `other`."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return "other"
        if parsed.is_loopback:
            return "loopback"
        return "intranet" if self._is_of(address, self.intranet) else "other"

    @staticmethod
    def _is_of(address: str, networks: tuple[Network, ...]) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in networks)


@dataclass(frozen=True, slots=True)
class House:
    """Desk, auth and log of one open archive, and what its doors must know of the installation."""

    archive_id: str
    public_url: str
    desk: Desk
    auth: AuthContext
    publishing: Publishing
    publisher: Publisher | None
    proofs: Proofs
    limits: Limits
    networks: Networks
    origin_of: Callable[[str], str]
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
