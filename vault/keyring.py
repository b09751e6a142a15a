"""The key ring: every long-lived key of an installation, per fonds and in generations, in one sealed file apart from the database.

* A key is durable on disk before anything is sealed under it.
* Several processes may share the file: changes are made under its lock on its newest state, and a key that another process made
  is found by looking at the file again.
* A destroyed generation leaves a tombstone, so that "destroyed" and "never there" are told apart.
* A process that unlocks a ring leaves no core file: it would hold every key, and lie wherever the process happened to be.

What a file cannot do: copies of an older state (backups of the ring) still hold destroyed keys; they must be destroyed too.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from foundation.clock import to_ms
from vault import ringstate
from vault.blind import BlindKey
from vault.details import FondsDetailKey
from vault.errors import KeyDestroyed, KeyMissing, KeyRingDamaged, KeyRingForeign, KeyRingStale, UnknownSuite
from vault.ringfile import FileKey, RingFile, Stamp
from vault.ringstate import Document, KeyInfo, RingKey, RingState
from vault.suites import AES, Suite, suite_named
from vault.unlock import Unlock
from vault.wraps import Kek, Purpose

T = TypeVar("T")


def kek_scope(purpose: Purpose, retention_class: str, year: int | None) -> str:
    """Return the scope of a key-encryption key: purpose, retention class and year of destruction (None: never)."""
    return f"{purpose}/{retention_class}/{'permanent' if year is None else f'{year:04d}'}"


class KeyRing:
    """The whole ring, unlocked. Safe to share between threads."""

    def __init__(self, file: RingFile, key: FileKey, state: RingState, stamp: Stamp) -> None:
        """For `create` and `load`."""
        self._file = file
        self._key = key
        self._state = state
        self._stamp = stamp
        self._guard = threading.RLock()

    @classmethod
    def create(cls, path: Path, unlock: Unlock, *, archive_id: str, archive_name: str, suite: Suite = AES) -> KeyRing:
        """Make a new ring without fonds, durably. `archive_name` begins every log's name and is final: scheme-less, no space, no `+`."""
        if not archive_name or any(char.isspace() or char == "+" for char in archive_name):
            raise ValueError("a name of an archive has no space and no +")
        _leave_no_core()
        file = RingFile(path)
        document = ringstate.empty_document(archive_id, archive_name)
        key = file.create(document, unlock, suite)
        return cls(file, key, RingState(document), file.stamp())

    @classmethod
    def load(cls, path: Path, unlock: Unlock, *, archive_id: str | None = None) -> KeyRing:
        """Unlock a ring; `KeyRingMissing`, `KeyRingExposed`, `KeyRingWrong`, `KeyRingDamaged`, or `KeyRingForeign` when it is of
        another installation than `archive_id`.
        """
        _leave_no_core()
        file = RingFile(path)
        key = file.unlock(unlock)
        stamp = file.stamp()
        state = _parse(file, file.read(key))
        if archive_id is not None and state.archive_id != archive_id:
            raise KeyRingForeign(found=state.archive_id, expected=archive_id)
        return cls(file, key, state, stamp)

    @property
    def archive_id(self) -> str:
        """The installation the ring belongs to."""
        return self._state.archive_id

    @property
    def archive_name(self) -> str:
        """The first part of every log's name."""
        return self._state.archive_name

    @property
    def path(self) -> Path:
        """The ring's file."""
        return self._file.path

    def fonds(self) -> tuple[str, ...]:
        """The fonds the ring has keys for."""
        return tuple(sorted(self._state.suites))

    def suite(self, fonds: str) -> Suite:
        """Return the suite new values of a fonds are sealed with; `KeyMissing` for a fonds the ring does not know."""
        suite = self._known(lambda state: state.suites.get(fonds))
        if suite is None:
            raise KeyMissing(fonds=fonds, key="*")
        return suite

    def keys(self, fonds: str) -> tuple[KeyInfo, ...]:
        """Tell of every key of a fonds, destroyed ones too, without its material."""
        return tuple(key.info for (of, _), key in sorted(self._state.keys.items()) if of == fonds)

    # -------------------------------------------------------------------------------------------------------------- using keys

    def kek(self, fonds: str, kek_id: str) -> Kek:
        """Return a key-encryption key, current or retired; `KeyMissing` or `KeyDestroyed`."""
        kek = self._known(lambda state: state.keks.get((fonds, kek_id)))
        if kek is None:
            _absent(self._state, fonds, kek_id)
        return kek

    def ensure_kek(self, fonds: str, purpose: Purpose, retention_class: str, year: int | None) -> str:
        """Return the id of the current KEK, first making it durably where there is none. ValueError on a malformed class or year."""
        return self.ensure(fonds, kek_scope(purpose, retention_class, year)).info.id

    def blind_keys(self, fonds: str, field_class: str) -> tuple[BlindKey, ...]:
        """Return the generations of a blind index that still answer, newest first, first making one where there is none."""
        self.ensure(fonds, f"blind/{field_class}")
        return self._state.blind_keys(fonds, field_class)

    def detail_key(self, fonds: str, generation: int | None = None) -> FondsDetailKey:
        """Return the key for audit details of no case: of that generation, or the current one."""
        key = self.ensure(fonds, "detail") if generation is None else self.key(fonds, f"detail/{generation}")
        return FondsDetailKey(key.reveal(), suite_named(key.info.suite), key.info.generation)

    def key(self, fonds: str, key_id: str) -> RingKey:
        """Return any live key by its id; `KeyMissing` or `KeyDestroyed`."""
        key = self._known(lambda state: state.keys.get((fonds, key_id)))
        if key is None or key.info.state == "destroyed":
            _absent(self._state, fonds, key_id)
        return key

    def ensure(self, fonds: str, scope: str) -> RingKey:
        """Return a scope's current key, first making it durably where there is none."""
        self.refresh()
        key = self._state.current.get((fonds, scope))
        while key is None:
            self._change(lambda document: not ringstate.has_current(document, fonds, scope) and _add(document, fonds, scope))
            key = self._state.current.get((fonds, scope))
        return key

    def retired_keks(self, fonds: str) -> Mapping[str, str]:
        """Map each retired KEK to the current one of its scope, where there is one."""
        self.refresh()
        state = self._state
        infos = [key.info for (of, _), key in state.keys.items() if of == fonds and (of, key.info.id) in state.keks]
        return {
            info.id: state.current[fonds, info.scope].info.id
            for info in infos
            if info.state == "retired" and (fonds, info.scope) in state.current
        }

    # ----------------------------------------------------------------------------------------------------------- changing the ring

    def add_fonds(self, fonds: str, suite: Suite = AES) -> bool:
        """Make a fonds' own keys (digest, detail, log); False when it has them."""
        return self._change(lambda document: ringstate.add_fonds(document, fonds, suite))

    def new_generation(self, fonds: str, scope: str, now: datetime) -> str:
        """Make the next generation current and retire the one before; return the new id."""

        def change(document: Document) -> bool:
            ringstate.retire(document, fonds, scope, to_ms(now))
            return _add(document, fonds, scope)

        with self._guard:
            self._change(change)
            return self._state.current[fonds, scope].info.id

    def retire_generation(self, fonds: str, scope: str, now: datetime) -> bool:
        """Retire a scope's current key without a successor, as the first step of destroying it; False when there is none."""
        return self._change(lambda document: ringstate.retire(document, fonds, scope, to_ms(now)))

    def destroy_generation(self, fonds: str, key_id: str, now: datetime) -> bool:
        """Destroy a key an hour or more after it was retired; False when it was before. What it sealed never opens again.

        The caller has made sure that nothing living is under it (`store.count_under`). `KeyStillNeeded`, `KeyMissing`.
        """
        return self._change(lambda document: ringstate.destroy(document, fonds, key_id, to_ms(now)))

    def change_unlock(self, unlock: Unlock) -> None:
        """Lock the file with another secret; other processes must be started anew with it."""
        with self._guard, self._file.locked():
            document = self._file.read(self._key)
            key = FileKey.derive(unlock, unlock.terms(), self._key.suite)
            self._take(document)
            self._file.write(document, key)
            self._key, self._stamp = key, self._file.stamp()

    def refresh(self) -> bool:
        """Look whether another process changed the file and take its state; cheap when not. `KeyRingStale` when it is an older one."""
        if self._file.stamp() == self._stamp:
            return False
        with self._guard:
            stamp = self._file.stamp()
            if stamp == self._stamp:
                return False
            self._take(self._file.read(self._key))
            self._stamp = stamp
        return True

    def _known(self, of: Callable[[RingState], T | None]) -> T | None:
        """What the state holds; looked for once more in the file where it holds none: another process may have made it."""
        found = of(self._state)
        if found is None:
            self.refresh()
            found = of(self._state)
        return found

    def _change(self, change: Callable[[Document], bool]) -> bool:
        with self._guard, self._file.locked():
            document = self._file.read(self._key)
            self._take(document)
            changed = change(document)
            if changed:
                document["serial"] += 1
                fresh = _parse(self._file, document)
                self._file.write(document, self._key)
                self._state = fresh
            self._stamp = self._file.stamp()
            return changed

    def _take(self, document: Document) -> None:
        state = _parse(self._file, document)
        if state.archive_id != self.archive_id:
            raise KeyRingForeign(found=state.archive_id, expected=self.archive_id)
        if state.serial < self._state.serial:
            raise KeyRingStale(found=state.serial, used=self._state.serial)
        self._state = state

    def __repr__(self) -> str:
        return f"<KeyRing of {self.archive_name}, state {self._state.serial}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("key rings are not pickled")


def _leave_no_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _add(document: Document, fonds: str, scope: str) -> bool:
    ringstate.add_generation(document, fonds, scope)
    return True


def _absent(state: RingState, fonds: str, key_id: str) -> NoReturn:
    if (fonds, key_id) in state.keys:
        raise KeyDestroyed(fonds=fonds, key=key_id)
    raise KeyMissing(fonds=fonds, key=key_id)


def _parse(file: RingFile, document: Document) -> RingState:
    try:
        return RingState(document)
    except (AttributeError, KeyError, TypeError, ValueError, UnknownSuite):
        raise KeyRingDamaged(file=str(file.path)) from None
