from __future__ import annotations

import pytest

from audit.errors import NoSuchEntry, NoSuchTile, NotYetPublished
from audit.proofs import Proofs
from audit.trail import entry_named
from foundation.ids import new_id
from tlog.errors import TlogError
from tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from tlog.proof import LogProof

FONDS = "f-1"


@pytest.fixture
def published(log):
    """A log published at 3 and at 600 entries, with 5 more behind them."""
    log.grow(3)
    log.publishing.publish(FONDS)
    log.grow(597)
    log.publishing.publish(FONDS)
    log.grow(5)
    return log


def body(log, entry_id):
    with log.db.read() as conn:
        return entry_named(conn, FONDS, entry_id).entry.body


def test_a_receipt_verifies_offline_with_the_entry_and_the_key_alone(published):
    proofs = Proofs(published.db)
    for ticket in (published.entries[at] for at in (0, 2, 3, 255, 256, 511, 512, 599)):
        entry = body(published, ticket.entry_id)
        receipt = LogProof.parse(proofs.receipt(FONDS, ticket.entry_id))
        assert receipt.index == ticket.index
        assert receipt.verify(entry, published.key()).size == 600
        with pytest.raises(TlogError):
            receipt.verify(entry.replace(b"permit", b"refuse"), published.key())
        with pytest.raises(TlogError):
            receipt.verify(entry, published.key("f-2"))


def test_an_entry_not_covered_by_a_checkpoint_has_no_receipt_yet(published):
    proofs = Proofs(published.db)
    with pytest.raises(NotYetPublished):
        proofs.receipt(FONDS, published.entries[-1].entry_id)
    with pytest.raises(NotYetPublished):
        proofs.inclusion(FONDS, 600)
    with pytest.raises(NotYetPublished):
        proofs.consistency(FONDS, 601)
    published.publishing.publish(FONDS)
    LogProof.parse(proofs.receipt(FONDS, published.entries[-1].entry_id))


def test_an_entry_of_another_fonds_is_as_absent_as_one_that_never_was(published):
    other = published.grow(1, fonds="f-2")[0]
    for entry_id in (other.entry_id, new_id()):
        with pytest.raises(NoSuchEntry):
            Proofs(published.db).receipt(FONDS, entry_id)


def test_inclusion_and_consistency_hold_against_the_signed_root(published):
    proofs = Proofs(published.db)
    for index in (0, 1, 254, 255, 256, 598, 599):
        path, latest = proofs.inclusion(FONDS, index)
        entry = body(published, published.entries[index].entry_id)
        verify_inclusion(leaf_hash(entry), index, latest.size, path, latest.root)
    path, latest = proofs.consistency(FONDS, 0)
    assert path == []
    path, latest = proofs.consistency(FONDS, 600)
    verify_consistency(600, latest.root, 600, latest.root, path)


def test_tiles_and_bundles_are_those_of_the_published_size_and_no_others(published):
    proofs = Proofs(published.db)
    full = proofs.tile(FONDS, 0, 0)
    assert len(full) == 8192
    assert proofs.tile(FONDS, 0, 0, 3) == full[: 3 * 32]
    assert len(proofs.tile(FONDS, 0, 2, 88)) == 88 * 32
    assert len(proofs.tile(FONDS, 1, 0, 2)) == 2 * 32
    assert proofs.bundle(FONDS, 0, 3) == proofs.bundle(FONDS, 0)[: len(proofs.bundle(FONDS, 0, 3))]
    # Entries 600 to 604 are durable but not published.
    for level, n, width in (
        (0, 2, 89),
        (0, 2, 256),
        (0, 3, 1),
        (1, 0, 3),
        (1, 0, 256),
        (2, 0, 1),
        (0, 0, 0),
        (0, -1, 1),
        (0, 0, 257),
        (64, 0, 1),
    ):
        with pytest.raises(NoSuchTile):
            proofs.tile(FONDS, level, n, width)
    for n, width in ((2, 89), (3, 1), (0, 0), (-1, 1)):
        with pytest.raises(NoSuchTile):
            proofs.bundle(FONDS, n, width)


def test_a_log_without_a_checkpoint_shows_nothing(log):
    log.grow(3)
    proofs = Proofs(log.db)
    for read in (lambda: proofs.checkpoint(FONDS), lambda: proofs.tile(FONDS, 0, 0, 1), lambda: proofs.bundle(FONDS, 0, 1)):
        with pytest.raises(NoSuchTile):
            read()
