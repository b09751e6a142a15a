"""Putting refusals at the door on record without letting whoever is refused fill the log.

Entries are for ever, and anybody can be refused. So each account and each case system has a window in which its refusals stand one by one;
all logins and clients that do not exist share one in each log. What comes beyond is counted, and the count is on record whenever it has
doubled, and in full once the window is over. A stranger's entries are thus bounded by time alone, from however many addresses they come.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from sqlalchemy import and_, select, update

from audit.events import Event
from auth.context import AuthContext
from foundation.clock import from_ms, iso, to_ms
from foundation.inserting import insert_new
from foundation.tables import SYSTEM_FONDS, rate_limits
from foundation.uow import Unit

# More than an office's honest slips in a quarter of an hour, few enough to be read.
ONE_BY_ONE = 100
STRANGERS = "strangers"
_PREFIX = "refusals:"
_MILLISECOND = timedelta(milliseconds=1)


def record_refusal(ctx: AuthContext, fonds: str, subject: str, door: Literal["sign-in", "token"], event: Event) -> None:
    """Record the refusal in its own transaction: as its own entry, or in the count of those of `subject` (an id, or STRANGERS)."""
    ctx.uow.bookkeep(fonds, lambda unit: add_refusal(unit, ctx, subject, door, event))


def add_refusal(unit: Unit, ctx: AuthContext, subject: str, door: str, event: Event) -> None:
    """The same inside a unit of work. An entry with `count` speaks of all refusals since `since`, also those that have their own."""
    now, window = to_ms(event.time), timedelta(minutes=ctx.policy_of(SYSTEM_FONDS).address_minutes) // _MILLISECOND
    name = _PREFIX + door
    mine = and_(rate_limits.c.fonds == unit.fonds, rate_limits.c.subject == subject, rate_limits.c.limit_name == name)
    # The same statements for a first refusal and any other: which it is would tell that the account exists.
    insert_new(unit.conn, rate_limits, fonds=unit.fonds, subject=subject, limit_name=name, window_start_ms=now, used=0)
    row = unit.conn.execute(select(rate_limits).where(mine).with_for_update()).one()
    begun, used = int(row.window_start_ms), int(row.used) + 1
    if now - begun >= window:
        if row.used > ONE_BY_ONE:
            unit.add(_counted(event, door, row.used, begun))
        begun, used = now, 1
    unit.conn.execute(update(rate_limits).where(mine).values(window_start_ms=begun, used=used))
    times, rest = divmod(used, ONE_BY_ONE)
    if used <= ONE_BY_ONE:
        unit.add(event)
    elif rest == 0 and times & (times - 1) == 0:
        unit.add(_counted(event, door, used, begun))


def _counted(event: Event, door: str, count: int, begun: int) -> Event:
    return replace(event, reason="counted-together", data={"door": door, "count": count, "since": iso(from_ms(begun))})
