from __future__ import annotations

import pytest

from audit.errors import LogDamaged
from audit.events import SealedDetail
from audit.export import export
from audit.fsck import fsck
from foundation.ids import new_id
from tlog.verify import verify_export

FONDS = "f-1"


@pytest.fixture
def filled(log):
    """A log with every kind of row: 520 entries, two full tiles, three checkpoints, subjects, details."""
    log.grow(255)
    log.publishing.publish(FONDS)
    log.grow(1)
    log.publishing.publish(FONDS)
    log.grow(260)
    log.add(
        log.event(kind="case.listed", cases=(new_id(), new_id())),
        log.event(
            kind="request.filed", object={"kind": "request", "id": new_id()}, details=(SealedDetail("reason", b"c" * 32, b"s", "k:1"),)
        ),
        log.event(kind="access.intent", grant=new_id(), purpose="review", object={"kind": "case", "id": new_id()}),
        log.event(kind="log.queried", details=(SealedDetail("query", b"d" * 32, b"s", "k:1"),)),
    )
    log.publishing.publish(FONDS)
    return log


def run(log):
    return fsck(log.db, FONDS, lambda epoch: str(log.key(epoch=epoch)))


def test_a_sound_log_is_found_sound(filled):
    sound = run(filled)
    assert (sound.entries, sound.tiles, sound.checkpoints) == (520, 2, 3)


def test_an_empty_log_is_sound(log):
    assert run(log).entries == 0


def test_an_erased_detail_leaves_the_log_sound(filled):
    with filled.db.write() as conn:
        conn.exec_driver_sql("UPDATE log_details SET sealed = NULL, erased_ms = 1 WHERE name = 'reason'")
    assert run(filled).entries == 520


X = b"x" * 32
TAMPERINGS = [
    ("entry 7", "body", "log_entries", "UPDATE log_entries SET body = :x WHERE idx = 7"),
    ("entry 7", "leaf_hash", "log_entries", "UPDATE log_entries SET leaf_hash = :x WHERE idx = 7"),
    ("entry 7", "leaf_hash", "log_entries", "UPDATE log_entries SET body = (SELECT body FROM log_entries WHERE idx = 8) WHERE idx = 7"),
    ("entry 7", "missing", "log_entries", "DELETE FROM log_entries WHERE idx = 7"),
    ("head", "size", "log_entries", "DELETE FROM log_entries WHERE idx = 519"),
    ("entry 519", "missing", "log_entries", "UPDATE log_entries SET idx = 600 WHERE idx = 519"),
    ("entry 7", "time_ms", "log_entries", "UPDATE log_entries SET time_ms = time_ms + 1 WHERE idx = 7"),
    ("entry 7", "kind", "log_entries", "UPDATE log_entries SET kind = 'case.listed' WHERE idx = 7"),
    ("entry 7", "verdict", "log_entries", "UPDATE log_entries SET verdict = 'refuse' WHERE idx = 7"),
    ("entry 7", "actor_account", "log_entries", "UPDATE log_entries SET actor_account = NULL WHERE idx = 7"),
    ("entry 7", "actor_person", "log_entries", "UPDATE log_entries SET actor_person = 'somebody' WHERE idx = 7"),
    ("entry 7", "unit", "log_entries", "UPDATE log_entries SET unit = 'u-9' WHERE idx = 7"),
    ("entry 7", "case_id", "log_entries", "UPDATE log_entries SET case_id = NULL WHERE idx = 7"),
    ("entry 518", "grant_id", "log_entries", "UPDATE log_entries SET grant_id = NULL WHERE idx = 518"),
    ("entry 518", "purpose", "log_entries", "UPDATE log_entries SET purpose = 'reply' WHERE idx = 518"),
    ("entry 7", "request_ref", "log_entries", "UPDATE log_entries SET request_ref = NULL WHERE idx = 7"),
    ("entry 7", "fonds or id", "log_entries", "UPDATE log_entries SET entry_id = 'other' WHERE idx = 7"),
    ("entry 516", "subjects", "log_subjects", "DELETE FROM log_subjects WHERE idx = 516 AND subject_kind = 'case'"),
    ("entry 517", "subjects", "log_subjects", "UPDATE log_subjects SET subject_kind = 'grant' WHERE idx = 517"),
    ("entry 9", "subjects", "log_subjects", "UPDATE log_subjects SET idx = 9 WHERE idx = 517"),
    ("subjects", "of no entry", "log_subjects", "INSERT INTO log_subjects VALUES ('f-1', 'case', 'x', 4000)"),
    ("entry 517", "details", "log_details", "DELETE FROM log_details WHERE name = 'reason'"),
    ("entry 517", "details", "log_details", "UPDATE log_details SET commitment = :x WHERE name = 'reason'"),
    ("tile 0/0", "missing", "log_tiles", "DELETE FROM log_tiles WHERE n = 0"),
    ("tile 0/1", "hashes", "log_tiles", "UPDATE log_tiles SET hashes = :x WHERE n = 1"),
    ("tile 0/1", "root", "log_tiles", "UPDATE log_tiles SET root = :x WHERE n = 1"),
    (
        "tiles",
        "more than the entries fill",
        "log_tiles",
        "INSERT INTO log_tiles SELECT fonds, 3, n, root, hashes FROM log_tiles WHERE n = 1",
    ),
    ("span 0", "times", "log_spans", "UPDATE log_spans SET earliest_ms = earliest_ms + 1 WHERE n = 0"),
    ("span 1", "times", "log_spans", "DELETE FROM log_spans WHERE n = 1"),
    ("spans", "more than the entries fill", "log_spans", "INSERT INTO log_spans SELECT fonds, 2, 0, 0 FROM log_spans WHERE n = 1"),
    ("entry 9", "body", "log_entries", "UPDATE log_entries SET body = 'not bytes' WHERE idx = 9"),
    ("head", "size", "log_heads", "UPDATE log_heads SET size = 519"),
    ("head", "frontier", "log_heads", "UPDATE log_heads SET frontier = :x"),
    ("head", "root", "log_heads", "UPDATE log_heads SET root = :x"),
    ("checkpoint 255", "note", "log_checkpoints", "UPDATE log_checkpoints SET note = :x WHERE size = 255"),
    ("checkpoint 255", "root", "log_checkpoints", "UPDATE log_checkpoints SET root = :x WHERE size = 255"),
    (
        "checkpoint 255",
        "root",
        "log_checkpoints",
        "UPDATE log_checkpoints SET note = (SELECT c.note FROM log_checkpoints AS c WHERE c.size = 256) WHERE size = 255",
    ),
    ("checkpoint 600", "beyond the log", "log_checkpoints", "UPDATE log_checkpoints SET size = 600 WHERE size = 520"),
    ("checkpoint 255", "note", "log_checkpoints", "UPDATE log_checkpoints SET epoch = 2 WHERE size = 255"),
    ("signer", "size", "log_checkpoints", "DELETE FROM log_checkpoints WHERE size = 520"),
    ("signer", "size", "log_signers", "UPDATE log_signers SET size = 256"),
]


@pytest.mark.parametrize(("where", "what", "table", "statement"), TAMPERINGS)
def test_each_tampering_with_the_database_is_found_and_named(filled, where, what, table, statement):
    filled.tamper(table, statement, **({"x": X} if ":x" in statement else {}))
    with pytest.raises(LogDamaged) as found:
        run(filled)
    assert found.value.params == {"fonds": FONDS, "where": where, "what": what}


def test_a_detail_of_no_entry_and_one_neither_sealed_nor_erased_are_found(filled):
    filled.tamper("log_details", "UPDATE log_details SET sealed = NULL WHERE name = 'query'")
    with pytest.raises(LogDamaged) as found:
        run(filled)
    assert found.value.params["what"] == "neither sealed nor erased"


def test_what_the_tampered_database_exports_does_not_verify(filled, tmp_path):
    """An entry changed in place, with its leaf hash, while the tiles and the signature stay."""
    filled.tamper("log_entries", "UPDATE log_entries SET body = (SELECT e.body FROM log_entries AS e WHERE e.idx = 8) WHERE idx = 7")
    export(filled.db, FONDS, tmp_path / "out")
    with pytest.raises(Exception, match="tile"):
        verify_export(tmp_path / "out", filled.key())


def test_a_history_rewritten_as_a_whole_is_sound_in_itself_and_only_old_checkpoints_tell(filled):
    filled.rewrite(7)
    assert run(filled).entries == 520
