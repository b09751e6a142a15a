"""Receipts: what a depositor holds in hand. Acknowledged when durable; its proof can be fetched once the entry is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archive.store import KnownVersion
from foundation.clock import from_ms, iso


@dataclass(frozen=True, slots=True)
class Receipt:
    """One case version taken into the archive. `digest` is keyed: it confirms the content to its depositor, and to nobody who guesses."""

    fonds: str
    case_id: str
    version: int
    status: Literal["created", "same"]
    source_system: str
    case_no: str
    digest: bytes
    received_at: str
    entry_id: str
    log_index: int


def receipt_of(fonds: str, known: KnownVersion, status: Literal["created", "same"]) -> Receipt:
    """The receipt of a stored version."""
    return Receipt(
        fonds=fonds,
        case_id=known.case_id,
        version=known.version,
        status=status,
        source_system=known.source_system,
        case_no=known.case_no,
        digest=known.digest,
        received_at=iso(from_ms(known.made_ms)),
        entry_id=known.entry_id,
        log_index=known.log_index,
    )
