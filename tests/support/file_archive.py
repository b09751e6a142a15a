"""A depositor that keeps cases in a file, durably and once by (source_system, case_no); it can kill its own process at a named moment."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from archive.errors import AlreadyDeposited
from policies.rulebook.load import base
from service.importing.depositor import Answer
from service.importing.mapping import load
from service.importing.run import import_file
from service.importing.state import digest_of


class FileArchive:
    """Writes each case and syncs it before it answers; `kill` is (how many new cases, before or after the answer is taken)."""

    def __init__(self, path: Path, kill: tuple[int, str] | None = None) -> None:
        self.path = path
        self.kept: dict[str, dict[str, Any]] = {}
        self._kill = kill
        self._made = 0
        if path.exists():
            content = path.read_bytes()
            for line in content[: content.rfind(b"\n") + 1].splitlines():
                record = json.loads(line)
                assert self._key(record) not in self.kept
                self.kept[self._key(record)] = record

    @staticmethod
    def _key(record: dict[str, Any]) -> str:
        return f"{record['source_system']}/{record['case_no']}"

    def deposit_many(self, records: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, Answer]]:
        for number, record in records:
            key = self._key(record)
            if key in self.kept:
                yield number, Answer("same") if self.kept[key] == record else Answer.refusing(AlreadyDeposited())
                continue
            with self.path.open("ab") as file:
                file.write(json.dumps(record).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self.kept[key] = record
            self._made += 1
            if self._kill == (self._made, "before"):
                os.kill(os.getpid(), signal.SIGKILL)
            yield number, Answer("created", case_id=key)
            if self._kill == (self._made, "after"):
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Import argv[1] by mapping argv[2] into the file argv[3], dying as argv[4:6] say."""
    source, mapping, kept = (Path(argument) for argument in sys.argv[1:4])
    kill = (int(sys.argv[4]), sys.argv[5])
    import_file(source, load(mapping, base()), FileArchive(kept, kill), mapping_digest=digest_of(mapping))


if __name__ == "__main__":
    main()
