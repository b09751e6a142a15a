"""What one request costs besides time: SQL statements, ciphers called, and how often the disk was waited for.

Statements (BEGIN among them) are counted by SQLAlchemy's event, cipher calls by `vault.suites.calls`, both in this process; fsyncs by
strace around a second process that runs this module, with a getpriority call, which nothing else makes, between one act and the next.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event

from archive.finding import find
from archive.intake import deposit, deposit_many
from archive.reading import view
from archive.requests.openings import open_case
from bench.openings import HANDLER, granted
from bench.world import World, archive, fill
from service.generator.cases import generate
from vault.suites import calls

SHELF, BATCH = 400, 200
_MARK = (os.PRIO_PROCESS, 0)


@dataclass(frozen=True)
class Cost:
    """Of one act, or of one line of a batch."""

    act: str
    per: int
    statements: int
    ciphers: dict[str, int]
    fsyncs: float | None


def acts(world: World) -> list[tuple[str, int, Callable[[], Any]]]:
    """(name, into how many its costs are divided, act). Each is run once before it is counted."""
    one = granted(world, 1)[0]
    system, handler, inspector = world.system, world.person(HANDLER), world.inspector
    fresh: Iterator[dict[str, Any]] = iter([{**one, "case_no": f"{one['case_no']}/c"} for one in generate(2 * (BATCH + 1), seed=5)])
    return [
        ("deposit", 1, lambda: deposit(world.desk, system, next(fresh))),
        ("batch line", BATCH, lambda: deposit_many(world.desk, system, [next(fresh) for _ in range(BATCH)])),
        ("masked view", 1, lambda: view(world.desk, handler, one.case_id)),
        ("list page of 50", 1, lambda: find(world.desk, inspector, {"limit": 50})),
        ("opening", 1, lambda: open_case(world.desk, handler, one.grant_id, one.case_id)),
    ]


def measure(folder: Path) -> list[Cost]:
    """Count every act, in an archive of its own."""
    fsyncs = _traced(folder)
    found = []
    with tempfile.TemporaryDirectory(dir=folder) as name, archive(Path(name)) as world:
        fill(world, None, list(generate(SHELF, seed=3)))
        for act, per, run in acts(world):
            run()
            with _statements(world) as statements:
                calls.reset()
                run()
            counted = calls.counts()
            found.append(Cost(act, per, len(statements), counted, fsyncs.get(act) if fsyncs else None))
    return found


@contextmanager
def _statements(world: World) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(world.desk.db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(world.desk.db.engine, "before_cursor_execute", note)


def _traced(folder: Path) -> dict[str, float] | None:
    """Fsyncs of each act, or None where strace is missing or may not trace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory(dir=folder) as name:
        log = Path(name) / "trace"
        command = [strace, "-f", "-qq", "-e", "trace=fsync,fdatasync,getpriority", "-o", str(log)]
        command += [sys.executable, "-m", "bench.counting", name]
        root = Path(__file__).resolve().parent.parent
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603  this module, traced
        if done.returncode != 0:
            return None
        return _read_trace(log.read_text(encoding="utf-8"), done.stdout.split("\n"))


def _read_trace(trace: str, names: list[str]) -> dict[str, float]:
    counts: dict[str, float] = {}
    marks = 0
    for line in trace.splitlines():
        if "getpriority(" in line:
            marks += 1
        elif marks % 2 and re.search(r"\bf(?:data)?sync\(", line):
            counts[names[marks // 2]] = counts.get(names[marks // 2], 0) + 1
    return counts


def _be_traced(folder: Path) -> None:
    with archive(folder) as world:
        fill(world, None, list(generate(SHELF, seed=3)))
        for name, _, run in acts(world):
            run()
            os.getpriority(*_MARK)
            run()
            os.getpriority(*_MARK)
            print(name, flush=True)


if __name__ == "__main__":
    _be_traced(Path(sys.argv[1]))
