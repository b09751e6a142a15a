"""The words of c2sp.org/tlog-witness, for both sides: the body of `add-checkpoint`, and the answers that are no plain refusal."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final, Self

from tlog.checkpoint import parse_decimal
from tlog.errors import Malformed
from tlog.merkle import HASH_SIZE
from tlog.note import strict_base64

PATH: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
# 63 lines of proof are 2.9 KiB; a checkpoint with a hundred cosignatures, post-quantum ones among them, stays below this.
LARGEST: Final = 512 * 1024
MOST_HASHES: Final = 63


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """`note` is a signed checkpoint verbatim; `proof` leads from `old_size` entries to its size."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def format(self) -> bytes:
        """The body as it is sent."""
        hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in self.proof)
        return f"old {self.old_size}\n{hashes}\n".encode() + self.note

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body strictly; the note is not opened here. Malformed."""
        head, gap, note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
            if not gap or not first.startswith("old ") or len(lines) > MOST_HASHES:
                raise Malformed(what="add-checkpoint", rule=f"old line, at most {MOST_HASHES} hashes, empty line, checkpoint")
            old_size, proof = parse_decimal(first[4:]), tuple(map(strict_base64, lines))
        except ValueError as error:  # UnicodeDecodeError is one
            raise Malformed(what="add-checkpoint", rule=str(error)) from error
        if any(len(one) != HASH_SIZE for one in proof):
            raise Malformed(what="add-checkpoint", rule=f"hashes of {HASH_SIZE} bytes")
        return cls(old_size, proof, note)


def format_size(size: int) -> bytes:
    """The body of a 409: how many entries the witness has cosigned."""
    return f"{size}\n".encode()


def parse_size(body: bytes) -> int:
    """Inverse of `format_size`. Malformed."""
    text = body.decode("ascii", "replace")
    try:
        return parse_decimal(text.removesuffix("\n") if text.endswith("\n") else "")
    except ValueError as error:
        raise Malformed(what="tlog size", rule=str(error)) from error
