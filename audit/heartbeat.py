"""Quiet that can be seen: where nothing was appended for an interval, one entry says so, and the next checkpoint carries it outside.

Whoever watches a log from outside - a witness, a copy, a machine that asks for checkpoints - then knows the longest time between two of
them. A longer silence is a signer that stopped, an archive that is cut off, or a copy that is no longer fed.

A beat is about nothing but its own log, so it has no object and no row beside its entry; and a beat is itself the newest entry, so that
however many processes run, and whatever follows an entry, there is one in an interval and no more.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from audit.events import Actor, Event
from audit.sequencing import Sequencer
from audit.tables import log_entries, log_heads
from foundation.clock import Clock, to_ms
from foundation.database import Database
from foundation.uow import Ticket

KIND = "log.heartbeat"


class Heart:
    """Appends the beats of any log of one database. Safe beside any number of others on the same database."""

    def __init__(self, db: Database, clock: Clock, interval: int) -> None:
        """Beat where nothing was appended for `interval` seconds."""
        self._db = db
        self._clock = clock
        self._interval_ms = interval * 1000

    def beat(self, fonds: str, newest_ms: int | None) -> bool:
        """Append a beat if one is due for a log whose newest entry seems to be of `newest_ms`; tell whether it was appended.

        Whether it is due is asked again under the lock on the log's head, which no other appender holds then; where somebody holds it, an
        entry is on its way, and nothing is waited for. The transaction is no unit of work, and on purpose: it must not share one with acts,
        whose rows come before the head in the order of locks.
        """
        now = self._clock.now()
        if newest_ms is None or not self._is_due(newest_ms, to_ms(now)):
            return False
        with self._db.write() as conn:
            head = log_heads.c
            size = conn.scalar(select(head.size).where(head.fonds == fonds).with_for_update(skip_locked=True))
            newest = None if size is None else _time_of(conn, fonds, size - 1)
            if newest is None or not self._is_due(newest, to_ms(now)):
                return False
            quiet = Event(KIND, Actor(), now, data={"interval_seconds": self._interval_ms // 1000})
            Sequencer()(conn, fonds, [Ticket(quiet)])
        return True

    def _is_due(self, newest_ms: int, now_ms: int) -> bool:
        # Either way: a clock that was set back must not silence the log until it has caught up.
        return abs(now_ms - newest_ms) >= self._interval_ms


def last_beats(conn: Connection) -> dict[str, int]:
    """Return when each log's heart beat last, in milliseconds since the epoch."""
    row = log_entries.c
    last = select(row.fonds, func.max(row.idx).label("idx")).where(row.kind == KIND).group_by(row.fonds).subquery()
    found = conn.execute(select(row.fonds, row.time_ms).join(last, (last.c.fonds == row.fonds) & (last.c.idx == row.idx)))
    return {row.fonds: row.time_ms for row in found}


def _time_of(conn: Connection, fonds: str, index: int) -> int | None:
    row = log_entries.c
    return conn.scalar(select(row.time_ms).where(row.fonds == fonds, row.idx == index))
