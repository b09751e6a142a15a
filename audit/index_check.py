"""The check of an answer with proofs, offline: it takes the file, and a key that came by another way.

What holds then: the entries listed are all of the log's first `size` entries that the committed index has under the subject, each stands in
the signed log at its place, and each whose text is given really concerns the subject. That the index has every entry under its subjects
is the archive's word until somebody with all entries derives it again (`audit verify`); the answer keeps that word on record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from audit.answer_form import AnswerRejected, Opened, Part
from audit.errors import EntryRefused
from audit.index_keys import KINDS, committed_by, key_of, name_of, read, subjects
from audit.index_segments import Head, bytes_of, commitment, cover, list_hash
from audit.proven import Entry, Proven
from foundation.ids import is_id
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import TlogError
from tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from tlog.note import VerifierKey

_NEIGHBOUR: Final = {"leaf", "key", "list", "path"}


def check_answer(data: bytes, key: VerifierKey, against: bytes | None = None) -> Proven:
    """Check an answer under the key of the log, and, given an older checkpoint of the same key, that the log only grew since.

    AnswerRejected, or another TlogError of the log's own proofs.
    """
    made = Opened(data)
    checkpoint = open_checkpoint(made.text("checkpoint").encode(), key)
    if made.text("log") != checkpoint.origin:
        raise AnswerRejected(where="log", why="other-log")
    old = None if against is None else _extends(made, checkpoint, open_checkpoint(against, key))
    size = made.number("size")
    time, root = _committed(made.part("commitment"), size, checkpoint)
    kind, subject = made.text("kind"), made.text("id")
    if kind not in KINDS:
        raise AnswerRejected(where="kind", why="unknown")
    if not is_id(subject):
        raise made.malformed("id")
    indices = _indices(made, size, root, name_of(kind, subject))
    entries = tuple(_entries(made, indices, (kind, subject), checkpoint))
    return Proven(kind, subject, size, time, checkpoint, old, entries)


def _extends(made: Opened, checkpoint: Checkpoint, old: Checkpoint) -> Checkpoint:
    """That the log only grew since the older checkpoint."""
    if "consistency" not in made.value:
        raise AnswerRejected(where="consistency", why="not-given")
    proof = Part(made.part("consistency"), "consistency", {"size", "path"})
    if proof.number("size") != old.size:
        raise AnswerRejected(where="consistency.size", why="other-checkpoint")
    verify_consistency(old.size, old.root, checkpoint.size, checkpoint.root, proof.path())
    return old


def _committed(value: Any, size: int, checkpoint: Checkpoint) -> tuple[str, bytes]:
    """When the archive committed to `size`, and the root: by an entry that stands in the log."""
    part = Part(value, "commitment", {"index", "entry", "path"})
    body, index = part.raw("entry"), part.number("index")
    verify_inclusion(leaf_hash(body), index, checkpoint.size, part.path(), checkpoint.root)
    with _readable("commitment.entry"):
        members = read(body).members
    found = committed_by(members, index)
    if found is None:
        raise AnswerRejected(where="commitment.entry", why="no-commitment")
    if found[0] != size:
        raise AnswerRejected(where="size", why="other-commitment")
    return members["time"], found[1]


def _indices(made: Opened, size: int, root: bytes, name: bytes) -> list[int]:
    """The entries that the committed index has under a name, each segment's share of them proven."""
    heads: list[Head] = []
    indices: list[int] = []
    wanted = cover(size)
    for at, value in enumerate(made.items("cover")):
        # One at a time: a size is a claim, and no work is done for more segments than are there.
        segment = next(wanted, None)
        part = Part(value, f"cover[{at}]", {"from", "to", "leaves", "root"}, frozenset({"found", "absent"}))
        head = Head(part.number("from"), part.number("to"), part.number("leaves"), part.hash("root"))
        if segment is None or (head.start, head.end) != (segment.start, segment.end):
            raise AnswerRejected(where=part.where, why="other-segments")
        if ("found" in part.value) == ("absent" in part.value):
            raise AnswerRejected(where=part.where, why="neither-found-nor-absent")
        heads.append(head)
        if "found" in part.value:
            indices += _found(part.value["found"], f"{part.where}.found", head, name)
        else:
            _absent(part.value["absent"], f"{part.where}.absent", head, key_of(name))
    if next(wanted, None) is not None:
        raise AnswerRejected(where="cover", why="other-segments")
    if commitment(heads) != root:
        raise AnswerRejected(where="cover", why="other-root")
    return indices


def _found(value: Any, where: str, head: Head, name: bytes) -> list[int]:
    part = Part(value, where, {"leaf", "path", "entries"})
    indices = part.numbers("entries")
    if not indices or any(not head.start <= one < head.end for one in indices) or sorted(set(indices)) != indices:
        raise AnswerRejected(where=where, why="entries")
    leaf = leaf_hash(key_of(name) + list_hash(name, bytes_of(indices)))
    _stands(leaf, part, head)
    return indices


def _absent(value: Any, where: str, head: Head, key: bytes) -> None:
    """That no leaf has the key: its neighbours, or the edges of the segment, adjoin and lie on either side of it."""
    part = Part(value, where, set(), frozenset({"left", "right"}))
    places = {"left": -1, "right": head.leaves}
    for side in part.value:
        beside = Part(part.value[side], f"{where}.{side}", _NEIGHBOUR)
        found = beside.hash("key")
        if not (found < key if side == "left" else key < found):
            raise AnswerRejected(where=beside.where, why="order")
        _stands(leaf_hash(found + beside.hash("list")), beside, head)
        places[side] = beside.number("leaf")
    if places["right"] != places["left"] + 1:
        raise AnswerRejected(where=where, why="not-adjoining")


def _stands(leaf: bytes, part: Part, head: Head) -> None:
    try:
        verify_inclusion(leaf, part.number("leaf"), head.leaves, part.path(), head.root)
    except AnswerRejected:
        raise
    except TlogError:
        raise AnswerRejected(where=part.where, why="not-in-the-segment") from None


def _entries(made: Opened, indices: list[int], subject: tuple[str, str], checkpoint: Checkpoint) -> Iterator[Entry]:
    listed = [
        Part(value, f"entries[{at}]", {"index", "leaf", "path"}, frozenset({"body"})) for at, value in enumerate(made.items("entries"))
    ]
    if [part.number("index") for part in listed] != indices:
        raise AnswerRejected(where="entries", why="not-those-of-the-index")
    for index, part in zip(indices, listed, strict=True):
        leaf = part.hash("leaf")
        verify_inclusion(leaf, index, checkpoint.size, part.path(), checkpoint.root)
        yield Entry(index, _concerned(part, leaf, subject) if "body" in part.value else None)


def _concerned(part: Part, leaf: bytes, subject: tuple[str, str]) -> dict[str, Any]:
    body = part.raw("body")
    if leaf_hash(body) != leaf:
        raise AnswerRejected(where=part.where, why="other-body")
    with _readable(part.where):
        members = read(body).members
    if subject not in subjects(members):
        raise AnswerRejected(where=part.where, why="concerns-another")
    return members


@contextmanager
def _readable(where: str) -> Iterator[None]:
    try:
        yield
    except EntryRefused:
        raise AnswerRejected(where=where, why="no-entry") from None
