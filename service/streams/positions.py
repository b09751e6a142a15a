"""How far a stream has come in each log: durable, and moved only after the receiver took what came before."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select, update

from audit.events import Actor, Event
from audit.tables import log_signers
from foundation.clock import Clock, from_ms, to_ms
from foundation.database import Database
from foundation.inserting import insert_new
from foundation.steps import reach
from foundation.uow import Unit, UnitOfWork
from service.streams.config import Stream
from service.streams.tables import log_streams

_row = log_streams.c


@dataclass(frozen=True, slots=True)
class Standing:
    """A log that a stream sends: `signed` entries are published, `position` were taken. `begun`: the log says that it is sent there."""

    fonds: str
    signed: int
    position: int
    begun: bool

    @property
    def behind(self) -> int:
        """Published entries the receiver has not taken."""
        return max(0, self.signed - self.position)


def standings(db: Database, stream: Stream) -> list[Standing]:
    """Where the stream stands in every log it sends."""
    mark = log_signers.c
    joined = log_signers.join(log_streams, and_(_row.fonds == mark.fonds, _row.stream == stream.name), isouter=True)
    query = select(mark.fonds, mark.size, _row.position, _row.destination, _row.ended_ms).select_from(joined).order_by(mark.fonds)
    with db.read() as conn:
        found = conn.execute(query).all()
    return [
        Standing(
            one.fonds,
            one.size,
            (one.size if stream.newest else 0) if one.position is None else one.position,
            one.destination == stream.destination and one.ended_ms is None,
        )
        for one in found
        if stream.sends(one.fonds)
    ]


@dataclass(frozen=True, slots=True)
class Known:
    """A stream of one log, as it is on record: also one that is sent no more."""

    stream: str
    fonds: str
    position: int
    behind: int
    moved: datetime | None
    ended: bool


def all_standings(db: Database) -> list[Known]:
    """Every stream there ever was."""
    mark = log_signers.c
    joined = log_streams.join(log_signers, mark.fonds == _row.fonds, isouter=True)
    columns = (_row.stream, _row.fonds, _row.position, mark.size, _row.moved_ms, _row.ended_ms)
    with db.read() as conn:
        found = conn.execute(select(*columns).select_from(joined).order_by(_row.stream, _row.fonds)).all()
    return [
        Known(stream, fonds, at, max(0, (size or 0) - at), None if moved is None else from_ms(moved), ended is not None)
        for stream, fonds, at, size, moved, ended in found
    ]


def begin(uow: UnitOfWork, clock: Clock, stream: Stream, at: Standing) -> None:
    """Put on record that this log is sent there from now on: nothing leaves before that is durable.

    A stream that was sent elsewhere, or in another form, before goes on where it stood.
    """

    def write(unit: Unit) -> None:
        now = clock.now()
        held = unit.conn.execute(select(log_streams).where(_named(stream.name, at.fonds)).with_for_update()).one_or_none()
        if held is None:
            values = {"position": at.position, "begun_ms": to_ms(now), "destination": stream.destination}
            if not insert_new(unit.conn, log_streams, fonds=at.fonds, stream=stream.name, **values):
                return
        elif held.destination == stream.destination and held.ended_ms is None:
            return  # another process was faster
        else:
            changed = update(log_streams).where(_named(stream.name, at.fonds))
            unit.conn.execute(changed.values(destination=stream.destination, begun_ms=to_ms(now), ended_ms=None))
        data = {"stream": stream.name, "receiver": stream.kind, "form": stream.form, "host": stream.host, "port": stream.port}
        about = {"kind": "log", "id": at.fonds}
        unit.add(Event("log.stream-begun", Actor(), now, object=about, data={**data, "position": at.position}))

    uow.bookkeep(at.fonds, write)


def end_others(db: Database, uow: UnitOfWork, clock: Clock, names: Collection[str]) -> None:
    """Put on record which streams are no more, `names` being those there are."""
    with db.read() as conn:
        going = conn.execute(select(_row.fonds, _row.stream).where(_row.ended_ms.is_(None))).all()
    for fonds, stream in going:
        if stream not in names:
            _end(uow, clock, fonds, stream)


def _end(uow: UnitOfWork, clock: Clock, fonds: str, stream: str) -> None:
    def write(unit: Unit) -> None:
        now = clock.now()
        open_ = _named(stream, fonds) & _row.ended_ms.is_(None)
        if unit.conn.execute(update(log_streams).where(open_).values(ended_ms=to_ms(now))).rowcount == 1:
            unit.add(Event("log.stream-ended", Actor(), now, object={"kind": "log", "id": fonds}, data={"stream": stream}))

    uow.bookkeep(fonds, write)


def taken(conn: Connection, clock: Clock, stream: str, fonds: str, start: int, end: int) -> None:
    """Move on from `start` to `end`. RuntimeError where the position is another: two must never send one stream."""
    here = _named(stream, fonds) & (_row.position == start)
    if conn.execute(update(log_streams).where(here).values(position=end, moved_ms=to_ms(clock.now()))).rowcount != 1:
        raise RuntimeError("the stream's position is not the one it was sent from")
    reach("streams.position-moved")


def position(conn: Connection, stream: str, fonds: str, *, lock: bool = False) -> int | None:
    """Where the stream stands; with `lock` the row is held until the transaction ends, and None where another process holds it."""
    query = select(_row.position).where(_named(stream, fonds), _row.ended_ms.is_(None))
    found: int | None = conn.scalar(query.with_for_update(skip_locked=True) if lock else query)
    return found


def behind(db: Database, streams: Iterable[Stream]) -> dict[str, int]:
    """Published entries that are still to be taken, by stream, over all logs."""
    return {stream.name: sum(one.behind for one in standings(db, stream)) for stream in streams}


def _named(stream: str, fonds: str) -> ColumnElement[bool]:
    return (_row.fonds == fonds) & (_row.stream == stream)
