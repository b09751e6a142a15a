"""What an import has been answered so far, kept beside the input so that a killed import goes on where it was.

The file `<input>.import-state` (mode 0600) is a list of lines: a header that binds it to the file's and the mapping's digests,
then one line an answer: status and row. It is written after the answer came, which is after the commit; a row whose line was lost
is deposited again and answered `same`. A line cut in the middle by a kill is dropped. Rows that were refused are tried again by the
next run.
"""

from __future__ import annotations

import fcntl
import json
import os
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from service.importing.errors import ImportBusy, StateRefused

_DONE: Final[dict[str, Literal["created", "same"]]] = {"c": "created", "s": "same"}
_FLUSH_EVERY: Final = 64


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1024 * 1024):
            digest.update(block)
    return digest.hexdigest()


class ImportState:
    """The answers of one (file, mapping); a file or mapping that changed begins anew."""

    def __init__(self, path: Path, header: dict[str, str]) -> None:
        """Open or begin the state at `path`; ImportBusy while another process holds it."""
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ImportBusy from None
        os.fchmod(self._file.fileno(), 0o600)
        self.done: dict[int, str] = {}
        self._pending = 0
        self._begin(header)

    def _begin(self, header: dict[str, str]) -> None:
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        first = json.dumps(header, sort_keys=True).encode()
        if lines[:1] == [first]:
            for number, line in enumerate(lines[1:], 2):
                status, _, row = line.decode("ascii", "replace").partition(" ")
                if status not in _DONE or not row.isdecimal():
                    self._file.close()
                    raise StateRefused(line=number)
                self.done[int(row)] = _DONE[status]
            self._file.seek(len(whole))
            self._file.truncate()
        else:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(first + b"\n")
            self._file.flush()

    def note(self, row: int, status: str) -> None:
        """Keep that a row is durably in the archive (`created` or `same`)."""
        self.done[row] = status
        self._file.write(b"%s %d\n" % (status[:1].encode(), row))
        self._pending += 1
        if self._pending >= _FLUSH_EVERY:
            self._file.flush()
            self._pending = 0

    def __enter__(self) -> Self:
        """Hold the state for an import."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write what is pending and let go."""
        self._file.close()
