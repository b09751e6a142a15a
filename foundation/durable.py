"""Files written whole or not at all: a temporary file beside them, fsync, rename (or link), fsync of the folder.

A process killed on the way leaves the old file and, at the most, its temporary one, `.<name>.<hex>.tmp`. Whoever writes holds a lock on
the temporary file, and the system frees it when the writer dies; so `clear_unfinished` removes what nobody is writing any more, also where
several processes or machines share a folder, and never what somebody still is.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from foundation.steps import reach

_UNFINISHED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]+\.tmp")


def write_durably(path: Path, data: bytes | Iterable[bytes], step: str, *, mode: int | None = None, replace: bool = True) -> None:
    """Make the file at `path`, or replace it unless `replace` is false (FileExistsError), reaching `<step>-written` and `<step>-renamed`.

    `data`: the content, or its parts as they come; what raises meanwhile leaves the old file.
    `mode`: the file's permissions, whatever the umask (None: what the umask leaves). OSError: the old file is in place, or the new one
    where only the folder could not be synced.
    """
    temporary, descriptor = _begin(path, mode)
    with os.fdopen(descriptor, "wb") as handle:
        try:
            handle.writelines([data] if isinstance(data, bytes) else data)
            handle.flush()
            os.fsync(handle.fileno())
            reach(f"{step}-written")
            if replace:
                temporary.rename(path)
            else:
                _name(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        reach(f"{step}-renamed")
    _sync_folder(path.parent)


def _name(temporary: Path, path: Path) -> None:
    """Give the file its name where nothing has it; FileExistsError."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as a stick's: there alone, two that come at once are not told apart
        if path.exists() or path.is_symlink():
            raise FileExistsError(path) from None
        temporary.rename(path)
    else:
        temporary.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_unfinished(folder: Path, names: re.Pattern[str]) -> int:
    """Remove temporary files that killed writers left in `folder` itself, of files whose whole name fits `names`; return how many.

    Anything else is left alone, and so is what cannot be removed: it harms nobody.
    """
    try:
        candidates = [path for path in folder.iterdir() if (found := _UNFINISHED.fullmatch(path.name)) and names.fullmatch(found["name"])]
    except OSError:
        return 0
    return sum(_remove_if_nobodys(path) for path in candidates)


def _begin(path: Path, mode: int | None) -> tuple[Path, int]:
    """A temporary file of one's own, locked."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else mode)
        if mode is not None:
            os.fchmod(descriptor, mode)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # cleared away in the moment before it was locked


def _remove_if_nobodys(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino != path.stat(follow_symlinks=False).st_ino:
            return False
        path.unlink()
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
