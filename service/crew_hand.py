"""One preparing process: opens the key ring, then prepares what its parent sends until the parent is gone. See `service.crew`.

It has no database, listens nowhere and writes nothing but, where a key-encryption key is missing, the key ring (under its lock).
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

from archive.preparing import Outcome, Tools, prepare_all
from service.rulebooks import Rulebooks
from vault.keyring import KeyRing


def run(channel: Connection) -> None:
    """Answer jobs until the channel ends. The first message names the key ring, unlocks it, and tells where rules are laid over the
    packaged ones; the answer to it says: ready.
    """
    path, unlock, archive_id, folder = _received(channel)
    ring = KeyRing.load(path, unlock, archive_id=archive_id)
    rulebooks = Rulebooks(folder)
    rulebooks.of("")  # compiled now, not on the first job's time
    channel.send_bytes(b"ready")
    # What is made for a job goes with it, by reference counts; the few circles of a job are looked for between jobs, not within.
    gc.disable()
    gc.freeze()
    while True:
        channel.send_bytes(pickle.dumps(_prepared(ring, rulebooks, _received(channel)), pickle.HIGHEST_PROTOCOL))
        gc.collect()


def _prepared(ring: KeyRing, rulebooks: Rulebooks, job: tuple[Any, ...]) -> list[Outcome] | None:
    version, now, fonds, records = job
    rulebook = rulebooks.of(fonds)
    if version != rulebook.version:
        return None  # an overlay that was changed since the parent read it: the parent's rules are in force
    try:
        return prepare_all(Tools(ring, rulebook, now), fonds, records)
    except Exception:  # noqa: BLE001  the parent does it itself then, and meets the same error where it can be told
        return None


def _received(channel: Connection) -> Any:
    return pickle.loads(channel.recv_bytes())  # noqa: S301  from the parent, over a socket that nobody else holds


def main() -> None:
    """Take the channel from standard input and work."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A signal to the whole group is for the parent to answer; this process ends when the parent lets go of it, or dies.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as found, Connection(found.detach()) as channel:
        try:
            run(channel)
        except (EOFError, OSError):
            sys.exit(0)


if __name__ == "__main__":
    main()
