"""Files written whole or not at all: a temporary file beside them, fsync, rename, fsync of the folder.

A process killed on the way leaves the old file and, at the most, its temporary one, `.<name>.<hex>.tmp`. Whoever writes holds a lock on
the temporary file, and the system frees it when the writer dies; so `clear_unfinished` removes what nobody is writing any more, also where
several processes or machines share a folder, and never what somebody still is.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from foundation.steps import reach

_UNFINISHED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]+\.tmp")


def write_durably(path: Path, data: bytes, step: str) -> None:
    """Replace or make the file at `path`, reaching the steps `<step>-written` and `<step>-renamed`. OSError: the old file is in place."""
    temporary, descriptor = _begin(path)
    with os.fdopen(descriptor, "wb") as handle:
        try:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
            reach(f"{step}-written")
            temporary.rename(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        reach(f"{step}-renamed")
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: what was made, renamed or removed in it."""
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


def _begin(path: Path) -> tuple[Path, int]:
    """A temporary file of one's own, locked."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
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
