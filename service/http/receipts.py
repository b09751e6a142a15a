"""Receipts and their proofs, as a depositor fetches them again."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from archive.receipts import Receipt
from reviews.proofs import proof_of_receipt, receipt_again
from service.house import House
from service.http.answers import Answer, Id, known_id, problems, reply, text_answer
from service.http.identity import Who

router = APIRouter(prefix="/v1/receipts", tags=["回执 Receipts"])


class LogPlace(Answer):
    """Where the entry stands: the log's name, the index, the entry's id."""

    origin: str
    index: int
    entry_id: str


class KeyedDigest(Answer):
    """Confirms the content to whoever deposited it, and to nobody who guesses."""

    algorithm: str
    value: str


class ReceiptAnswer(Answer):
    """One case version in the archive."""

    case_id: str
    version: int
    status: Literal["created", "same"]
    fonds: str
    source_system: str
    case_no: str
    log: LogPlace
    digest: KeyedDigest
    received_at: str
    proof_url: str


def receipt_members(house: House, receipt: Receipt) -> dict[str, Any]:
    """A receipt in the form of `ReceiptAnswer`."""
    return {
        "case_id": receipt.case_id,
        "version": receipt.version,
        "status": receipt.status,
        "fonds": receipt.fonds,
        "source_system": receipt.source_system,
        "case_no": receipt.case_no,
        "log": {"origin": house.origin_of(receipt.fonds), "index": receipt.log_index, "entry_id": receipt.entry_id},
        "digest": {"algorithm": house.digest_name(receipt.fonds), "value": receipt.digest.hex()},
        "received_at": receipt.received_at,
        "proof_url": f"/v1/receipts/{receipt.entry_id}/proof",
    }


def receipt_reply(house: House, receipt: Receipt) -> Response:
    """201 for what was made now, 200 for what was there."""
    answer = ReceiptAnswer.model_validate(receipt_members(house, receipt))
    return reply(answer, 201 if receipt.status == "created" else 200)


@router.get("/{entry_id}", summary="取回执 Fetch a receipt", response_model=ReceiptAnswer, responses=problems(404))
def fetch(entry_id: Id, who: Who) -> Response:
    """The receipt again, for the case system that deposited it, and for archivists."""
    caller = who.caller()
    return receipt_reply(who.house, receipt_again(who.desk, caller, known_id(entry_id)))


@router.get(
    "/{entry_id}/proof",
    summary="取回执证明 Fetch the proof of a receipt",
    response_class=Response,
    responses=problems(404, 409) | text_answer("text/plain", "C2SP tlog-proof，附日志条目 with the entry as its extra data"),
)
def proof(entry_id: Id, who: Who) -> Response:
    """The proof that the log, as signed, holds the entry of this deposit; 409 `not-yet-published` for about a second after it."""
    caller = who.caller()
    found = proof_of_receipt(who.desk, caller, known_id(entry_id))
    return Response(found, media_type="text/plain; charset=utf-8")
