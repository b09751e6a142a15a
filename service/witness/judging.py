"""`add-checkpoint` (c2sp.org/tlog-witness): a checkpoint is cosigned only where it extends everything this witness cosigned of its log.

The order: whose log it is and whether that log's key signed; then, under the log's lock, what was last cosigned is read from the disk,
the proof is checked from there, the cosigned checkpoint is written and synced in both copies, and only then is the cosignature handed
out. So of two requests at once, in two threads or two processes, one finds what the other has made of the state; and a process killed
anywhere has at most written what it did not yet say.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from foundation.clock import Clock, to_ms
from foundation.steps import reach
from service.witness.errors import WitnessStateWrong
from service.witness.folder import Log, WitnessFolder
from service.witness.wire import SIZE_TYPE, AddCheckpoint, format_size
from tlog.checkpoint import Checkpoint
from tlog.errors import Malformed, NoKnownSignature, SignatureInvalid, TlogError
from tlog.merkle import EMPTY_ROOT, verify_consistency
from tlog.note import Note, VerifierKey, format_note, parse_note, signature_line, verify_note
from vault.cosigner import Cosigner

_PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `origin` is the log's, for the witness's own records, where it is one that is known."""

    status: int
    body: bytes
    media_type: str = _PLAIN
    origin: str = ""


class Witness:
    """A witness at work: its folder and its key. Safe to share between threads."""

    def __init__(self, folder: WitnessFolder, cosigner: Cosigner, clock: Clock) -> None:
        """WitnessStateWrong where the key is not the one the folder was made for."""
        if cosigner.verifier != folder.key:
            raise WitnessStateWrong(origin="-", file=str(folder.path / "witness.json"))
        self.folder = folder
        self._cosigner = cosigner
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Judge a body of `add-checkpoint`. OSError or ArchiveError where the folder cannot be used: then nothing was cosigned."""
        try:
            asked = AddCheckpoint.parse(body)
            note = parse_note(asked.note)
        except Malformed as wrong:
            return _refused(400, str(wrong))
        log = self.folder.log_of(note.text.partition("\n")[0])
        if log is None:
            return _refused(404, "不认识这份日志 / this log is not known here")
        try:
            verify_note(note, [log.key])
        except (NoKnownSignature, SignatureInvalid) as unsigned:
            return _refused(403, str(unsigned), log)
        if _claims_another_empty_log(note):
            return _refused(422, "空日志只有一个树根 / the empty log has one root", log)
        try:
            checkpoint = Checkpoint.parse(note.text)
        except Malformed as wrong:
            return _refused(400, str(wrong), log)
        if asked.old_size > checkpoint.size:
            return _refused(400, "旧大小大于检查点 / the old size is above the checkpoint's", log)
        with self.folder.locked(log):
            return self._judged(log, asked, note, checkpoint)

    def latest(self, log_hash: str) -> bytes | None:
        """The last checkpoint cosigned of a log, by the hash of its origin; None where there is none."""
        for log in self.folder.logs():
            if log.hash == log_hash:
                seen = self.folder.seen(log)
                return None if seen.seconds is None else seen.note
        return None

    def _judged(self, log: Log, asked: AddCheckpoint, note: Note, checkpoint: Checkpoint) -> Answer:
        seen = self.folder.seen(log)
        if seen.size == checkpoint.size and seen.root != checkpoint.root:
            # Two roots of one size, both signed by the log: no proof can mend that, and whoever shows both has proved it.
            self.folder.keep_contradiction(log, asked.note)
        if asked.old_size != seen.size:
            return Answer(409, format_size(seen.size), SIZE_TYPE, log.key.name)
        try:
            verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, asked.proof)
        except TlogError as wrong:
            return _refused(422, str(wrong), log)
        line = self._cosigner.cosign(note.text, to_ms(self._clock.now()) // 1000)
        if seen.seconds is None or checkpoint.size > seen.size:
            self.folder.keep(log, format_note(note.text, [*_lines_of(note, log.key), line]))
        reach("witness.cosigned")
        return Answer(200, line.encode(), origin=log.key.name)


def _claims_another_empty_log(note: Note) -> bool:
    """Asked apart, because the specification answers it 422: for `Checkpoint.parse` it is one more thing malformed."""
    match note.text.split("\n"):
        case [_, "0", root, ""]:
            return root != base64.b64encode(EMPTY_ROOT).decode()
    return False


def _lines_of(note: Note, key: VerifierKey) -> list[str]:
    """The log's own signature lines: what others added is theirs to show."""
    return [signature_line(name, id_, value) for name, id_, value in note.signatures if (name, id_) == (key.name, key.id)]


def _refused(status: int, why: str, log: Log | None = None) -> Answer:
    return Answer(status, f"{why}\n".encode(), origin="" if log is None else log.key.name)
