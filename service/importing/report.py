"""What an import tells: the counts, the reasons, and the file of rows that were refused."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from foundation.errors import Fault
from service.importing.cells import as_text
from service.importing.depositor import Answer
from service.importing.errors import SourceUnreadable

_INDEX: Final = re.compile(r"\[[0-9]+\]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is; `total` rows of the file, known before the first is deposited."""

    answered: int
    total: int
    created: int
    same: int
    refused: int


@dataclass(slots=True)
class Summary:
    """The result of an import or a dry run. Counts and rule names only: nothing of a row is repeated.

    `resumed` rows were already answered in an earlier run and were not sent again. `reasons` counts refused rows by
    (rule, field path), a row with several faults once under each. `cleaned` counts cells by the cleaning rule that changed them.
    """

    rows: int = 0
    resumed: int = 0
    created: int = 0
    same: int = 0
    refused: int = 0
    dry_run: bool = False
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)
    error_rows: Path | None = None
    stopped: SourceUnreadable | None = None
    """Why the rest of the file was not read."""


def reasons(code: str, faults: Sequence[Fault]) -> set[tuple[str, str]]:
    """The reasons of one refusal, with the numbers of array items left out."""
    return {(fault.rule, _INDEX.sub("[]", fault.path)) for fault in faults} or {(code or "refused", "")}


class ErrorRows:
    """The file of refused rows (mode 0600): row, case number, place and rule. Cells only on request, for they hold personal data.

    A CSV in UTF-8 with a byte-order mark, as spreadsheets open it; a cell that a spreadsheet would take for a formula gets a leading
    apostrophe. It is made with the first refused row; one left from an earlier run is removed at the beginning.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Write to `path`; `columns` are the columns whose raw cells are written too, none where cells are not wanted."""
        self.path = path
        self._columns = tuple(columns)
        self._file: Any = None
        self._writer: Any = None
        path.unlink(missing_ok=True)

    def write(self, row: int, case_no: str, answer: Answer, cells: dict[str, Any]) -> None:
        """Write one line for each fault of a refused row, or one with the refusal's own words where it names none."""
        if self._writer is None:
            self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8-sig", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(["行号 row", "信访件编号 case_no", "字段 field", "规则 rule", "说明", "explanation", *self._columns])
        raw = [_harmless(as_text(cells.get(column)) or "") for column in self._columns]
        for one in answer.faults or [Fault("", answer.code, answer.zh, answer.en)]:
            self._writer.writerow([row, _harmless(case_no), one.path, one.rule, one.zh, one.en, *raw])

    @property
    def written(self) -> bool:
        """Whether any row was refused."""
        return self._writer is not None

    def __enter__(self) -> Self:
        """Open for an import."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _harmless(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return f"'{text}" if text.startswith(_FORMULA) else text
