"""Where an import goes: into the archive opened by this process, or over HTTP to one that is served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from acts.desk import Caller, Desk
from archive.intake import deposit_in_units
from archive.preparing import Preparers
from archive.receipts import Receipt
from foundation.errors import ArchiveError, Fault
from foundation.ids import new_id
from petition_archive_client.assertion import ClientKey
from petition_archive_client.client import ArchiveClient
from petition_archive_client.errors import ArchiveProblem
from service.cli.terminal import CommandFailed
from service.importing.depositor import Answer, Depositor
from service.importing.report import Summary

BATCH = 200
Records = Iterable[tuple[int, dict[str, Any]]]


class InThisProcess:
    """Deposits as the archivist who is signed in: a batch is one unit of work."""

    def __init__(self, desk: Desk, caller: Caller, preparers: Preparers | None = None) -> None:
        """Bind who imports."""
        self._desk = desk
        self._caller = caller
        self._preparers = preparers

    def deposit_many(self, records: Records) -> Iterator[tuple[int, Answer]]:
        """Answer each record after the commit of its batch."""
        waiting = iter(records)
        numbers: deque[list[int]] = deque()

        def units() -> Iterator[list[dict[str, Any]]]:
            while batch := list(islice(waiting, BATCH)):
                numbers.append([number for number, _ in batch])
                yield [record for _, record in batch]

        for answers in deposit_in_units(self._desk, self._caller, units(), action="deposit.import", preparers=self._preparers):
            for number, answer in zip(numbers.popleft(), answers, strict=True):
                yield number, _answer(answer)

    def on_record(self, run: Callable[[Depositor], Summary]) -> Summary:
        """Run an import between its two entries; how a refused or broken one ended is told by the missing second one."""
        about = {"kind": "import", "id": new_id()}
        self._record("import.started", about)
        summary = run(self)
        counts = {"rows": summary.rows, "created": summary.created, "same": summary.same, "refused": summary.refused}
        self._record("import.finished", about, **counts)
        return summary

    def _record(self, kind: str, about: dict[str, str], **data: int) -> None:
        event = self._caller.event(self._desk, kind, object=about, data=data)
        self._desk.uow.run(self._caller.fonds, lambda unit: unit.add(event))


class OverHttp:
    """Deposits as a registered case system, through the client every case system uses."""

    def __init__(self, url: str, client: str, key_file: Path) -> None:
        """CommandFailed when the key cannot be read."""
        try:
            key = ClientKey.load(key_file.read_bytes())
        except (OSError, ValueError):
            raise CommandFailed(
                f"{key_file} 不是可用的业务系统私钥（P-256，PEM 格式），或无法读取。",
                f"{key_file} is no private key of a case system (P-256, PEM), or cannot be read.",
                status=2,
            ) from None
        try:
            self._client = ArchiveClient(url, client=client, key=key)
        except ValueError as wrong:
            zh, _, en = str(wrong).partition(" / ")
            raise CommandFailed(f"--url 不可用：{zh}。", f"--url cannot be used: {en}.", status=2) from None

    def deposit_many(self, records: Records) -> Iterator[tuple[int, Answer]]:
        """Answer each record as its line is answered."""
        numbers: dict[int, int] = {}

        def cases() -> Iterator[dict[str, Any]]:
            for line, (number, record) in enumerate(records, start=1):
                numbers[line] = number
                yield record

        for one in self._client.deposit_many(cases()):
            number = numbers.pop(one.line)
            if one.receipt is not None:
                yield number, Answer(one.receipt.status, case_id=one.receipt.case_id)
            elif (problem := one.problem) is not None:
                told = problem.faults if isinstance(problem, ArchiveProblem) else ()
                faults = tuple(Fault(fault.path, fault.rule, fault.zh, fault.en) for fault in told)
                yield number, Answer("refused", code=problem.code, faults=faults, zh=problem.zh, en=problem.en)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()


def _answer(answer: Receipt | ArchiveError) -> Answer:
    if isinstance(answer, Receipt):
        return Answer("created" if answer.status == "created" else "same", case_id=answer.case_id)
    return Answer.refusing(answer)
