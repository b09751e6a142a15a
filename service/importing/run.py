"""An import from beginning to end: read, map, deposit, remember, report. A kill at any moment costs the repetition of a few rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from foundation.errors import Fault
from service.importing.depositor import Answer, Depositor, DryRun
from service.importing.errors import SourceUnreadable
from service.importing.mapping import Mapping
from service.importing.readers import Row, read_records, read_rows
from service.importing.report import ErrorRows, Progress, Summary, reasons
from service.importing.rows import Mapped, Repeats, RowMapper
from service.importing.state import ImportState, digest_of

T = TypeVar("T")
STATE_FORMAT: Final = "petition-archive import 1"


@dataclass(frozen=True, slots=True)
class Options:
    """How to import. `with_cells` writes raw cells into the error-rows file; `progress` is called after every answer."""

    with_cells: bool = False
    progress: Callable[[Progress], None] | None = None


def state_path(source: Path) -> Path:
    """Where the progress of an import of `source` is kept."""
    return source.with_name(source.name + ".import-state")


def error_rows_path(source: Path) -> Path:
    """Where the refused rows of `source` are written."""
    return source.with_name(source.name + ".error-rows.csv")


def import_file(
    source: Path, mapping: Mapping | None, depositor: Depositor, *, mapping_digest: str = "", options: Options | None = None
) -> Summary:
    """Import a table, or (`mapping` None) an NDJSON file of whole cases.

    `mapping_digest` is `state.digest_of` the mapping file; another one begins anew. Raises ImportBusy, StateRefused, MappingRefused;
    a file that cannot be read to its end is imported up to there and `Summary.stopped` says why.
    """
    header = {"format": STATE_FORMAT, "file": digest_of(source), "mapping": mapping_digest}
    with ImportState(state_path(source), header) as state:
        return _Import(source, mapping, depositor, options or Options(), state).run()


def dry_run(source: Path, mapping: Mapping | None, check: Callable[[dict[str, Any]], object], *, options: Options | None = None) -> Summary:
    """Read, map and check every row; deposit nothing and keep no state. The error-rows file is written as in an import."""
    return _Import(source, mapping, DryRun(check), options or Options(), None).run()


class _Import:
    def __init__(self, source: Path, mapping: Mapping | None, depositor: Depositor, options: Options, state: ImportState | None) -> None:
        self._source = source
        self._mapping = mapping
        self._depositor = depositor
        self._options = options
        self._state = state
        self._done = frozenset(state.done) if state else frozenset()
        self._summary = Summary(dry_run=state is None)
        self._total = 0
        # Filled where records are drawn, which a depositor may do in a thread of its own; deque.append and popleft are atomic.
        self._refused: deque[Mapped] = deque()
        self._sent: dict[int, tuple[str, dict[str, Any]]] = {}
        self._cells: dict[int, dict[str, Any]] = {}

    def run(self) -> Summary:
        self._total, mapper = self._survey()
        columns = sorted(self._mapping.columns) if self._mapping and self._options.with_cells else ()
        with ErrorRows(error_rows_path(self._source), columns) as errors:
            for number, answer in self._depositor.deposit_many(self._records(mapper)):
                self._drain(errors)
                case_no, cells = self._sent.pop(number, ("", {}))
                self._count(number, case_no, answer, cells, errors)
            self._drain(errors)
            if errors.written:
                self._summary.error_rows = errors.path
        return self._summary

    def _survey(self) -> tuple[int, RowMapper | None]:
        """Count the rows, and learn which repeat each other where the mapping asks for it."""
        if self._mapping is None:
            return sum(1 for _ in self._safely(read_records(self._source))), None
        repeats = Repeats(self._mapping) if any(feed.derive == "repeat-in-file" for feed in self._mapping.feeds) else None
        count = 0

        def counted(mapping: Mapping) -> Iterator[Row]:
            nonlocal count
            for row in self._safely(read_rows(self._source, mapping)):
                count += 1
                yield row

        if repeats is not None:
            repeats.learn(counted(self._mapping))
        else:
            deque(counted(self._mapping), maxlen=0)
        return count, RowMapper(self._mapping, repeats)

    def _safely(self, rows: Iterator[T]) -> Iterator[T]:
        try:
            yield from rows
        except SourceUnreadable as broken:
            self._summary.stopped = broken

    def _records(self, mapper: RowMapper | None) -> Iterator[tuple[int, dict[str, Any]]]:
        for mapped, cells in self._mapped(mapper):
            self._summary.rows += 1
            if mapped.number in self._done:
                self._summary.resumed += 1
                continue
            for rules in mapped.cleaned.values():
                self._summary.cleaned.update(rules)
            if mapped.faults:
                self._cells[mapped.number] = cells
                self._refused.append(mapped)
                continue
            self._sent[mapped.number] = (mapped.case_no, cells if self._options.with_cells else {})
            yield mapped.number, mapped.record

    def _mapped(self, mapper: RowMapper | None) -> Iterator[tuple[Mapped, dict[str, Any]]]:
        if mapper is None or self._mapping is None:
            for number, value in self._safely(read_records(self._source)):
                if isinstance(value, Fault):
                    yield Mapped(number, {}, "", [value]), {}
                else:
                    case_no = value.get("case_no")
                    yield Mapped(number, value, case_no if isinstance(case_no, str) else ""), {}
            return
        for row in self._safely(read_rows(self._source, self._mapping)):
            yield mapper.map(row), row.cells

    def _drain(self, errors: ErrorRows) -> None:
        while self._refused:
            mapped = self._refused.popleft()
            answer = Answer("refused", code="row-not-mapped", faults=tuple(mapped.faults))
            self._count(mapped.number, mapped.case_no, answer, self._cells.pop(mapped.number, {}), errors)

    def _count(self, number: int, case_no: str, answer: Answer, cells: dict[str, Any], errors: ErrorRows) -> None:
        summary = self._summary
        if answer.status == "created":
            summary.created += 1
        elif answer.status == "same":
            summary.same += 1
        else:
            summary.refused += 1
            summary.reasons.update(reasons(answer.code, answer.faults))
            errors.write(number, case_no, answer, cells)
        if self._state is not None and answer.status != "refused":
            self._state.note(number, answer.status)
        if self._options.progress is not None:
            answered = summary.resumed + summary.created + summary.same + summary.refused
            self._options.progress(Progress(answered, self._total, summary.created, summary.same, summary.refused))
