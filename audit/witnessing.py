"""What witnesses said of the published log: their cosignatures, how many of them count as enough, and how far each is behind.

A witness is another office's program that cosigns a checkpoint only where it extends all that it has cosigned of the log before
(c2sp.org/tlog-witness). Whoever sees a checkpoint with cosignatures of witnesses they chose knows that these have not been shown another
history. Nothing waits for a witness: a checkpoint is published when it is signed, and its cosignatures are added as they come.

A cosignature is verified before it is kept. Which witnesses are asked, and over which wire, is the service's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, and_, select

from audit.errors import LogDamaged, NotWitnessed
from audit.store import Published, last_checkpoint
from audit.tables import log_checkpoints, log_cosignatures
from foundation.inserting import insert_new
from tlog.errors import Malformed, OriginMismatch, TlogError
from tlog.note import COSIGNATURE_V1, Note, VerifierKey, format_note, parse_note, signature_line, verify_note

LONGEST_NAME: Final = 160  # of a witness, so that its name, id and line fit their columns
_AT_ONCE: Final = 512  # more than one size can have


@dataclass(frozen=True, slots=True)
class Panel:
    """The witnesses whose word counts, and how many of them make a checkpoint witnessed: for every log, or for some fonds another number.

    ValueError for keys that do not cosign, names too long, one key twice (also under two names), or a number nobody could meet.
    """

    keys: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    quorum_of: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would make a quorum mean less than it says."""
        if any(key.type_byte != COSIGNATURE_V1 or len(key.name) > LONGEST_NAME for key in self.keys):
            raise ValueError("a witness's key is of type 04, its name not too long")
        if len({key.public_key for key in self.keys}) != len(self.keys) or len({key.name for key in self.keys}) != len(self.keys):
            raise ValueError("each witness counts once")
        if self.keys and any(not 1 <= number <= len(self.keys) for number in (self.quorum, *self.quorum_of.values())):
            raise ValueError("a quorum is 1 to the number of witnesses")

    def needed(self, fonds: str) -> int:
        """How many must have cosigned a checkpoint of this fonds' log."""
        return self.quorum_of.get(fonds, self.quorum)


@dataclass(frozen=True, slots=True)
class WitnessLag:
    """How far a witness is behind the published log of a fonds: `behind_ms` since the oldest checkpoint past its last was signed."""

    fonds: str
    witness: str
    published: int
    cosigned: int
    behind_ms: int

    @property
    def entries(self) -> int:
        """Published entries the witness has not said anything about."""
        return self.published - self.cosigned


def id_of(key: VerifierKey) -> str:
    """How a witness is named in the table: a key that is exchanged is another witness."""
    return f"{key.name}+{key.id.hex()}"


def line_by(key: VerifierKey, note: bytes, answer: bytes) -> str:
    """The line by `key` among a witness's answer, once it holds for this very checkpoint; lines by others are passed over. TlogError."""
    text = parse_note(note).text
    found = parse_note(format_note(text, []) + answer)
    if found.text != text:
        # An answer with an empty line of its own would put its signature under another text, and spoil every note it is added to.
        raise Malformed(what="cosignature", rule="signature lines alone")
    verify_note(found, [key])
    return next(signature_line(*line) for line in found.signatures if line[:2] == (key.name, key.id))


def keep(conn: Connection, fonds: str, size: int, key: VerifierKey, line: str, received_ms: int) -> bool:
    """Keep a line that `line_by` gave for the checkpoint of that size; False where this witness's word on it is there already."""
    row = log_cosignatures.c
    there = select(row.size).where(row.fonds == fonds, row.size == size, row.witness == id_of(key))
    # Asked first, because SQLite's trigger against replacing refuses an insert over a row before its conflict is seen.
    return conn.execute(there).first() is None and insert_new(
        conn, log_cosignatures, fonds=fonds, size=size, witness=id_of(key), line=line, received_ms=received_ms
    )


def with_lines(conn: Connection, fonds: str, checkpoint: Published) -> Published:
    """The checkpoint with the cosignatures it has so far in its note."""
    row = log_cosignatures.c
    query = select(row.line).where(row.fonds == fonds, row.size == checkpoint.size).order_by(row.witness)
    lines = "".join(conn.scalars(query))
    return replace(checkpoint, note=checkpoint.note + lines.encode()) if lines else checkpoint


def newest_witnessed(conn: Connection, fonds: str, panel: Panel, above: int = 0) -> Published | None:
    """The newest checkpoint of more than `above` entries that enough of the panel have cosigned, in the log's present life; its note is
    as it was published, without their lines.
    """
    last, needed = last_checkpoint(conn, fonds), panel.needed(fonds)
    if last is None or not panel.keys:
        return None
    # No checkpoint beyond the last word of the one who must still be among them: where witnesses are away, nothing newer is looked at.
    top = sorted((_last_cosigned(conn, fonds, last.epoch, [key]) for key in panel.keys), reverse=True)[needed - 1]
    said, known = log_cosignatures.c, [id_of(key) for key in panel.keys]
    while top > above:
        query = select(said.size).where(said.fonds == fonds, said.size > above, said.size <= top, said.witness.in_(known))
        sizes = list(conn.scalars(query.order_by(said.size.desc()).limit(_AT_ONCE)))
        found = next((size for size, count in Counter(sizes).items() if count >= needed), None)
        if found is not None:
            checkpoint = _checkpoint(conn, fonds, found)
            return checkpoint if checkpoint.epoch == last.epoch else None
        # The last size of a full batch may have more lines than came with it.
        top = (sizes[-1] if sizes[0] != sizes[-1] else sizes[-1] - 1) if len(sizes) == _AT_ONCE else above
    return None


def next_for(conn: Connection, fonds: str, key: VerifierKey, beside: Collection[VerifierKey] = ()) -> tuple[int, Published] | None:
    """(last size the witness cosigned in the log's present life, the checkpoint to ask it for); None where it has the newest.

    Preferred is the newest that one of `beside` has cosigned already: witnesses that each take whatever is newest at their own moment
    would never meet on one, and no checkpoint would have two.
    """
    last = last_checkpoint(conn, fonds)
    if last is None:
        return None
    old = _last_cosigned(conn, fonds, last.epoch, [key])
    if old >= last.size:
        return None
    shared = _last_cosigned(conn, fonds, last.epoch, [one for one in beside if one != key])
    return old, _checkpoint(conn, fonds, shared) if shared > old else last


def lags(conn: Connection, panel: Panel, fonds: Sequence[str], now_ms: int) -> list[WitnessLag]:
    """How far each witness of the panel is behind, for each of these fonds that has a checkpoint."""
    found = []
    for one in fonds:
        last = last_checkpoint(conn, one)
        if last is None:
            continue
        for key in panel.keys:
            cosigned = _last_cosigned(conn, one, last.epoch, [key])
            row = log_checkpoints.c
            query = select(row.signed_ms).where(row.fonds == one, row.epoch == last.epoch, row.size > cosigned)
            since = conn.scalar(query.order_by(row.size).limit(1))
            found.append(WitnessLag(one, key.name, last.size, cosigned, 0 if since is None else max(0, now_ms - since)))
    return found


def check_lines(conn: Connection, fonds: str, panel: Panel) -> int:
    """Hold every line that was kept against its checkpoint, and those by witnesses of the panel against their keys; how many there are.

    LogDamaged: one that does not hold would spoil the note it is added to for whoever knows its witness.
    """
    keys = {id_of(key): key for key in panel.keys}
    said, signed, checked = log_cosignatures.c, log_checkpoints.c, 0
    query = select(said.size, said.witness, said.line, signed.note).join_from(
        log_cosignatures, log_checkpoints, and_(signed.fonds == said.fonds, signed.size == said.size), isouter=True
    )
    query = query.where(said.fonds == fonds).order_by(said.size, said.witness).execution_options(yield_per=1000)
    for size, witness, line, note in conn.execute(query):
        try:
            found = parse_note(format_note(f"{fonds}\n", [line])).signatures
            holds = [f"{name}+{id_.hex()}" for name, id_, _ in found] == [witness] and note is not None
            if holds and witness in keys:
                holds = line_by(keys[witness], bytes(note), line.encode()) == line
        except TlogError:
            holds = False
        if not holds:
            raise LogDamaged(fonds=fonds, where=f"cosignature of checkpoint {size}", what="line")
        checked += 1
    return checked


def must_be_witnessed(note: bytes, log: VerifierKey, panel: Panel) -> list[tuple[VerifierKey, int]]:
    """The witnesses of the panel who cosigned this checkpoint, with the POSIX time each says. Needs no database.

    NotWitnessed; TlogError where the log's own signature, or one by a witness of the panel, does not hold.
    """
    if log.public_key in {key.public_key for key in panel.keys}:
        raise OriginMismatch(expected="another key than the log's", found=log.name)  # a log that cosigns itself is no witness
    parsed: Note = parse_note(note)
    verify_note(parsed, [log])
    said = {key: seconds or 0 for key, seconds in verify_note(parsed, [log, *panel.keys]) if key != log}
    if len(said) < panel.quorum:
        raise NotWitnessed(found=len(said), needed=panel.quorum)
    return list(said.items())


def _checkpoint(conn: Connection, fonds: str, size: int) -> Published:
    row = conn.execute(select(log_checkpoints).where(log_checkpoints.c.fonds == fonds, log_checkpoints.c.size == size)).one()
    return Published(row.size, row.epoch, bytes(row.root), bytes(row.note), row.signed_ms)


def _last_cosigned(conn: Connection, fonds: str, epoch: int, keys: Sequence[VerifierKey]) -> int:
    """The largest size any of `keys` has cosigned in that life of the log, which is its present one; 0 for none."""
    row = log_cosignatures.c
    query = select(row.size).where(row.fonds == fonds, row.witness.in_([id_of(key) for key in keys])).order_by(row.size.desc()).limit(1)
    size = conn.scalar(query)
    # Every size of a life is above those of the lives before it.
    return size if size is not None and _checkpoint(conn, fonds, size).epoch == epoch else 0
