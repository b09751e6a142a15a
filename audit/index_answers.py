"""Answers with proofs: every entry that concerns a subject, up to a commitment, and that there is none beside them.

An answer is for whoever may hold the whole log: that nothing is missing cannot be proven without telling of everything there is.
`docs/formats/log-index.md` has its form, `audit.index_check` checks it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, select

from audit.errors import AnswerTooLarge, BadQuestion, NotYetPublished
from audit.index_keys import KINDS, VERSION, key_of, name_of, read, subjects
from audit.index_segments import Head, Record, Segment, cover, list_hash
from audit.index_store import Commitment, IndexRows, Tree, newest_commitment
from audit.store import Published, TileRows, last_checkpoint
from audit.tables import log_entries
from foundation.among import among
from foundation.ids import is_id
from tlog.checkpoint import Checkpoint
from tlog.merkle import HashSource, consistency_path, inclusion_path
from tlog.note import parse_note

MOST_ENTRIES: Final = 10_000
Bodies = Literal["one-case", "all", "none"]
BODIES: Final[tuple[Bodies, ...]] = ("one-case", "all", "none")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose entries to account for. `bodies`: of which entries the text goes with the answer, of those that name no more than one case, of
    all, or of none; `since`: the size of an older checkpoint, from which on the log is to be shown to have only grown.
    """

    kind: str
    subject: str
    bodies: Bodies = "one-case"
    since: int | None = None

    def __post_init__(self) -> None:
        for member, right in (("kind", self.kind in KINDS), ("id", is_id(self.subject)), ("bodies", self.bodies in BODIES)):
            if not right:
                raise BadQuestion(member=member)


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the answer as it leaves, `size` the number of entries it accounts for, `entries` how many of them concern the subject."""

    data: bytes
    size: int
    entries: int


def answer(conn: Connection, fonds: str, asked: Asked) -> Answer:
    """Answer from the newest published commitment. NotYetPublished where there is none, or where the log has not yet reached `since`;
    AnswerTooLarge beyond 10,000 entries.
    """
    published = last_checkpoint(conn, fonds)
    committed = None if published is None else newest_commitment(conn, fonds, published.size)
    rows = IndexRows(conn, fonds)
    heads = None if committed is None else rows.heads(committed.size)
    if published is None or committed is None or heads is None or (asked.since or 0) > published.size:
        raise NotYetPublished
    source = TileRows(conn, fonds).source(published.size)
    covered, indices = _covered(rows, committed.size, heads, name_of(asked.kind, asked.subject))
    made: dict[str, Any] = {
        "v": VERSION,
        "log": Checkpoint.parse(parse_note(published.note).text).origin,
        "kind": asked.kind,
        "id": asked.subject,
        "size": committed.size,
        "checkpoint": published.note.decode(),
        "commitment": _commitment(committed, published, source),
        "cover": covered,
        "entries": [_entry(row, asked, published, source) for row in _rows(conn, fonds, indices)],
    }
    if asked.since is not None:
        made["consistency"] = {"size": asked.since, "path": _hashes(consistency_path(asked.since, published.size, source))}
    return Answer(json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n", committed.size, len(indices))


def _covered(rows: IndexRows, size: int, heads: list[Head], name: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    """The cover, each segment with the proof of what it holds of the subject, and the entries that are in them."""
    proven, indices = [], []
    for segment, head in zip(cover(size), heads, strict=True):
        shown: dict[str, Any] = {"from": head.start, "to": head.end, "leaves": head.leaves, "root": _b64(head.root)}
        record, proof = _proof(rows, segment, head, name)
        if record is not None:
            indices += record.numbers
            if len(indices) > MOST_ENTRIES:
                raise AnswerTooLarge(most=MOST_ENTRIES)
        proven.append(shown | proof)
    return proven, indices


def _proof(rows: IndexRows, segment: Segment, head: Head, name: bytes) -> tuple[Record | None, dict[str, Any]]:
    tree, key = rows.tree(segment, head.leaves), key_of(name)
    place = tree.place(key)
    record = tree.record(place) if place < tree.leaves else None
    if record is not None and record.key == key:
        return record, {"found": {"leaf": place, "path": _hashes(tree.path(place)), "entries": record.numbers}}
    beside = {"left": place - 1, "right": place}
    return None, {"absent": {side: _neighbour(tree, leaf) for side, leaf in beside.items() if 0 <= leaf < tree.leaves}}


def _neighbour(tree: Tree, leaf: int) -> dict[str, Any]:
    record = tree.record(leaf)
    hidden = list_hash(record.name, record.indices)
    return {"leaf": leaf, "key": _b64(record.key), "list": _b64(hidden), "path": _hashes(tree.path(leaf))}


def _commitment(committed: Commitment, published: Published, source: HashSource) -> dict[str, Any]:
    path = inclusion_path(committed.index, published.size, source)
    return {"index": committed.index, "entry": _b64(committed.body), "path": _hashes(path)}


def _rows(conn: Connection, fonds: str, indices: list[int]) -> Iterable[Any]:
    row = log_entries.c
    query = select(row.idx, row.leaf_hash, row.body).where(row.fonds == fonds, among(row.idx, "indices")).order_by(row.idx)
    return conn.execute(query, {"indices": indices})


def _entry(row: Any, asked: Asked, published: Published, source: HashSource) -> dict[str, Any]:
    shown = {"index": row.idx, "leaf": _b64(bytes(row.leaf_hash)), "path": _hashes(inclusion_path(row.idx, published.size, source))}
    body = bytes(row.body)
    return shown | {"body": _b64(body)} if _goes_with_it(body, asked.bodies) else shown


def _goes_with_it(body: bytes, bodies: Bodies) -> bool:
    """Whether an entry's text is part of the answer. One that names several cases tells of the others: it stays out unless asked for."""
    cases = sum(kind == "case" for kind, _ in subjects(read(body).members)) if bodies == "one-case" else 0
    return bodies != "none" and cases <= 1


def _hashes(path: Iterable[bytes]) -> list[str]:
    return [_b64(one) for one in path]


def _b64(data: bytes) -> str:
    return b64encode(data).decode()
