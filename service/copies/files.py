"""A copy as the bytes of a file: the same over HTTP and on a disk, made bundle by bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from foundation.database import Database
from foundation.durable import clear_unfinished, write_durably
from reviews.copies import Range, bundles
from reviews.copies_forms import LINES, SHEET
from reviews.copies_rows import Row
from service.copies.workbook import sheet_chunks

Advance = Callable[[int, int], None]
"""(entries done, of how many), called after each bundle."""


def _nobody(_done: int, _all: int) -> None:
    """Nobody watches."""


def copy_chunks(db: Database, form: str, found: Range, advance: Advance = _nobody) -> Iterator[bytes]:
    """The bytes of a copy of the range. LogForked where the stored log is not what was published: what came before is then cut short."""
    read = _counted(bundles(db, found), found, advance)
    if form == SHEET:
        yield from sheet_chunks(row for bundle in read for row in bundle)
        return
    lines = LINES[form]
    head = lines.head
    for bundle in read:
        yield head + b"".join(map(lines.line, bundle))
        head = b""


def write_copy(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a copy to `path`, whole or not at all, for its owner alone; a file that is there is replaced, one that was cut short goes."""
    clear_unfinished(path.parent, re.compile(re.escape(path.name)))
    write_durably(path, chunks, "copies.file", mode=0o600)


def _counted(read: Iterator[list[Row]], found: Range, advance: Advance) -> Iterator[list[Row]]:
    for bundle in read:
        yield bundle
        advance(bundle[-1].index + 1 - found.first, len(found))
