"""The signer's side: turns the durable log into a published one, at most every second, and never signs two histories.

Order, and why: the stored log is compared with what was signed before (anchor and last checkpoint); the new checkpoint is signed; the
anchor is written and synced; only then the checkpoint enters the database, by compare-and-set, and others can see it. A crash between
the last two leaves an anchor ahead of the table: the next round takes that very note over instead of signing anew. Tiles need no
writing: full ones were committed with the entries, partial ones are made from committed rows.

One signer at a time: on PostgreSQL the lock on the fonds' row in `log_signers` is held from reading to inserting, so any number of
processes may run a publisher; on SQLite one process owns the file and a lock of its own does the same. Appending never waits for it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, and_, func, insert, select, update

from audit.anchor import Anchors, check
from audit.errors import LogForked
from audit.heartbeat import Heart
from audit.store import Head, Published, TileRows, head_of, last_checkpoint
from audit.tables import log_checkpoints, log_entries, log_heads, log_signers
from foundation.clock import Clock, to_ms
from foundation.database import Database
from foundation.inserting import insert_new
from foundation.steps import reach
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import TlogError
from tlog.merkle import EMPTY_ROOT, consistency_path, verify_consistency
from tlog.note import VerifierKey, format_note


class Signer(Protocol):
    """The key of one log in one of its lives. `name` is the key's name and the log's origin."""

    @property
    def name(self) -> str:
        """`<archive>/<fonds>`, with `/<epoch>` after it in every life but the first."""
        ...

    @property
    def vkey(self) -> str:
        """The public key as verifiers take it."""
        ...

    def sign(self, text: str) -> str:
        """Return the signature line over a note's text."""
        ...


Signers = Callable[[str, int], Signer]
"""(fonds, epoch) -> the signer; other epochs of a fonds must have other names, so that no origin ever has two histories."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the published log of a fonds is behind its durable one. Times are milliseconds since the epoch.

    `signed_ms`: of the last checkpoint, None before the first; `newest_ms`: of the last entry, None where there is none; `waiting_ms`: of
    the oldest entry that no checkpoint covers, None where all are covered.
    """

    fonds: str
    size: int
    signed: int
    signed_ms: int | None
    newest_ms: int | None
    waiting_ms: int | None

    @property
    def unsigned(self) -> int:
        """Entries that no checkpoint covers yet."""
        return self.size - self.signed


class Publishing:
    """Checks, signs and publishes checkpoints of any fonds of one database."""

    def __init__(self, db: Database, signers: Signers, anchors: Anchors, clock: Clock) -> None:
        """Bind what is needed; nothing is read yet."""
        self.db = db
        self.signers = signers
        self.anchors = anchors
        self.clock = clock
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def check(self, fonds: str) -> None:
        """Compare the stored log of a fonds with its anchor, as `audit.anchor.check`; to be called for every fonds on start."""
        anchored = self.anchors.read(fonds)  # before the snapshot: a publisher may move both, and the log must not look the older one
        with self.db.read() as conn:
            head = head_of(conn, fonds)
            check(conn, fonds, anchored, self.signers(fonds, 1 if head is None else head.epoch).vkey)

    def publish(self, fonds: str) -> Published | None:
        """Publish the log as it stands; None when nothing is new or another signer was faster. Raises as `check`; signs nothing then."""
        with self._turns[fonds]:
            if self.db.dialect == "sqlite":
                # One writer: its lock is taken for the insert alone, not while the log is checked and the anchor reaches the disk.
                anchored = self.anchors.read(fonds)
                with self.db.read() as conn:
                    last, made = self._sign_next(conn, fonds, anchored)
                if made is None:
                    return None
                with self.db.write() as conn:
                    return made if _insert(conn, fonds, last, made) else None
            with self.db.write() as conn:
                _mark(conn, fonds)
                last, made = self._sign_next(conn, fonds, self.anchors.read(fonds))
                return made if made is not None and _insert(conn, fonds, last, made) else None

    def begin_life(self, fonds: str, anchored: bytes | None) -> None:
        """Sign and anchor the first checkpoint of a log's new life, in place of `anchored`; the next `publish` takes it over.

        For `audit.restoring` alone, after the entry that admits the restoration is durable.
        """
        with self.db.read() as conn:
            head = head_of(conn, fonds)
        if head is None:
            raise RuntimeError("an admitted log has an entry")
        self.anchors.supersede(fonds, anchored, _signed(self.signers(fonds, head.epoch), head))

    def lags(self) -> list[Lag]:
        """Return how far every log is behind, for alarms and for the publisher to know what to do: by primary keys, so that it costs the
        same in a log of any age.
        """
        head, mark, done = log_heads.c, log_signers.c, log_checkpoints.c
        newest, waiting = log_entries.alias(), log_entries.alias()
        signed = func.coalesce(mark.size, 0)
        joined = (
            log_heads.join(log_signers, mark.fonds == head.fonds, isouter=True)
            .join(log_checkpoints, and_(done.fonds == head.fonds, done.size == mark.size), isouter=True)
            .join(newest, and_(newest.c.fonds == head.fonds, newest.c.idx == head.size - 1), isouter=True)
            .join(waiting, and_(waiting.c.fonds == head.fonds, waiting.c.idx == signed), isouter=True)
        )
        query = select(head.fonds, head.size, signed, done.signed_ms, newest.c.time_ms, waiting.c.time_ms).select_from(joined)
        with self.db.read() as conn:
            return [Lag(*row) for row in conn.execute(query.order_by(head.fonds))]

    def _sign_next(self, conn: Connection, fonds: str, anchored: bytes | None) -> tuple[Published | None, Published | None]:
        """Return the last checkpoint and the next one, signed and anchored, after everything that must hold was checked."""
        last = last_checkpoint(conn, fonds)
        head = head_of(conn, fonds)
        signer = self.signers(fonds, 1 if head is None else head.epoch)
        anchor = check(conn, fonds, anchored, signer.vkey)
        if head is None or head.size == 0:
            return last, None
        self._must_extend(conn, fonds, anchor, last, head)
        if last is not None and last.size == head.size:
            return last, None
        if anchor is not None and anchored is not None and anchor.size == head.size:
            note = anchored
        else:
            note = _signed(signer, head)
            reach("audit.checkpoint-signed")
            self.anchors.keep(fonds, note)
        reach("audit.checkpoint-anchored")
        return last, Published(head.size, head.epoch, head.root, note, to_ms(self.clock.now()))

    def _must_extend(self, conn: Connection, fonds: str, anchor: Checkpoint | None, last: Published | None, head: Head) -> None:
        """Refuse (LogForked) a head that is not its tiles' root, or does not extend everything signed so far."""
        rows = TileRows(conn, fonds)
        signed = [(0, EMPTY_ROOT)]
        signed += [(item.size, item.root) for item in (anchor, last) if item is not None]
        try:
            if rows.root(head.size) != head.root:
                raise LogForked(fonds=fonds, signed=head.size, why="head")
            for size, root in signed:
                verify_consistency(size, root, head.size, head.root, consistency_path(size, head.size, rows.source(head.size)))
        except TlogError as error:
            raise LogForked(fonds=fonds, signed=head.size, why=error.code) from error


def _signed(signer: Signer, head: Head) -> bytes:
    text = Checkpoint(signer.name, head.size, head.root).text()
    note = format_note(text, [signer.sign(text)])
    open_checkpoint(note, VerifierKey.parse(signer.vkey))  # a signer that signs with another key than it says is caught here
    return note


def _mark(conn: Connection, fonds: str) -> None:
    """Lock the signer's mark of a fonds until the transaction ends, making it at first."""
    query = select(log_signers.c.size).where(log_signers.c.fonds == fonds).with_for_update()
    if conn.scalar(query) is None:
        insert_new(conn, log_signers, fonds=fonds, size=0)
        conn.scalar(query)


def _insert(conn: Connection, fonds: str, last: Published | None, made: Published) -> bool:
    """Enter the checkpoint if the last one is still the one it was checked against; tell whether it was."""
    _mark(conn, fonds)
    mark = log_signers.c
    moved = conn.execute(
        update(log_signers).where(mark.fonds == fonds, mark.size == (0 if last is None else last.size)).values(size=made.size)
    )
    if moved.rowcount != 1:
        return False
    reach("audit.signer-moved")
    conn.execute(
        insert(log_checkpoints).values(
            fonds=fonds, size=made.size, epoch=made.epoch, root=made.root, note=made.note, signed_ms=made.signed_ms
        )
    )
    return True


class Publisher:
    """A thread that publishes every fonds whose log has moved, at most every `interval` seconds, and survives what goes wrong.

    It also lets the heart beat for logs that are quiet. A log that cannot be published gets no beats: nobody outside would see them.
    """

    def __init__(
        self,
        publishing: Publishing,
        *,
        interval: float = 1.0,
        report: Callable[[str, BaseException | None], None] | None = None,
        heart: Heart | None = None,
    ) -> None:
        """`report(fonds, error)` is called after every attempt, with None when it went well; the fonds is "" where all failed at once."""
        self._publishing = publishing
        self._interval = interval
        self._report = report
        self._heart = heart
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._rounded = time.monotonic()
        self.failing: dict[str, BaseException] = {}

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last round ended; far more than `interval` where the thread hangs or is gone."""
        return time.monotonic() - self._rounded

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what is there once more, then end."""
        self._stopping.set()
        self._thread.join()

    def round(self) -> None:
        """Publish every log that has moved, or could not be published before; errors are kept in `failing` by fonds (and reported).

        None is ever raised.
        """
        try:
            lags = self._publishing.lags()
        except Exception as error:  # noqa: BLE001  a database that is away comes back; the publisher must still be there then
            self._note("", error)
            return
        self.failing.pop("", None)
        for lag in lags:
            fonds = lag.fonds
            try:
                if not (lag.unsigned or fonds in self.failing or self._beat(lag)):
                    continue
                self._publishing.publish(fonds)
            except Exception as error:  # noqa: BLE001  one refused log must not stop the others
                self._note(fonds, error)
            else:
                self._note(fonds, None)
        self._rounded = time.monotonic()

    def _beat(self, lag: Lag) -> bool:
        return self._heart is not None and self._heart.beat(lag.fonds, lag.newest_ms)

    def _note(self, fonds: str, error: BaseException | None) -> None:
        if error is None:
            self.failing.pop(fonds, None)
        else:
            self.failing[fonds] = error
        if self._report is not None:
            self._report(fonds, error)

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.round()
        self.round()
