"""The command line as somebody at a terminal meets it: what they type, what is printed, the exit status."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from typer.testing import CliRunner

from foundation.errors import ArchiveError, InvalidInput
from service.cli.main import app
from service.cli.terminal import CommandFailed, complain

INIT = (
    "init", "--fonds", "QH01", "--title-zh", "青禾县信访局", "--unit-code", "XFJ", "--name", "archive.example",
    "--sysadmin", "A-1,系测一,xt.admin", "--secadmin", "A-2,安测二,aq.admin", "--auditadmin", "A-3，审测三，sj.admin",
)  # fmt: skip
_SECRET = re.compile(r"\b(?:[a-z2-9]{4}-){4}[a-z2-9]{4}\b")


@dataclass(frozen=True)
class Said:
    """What came of a command."""

    status: int
    text: str

    @property
    def secrets(self) -> list[str]:
        """First secrets that were shown."""
        return _SECRET.findall(self.text)


@dataclass
class Terminal:
    """A terminal whose environment points at one installation."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, home: Path, **changes: str) -> Terminal:
        values = {"ARCHIVE_HOME": str(home), "ARCHIVE_KEY_RING_CREDENTIAL": str(home / "keys" / "credential"), **changes}
        return cls(home, {name: value for name, value in values.items() if value})

    @property
    def database(self) -> Path:
        return self.home / "archive.sqlite"

    def run(self, *words: str, typed: str = "", environment: Mapping[str, str] | None = None) -> Said:
        """Run a command in this process; what `main` does with an error is done here too. `typed`: secrets and codes, line by line."""
        words = (*words, "--secret-file", "-") if typed else words
        env: dict[str, str | None] = dict(self.environment if environment is None else environment)
        done = CliRunner().invoke(app, list(words), input=typed, env=env)
        error = done.exception
        if isinstance(error, ArchiveError | CommandFailed):
            words_of: tuple[str, ...] = (
                (error.zh, error.en) if isinstance(error, CommandFailed) else (error.text_zh, error.text_en, error.code)
            )
            if isinstance(error, InvalidInput):
                words_of = (*words_of, *(f"{fault.path} {fault.rule}" for fault in error.faults))
            return Said(complain(error), done.output + "\n".join(words_of))
        if error is not None and not isinstance(error, SystemExit):
            raise error
        return Said(done.exit_code, done.output)

    def entries(self, fonds: str, kind: str = "") -> int:
        """How many entries the log holds (of a kind)."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as conn:
            query, values = "SELECT count(*) FROM log_entries WHERE fonds = ?", [fonds]
            if kind:
                query, values = f"{query} AND kind = ?", [fonds, kind]
            return int(conn.execute(query, values).fetchone()[0])

    def vkey(self, fonds: str) -> str:
        """The verifier key as `audit status` shows it."""
        found = re.search(rf"^\s+(\S+/{fonds}(?:/\d+)?\+\S+)$", self.run("audit", "status").text, re.MULTILINE)
        assert found is not None
        return found[1]

    def bytes_at_rest(self) -> bytes:
        """Everything in the installation's folder, as a thief would have it."""
        return b"\0".join(path.read_bytes() for path in sorted(self.home.rglob("*")) if path.is_file())
