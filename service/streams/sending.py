"""Sending: a thread for each stream, which takes published entries to its receiver batch by batch, and only then moves on.

At least once, and in order for each log: a batch that is not known to have been taken is sent again, by whoever comes after a kill, too.
The archive never waits for it: nothing is locked while a receiver is spoken to but, on PostgreSQL, the stream's own row, which keeps other
processes from sending the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Final

from sqlalchemy import Connection

from audit.store import last_checkpoint
from foundation.clock import Clock
from foundation.database import Database
from foundation.steps import reach
from foundation.uow import UnitOfWork
from reviews.copies import Range, bundles
from reviews.copies_rows import Row
from service.logs import code_of
from service.streams import positions
from service.streams.batches import Batch, Receiver
from service.streams.config import Stream
from service.streams.errors import DeliveryFailed
from service.streams.syslog import SyslogReceiver
from service.streams.webhook import WebhookReceiver

LARGEST: Final = 256
"""Entries of a batch."""
_BYTES: Final = 2 * 2**20
_LONGEST_BACK_OFF: Final = 300.0
_STOPPING: Final = 15.0
Report = Callable[[str, str, str], None]
"""(stream, fonds, code) of what goes wrong, and with an empty code once it goes well again; the fonds is "" where all failed at once."""


class Sender:
    """One stream's thread. What goes wrong is kept in `failing` by fonds and tried again, each time after a longer wait."""

    def __init__(
        self, db: Database, uow: UnitOfWork, clock: Clock, stream: Stream, receiver: Receiver, *, interval: float, report: Report
    ) -> None:
        """Nothing is read or sent yet."""
        self.stream = stream
        self.failing: dict[str, str] = {}
        self._db = db
        self._uow = uow
        self._clock = clock
        self._receiver = receiver
        self._interval = interval
        self._report = report
        self._stopping = threading.Event()
        self._waits: dict[str, tuple[float, float]] = {}
        self._thread = threading.Thread(target=self._run, name=f"stream-{stream.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End what is going on; what the receiver was not known to have taken is sent again after the next start."""
        self._stopping.set()
        self._receiver.break_off()

    def join(self) -> None:
        """Wait for the end, but not for a database that hangs."""
        if self._thread.is_alive():
            self._thread.join(_STOPPING)

    def round(self) -> float:
        """Send a batch of every log that has something and whose wait is over; return how long to pause. Raises nothing."""
        pause = self._interval
        try:
            due = [one for one in positions.standings(self._db, self.stream) if one.behind or not one.begun]
        except Exception as error:  # noqa: BLE001  a database that is away comes back; the sender must still be there then
            self._note("", error)
            return pause
        self._note("", None)
        for one in due:
            if self._stopping.is_set():
                break
            if time.monotonic() < self._waits.get(one.fonds, (0.0, 0.0))[0]:
                continue
            working = time.thread_time()
            try:
                if not one.begun:
                    positions.begin(self._uow, self._clock, self.stream, one)
                more = self._send(one.fonds)
            except Exception as error:  # noqa: BLE001  what fails for one log must not stop the others
                self._note(one.fonds, error)
            else:
                if more is None:
                    continue
                self._note(one.fonds, None)
                if more:
                    # As long as the processor was used: what is to be caught up on never takes more than half of it from the archive.
                    pause = min(pause, time.thread_time() - working)
        return pause

    def _send(self, fonds: str) -> bool | None:
        """Send the next batch; tell whether there is more, None where none was sent. DeliveryFailed, LogForked, errors of the database."""
        if self._db.dialect == "sqlite":
            # One process owns the file and one thread this stream; the one lane is not held while a receiver is spoken to.
            with self._db.read() as conn:
                start = positions.position(conn, self.stream.name, fonds)
            batch, more = self._next(fonds, start)
            if batch is not None:
                self._deliver(batch)
                moved = partial(self._move, batch)
                self._uow.bookkeep(fonds, lambda unit: moved(unit.conn))
            return None if batch is None else more
        with self._db.write() as conn:
            batch, more = self._next(fonds, positions.position(conn, self.stream.name, fonds, lock=True))
            if batch is not None:
                self._deliver(batch)
                self._move(batch, conn)
        return None if batch is None else more

    def _next(self, fonds: str, start: int | None) -> tuple[Batch | None, bool]:
        """The next batch of what is published, and whether there is more after it; none from no start: it is another process's turn."""
        with self._db.read() as conn:
            latest = last_checkpoint(conn, fonds)
        if start is None or latest is None or start >= latest.size:
            return None, False
        found = Range(fonds, start, min(start + LARGEST, latest.size) - 1, latest.size)
        rows: list[Row] = []
        size = 0
        for row in chain.from_iterable(bundles(self._db, found)):
            size += len(row.body)
            if rows and size > _BYTES:
                break
            rows.append(row)
        batch = Batch(fonds, tuple(rows), latest.note)
        reach("streams.batch-read")
        return batch, batch.end < latest.size

    def _deliver(self, batch: Batch) -> None:
        self._receiver.deliver(batch)
        reach("streams.batch-taken")

    def _move(self, batch: Batch, conn: Connection) -> None:
        positions.taken(conn, self._clock, self.stream.name, batch.fonds, batch.rows[0].index, batch.end)

    def _note(self, fonds: str, error: BaseException | None) -> None:
        code = "" if error is None else error.code if isinstance(error, DeliveryFailed) else code_of(error)
        if error is None:
            self._waits.pop(fonds, None)
            if self.failing.pop(fonds, None) is None:
                return
        else:
            self.failing[fonds] = code
            back_off = min(_LONGEST_BACK_OFF, 2 * self._waits.get(fonds, (0.0, self._interval / 2))[1])
            asked = error.wait if isinstance(error, DeliveryFailed) else 0.0
            self._waits[fonds] = (time.monotonic() + max(back_off, asked), back_off)
        if not self._stopping.is_set():
            self._report(self.stream.name, fonds, code)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self.round()


class Streams:
    """All streams of this process."""

    def __init__(self, db: Database, uow: UnitOfWork, clock: Clock, senders: Sequence[Sender]) -> None:
        """Nothing is sent yet."""
        self.senders = tuple(senders)
        self._db = db
        self._uow = uow
        self._clock = clock

    def start(self) -> None:
        """Put on record which streams are no more, and begin to send."""
        positions.end_others(self._db, self._uow, self._clock, {sender.stream.name for sender in self.senders})
        for sender in self.senders:
            sender.start()

    def stop(self) -> None:
        """Break off what is going on, and end."""
        for sender in self.senders:
            sender.ask_to_stop()
        for sender in self.senders:
            sender.join()

    def behind(self) -> dict[str, int]:
        """Published entries each receiver has not taken yet, over all logs."""
        return positions.behind(self._db, [sender.stream for sender in self.senders])


def streams_of(
    db: Database, uow: UnitOfWork, clock: Clock, streams: Sequence[Stream], *, hostname: str, interval: float, report: Report
) -> Streams:
    """The streams of a configuration; `interval`: seconds between two looks at what was published."""
    senders = []
    for stream in streams:
        receiver: Receiver = SyslogReceiver(stream, hostname) if stream.kind == "syslog" else WebhookReceiver(stream, clock)
        senders.append(Sender(db, uow, clock, stream, receiver, interval=interval, report=report))
    return Streams(db, uow, clock, senders)
