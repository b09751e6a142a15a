"""The second factor by time-based one-time codes (RFC 6238: SHA-1, six digits, 30 seconds), as every authenticator app speaks them.

A code is taken within one step before or after the present one, and only once: the step of the last taken code is kept and
only later steps are taken (RFC 6238, section 5.2; pyotp alone would take the same code twice). The secret is stored sealed.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pyotp
from sqlalchemy import Connection, delete, insert, select, update

from auth.errors import FactorPresent, FactorRefused
from auth.tables import totp_factors
from foundation.clock import to_ms
from foundation.uow import Unit

STEP_SECONDS = 30
DRIFT_STEPS = 1

# (fonds, account_id, bytes) -> bytes: given by wiring from the vault, so that a stolen database holds no factor.
SealFactor = Callable[[str, str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the authenticator app is shown, once: the base32 secret and the `otpauth://` address for a QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Factor:
    """A stored factor with its sealed secret; `last_counter` is the 30-second step of the last code taken."""

    sealed: bytes = field(repr=False)
    confirmed: bool
    last_counter: int


def new_enrolment(login: str, issuer: str) -> Enrolment:
    """Make a secret of 160 random bits (RFC 4226, section 4, R6)."""
    secret = pyotp.random_base32(32)
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer))


def store_provisional(unit: Unit, account_id: str, sealed: bytes, *, at: datetime) -> None:
    """Keep a provisional factor in place of an earlier provisional one; FactorPresent when a confirmed one exists."""
    present = factor_of(unit.conn, unit.fonds, account_id)
    if present is not None and present.confirmed:
        raise FactorPresent
    mine = (totp_factors.c.fonds == unit.fonds, totp_factors.c.account_id == account_id)
    unit.conn.execute(delete(totp_factors).where(*mine))
    unit.conn.execute(
        insert(totp_factors).values(
            fonds=unit.fonds, account_id=account_id, secret_sealed=sealed, created_ms=to_ms(at), confirmed_ms=None, last_counter=-1
        )
    )


def factor_of(conn: Connection, fonds: str, account_id: str) -> Factor | None:
    """The account's factor, provisional or confirmed, or None."""
    row = conn.execute(select(totp_factors).where(totp_factors.c.fonds == fonds, totp_factors.c.account_id == account_id)).first()
    return None if row is None else Factor(row.secret_sealed, row.confirmed_ms is not None, row.last_counter)


def matching_counter(secret: bytes, code: str, *, at: datetime, after: int) -> int | None:
    """The step whose code this is, within the drift and later than `after`; None when there is none. Pure; compares in constant time."""
    totp = pyotp.TOTP(secret.decode("ascii"))
    present = to_ms(at) // (STEP_SECONDS * 1000)
    given = unicodedata.normalize("NFKC", code[:32]).replace(" ", "").encode("utf-8", "replace")
    found = None
    for counter in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        right = hmac.compare_digest(totp.generate_otp(counter).encode(), given)
        if right and counter > after and counter >= 0:
            found = counter
    return found


def take_code(unit: Unit, account_id: str, counter: int, *, confirm: bool = False, at: datetime) -> None:
    """Spend the step of a code, and confirm the factor where asked; FactorRefused when another sign-in was faster with it."""
    values: dict[str, int] = {"last_counter": counter}
    if confirm:
        values["confirmed_ms"] = to_ms(at)
    state = totp_factors.c.confirmed_ms.is_(None) if confirm else totp_factors.c.confirmed_ms.is_not(None)
    spent = unit.conn.execute(
        update(totp_factors)
        .where(
            totp_factors.c.fonds == unit.fonds,
            totp_factors.c.account_id == account_id,
            totp_factors.c.last_counter < counter,
            state,
        )
        .values(**values)
    )
    if spent.rowcount != 1:
        raise FactorRefused


def withdraw_factor(unit: Unit, account_id: str) -> bool:
    """Delete the account's factor (a lost telephone: the security administrator's act); tell whether there was one."""
    return (
        unit.conn.execute(delete(totp_factors).where(totp_factors.c.fonds == unit.fonds, totp_factors.c.account_id == account_id)).rowcount
        == 1
    )
