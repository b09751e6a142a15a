"""Witnesses with folders of their own, real ones behind a real uvicorn, lying ones, and logs for them to be asked about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sqlalchemy import select

from audit.anchor import Anchors
from audit.events import Actor, Event
from audit.publishing import Publishing
from audit.sequencing import Sequencer
from audit.store import Published
from audit.tables import log_cosignatures
from audit.witnessing import Panel, WitnessLag, lags
from foundation.clock import Clock, MovableClock, SystemClock, to_ms
from foundation.database import Database
from foundation.uow import UnitOfWork
from service.cosigning import Cosigning
from service.witness.folder import WitnessFolder
from service.witness.http import server_of
from service.witness.judging import Witness
from service.witness.wire import AddCheckpoint
from service.witnesses import AskedWitness, Witnesses
from signed_log import SigningKey, leaf, mth
from tlog.merkle import consistency_path
from tlog.note import VerifierKey
from vault.cosigner import Cosigner
from vault.signer import LogSigner
from vault.unlock import Argon2Cost, Passphrase

ORIGIN = "archive.invalid/f-1"
UNLOCK = Passphrase("invented words for a witness", Argon2Cost(memory_kib=8, iterations=1, lanes=1))


@dataclass
class GrowingLog:
    """A log by its definition alone: any history that its key signs."""

    key: SigningKey = field(default_factory=lambda: SigningKey.from_seed(ORIGIN, 7))
    history: str = "true"
    branches_at: int = 0

    def leaves(self, size: int) -> list[bytes]:
        """Leaf hashes; another `history` differs from the true one from `branches_at` on."""
        return [leaf(f"{'true' if at < self.branches_at else self.history} {at}".encode()) for at in range(size)]

    def note(self, size: int, *, by: SigningKey | None = None, origin: str | None = None) -> bytes:
        return (by or self.key).checkpoint(self.leaves(size), origin=origin or self.key.name)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        leaves = self.leaves(new)
        return tuple(consistency_path(old, new, lambda height, at: mth(leaves[at << height : (at + 1) << height])))

    def ask(self, old: int, new: int) -> bytes:
        """The body of `add-checkpoint` from one size to another."""
        return AddCheckpoint(old, self.proof(old, new), self.note(new)).format()

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey.parse(self.key.vkey())


def made_witness(folder: Path, *logs: VerifierKey, name: str = "witness.invalid/w1", clock: Clock | None = None) -> Witness:
    """A witness in `folder` with its second memory beside it, knowing these logs."""
    cosigner = Cosigner.make(WitnessFolder.key_file(folder), name, UNLOCK)
    made = WitnessFolder.make(folder, cosigner.verifier, folder.with_name(f"{folder.name}-memory"))
    for log in logs:
        made.trust(log)
    return Witness(made, cosigner, clock or SystemClock())


def opened_witness(folder: Path, clock: Clock | None = None) -> Witness:
    """The witness in `folder` as another process opens it."""
    return Witness(WitnessFolder.open(folder), Cosigner.load(WitnessFolder.key_file(folder), UNLOCK), clock or SystemClock())


@contextmanager
def served_witness(witness: Witness, port: int = 0) -> Iterator[str]:
    """The witness behind a real uvicorn on a port of this machine; its URL."""
    server = server_of(witness, host="127.0.0.1", port=port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        for _ in range(1000):
            if server.started:
                break
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


Answering = Callable[[AddCheckpoint], tuple[int, bytes]]


@contextmanager
def lying_witness(answer: Answering) -> Iterator[tuple[str, list[AddCheckpoint]]]:
    """A server that answers `add-checkpoint` as it likes: its URL, and what it was asked."""
    asked: list[AddCheckpoint] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(AddCheckpoint.parse(self.rfile.read(int(self.headers["Content-Length"]))))
            status, body = answer(asked[-1])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class PublishedLog:
    """An archive's log with its publisher's side, and nothing else of an archive."""

    db: Database
    uow: UnitOfWork
    clock: MovableClock
    publishing: Publishing

    def grow(self, entries: int, fonds: str = "f-1") -> Published:
        """Append so many entries and publish them."""
        events = [
            Event("fonds.created", Actor(), self.clock.advance(0.001), object={"kind": "fonds", "id": fonds}, reason="furnished")
            for _ in range(entries)
        ]
        self.uow.run(fonds, lambda unit: [unit.add(event) for event in events])
        made = self.publishing.publish(fonds)
        assert made is not None
        self.clock.advance(1)
        return made

    def cosigning(self, *asked: tuple[str, VerifierKey], quorum: int = 1, every: float = 0.02) -> Cosigning:
        """Its side of asking these witnesses: (URL, key)."""
        panel = Panel(tuple(key for _, key in asked), quorum)
        return Cosigning(self.publishing, Witnesses(tuple(AskedWitness(url, key, None) for url, key in asked), panel, every))

    def lags(self, panel: Panel) -> list[WitnessLag]:
        """How far each of these witnesses is behind."""
        with self.db.read() as conn:
            return lags(conn, panel, ["f-1"], to_ms(self.clock.now()))

    def witnesses_of(self, size: int, fonds: str = "f-1") -> list[str]:
        """Who has cosigned the checkpoint of that size."""
        row = log_cosignatures.c
        with self.db.read() as conn:
            query = select(row.witness).where(row.fonds == fonds, row.size == size).order_by(row.witness)
            return [name.partition("+")[0] for name in conn.scalars(query)]

    def key(self, fonds: str = "f-1") -> VerifierKey:
        return VerifierKey.parse(self.publishing.signers(fonds, 1).vkey)


@contextmanager
def published_log(url: str, folder: Path, clock: MovableClock) -> Iterator[PublishedLog]:
    """The log in this database, its anchors in `folder`."""
    db = Database(url, pool_size=8)
    uow = UnitOfWork(db, Sequencer())

    def signer(fonds: str, epoch: int) -> LogSigner:
        return LogSigner(f"archive.invalid/{fonds}" + ("" if epoch == 1 else f"/{epoch}"), sha256(fonds.encode()).digest())

    yield PublishedLog(db, uow, clock, Publishing(db, signer, Anchors(folder / "anchors"), clock))
    uow.close()
    db.close()
