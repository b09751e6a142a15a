from __future__ import annotations

import pytest

from audit.anchor import Anchors
from audit.errors import AnchorMissing, AnchorUnreadable, LogForked, LogRolledBack, NothingToAdmit
from audit.events import Actor
from audit.export import export
from audit.fsck import fsck
from audit.publishing import Publishing
from audit.restoring import Admission, admit_restored
from audit.trail import Question, ask
from foundation import steps
from foundation.ids import new_id
from tlog.checkpoint import open_checkpoint
from tlog.errors import TlogError
from tlog.verify import verify_export

FONDS = "f-1"
ADMISSION = Admission(Actor(account=new_id(), person=new_id(), role="secadmin", assurance=2, client="cli"), request_id="cli")


@pytest.fixture
def restored(log):
    """A log of 10 signed entries whose database was put back to 5, and the newest checkpoint of its first life."""
    log.grow(5)
    log.publishing.publish(FONDS)
    older = {table: log.snapshot(table) for table in log.TABLES}
    log.grow(5)
    newest = log.publishing.publish(FONDS)
    log.restore(older)
    return log, newest


def test_a_restored_database_is_admitted_by_an_entry_that_says_what_was_lost(restored):
    log, newest = restored
    with pytest.raises(LogRolledBack):
        log.publishing.check(FONDS)
    ticket = admit_restored(log.publishing, log.uow, FONDS, ADMISSION)
    log.publishing.check(FONDS)
    found = ask(log.db, FONDS, Question(kinds=("log.restored-admitted",))).found
    assert [item.index for item in found] == [5] == [ticket.index]
    data = found[0].entry.data
    assert (data["signed"], data["signed_root"], data["found"]) == (10, newest.root.hex(), 5)
    assert found[0].entry.reason == "log-rolled-back"
    assert found[0].entry.actor == ADMISSION.actor


def test_no_origin_ever_has_two_histories(restored, tmp_path):
    """After the restoration the log reaches the size that was signed before it, with another root: under another origin."""
    log, newest = restored
    admit_restored(log.publishing, log.uow, FONDS, ADMISSION)
    log.grow(4)
    again = log.publishing.publish(FONDS)
    assert again.size == newest.size
    assert again.root != newest.root
    with pytest.raises(TlogError):
        open_checkpoint(again.note, log.key())
    assert open_checkpoint(again.note, log.key(epoch=again.epoch)).origin == f"archive.invalid/{FONDS}/{again.epoch}"
    export(log.db, FONDS, tmp_path / "out")
    verify_export(tmp_path / "out", log.key(epoch=again.epoch))
    with pytest.raises(TlogError):
        verify_export(tmp_path / "out", log.key())
    assert fsck(log.db, FONDS, lambda epoch: str(log.key(epoch=epoch))).checkpoints == 2


def test_the_superseded_anchor_is_kept_as_evidence(restored):
    log, newest = restored
    admit_restored(log.publishing, log.uow, FONDS, ADMISSION)
    aside = list(log.anchors.directory.glob("*.superseded-*"))
    assert [path.read_bytes() for path in aside] == [newest.note]
    log.publishing.publish(FONDS)
    assert open_checkpoint(log.anchors.read(FONDS), log.key(epoch=_epoch(log))).size == 6


def _epoch(log):
    from audit.store import head_of

    with log.db.read() as conn:
        head = head_of(conn, FONDS)
    assert head is not None
    return head.epoch


def test_only_what_is_refused_can_be_admitted(log):
    log.grow(5)
    log.publishing.publish(FONDS)
    with pytest.raises(NothingToAdmit):
        admit_restored(log.publishing, log.uow, FONDS, ADMISSION)
    assert ask(log.db, FONDS, Question(kinds=("log.restored-admitted",))).found == ()
    assert _epoch(log) == 1


def test_an_archive_on_a_new_machine_is_admitted_without_an_anchor(log, tmp_path):
    log.grow(5)
    log.publishing.publish(FONDS)
    there = Publishing(log.db, log.publishing.signers, Anchors(tmp_path / "new machine"), log.clock)
    with pytest.raises(AnchorMissing):
        there.check(FONDS)
    admit_restored(there, log.uow, FONDS, ADMISSION)
    made = there.publish(FONDS)
    assert made is not None
    there.check(FONDS)


def test_an_emptied_database_is_admitted_too(log):
    log.grow(5)
    log.publishing.publish(FONDS)
    log.restore({table: [] for table in log.TABLES})
    with pytest.raises(LogRolledBack):
        log.publishing.check(FONDS)
    assert admit_restored(log.publishing, log.uow, FONDS, ADMISSION).index == 0
    assert log.publishing.publish(FONDS).size == 1


def test_a_crash_between_entry_and_anchor_leaves_the_log_refused_until_admitted_again(restored):
    log, _ = restored

    class Crash(BaseException):
        pass

    def crash(step):
        if step == "audit.restored-admitted":
            raise Crash

    steps.install_hook(crash)
    try:
        with pytest.raises(Crash):
            admit_restored(log.publishing, log.uow, FONDS, ADMISSION)
    finally:
        steps.install_hook(None)
    with pytest.raises(AnchorUnreadable):
        log.publishing.publish(FONDS)
    log.clock.advance(1)
    admit_restored(log.publishing, log.uow, FONDS, ADMISSION)
    assert log.publishing.publish(FONDS).size == 7


def test_bumping_the_epoch_in_the_database_does_not_get_past_the_anchor(restored):
    log, _ = restored
    log.tamper("log_heads", "UPDATE log_heads SET epoch = 1800000000")
    with pytest.raises(AnchorUnreadable):
        log.publishing.publish(FONDS)


def test_a_database_that_contradicts_itself_cannot_be_admitted(restored):
    log, _ = restored
    log.tamper("log_entries", "UPDATE log_entries SET leaf_hash = :x WHERE idx = 3", x=b"x" * 32)
    with pytest.raises(LogForked):
        admit_restored(log.publishing, log.uow, FONDS, ADMISSION)
    assert _epoch(log) == 1


def test_signers_that_would_reuse_an_origin_are_refused(restored):
    log, _ = restored
    same = Publishing(log.db, lambda fonds, _epoch: log.publishing.signers(fonds, 1), log.anchors, log.clock)
    with pytest.raises(ValueError, match="origin"):
        admit_restored(same, log.uow, FONDS, ADMISSION)
    with pytest.raises(LogRolledBack):
        log.publishing.check(FONDS)
