from __future__ import annotations

import pytest

from audit.details import details_of, erase
from audit.errors import NoSuchEntry
from audit.events import Actor, SealedDetail
from audit.fsck import fsck
from audit.proofs import Proofs
from audit.trail import Question, ask
from foundation.ids import new_id
from tlog.proof import LogProof

FONDS = "f-1"


@pytest.fixture
def described(log):
    """An entry with two details, and its ticket."""
    details = (
        SealedDetail("reason", b"c" * 32, b"sealed reason", "case:1"),
        SealedDetail("opinion", b"d" * 32, b"sealed opinion", "case:1"),
    )
    return log, log.add(log.event(kind="request.filed", object={"kind": "request", "id": new_id()}, details=details))[0]


def test_erasing_a_detail_is_an_entry_and_leaves_every_proof_valid(described):
    log, ticket = described
    log.publishing.publish(FONDS)
    receipt = Proofs(log.db).receipt(FONDS, ticket.entry_id)
    erasure = log.uow.run(
        FONDS, lambda unit: erase(unit, ticket.entry_id, "reason", actor=Actor(), now=log.clock.now(), reason="retention")
    )
    with log.db.read() as conn:
        found = details_of(conn, FONDS, ticket.entry_id)
    assert (found["reason"].sealed, found["reason"].commitment) == (None, b"c" * 32)
    assert found["reason"].erased_ms is not None
    assert (found["opinion"].sealed, found["opinion"].erased_ms) == (b"sealed opinion", None)
    about = ask(log.db, FONDS, Question(about=("entry", ticket.entry_id))).found
    assert [(item.index, item.entry.kind, item.entry.data) for item in about] == [(erasure.index, "log.detail-erased", {"name": "reason"})]
    log.publishing.publish(FONDS)
    body = ask(log.db, FONDS, Question(kinds=("request.filed",))).found[0].entry.body
    for proof in (receipt, Proofs(log.db).receipt(FONDS, ticket.entry_id)):
        LogProof.parse(proof).verify(body, log.key())
    assert fsck(log.db, FONDS, lambda epoch: str(log.key(epoch=epoch))).entries == 2


def test_what_was_erased_or_never_was_cannot_be_erased(described):
    log, ticket = described
    log.uow.run(FONDS, lambda unit: erase(unit, ticket.entry_id, "reason", actor=Actor(), now=log.clock.now()))
    for entry_id, name, fonds in (
        (ticket.entry_id, "reason", FONDS),
        (ticket.entry_id, "other", FONDS),
        (ticket.entry_id, "opinion", "f-2"),
    ):
        with pytest.raises(NoSuchEntry):
            log.uow.run(fonds, lambda unit, i=entry_id, n=name: erase(unit, i, n, actor=Actor(), now=log.clock.now()))
    assert len(ask(log.db, FONDS, Question(kinds=("log.detail-erased",))).found) == 1
