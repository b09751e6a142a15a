"""The rulebooks in force: the packaged one, and over it what this installation lays for a fonds in `<folder>/<fonds>.toml`.

An overlay is one file whose top tables are the rulebook's files (`[limits…]`, `[codes…]`); what it may do stands in
`policies.rulebook.overlay`.
All are read once, at start: a file that cannot be used, or is nobody's, stops the start, because a rule that is silently not in force
is worse than a service that does not run. Rules two people activate while it serves are not built yet.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, select

from acts.desk import Desk
from audit.events import Actor, Event
from audit.trail import Question, ask_within
from foundation.errors import ArchiveError
from foundation.tables import fonds as fonds_table
from policies.errors import RulebookRefused
from policies.rulebook import load
from policies.rulebook.load import Rulebook, base


class OverlayRefused(ArchiveError):
    """An overlay cannot be used; nothing of it is, and nothing is served."""

    code = "overlay-refused"
    zh = "附加规则 {file} 被拒绝，服务不启动：{why_zh}"
    en = "The overlay {file} was refused, so nothing is served: {why_en}"


class Rulebooks:
    """The rulebook of every fonds, as read when this was made."""

    def __init__(self, folder: Path) -> None:
        """Read every overlay of the folder, which need not exist; OverlayRefused. Hidden files are passed over."""
        self._folder = folder
        found = sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
        self._laid = {path.stem: self._read(path) for path in found}

    def of(self, fonds: str) -> Rulebook:
        """The rulebook in force in a fonds."""
        return self._laid.get(fonds) or base()

    def check_fonds(self, conn: Connection) -> None:
        """OverlayRefused for one that is laid over no fonds of this archive: a misspelt name would leave its fonds without its rules."""
        for fonds in sorted(set(self._laid) - set(_fonds_of(conn))):
            path = self._folder / f"{fonds}.toml"
            raise _refused(path, f"本库没有全宗 {fonds}。", f"this archive has no fonds {fonds}.")

    def record(self, desk: Desk) -> None:
        """Put the version in force on record in every fonds in whose log another one is the last.

        OverlayRefused where a field or code that was once laid over the base is no longer there: cases may hold it.
        """
        asked = Question(kinds=("rulebook.activated",))
        with desk.db.read() as conn:
            last = {fonds: [one.entry for one in ask_within(conn, fonds, asked, limit=1).found] for fonds in _fonds_of(conn)}
        # Each entry repeats what the one before it says was added: the last one alone tells all that must stay.
        added = {fonds: {name for entry in entries for name in entry.data.get("adds", ())} for fonds, entries in last.items()}
        for fonds in last:
            lost = sorted(added[fonds] - _names(self.of(fonds)))
            if lost:
                zh, en = f"曾加过 {lost[0]}，已有案卷可能含有，不得去掉。", f"{lost[0]} was added before, and cases may hold it; keep it."
                raise _refused(self._folder / f"{fonds}.toml", zh, en)
        for fonds, entries in last.items():
            about, adds = {"kind": "rulebook", "id": self.of(fonds).version}, added[fonds] | (_names(self.of(fonds)) - _names(base()))
            if not entries or entries[0].object != about or adds != added[fonds]:
                self._activate(desk, fonds, about, sorted(adds))

    def _activate(self, desk: Desk, fonds: str, about: dict[str, str], adds: list[str]) -> None:
        event = Event(
            kind="rulebook.activated",
            actor=Actor(),
            time=desk.clock.now(),
            object=about,
            reason="start",
            policy_version=about["id"],
            data={"overlay": fonds in self._laid, "adds": adds},
        )
        desk.uow.run(fonds, lambda unit: unit.add(event))

    @staticmethod
    def _read(path: Path) -> Rulebook:
        if path.suffix != ".toml" or not path.is_file():
            raise _refused(path, "此文件夹只放“全宗号.toml”。", "this folder holds <fonds>.toml only.")
        try:
            return load.compile(load.base_sources(), load.parse(path.stem, path.read_text("utf-8")))
        except RulebookRefused as error:
            raise _refused(path, error.text_zh, error.text_en) from None
        except (OSError, UnicodeDecodeError):
            raise _refused(path, "文件不可读，或不是 UTF-8。", "it cannot be read, or is not UTF-8.") from None


def _names(book: Rulebook) -> set[str]:
    """The fields and codes a case may hold: `petitioners[].sex`, and a list's code as `closure_type/handled`."""
    return set(book.catalogue.fields) | {f"{name}/{code}" for name, one in book.codes.lists.items() for code in one.codes}


def _fonds_of(conn: Connection) -> list[str]:
    return sorted(conn.execute(select(fonds_table.c.fonds)).scalars())


def _refused(path: Path, zh: str, en: str) -> OverlayRefused:
    return OverlayRefused(file=str(path), why_zh=zh, why_en=en)
