"""What an import hands its records to: the archive in this process, the archive over HTTP, or a dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from archive.errors import AlreadyDeposited
from foundation.errors import ArchiveError, Fault, InvalidInput

Status = Literal["created", "same", "refused"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one record, known only after its commit.

    `code` is the stable error code of a refusal (`invalid-input`, `already-deposited`, ...), `zh` and `en` its sentences, `faults` what to
    mend where the input was at fault.
    """

    status: Status
    case_id: str | None = None
    code: str = ""
    faults: tuple[Fault, ...] = ()
    zh: str = ""
    en: str = ""

    @classmethod
    def refusing(cls, error: ArchiveError) -> Answer:
        """The answer to a record that was refused with `error`."""
        faults = error.faults if isinstance(error, InvalidInput) else ()
        return cls("refused", code=error.code, faults=faults, zh=error.text_zh, en=error.text_en)


class Depositor(Protocol):
    """Takes numbered records and answers each of them once, in any order, while it goes on taking."""

    def deposit_many(self, records: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, Answer]]:
        """Yield (number, answer) for every record; an answer other than a refusal means that the case is durable."""
        ...


class DryRun:
    """Checks records and keeps nothing: `check` raises InvalidInput, as policies.validation.validate does.

    Two rows of one file with the same case number are answered as the archive would: the same content again is `same`, other content is
    `already-deposited`.
    """

    def __init__(self, check: Callable[[dict[str, Any]], object]) -> None:
        """Check with `check`."""
        self._check = check
        self._seen: dict[tuple[object, object], int] = {}

    def deposit_many(self, records: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, Answer]]:
        """Answer each record at once."""
        for number, record in records:
            yield number, self._answer(record)

    def _answer(self, record: dict[str, Any]) -> Answer:
        try:
            self._check(record)
        except InvalidInput as refusal:
            return Answer.refusing(refusal)
        # hash() is keyed per process and stays in it.
        key, content = (record.get("source_system"), record.get("case_no")), hash(repr(record))
        if key not in self._seen:
            self._seen[key] = content
            return Answer("created")
        return Answer("same") if self._seen[key] == content else Answer.refusing(AlreadyDeposited())
