"""Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root of a log, signed as a note."""

import base64
import re
from dataclasses import dataclass
from typing import Self

from tlog.errors import Malformed, OriginMismatch
from tlog.merkle import EMPTY_ROOT, HASH_SIZE, MAX_SIZE
from tlog.note import VerifierKey, is_key_name, parse_note, strict_base64, verify_note


def parse_decimal(text: str) -> int:
    """ASCII decimal below 2**63 without sign or leading zeros; ValueError otherwise."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) > MAX_SIZE:
        raise ValueError("decimal below 2**63 without leading zeros")
    return int(text)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's state: `size` leaves under `root` (32 bytes); `origin` names the log as a key name does. Malformed."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.origin):
            raise Malformed(what="checkpoint", rule="origin: not empty, no spaces, no +")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_SIZE or (self.size == 0 and self.root != EMPTY_ROOT):
            raise Malformed(what="checkpoint", rule="size below 2**63, root of 32 bytes, one root only for the empty tree")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text, unsigned as yet. Extension lines, which nobody can audit, are refused."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise Malformed(what="checkpoint", rule="three lines: origin, size, root")
        try:
            return cls(lines[0], parse_decimal(lines[1]), strict_base64(lines[2]))
        except ValueError as error:
            raise Malformed(what="checkpoint", rule=str(error)) from error

    def text(self) -> str:
        """The three lines as they are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def open_checkpoint(data: bytes, key: VerifierKey, origin: str | None = None) -> Checkpoint:
    """The checkpoint in a signed note, once signature and origin (by default the key's name) hold. Raises also OriginMismatch."""
    note = parse_note(data)
    verify_note(note, [key])
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != (origin or key.name):
        raise OriginMismatch(expected=origin or key.name, found=checkpoint.origin)
    return checkpoint
