"""The key ring's file: sealed as a whole, replaced as a whole, never half-written. Its format is in docs/formats/key-ring.md.

It is written under an exclusive lock on a neighbouring `.lock` file. A process killed anywhere leaves the old ring or the new one, and at
the most a temporary file beside it, sealed like the ring. Reading needs no lock.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final, NoReturn

from foundation.canonical import canonical
from foundation.durable import clear_unfinished, write_durably
from foundation.errors import InvalidInput, StorageUnavailable
from foundation.strict_json import loads
from vault.errors import (
    CannotOpen,
    KeyRingDamaged,
    KeyRingExists,
    KeyRingExposed,
    KeyRingMissing,
    KeyRingUnreadable,
    KeyRingWrong,
    UnknownSuite,
)
from vault.suites import NONCE_SIZE, Suite, suite_named
from vault.unlock import Unlock

FORMAT: Final = "petition-archive-key-ring/1"
_CHECK_SIZE: Final = 8
_LARGEST: Final = 64 * 1024 * 1024

Stamp = tuple[int, int, int, int]
"""Tells one state of the file from another without reading it: inode, times, size."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FileKey:
    """The key a ring file is sealed under, with the terms it was derived by, for as long as the process runs."""

    terms: dict[str, Any]
    suite: Suite
    secret: bytes
    check: str

    @classmethod
    def derive(cls, unlock: Unlock, terms: dict[str, Any], suite: Suite) -> FileKey:
        """Derive it from the unlocking secret; ValueError when the terms are of another kind."""
        root = suite.keyed(unlock.root(terms))
        secret = suite.expand(root, b"petition-archive/key-ring/file/v1", suite.key_size)
        return cls(terms, suite, secret, suite.expand(root, b"petition-archive/key-ring/check/v1", _CHECK_SIZE).hex())

    def __repr__(self) -> str:
        return f"<FileKey {self.suite.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


class RingFile:
    """One path. Every method refuses a file or folder that others could read or replace (`KeyRingExposed`)."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, document: dict[str, Any], unlock: Unlock, suite: Suite) -> FileKey:
        """Write the first state; the folder is made with mode 0700 where it is absent. `KeyRingExists` where there is a file."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = FileKey.derive(unlock, unlock.terms(), suite)
        with self.locked():
            if self.path.exists() or self.path.is_symlink():
                raise KeyRingExists(file=str(self.path))
            self.write(document, key)
        return key

    def unlock(self, unlock: Unlock) -> FileKey:
        """Derive the file's key; `KeyRingWrong` when this secret is not the one it was locked with."""
        header = self._envelope()["header"]
        try:
            key = FileKey.derive(unlock, header["unlock"], suite_named(header["suite"]))
            right = compare_digest(key.check, header["check"])
        except UnknownSuite:
            raise self._damaged() from None
        except (KeyError, TypeError, ValueError):
            raise KeyRingWrong from None
        if not right:
            raise KeyRingWrong
        return key

    def read(self, key: FileKey) -> dict[str, Any]:
        """Return the ring's document. `KeyRingWrong` when the file was locked anew with another secret since."""
        envelope = self._envelope()
        header = envelope["header"]
        if header.get("unlock") != key.terms or header.get("check") != key.check:
            raise KeyRingWrong
        try:
            sealed = base64.b64decode(envelope["sealed"], validate=True)
            plaintext = key.suite.decrypt(key.secret, sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], canonical(header))
            document = json.loads(plaintext)
        except (CannotOpen, ValueError):
            raise self._damaged() from None
        if not isinstance(document, dict):
            raise self._damaged()
        return document

    def write(self, document: dict[str, Any], key: FileKey) -> None:
        """Replace the file durably; call inside `locked`. StorageUnavailable: it was not, or nothing says that it will last."""
        header = {"format": FORMAT, "suite": key.suite.name, "unlock": key.terms, "check": key.check}
        nonce = os.urandom(NONCE_SIZE)
        sealed = nonce + key.suite.encrypt(key.secret, nonce, canonical(document), canonical(header))
        envelope = canonical({"header": header, "sealed": base64.b64encode(sealed).decode()}) + b"\n"
        clear_unfinished(self.path.parent, re.compile(re.escape(self.path.name)))
        try:
            write_durably(self.path, envelope, "keyring", mode=0o600)
        except OSError as error:
            raise StorageUnavailable from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ring's lock against other processes and threads; the system frees it when the holder dies."""
        self._check_folder()
        lock = self.path.with_name(self.path.name + ".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def stamp(self) -> Stamp:
        """Return the file's present stamp; `KeyRingMissing` when there is none."""
        try:
            status = self.path.stat(follow_symlinks=False)
        except OSError:
            raise KeyRingMissing(file=str(self.path)) from None
        return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size

    def _envelope(self) -> dict[str, Any]:
        self._check_folder()
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise KeyRingMissing(file=str(self.path)) from None
        except OSError:
            raise KeyRingUnreadable(file=str(self.path)) from None
        with os.fdopen(descriptor, "rb") as file:
            self._check_file(os.fstat(descriptor))
            data = file.read(_LARGEST + 1)
        try:
            envelope = loads(data, max_bytes=_LARGEST)
        except InvalidInput:
            raise self._damaged() from None
        match envelope:
            case {"header": {"format": str(form), "suite": str(), "unlock": dict(), "check": str()}, "sealed": str()} if form == FORMAT:
                return dict(envelope)
        raise self._damaged()

    def _check_file(self, status: os.stat_result) -> None:
        mode = stat.S_IMODE(status.st_mode)
        foreign = status.st_uid != os.geteuid() and os.geteuid() != 0
        if not stat.S_ISREG(status.st_mode) or mode & 0o177 or foreign:
            raise KeyRingExposed(file=str(self.path), mode=f"{mode:04o}")

    def _check_folder(self) -> None:
        # Whoever may write the folder may put another file in the ring's place, whatever the file's own mode says.
        try:
            mode = stat.S_IMODE(self.path.parent.stat().st_mode)
        except OSError:
            raise KeyRingMissing(file=str(self.path)) from None
        if mode & 0o022:
            raise KeyRingExposed(file=str(self.path.parent), mode=f"{mode:04o}")

    def _damaged(self) -> KeyRingDamaged:
        return KeyRingDamaged(file=str(self.path))
