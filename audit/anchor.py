"""The anchor: the last signed checkpoint of each fonds, kept in a directory outside the database.

A database restored from a backup, or rewritten, knows nothing of the checkpoints signed since; the anchor does. It is written before a
checkpoint enters the database: no one is ever shown a checkpoint that the archive itself could forget. Several processes, on one
machine or on several, must share one directory.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from audit.errors import AnchorMissing, AnchorUnreadable, LogForked, LogRolledBack
from audit.store import TileRows, head_of, last_checkpoint
from foundation.durable import clear_unfinished, write_durably
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import TlogError
from tlog.note import VerifierKey, parse_note

_NAMES = re.compile(r"[^/]+\.checkpoint(?:\.superseded-[0-9]+)?")


class Anchors:
    """A directory with one file per fonds, `<fonds>.checkpoint`, holding a signed note."""

    def __init__(self, directory: Path) -> None:
        """Use `directory`, making it (mode 0700) where it is missing; what a killed process left half-written there goes."""
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        clear_unfinished(directory, _NAMES)

    def path(self, fonds: str) -> Path:
        """Return where the anchor of a fonds lies."""
        return self.directory / f"{quote(fonds, safe='')}.checkpoint"

    def read(self, fonds: str) -> bytes | None:
        """Return the anchored note, None where there is none."""
        try:
            return self.path(fonds).read_bytes()
        except FileNotFoundError:
            return None

    def keep(self, fonds: str, note: bytes) -> None:
        """Make `note` the anchor, durably, unless a larger one is there already (another signer was faster).

        LogForked where the anchor has the same size and another root, or is of another life of the log.
        """
        new = _unverified(note)
        with self._locked():
            kept = self.read(fonds)
            if kept is not None:
                old = _unverified(kept)
                if old.origin != new.origin:
                    raise LogForked(fonds=fonds, signed=old.size, why="origin")
                if old.size == new.size and old.root != new.root:
                    raise LogForked(fonds=fonds, signed=old.size, why="root")
                if old.size >= new.size:
                    return
            write_durably(self.path(fonds), note, "audit.anchor")

    def supersede(self, fonds: str, old: bytes | None, note: bytes) -> None:
        """Make `note`, of another life of the log, the anchor if it still is `old`, of which a copy is kept as evidence.

        The copy is `<fonds>.checkpoint.superseded-<n>`. There is no moment without an anchor.
        """
        with self._locked():
            if self.read(fonds) != old:
                return
            if old is not None:
                number = 1
                while (aside := self.path(fonds).with_suffix(f".checkpoint.superseded-{number}")).exists():
                    number += 1
                write_durably(aside, old, "audit.superseded")
            write_durably(self.path(fonds), note, "audit.anchor")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.directory / ".lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def check(conn: Connection, fonds: str, anchored: bytes | None, vkey: str) -> Checkpoint | None:
    """Compare the stored log with what was signed; return the anchored checkpoint (None where nothing was ever signed).

    LogRolledBack: fewer entries than signed. LogForked: another history. AnchorMissing, AnchorUnreadable: it cannot be told.
    """
    head = head_of(conn, fonds)
    last = last_checkpoint(conn, fonds)
    size = 0 if head is None else head.size
    if anchored is None:
        if last is not None:
            raise AnchorMissing(fonds=fonds)
        return None
    try:
        anchor = open_checkpoint(anchored, VerifierKey.parse(vkey))
    except TlogError as error:
        raise AnchorUnreadable(fonds=fonds) from error
    signed = max(anchor.size, 0 if last is None else last.size)
    if size < signed:
        raise LogRolledBack(fonds=fonds, signed=signed, found=size)
    _compare(conn, fonds, anchor.size, anchor.root, "anchor")
    if last is not None and (last.size, last.root) != (anchor.size, anchor.root):
        _compare(conn, fonds, last.size, last.root, "checkpoint")
    return anchor


def _compare(conn: Connection, fonds: str, size: int, root: bytes, why: str) -> None:
    try:
        found = TileRows(conn, fonds).root(size)
    except TlogError:
        raise LogForked(fonds=fonds, signed=size, why=f"{why}-hashes-missing") from None
    if found != root:
        raise LogForked(fonds=fonds, signed=size, why=why)


def _unverified(note: bytes) -> Checkpoint:
    return Checkpoint.parse(parse_note(note).text)
