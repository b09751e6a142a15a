"""Asking witnesses for their cosignatures: a thread for each, beside everything else the archive does.

Nothing waits for a witness: a thread looks every second whether there is a checkpoint its witness has not cosigned, asks for that one
(those in between are covered by it), though not again before some seconds are over, verifies the answer and keeps it. So a witness that
is slow, away for days, or lying is behind, and that is all; each has its own thread, its own pauses, and bounds on what it may send.

Several processes of one archive may ask the same witness: what one of them was told, all of them find in the database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
from sqlalchemy import Connection

from audit.publishing import Publishing
from audit.store import Published, TileRows
from audit.witnessing import Panel, keep, line_by, next_for
from foundation.clock import to_ms
from foundation.errors import ArchiveError
from service.witness.wire import PATH, AddCheckpoint, parse_size
from service.witnesses import AskedWitness, Witnesses
from tlog.errors import TlogError
from tlog.merkle import consistency_path

# For each wait; an answer as a whole may take three of them, and be no longer than a hundred signatures.
WAIT_SECONDS: Final = 5.0
MOST_ANSWER: Final = 64 * 1024
LOOK_SECONDS: Final = 1.0
SHORTEST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0
_TRIES: Final = 3
Report = Callable[[str, str, str], None]
"""(witness, fonds, code), called when what is wrong with a witness changes; the code is empty when it went well again."""


class WitnessFault(Exception):
    """A witness did not cosign; `code` is stable: `witness-unreachable`, `witness-answered-<status>`, `witness-answer-invalid`,
    `witness-ahead` (it has cosigned more entries than this archive has: one of the two was set back, or somebody else has the log's key).
    """

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


class _Stopped(Exception):
    """The archive is closing; nothing more may touch its database."""


@dataclass
class _Pause:
    seconds: float = 0.0
    until: float = 0.0

    def begin(self) -> None:
        self.seconds = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, 2 * self.seconds))
        self.until = time.monotonic() + self.seconds


class Cosigning:
    """All witnesses of one archive."""

    def __init__(self, publishing: Publishing, witnesses: Witnesses, report: Report = lambda _witness, _fonds, _code: None) -> None:
        """Ask nobody yet. Faults are reported by a process that serves, and only kept (`faults`) by one that asks now and then."""
        self.panel: Panel = witnesses.panel
        self._publishing = publishing
        self.report: Report = lambda _witness, _fonds, _code: None
        self._stopping = threading.Event()
        self._gate = threading.Lock()
        self._report = report
        self._askers = [_Asker(self, one, witnesses.every_seconds) for one in witnesses.asked]

    def start(self) -> None:
        """Begin to ask, each witness on a thread of its own, and to report."""
        self.report = self._report
        for asker in self._askers:
            threading.Thread(target=asker.run, args=(self._stopping,), name="cosigning", daemon=True).start()

    def stop(self) -> None:
        """End. A thread that waits for its witness is left to itself: it does not touch the database any more."""
        self._stopping.set()
        with self._gate:
            pass

    def ask(self, fonds: str) -> None:
        """Ask every witness once, now, one after the other, for the newest checkpoint of a fonds."""
        for asker in self._askers:
            asker.round([fonds], at_once=True)

    def faults(self) -> dict[tuple[str, str], str]:
        """What is wrong with witnesses, as this process found it: (witness, fonds) -> code."""
        return {(asker.witness.key.name, fonds): code for asker in self._askers for fonds, code in asker.faults.copy().items()}

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot, unless the archive is closing."""
        with self._gate:
            self._must_go_on()
            with self._publishing.db.read() as conn:
                yield conn

    def kept(self, fonds: str, size: int, asked: AskedWitness, line: str) -> None:
        """Keep a verified line, unless the archive is closing."""
        with self._gate:
            self._must_go_on()
            with self._publishing.db.write() as conn:
                keep(conn, fonds, size, asked.key, line, to_ms(self._publishing.clock.now()))

    def logs(self) -> list[str]:
        """The fonds whose logs have a checkpoint."""
        with self._gate:
            self._must_go_on()
            return [lag.fonds for lag in self._publishing.lags() if lag.signed]

    def _must_go_on(self) -> None:
        if self._stopping.is_set():
            raise _Stopped


class _Asker:
    """One witness: asked for one log after the other, a log it refuses less and less often."""

    def __init__(self, all_: Cosigning, witness: AskedWitness, every: float) -> None:
        self.witness = witness
        self._every = every
        self.faults: dict[str, str] = {}
        self._all = all_
        self._pauses: dict[str, _Pause] = {}
        self._http = httpx.Client(
            verify=witness.tls if witness.tls is not None else True, timeout=WAIT_SECONDS, follow_redirects=False, trust_env=False
        )

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(min(self._every, LOOK_SECONDS)):
            try:
                self.round(self._all.logs())
            except _Stopped:
                return
            except Exception as error:  # noqa: BLE001  a database that is away comes back; the thread must still be there then
                self._note("", error.code if isinstance(error, ArchiveError) else type(error).__name__)
            else:
                self._note("", "")

    def round(self, logs: list[str], *, at_once: bool = False) -> None:
        """Ask for each of these logs whose pause is over, or `at_once`; what goes wrong is noted, not raised."""
        for fonds in logs:
            pause = self._pauses.setdefault(fonds, _Pause())
            if time.monotonic() < pause.until and not at_once:
                continue
            try:
                asked = self._ask(fonds)
            except (WitnessFault, TlogError, ArchiveError) as fault:
                pause.begin()
                self._note(fonds, "witness-answer-invalid" if isinstance(fault, TlogError) else fault.code)
            else:
                self._pauses[fonds] = _Pause(until=time.monotonic() + self._every if asked else 0.0)

    def _ask(self, fonds: str) -> bool:
        """Ask for the checkpoint that is due, again from where the witness says it is; False where none is."""
        with self._all.reading() as conn:
            due = next_for(conn, fonds, self.witness.key, self._all.panel.keys)
        if due is None:
            return False
        known, checkpoint = due
        old, tries = known, 1
        status, answer = self._post(fonds, old, checkpoint)
        while status == 409 and tries < _TRIES:
            old, tries = parse_size(answer), tries + 1
            if old > checkpoint.size:
                # It was asked for more meanwhile, by another process of this archive; or this archive is not what it was.
                with self._all.reading() as conn:
                    due = next_for(conn, fonds, self.witness.key)
                if due is None:
                    return True
                checkpoint = due[1]
                if old > checkpoint.size:
                    raise WitnessFault("witness-ahead")
            status, answer = self._post(fonds, old, checkpoint)
        if status != 200:
            raise WitnessFault(f"witness-answered-{status}")
        self._all.kept(fonds, checkpoint.size, self.witness, line_by(self.witness.key, checkpoint.note, answer))
        # It must not forget what it has said: whoever shows it another history now might be believed. Only a new start forgets this here.
        self._note(fonds, "witness-went-back" if old < known or self.faults.get(fonds) == "witness-went-back" else "")
        return True

    def _post(self, fonds: str, old: int, checkpoint: Published) -> tuple[int, bytes]:
        """Send a checkpoint with its proof; the answer's status and body."""
        with self._all.reading() as conn:
            proof = consistency_path(old, checkpoint.size, TileRows(conn, fonds).source(checkpoint.size))
        body = AddCheckpoint(old, tuple(proof), checkpoint.note).format()
        began, found = time.monotonic(), b""
        try:
            with self._http.stream("POST", self.witness.url + PATH, content=body, headers={"Content-Type": "text/plain"}) as answer:
                for part in answer.iter_raw():
                    found += part
                    if len(found) > MOST_ANSWER or time.monotonic() - began > 3 * WAIT_SECONDS:
                        raise WitnessFault("witness-answer-invalid")
                return answer.status_code, found
        except (httpx.HTTPError, httpx.InvalidURL):
            raise WitnessFault("witness-unreachable") from None

    def _note(self, fonds: str, code: str) -> None:
        if code != self.faults.get(fonds, ""):
            self._all.report(self.witness.key.name, fonds, code)
        if code:
            self.faults[fonds] = code
        else:
            self.faults.pop(fonds, None)
