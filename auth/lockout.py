"""Locking after failed sign-ins so that a guesser is stopped and nobody can lock a colleague out.

A lock on the account alone would be a weapon: five wrong guesses at somebody's login, and they are out. So failures are counted per
(account, source), and a lock closes only that source's way to that account. A source is

* the device mark, where one is shown: a keyed token this archive gave a browser after a right sign-in to this very account
  (the device cookie of OWASP's "Slow Down Online Guessing Attacks with Device Cookies"); nobody else can make or guess it;
* else the network the attempt came from (IPv4 address; IPv6 /64, the smallest network a guesser is sure to have whole).

Guessing from many networks is slowed by pressure on the account as a whole: the more failures from unmarked sources in a day, the fewer
tries each unmarked source has left and the longer its lock. It never falls to nothing: a source that has not failed always has one try, so
the holder on a new device gets in at the first attempt whatever others do, and a marked device never feels the pressure.

A try is counted before the secret is checked and taken back when it was right: guesses sent all at once are not free. The counters are
rows, shared by all processes; sources are stored as keyed digests bound to the account: the rows show no address, and no two accounts'
rows can be matched.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from auth.policy import AuthPolicy
from auth.tables import sign_in_failures
from foundation.clock import to_ms
from foundation.inserting import insert_new
from foundation.uow import Unit

# Stands in the counters for all logins that do not exist: no counter ever holds what was typed.
NOBODY = "nobody"
_DAY = timedelta(days=1)
# (failures from unmarked sources within a day, tries an unmarked source has, its lock); the rulebook's own figures come before the first.
_PRESSURE = ((25, 2, timedelta(hours=2)), (100, 1, timedelta(hours=24)))


@dataclass(frozen=True, slots=True)
class Source:
    """Where an attempt comes from, as two keyed digests of 32 bytes; `marked` when a device mark of this account was shown."""

    digest: bytes
    everyone: bytes
    marked: bool


class Sources:
    """Makes sources and device marks under a secret key of 32 bytes or more."""

    def __init__(self, key: bytes) -> None:
        """Keep the key; ValueError when it is short."""
        if len(key) < 32:
            raise ValueError("the key of sources has at least 32 bytes")
        self._key = key

    def source(self, fonds: str, account_id: str, *, address: str, device: str | None) -> Source:
        """The source of an attempt on this account; a device mark that is not this account's counts as none."""
        marked = device is not None and self._is_mark(fonds, account_id, device)
        name = f"device {device}" if marked else f"network {network_of(address)}"
        return Source(self._digest("source", fonds, account_id, name), self._digest("everyone", fonds, account_id), marked)

    def address_digest(self, address: str) -> str:
        """Names a client address (its network, as in `network_of`) in counters that are no account's: 64 hexadecimal digits."""
        return self._digest("address", network_of(address)).hex()

    def new_mark(self, fonds: str, account_id: str) -> str:
        """A device mark for a browser that has just signed in to this account."""
        nonce = secrets.token_urlsafe(16)
        return f"{nonce}.{self._digest('mark', fonds, account_id, nonce).hex()}"

    def _is_mark(self, fonds: str, account_id: str, device: str) -> bool:
        nonce, _, proof = device.partition(".")
        return device.isascii() and hmac.compare_digest(proof, self._digest("mark", fonds, account_id, nonce).hex())

    def _digest(self, *parts: str) -> bytes:
        framed = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in ("petition-archive sign-in", *parts))
        return hmac.digest(self._key, framed, hashlib.sha256)


def network_of(address: str) -> str:
    """The network an address stands for: IPv4 itself, IPv6 its /64; anything else (a socket's name) as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def take_try(unit: Unit, account_id: str, source: Source, policy: AuthPolicy, *, at: datetime) -> bool:
    """Count a try of this source; False when it has none left. Both rows are written either way, so both ways cost the same."""
    now = to_ms(at)
    for digest in (source.everyone, source.digest):
        insert_new(
            unit.conn,
            sign_in_failures,
            fonds=unit.fonds,
            account_id=account_id,
            source_digest=digest,
            failures=0,
            last_ms=now,
            locked_until_ms=0,
        )
    everyone, _, everyone_last = _read(unit.conn, unit.fonds, account_id, source.everyone, now, _DAY)
    tries, lock = _allowance(everyone, policy, marked=source.marked)
    failures, locked_until, last = _read(unit.conn, unit.fonds, account_id, source.digest, now, lock)
    if locked_until > now:
        allowed, failures_now = False, failures
    else:
        # A lock that has run out starts the count anew. Lowered tries lock a source that already used them.
        failures_now = 0 if locked_until else failures
        allowed = failures_now == 0 or failures_now < tries
        failures_now += int(allowed)
        locked_until = now + lock // timedelta(milliseconds=1) if failures_now >= tries else 0
    _write(unit, account_id, source.digest, failures_now, now if allowed else last, locked_until)
    _write(unit, account_id, source.everyone, everyone + int(allowed and not source.marked), now if allowed else everyone_last, 0)
    return allowed


def give_back(unit: Unit, account_id: str, source: Source) -> None:
    """Take a right try off the counters: the source's count is cleared, the account's pressure loses this one try."""
    row = (sign_in_failures.c.fonds == unit.fonds, sign_in_failures.c.account_id == account_id)
    if not source.marked:
        unit.conn.execute(
            update(sign_in_failures)
            .where(*row, sign_in_failures.c.source_digest == source.everyone, sign_in_failures.c.failures > 0)
            .values(failures=sign_in_failures.c.failures - 1)
        )
    unit.conn.execute(delete(sign_in_failures).where(*row, sign_in_failures.c.source_digest == source.digest))


def return_try(unit: Unit, account_id: str, source: Source) -> None:
    """Uncount one try that was taken but never checked, because the machine was too busy to."""
    row = (sign_in_failures.c.fonds == unit.fonds, sign_in_failures.c.account_id == account_id, sign_in_failures.c.failures > 0)
    for digest in (source.digest,) if source.marked else (source.everyone, source.digest):
        unit.conn.execute(
            update(sign_in_failures)
            .where(*row, sign_in_failures.c.source_digest == digest)
            .values(failures=sign_in_failures.c.failures - 1, locked_until_ms=0)
        )


def clear(unit: Unit, account_id: str) -> None:
    """Forget all failures of an account whose secret has been reset: whoever was locked out by them starts anew."""
    unit.conn.execute(delete(sign_in_failures).where(sign_in_failures.c.fonds == unit.fonds, sign_in_failures.c.account_id == account_id))


def sweep(unit: Unit, *, at: datetime) -> int:
    """Delete counters that no longer mean anything (two days old and not locked); return how many."""
    now = to_ms(at)
    return unit.conn.execute(
        delete(sign_in_failures).where(
            sign_in_failures.c.fonds == unit.fonds,
            sign_in_failures.c.last_ms < now - 2 * 86_400_000,
            sign_in_failures.c.locked_until_ms <= now,
        )
    ).rowcount


def _allowance(pressure: int, policy: AuthPolicy, *, marked: bool) -> tuple[int, timedelta]:
    tries, lock = policy.lock_after, timedelta(minutes=policy.lock_minutes)
    if not marked:
        for failures, fewer, longer in _PRESSURE:
            if pressure >= failures:
                tries, lock = min(policy.lock_after, fewer), max(lock, longer)
    return tries, lock


def _read(conn: Connection, fonds: str, account_id: str, digest: bytes, now: int, memory: timedelta) -> tuple[int, int, int]:
    """(failures still remembered, locked until, last failure) of a row, which stays locked until the transaction ends."""
    row = conn.execute(
        select(sign_in_failures)
        .where(sign_in_failures.c.fonds == fonds, sign_in_failures.c.account_id == account_id, sign_in_failures.c.source_digest == digest)
        .with_for_update()
    ).one()
    forgotten = row.last_ms < now - memory // timedelta(milliseconds=1) and row.locked_until_ms <= now
    return (0, 0, row.last_ms) if forgotten else (row.failures, row.locked_until_ms, row.last_ms)


def _write(unit: Unit, account_id: str, digest: bytes, failures: int, last_ms: int, locked_until_ms: int) -> None:
    unit.conn.execute(
        update(sign_in_failures)
        .where(
            sign_in_failures.c.fonds == unit.fonds,
            sign_in_failures.c.account_id == account_id,
            sign_in_failures.c.source_digest == digest,
        )
        .values(failures=failures, locked_until_ms=locked_until_ms, last_ms=last_ms)
    )
