"""Checking a receipt against the log, offline: what the archive says it archived is in a log signed by the key the caller holds.

It proves that the log, as signed then, holds the entry of this deposit at this place. That later checkpoints extend this one is another
check: keep the checkpoint, and compare (the archive's own `verify --against`, or anybody's verifier of C2SP logs).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from petition_archive_client.answers import Receipt
from petition_archive_client.errors import ReceiptRefused
from petition_archive_client.notes import InclusionProof, LogKey, open_checkpoint, require_inclusion

_KINDS = {"case.deposited", "case.supplemented", "case.corrected"}


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """A receipt that was checked: its place in the log, the size and root (hex) signed for, and the checkpoint to keep."""

    receipt: Receipt
    origin: str
    index: int
    log_size: int
    root: str
    checkpoint: bytes = field(repr=False)


def check_receipt(receipt: Receipt, proof: bytes, log_key: str, entry: bytes | None = None) -> ProvenReceipt:
    """Check a receipt and its proof under the log's public key, which must have reached the caller by another way than the archive's API.

    `entry`: the log entry's bytes; by default those the proof carries, which are believed only after their inclusion is proved.
    Raises ReceiptRefused, whose `reason` names the step; ValueError for an unusable `log_key`.
    """
    key = LogKey.parse(log_key)
    given = InclusionProof.parse(proof)
    checkpoint = open_checkpoint(given.checkpoint, key)
    if receipt.log_origin != key.name:
        raise ReceiptRefused("receipt-of-another-log")
    if given.index != receipt.log_index:
        raise ReceiptRefused("proof-of-another-index")
    body = given.extra if entry is None else entry
    if body is None:
        raise ReceiptRefused("entry-missing")
    require_inclusion(body, given.index, given.path, checkpoint)
    _require_entry(receipt, body)
    return ProvenReceipt(receipt, checkpoint.origin, given.index, checkpoint.size, checkpoint.root.hex(), given.checkpoint)


def _require_entry(receipt: Receipt, body: bytes) -> None:
    """The entry says what the receipt says: which case and version was taken in, with which content."""
    members = _members(body)
    about, data = members.get("object"), members.get("data")
    if not isinstance(about, dict) or not isinstance(data, dict) or members.get("kind") not in _KINDS:
        raise ReceiptRefused("entry-of-another-kind")
    said = {
        "id": (members.get("id"), receipt.entry_id),
        "fonds": (members.get("fonds"), receipt.fonds),
        "object-kind": (about.get("kind"), "case"),
        "case": (about.get("id"), receipt.case_id),
        "version": (about.get("version"), receipt.version),
        "digest": (data.get("digest"), receipt.digest),
    }
    for name, (logged, claimed) in said.items():
        if type(logged) is not type(claimed) or logged != claimed:
            raise ReceiptRefused(f"entry-disagrees-{name}")


def _members(body: bytes) -> dict[str, Any]:
    try:
        members: object = json.loads(body)
    except (ValueError, RecursionError):
        members = None
    # One reading only: an entry is canonical JSON (RFC 8785; ASCII and integers), so no member can stand in it twice.
    if not isinstance(members, dict) or json.dumps(members, sort_keys=True, separators=(",", ":")).encode() != body:
        raise ReceiptRefused("entry-malformed")
    if type(members.get("v")) is not int or members["v"] != 1:
        raise ReceiptRefused("entry-version")
    return members
