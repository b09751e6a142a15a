"""Receipts: one entry's inclusion, provable offline (c2sp.org/tlog-proof, version 1)."""

import base64
from dataclasses import dataclass
from typing import Self

from tlog.checkpoint import Checkpoint, open_checkpoint, parse_decimal
from tlog.errors import Malformed
from tlog.merkle import HASH_SIZE, MAX_SIZE, leaf_hash, verify_inclusion
from tlog.note import VerifierKey, strict_base64

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class LogProof:
    """`path` leads from the entry at `index` to the root in `checkpoint`, a signed note kept verbatim. Malformed."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None  # carried for applications, proved by nothing

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_SIZE or len(self.path) > 63 or any(len(hash_) != HASH_SIZE for hash_ in self.path):
            raise Malformed(what="tlog-proof", rule="index below 2**63, at most 63 hashes of 32 bytes")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a receipt strictly; the checkpoint within is not opened here. Malformed."""
        head, gap, checkpoint = data.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
            extra = strict_base64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
            if not gap or first != HEADER or not lines or not lines[0].startswith("index "):
                raise Malformed(what="tlog-proof", rule=f"{HEADER}, extra line or none, index line, hashes, empty line, checkpoint")
            return cls(parse_decimal(lines[0][6:]), tuple(map(strict_base64, lines[1:])), checkpoint, extra)
        except ValueError as error:  # UnicodeDecodeError is one
            raise Malformed(what="tlog-proof", rule=str(error)) from error

    def format(self) -> bytes:
        extra = [] if self.extra is None else [f"extra {base64.b64encode(self.extra).decode()}"]
        hashes = (base64.b64encode(hash_).decode() for hash_ in self.path)
        return "\n".join([HEADER, *extra, f"index {self.index}", *hashes]).encode() + b"\n\n" + self.checkpoint

    def verify(self, entry: bytes, key: VerifierKey) -> Checkpoint:
        """Check that the entry stands at `index` of the log the key signs for; the checkpoint it is proved under."""
        checkpoint = open_checkpoint(self.checkpoint, key)
        verify_inclusion(leaf_hash(entry), self.index, checkpoint.size, self.path, checkpoint.root)
        return checkpoint
