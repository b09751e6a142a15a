"""A witness's folder: which logs it knows, and the last checkpoint it cosigned of each, in two copies.

    DIR/witness.json                   the witness's public key, and where its memory lies
    DIR/key                            its sealed key (vault.cosigner)
    DIR/<h>.vkey                       a log's verifier key; <h> is SHA-256 of the origin in hex, as in c2sp.org/tlog-witness
    DIR/<h>.checkpoint                 the last checkpoint cosigned, with the log's signature and the witness's
    DIR/<h>.contradiction-<n>          a checkpoint the log signed that contradicts it: evidence, kept as it came
    MEMORY/<h>.checkpoint              the same as DIR/<h>.checkpoint

The memory is meant to lie apart from DIR and out of its backup: the larger copy counts, so an older DIR that is put back forgets nothing.
A copy that is gone is not made up for silently. Both are replaced whole and synced before a cosignature is handed out.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from foundation.durable import clear_unfinished, write_durably
from service.witness.errors import OtherKeyTrusted, WitnessExists, WitnessFolderMissing, WitnessForgot, WitnessStateWrong
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import TlogError
from tlog.merkle import EMPTY_ROOT
from tlog.note import COSIGNATURE_V1, ED25519, MAX_NOTE_BYTES, VerifierKey, parse_note, verify_note
from tlog.tiles import read_regular

_FORMAT: Final = "petition-archive-witness/1"
_NOTHING: Final = b"nothing cosigned yet\n"
_MOST_CONTRADICTIONS: Final = 20
_NAMES = re.compile(r"[0-9a-f]{64}\.(vkey|checkpoint|contradiction-[0-9]+)|witness\.json")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the witness holds a log to: its size and root, and the note that says so (empty before the first)."""

    size: int
    root: bytes
    note: bytes
    seconds: int | None = None  # when it was cosigned; None: it never was


@dataclass(frozen=True, slots=True)
class Log:
    """A log the witness knows; `hash` names its files: `kept` and `remembered` are the two copies of what was last cosigned."""

    key: VerifierKey
    hash: str
    kept: Path
    remembered: Path

    @property
    def contradictions(self) -> list[Path]:
        """The checkpoints kept as evidence against the log."""
        return sorted(self.kept.parent.glob(f"{self.hash}.contradiction-*"))


def hash_of(origin: str) -> str:
    """How a log's files and its address are named."""
    return sha256(origin.encode()).hexdigest()


class WitnessFolder:
    """One witness's folder; any number of threads and processes may use it at once."""

    def __init__(self, path: Path, key: VerifierKey, memory: Path) -> None:
        """For `make` and `open`."""
        self.path, self.key, self.memory = path, key, memory

    @staticmethod
    def key_file(path: Path) -> Path:
        """Where the sealed key of the witness in `path` lies."""
        return path / "key"

    @classmethod
    def make(cls, path: Path, key: VerifierKey, memory: Path) -> Self:
        """Make it around a key that was just made in `path`; the memory's folder is made too. WitnessExists."""
        if (path / "witness.json").exists():
            raise WitnessExists(folder=str(path))
        memory = memory.resolve()
        memory.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = {"format": _FORMAT, "memory": str(memory), "vkey": str(key)}
        write_durably(path / "witness.json", (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode(), "witness.made")
        return cls(path, key, memory)

    @classmethod
    def open(cls, path: Path) -> Self:
        """WitnessFolderMissing where there is none."""
        try:
            about = json.loads(read_regular(path / "witness.json", 65536))
            made = cls(path, VerifierKey.parse(about["vkey"]), Path(about["memory"]))
            known = about["format"] == _FORMAT and made.key.type_byte == COSIGNATURE_V1
        except (OSError, ValueError, KeyError, TypeError, TlogError):
            raise WitnessFolderMissing(folder=str(path)) from None
        if not known:
            raise WitnessFolderMissing(folder=str(path))
        for folder in (path, made.memory):
            clear_unfinished(folder, _NAMES)
        return made

    def logs(self) -> list[Log]:
        """Every log it knows, by name."""
        return sorted((self._log(_key_in(file)) for file in self.path.glob("*.vkey")), key=lambda log: log.key.name)

    def log_of(self, origin: str) -> Log | None:
        """The log of that origin, None where it is not known."""
        try:
            key = _key_in(self.path / f"{hash_of(origin)}.vkey")
        except FileNotFoundError:
            return None
        return self._log(key) if key.name == origin else None

    def trust(self, key: VerifierKey, begun: bytes = b"") -> Log:
        """Know a log from now on, from the checkpoint `begun` of it or from nothing; again: mend a copy that is gone from the other.

        OtherKeyTrusted, WitnessStateWrong; WitnessForgot where both copies of a known log are gone and `begun` is not given; TlogError
        where that is no checkpoint of the log.
        """
        if key.type_byte != ED25519:
            raise ValueError("a log signs with type 01")
        if begun:
            open_checkpoint(begun, key)
        log = self._log(key)
        with self.locked(log):
            known = self.log_of(key.name)
            if known is not None and known.key != key:
                raise OtherKeyTrusted(origin=key.name)
            there = [seen for path in (log.kept, log.remembered) if (seen := self._read(log, path)) is not None]
            if known is not None and not there and not begun:
                raise WitnessForgot(origin=key.name, file=str(log.remembered))
            newest = self._newest(log, there).note if there else begun
            for path in (log.remembered, log.kept):
                if not path.exists():
                    write_durably(path, newest or _NOTHING, "witness.trusted")
            if known is None:
                write_durably(self.path / f"{log.hash}.vkey", f"{key}\n".encode(), "witness.log-known")
        return log

    def seen(self, log: Log) -> Seen:
        """What was last cosigned: the larger of the two copies. WitnessForgot, WitnessStateWrong."""
        found = []
        for path in (log.kept, log.remembered):
            copy = self._read(log, path)
            if copy is None:
                raise WitnessForgot(origin=log.key.name, file=str(path))
            found.append(copy)
        return self._newest(log, found)

    def keep(self, log: Log, note: bytes) -> None:
        """Make `note` what was last cosigned, in both copies, durably; call inside `locked`. OSError: it may be in the memory alone."""
        write_durably(log.remembered, note, "witness.remembered")
        write_durably(log.kept, note, "witness.kept")

    def keep_contradiction(self, log: Log, note: bytes) -> None:
        """Keep a checkpoint that contradicts what was cosigned, once, and not more of them than are needed; call inside `locked`."""
        there = log.contradictions
        if len(there) < _MOST_CONTRADICTIONS and all(path.read_bytes() != note for path in there):
            write_durably(self.path / f"{log.hash}.contradiction-{len(there) + 1}", note, "witness.contradicted")

    @contextmanager
    def locked(self, log: Log) -> Iterator[None]:
        """Hold a log's lock against other threads and processes; it lies with the memory, which copies of DIR share."""
        descriptor = os.open(log.remembered.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _log(self, key: VerifierKey) -> Log:
        name = hash_of(key.name)
        return Log(key, name, self.path / f"{name}.checkpoint", self.memory / f"{name}.checkpoint")

    def _read(self, log: Log, path: Path) -> Seen | None:
        """One copy, None where it is not there."""
        try:
            note = read_regular(path, MAX_NOTE_BYTES)
        except FileNotFoundError:
            return None
        except OSError:
            raise WitnessStateWrong(origin=log.key.name, file=str(path)) from None
        if note == _NOTHING:
            return Seen(0, EMPTY_ROOT, b"")
        try:
            found = dict(verify_note(parse_note(note), [log.key, self.key]))
            checkpoint = Checkpoint.parse(parse_note(note).text)
        except TlogError:
            raise WitnessStateWrong(origin=log.key.name, file=str(path)) from None
        if log.key not in found or checkpoint.origin != log.key.name:
            raise WitnessStateWrong(origin=log.key.name, file=str(path))
        return Seen(checkpoint.size, checkpoint.root, note, found.get(self.key))

    @staticmethod
    def _newest(log: Log, found: list[Seen]) -> Seen:
        newest = max(found, key=lambda seen: (seen.size, seen.seconds or 0))
        if any(seen.size == newest.size and seen.root != newest.root for seen in found):
            raise WitnessStateWrong(origin=log.key.name, file=str(log.kept))
        return newest


def _key_in(file: Path) -> VerifierKey:
    return VerifierKey.parse(read_regular(file, 4096).decode().strip())
