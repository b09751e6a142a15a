"""What an answer with proofs has proven, and what it has not, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from foundation.clock import SHANGHAI, parse_iso
from tlog.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that concerns the subject; `members` is None where its text was not given."""

    index: int
    members: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Proven:
    """An answer that holds. `committed`: when the archive committed to it, by its own clock; `against`: the older checkpoint, if any."""

    kind: str
    subject: str
    size: int
    committed: str
    checkpoint: Checkpoint
    against: Checkpoint | None
    entries: tuple[Entry, ...]

    def proven(self) -> list[str]:
        log, old = self.checkpoint.origin, self.against.size if self.against else 0
        given = sum(one.members is not None for one in self.entries)
        return [
            (
                f"日志 {log} 的检查点（{self.checkpoint.size} 条）由所给公钥签名"
                f" / the checkpoint of log {log} ({self.checkpoint.size} entries) is signed by the key given"
            ),
            (
                f"档案库在 {_moment(self.committed)} 承诺了前 {self.size} 条的索引"
                f" / at {_moment(self.committed)} the archive committed to an index of the first {self.size} entries"
            ),
            (
                f"该索引在 {self.kind} {self.subject} 下恰有 {len(self.entries)} 条，不多不少"
                f" / under {self.kind} {self.subject} that index has exactly {len(self.entries)} entries, no more and no fewer"
            ),
            (
                f"每条都在日志的所列位置，{given} 条附有原文且确实涉及它"
                f" / each stands in the log at the place listed; {given} come with their text and do concern it"
            ),
            f"前 {old} 条与先前检查点一致，此后只有追加 / the first {old} entries are as at the earlier checkpoint, the rest was appended",
        ][: 5 if self.against else 4]

    def unproven(self) -> list[str]:
        lines = [
            (
                "未与先前检查点（--against）比对，密钥持有者可能已改写历史并重签"
                " / not compared with an earlier checkpoint (--against): the key's holder could have rewritten history and re-signed it"
            ),
            f"第 {self.size} 条（从 0 起计）及以后的条目 / entries from index {self.size} on (counted from 0)",
            (
                "索引本身是否如实：须由持有全部条目者重算（audit verify）；若有不实，本答复即是证据"
                " / that the index is true to the entries: whoever holds them all can derive it again (audit verify); if it is not,"
                " this answer is the evidence"
            ),
            "所记是否属实、应记是否都已记入 / whether what is recorded is true, and whether all that happened was recorded",
        ]
        return lines[1 if self.against else 0 :]

    def __str__(self) -> str:
        listed = "".join(f"  {_line(one)}\n" for one in self.entries) or "  （无 none）\n"
        proven, unproven = ("".join(f"  - {line}\n" for line in lines) for lines in (self.proven(), self.unproven()))
        return f"答复成立 / the answer holds\n条目 / entries:\n{listed}已证明 / proven:\n{proven}未能证明 / not proven:\n{unproven}"


def _line(one: Entry) -> str:
    if one.members is None:
        return f"{one.index}  （未附原文 text not given）"
    # As JSON: what is printed here came with the file, and a terminal acts on some characters.
    shown = [one.members["kind"], one.members["verdict"], one.members["actor"].get("role")]
    return f"{one.index}  {_moment(one.members['time'])}  {json.dumps(shown)[1:-1]}"


def _moment(time: str) -> str:
    return f"{parse_iso(time).astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}+08:00"
