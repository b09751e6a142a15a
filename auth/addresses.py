"""Limiting unsuccessful proofs of identity by the client's address: what stops trying a little at very many accounts.

The lock (auth.lockout) guards one account against many guesses. This guards all of them together, and the machine: sign-in, the present
secret, one-time codes and clients' assertions are counted per address and door, before anything is looked up, so the answer is the same
whether an account exists or not. What proved right is uncounted: an office may share one address. Counters are rows of the system fonds
named by a keyed digest; no row shows an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

from sqlalchemy import and_, case, delete, select, update

from audit.events import Actor, Event
from auth.context import AuthContext
from auth.errors import ClientRefused, FactorRefused, SecretWrong, SignInRefused, TooManyTries
from auth.lockout import sweep
from auth.refusals import STRANGERS, add_refusal
from foundation.clock import to_ms
from foundation.inserting import insert_new
from foundation.tables import SYSTEM_FONDS, rate_limits
from foundation.uow import Unit

Door = Literal["sign-in", "secret", "factor", "token"]
_UNPROVEN = (SignInRefused, SecretWrong, FactorRefused, ClientRefused)
_PREFIX = "address:"
_MILLISECOND = timedelta(milliseconds=1)


@contextmanager
def limited(ctx: AuthContext, door: Door, address: str, *, client: str, request_id: str = "") -> Iterator[None]:
    """Around one proof of identity from `address`; it stays counted when the block ends in a refusal of the proof.

    TooManyTries, before anything is checked, once the address has as many as the rulebook allows in a window; the first of these in a
    window is on record. `client`: the class of the network.
    """
    policy, now = ctx.policy_of(SYSTEM_FONDS), ctx.clock.now()
    most, window = policy.address_tries, timedelta(minutes=policy.address_minutes) // _MILLISECOND
    name = _PREFIX + door
    subject = ctx.sources.address_digest(address)
    mine = and_(rate_limits.c.fonds == SYSTEM_FONDS, rate_limits.c.subject == subject, rate_limits.c.limit_name == name)

    def take(unit: Unit) -> int | None:
        """None, or how many milliseconds the address has to wait."""
        start = to_ms(now)
        fresh = insert_new(unit.conn, rate_limits, fonds=SYSTEM_FONDS, subject=subject, limit_name=name, window_start_ms=start, used=1)
        if fresh:
            _sweep(unit, start, window, ctx)
            return None
        row = unit.conn.execute(select(rate_limits).where(mine).with_for_update()).one_or_none()
        if row is None:
            return None  # another process swept it at this very moment: its window was over
        if start - row.window_start_ms >= window:
            unit.conn.execute(update(rate_limits).where(mine).values(window_start_ms=start, used=1))
            return None
        if row.used == most:
            event = Event(
                "session.refused",
                Actor(role="unknown", client=client),
                now,
                verdict="refuse",
                reason="address-limit",
                data={"door": door},
                request_id=request_id,
            )
            add_refusal(unit, ctx, STRANGERS, "address-limit", event)
        if row.used <= most:
            # One above the limit says that the refusals of this window are on record.
            unit.conn.execute(update(rate_limits).where(mine).values(used=row.used + 1))
        return None if row.used < most else int(row.window_start_ms) + window - start

    def give_back(unit: Unit) -> None:
        unit.conn.execute(
            update(rate_limits)
            .where(mine, rate_limits.c.used > 0)
            .values(used=case((rate_limits.c.used > most, most - 1), else_=rate_limits.c.used - 1))
        )

    wait = ctx.uow.bookkeep(SYSTEM_FONDS, take)
    if wait is not None:
        raise TooManyTries(seconds=max(1, -(-wait // 1000)))
    try:
        yield
    except _UNPROVEN:
        raise
    except BaseException:
        ctx.uow.bookkeep(SYSTEM_FONDS, give_back)
        raise
    ctx.uow.bookkeep(SYSTEM_FONDS, give_back)


def _sweep(unit: Unit, now: int, window: int, ctx: AuthContext) -> None:
    """Once per window, whichever process comes first: delete the counters whose window is over, and those of logins that do not exist."""
    name = _PREFIX + "swept"
    due = and_(rate_limits.c.fonds == SYSTEM_FONDS, rate_limits.c.subject == name, rate_limits.c.limit_name == name)
    if not insert_new(unit.conn, rate_limits, fonds=SYSTEM_FONDS, subject=name, limit_name=name, window_start_ms=now, used=0):
        mine = update(rate_limits).where(due, rate_limits.c.window_start_ms <= now - window).values(window_start_ms=now)
        if unit.conn.execute(mine).rowcount != 1:
            return
    unit.conn.execute(
        delete(rate_limits).where(
            rate_limits.c.fonds == SYSTEM_FONDS,
            rate_limits.c.limit_name.startswith(_PREFIX, autoescape=True),
            rate_limits.c.window_start_ms <= now - window,
        )
    )
    sweep(unit, at=ctx.clock.now())
