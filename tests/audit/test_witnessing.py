"""Cosignatures as the archive keeps, shows and demands them."""

from __future__ import annotations

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import DBAPIError

from audit.errors import LogDamaged, NoSuchTile, NotWitnessed
from audit.export import export
from audit.proofs import Proofs
from audit.store import Published
from audit.tables import log_cosignatures
from audit.witnessing import Panel, check_lines, id_of, keep, lags, line_by, must_be_witnessed, newest_witnessed, next_for, with_lines
from foundation.clock import to_ms
from signed_log import SigningKey
from tlog.checkpoint import open_checkpoint
from tlog.errors import Malformed, NoKnownSignature, OriginMismatch, SignatureInvalid, TlogError
from tlog.note import VerifierKey, parse_note, verify_note
from tlog.proof import LogProof
from tlog.verify import verify_export

FONDS = "f-1"
WITNESSES = [SigningKey.from_seed(f"witness.invalid/w{seed}", seed) for seed in (1, 2, 3)]
KEYS = tuple(VerifierKey.parse(one.vkey(4)) for one in WITNESSES)
SECONDS = 1_700_000_000


def said(place, note, seconds=SECONDS):
    """What this witness answers for a checkpoint."""
    return WITNESSES[place].cosignature_line(parse_note(note).text, seconds).encode()


def cosign(log, published, *places, fonds=FONDS):
    """Let witnesses cosign a published checkpoint."""
    with log.db.write() as conn:
        for place in places:
            line = line_by(KEYS[place], published.note, said(place, published.note))
            assert keep(conn, fonds, published.size, KEYS[place], line, to_ms(log.clock.now()))


def grown(log, *sizes):
    """Checkpoints of these sizes, a second apart."""
    made: list[Published] = []
    last = 0
    for size in sizes:
        log.grow(size - last)
        made.append(log.publishing.publish(FONDS))
        log.clock.advance(1)
        last = size
    return made


def test_the_checkpoint_that_is_served_and_exported_carries_the_lines_it_has(log, tmp_path):
    (first, second) = grown(log, 5, 300)
    cosign(log, first, 0, 1)
    proofs = Proofs(log.db, Panel(KEYS, 2))
    assert proofs.checkpoint(FONDS).note == second.note
    cosign(log, second, 1, 2)
    latest = proofs.checkpoint(FONDS)
    assert latest.note.startswith(second.note)
    assert {key for key, _ in verify_note(parse_note(latest.note), [log.key(), *KEYS])} == {log.key(), KEYS[1], KEYS[2]}
    for _, published in (proofs.inclusion(FONDS, 7), proofs.consistency(FONDS, 5)):
        assert published.note == latest.note
    export(log.db, FONDS, tmp_path / "out")
    assert (tmp_path / "out" / "checkpoint").read_bytes() == latest.note
    verify_export(tmp_path / "out", log.key())
    # What was signed is as it was; cosignatures lie beside it.
    with log.db.read() as conn:
        assert with_lines(conn, FONDS, first).note != first.note
    assert log.anchors.read(FONDS) == second.note


def test_a_witnessed_checkpoint_is_the_newest_that_enough_have_cosigned(log, tmp_path):
    made = grown(log, 5, 10, 300, 310)
    proofs = Proofs(log.db, Panel(KEYS, 2, {"f-2": 1}))
    with pytest.raises(NoSuchTile):
        proofs.witnessed(FONDS)
    cosign(log, made[0], 0, 1, 2)
    assert proofs.witnessed(FONDS).size == 5
    cosign(log, made[1], 0, 1)
    cosign(log, made[2], 2)
    cosign(log, made[3], 0)
    witnessed = proofs.witnessed(FONDS)
    assert witnessed.size == 10
    assert must_be_witnessed(witnessed.note, log.key(), Panel(KEYS, 2)) == [(KEYS[0], SECONDS), (KEYS[1], SECONDS)]
    for panel, size in ((Panel(KEYS, 1), 310), (Panel(KEYS, 3), 5), (Panel(KEYS, 2, {FONDS: 1}), 310), (Panel(KEYS[1:], 2), 5)):
        assert Proofs(log.db, panel).witnessed(FONDS).size == size
    with pytest.raises(NoSuchTile):
        Proofs(log.db).witnessed(FONDS)  # nobody's word counts where nobody is named
    assert export(log.db, FONDS, tmp_path / "out", witnessed=Panel(KEYS, 2)).size == 10
    verify_export(tmp_path / "out", log.key())
    assert (tmp_path / "out" / "checkpoint").read_bytes() == witnessed.note


def test_a_receipt_is_under_the_newest_witnessed_checkpoint_that_covers_its_entry(log):
    made = grown(log, 5, 10, 20)
    cosign(log, made[0], 0, 1)
    cosign(log, made[1], 0, 1)
    proofs = Proofs(log.db, Panel(KEYS, 2))
    for index, size in ((0, 10), (4, 10), (9, 10), (10, 20), (19, 20)):
        entry = log.entries[index]
        proof = LogProof.parse(proofs.receipt(FONDS, entry.entry_id))
        with log.db.read() as conn:
            body = conn.scalar(text("SELECT body FROM log_entries WHERE idx = :i"), {"i": index})
        assert (proof.verify(bytes(body), log.key()).size, proof.index) == (size, index)
        if size == 10:
            assert len(must_be_witnessed(proof.checkpoint, log.key(), Panel(KEYS, 2))) == 2
    assert open_checkpoint(LogProof.parse(Proofs(log.db).receipt(FONDS, log.entries[0].entry_id)).checkpoint, log.key()).size == 20


def test_a_witness_is_asked_for_what_others_cosigned_so_that_they_meet(log):
    def due(place):
        with log.db.read() as conn:
            found = next_for(conn, FONDS, KEYS[place], KEYS)
        return found and (found[0], found[1].size)

    assert due(0) is None
    made = grown(log, 5, 10)
    assert [due(place) for place in range(3)] == [(0, 10)] * 3
    cosign(log, made[0], 0)
    assert due(0) == (5, 10)
    assert due(1) == (0, 5)  # where the first is, rather than alone in front
    cosign(log, made[0], 1)
    assert due(1) == (5, 10)
    cosign(log, made[1], 1)
    assert due(1) is None
    assert due(0) == (5, 10)
    assert due(2) == (0, 10)


def test_a_log_in_another_life_begins_anew_with_every_witness(log):
    def old_of(conn):
        found = next_for(conn, FONDS, KEYS[2], KEYS)
        assert found is not None
        return found[0]

    made = grown(log, 5, 10)
    cosign(log, made[1], 0, 1)
    with log.owner.write() as conn:
        conn.execute(text("UPDATE log_heads SET epoch = 1700000000"))
    log.anchors.path(FONDS).unlink()
    log.tamper("log_checkpoints", "UPDATE log_checkpoints SET epoch = 1700000000 WHERE size = 10")
    with log.db.read() as conn:
        assert old_of(conn) == 0
    log.tamper("log_checkpoints", "UPDATE log_checkpoints SET epoch = 1 WHERE size = 5")
    cosign(log, made[0], 2)
    with log.db.read() as conn:
        # What the third said of the old life is nothing the new one could build on.
        assert old_of(conn) == 0
        assert Proofs(log.db, Panel(KEYS, 1)).witnessed(FONDS).size == 10
        assert {lag.cosigned for lag in lags(conn, Panel(KEYS, 1), [FONDS], 0) if lag.witness == KEYS[2].name} == {0}


def test_how_far_a_witness_is_behind_is_told_in_entries_and_in_time(log):
    made = grown(log, 5, 10, 20)
    now = to_ms(log.clock.now())
    panel = Panel(KEYS, 1)
    cosign(log, made[2], 0)
    cosign(log, made[0], 1)
    with log.db.read() as conn:
        found = {lag.witness: lag for lag in lags(conn, panel, [FONDS, "f-none"], now)}
    assert [(found[key.name].entries, found[key.name].behind_ms) for key in KEYS] == [
        (0, 0),
        (15, now - made[1].signed_ms),
        (20, now - made[0].signed_ms),
    ]


def other_note(log):
    log.grow(3, fonds="f-2")
    return log.publishing.publish("f-2").note


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda _log, _note: b"", Malformed),
        (lambda _log, _note: b"\n", Malformed),
        (lambda _log, note: said(0, note)[:-1], Malformed),
        (lambda _log, note: said(1, note), NoKnownSignature),
        (lambda _log, note: said(0, note).replace(b"w1", b"w2"), NoKnownSignature),
        (lambda log, _note: said(0, other_note(log)), SignatureInvalid),
        (lambda _log, note: said(0, note.replace(b"\n5\n", b"\n4\n")), SignatureInvalid),
        (lambda _log, note: said(0, note) + said(0, note.replace(b"\n5\n", b"\n4\n")), SignatureInvalid),
        (lambda _log, note: WITNESSES[0].line(parse_note(note).text).encode(), NoKnownSignature),
        (lambda _log, note: said(0, note, 2**63), SignatureInvalid),
        (lambda _log, note: b"\xff" + said(0, note), Malformed),
        # Lines of text before an empty line of its own: valid for a text nobody published, poison for the note it would be added to.
        (lambda _log, note: b"more\n\n" + WITNESSES[0].cosignature_line(parse_note(note).text + "\nmore\n", SECONDS).encode(), Malformed),
    ],
)
def test_an_answer_that_does_not_hold_for_this_very_checkpoint_is_not_kept(log, answer, error):
    (published,) = grown(log, 5)
    with pytest.raises(error):
        line_by(KEYS[0], published.note, answer(log, published.note))


def test_lines_of_others_in_an_answer_are_passed_over_and_one_of_each_is_kept(log):
    (published,) = grown(log, 5)
    answer = b"\xe2\x80\x94 unknown.invalid AAAAAAAA\n" + said(0, published.note) + said(0, published.note, SECONDS + 1)
    line = line_by(KEYS[0], published.note, answer)
    assert line.encode() == said(0, published.note)
    with log.db.write() as conn:
        assert keep(conn, FONDS, 5, KEYS[0], line, 1)
        assert not keep(conn, FONDS, 5, KEYS[0], line_by(KEYS[0], published.note, said(0, published.note, SECONDS + 9)), 2)
    with log.db.read() as conn:
        assert conn.execute(select(log_cosignatures.c.line, log_cosignatures.c.received_ms)).all() == [(line, 1)]


def test_a_kept_cosignature_can_neither_be_changed_nor_taken_away(log):
    (published,) = grown(log, 5)
    cosign(log, published, 0)
    statements = ["UPDATE log_cosignatures SET line = 'x'", "DELETE FROM log_cosignatures"]
    if log.db.dialect == "sqlite":
        statements.append("INSERT OR REPLACE INTO log_cosignatures SELECT * FROM log_cosignatures")
    for db in (log.db, log.owner):
        for statement in statements:
            with pytest.raises(DBAPIError), db.write() as conn:
                conn.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_cosignatures SET line = replace(line, 'A', 'B') WHERE size = 5",
        "UPDATE log_cosignatures SET line = line || line WHERE size = 5",
        "UPDATE log_cosignatures SET line = 'x' WHERE size = 5",
        "UPDATE log_cosignatures SET witness = witness || '0' WHERE size = 5",
        "UPDATE log_cosignatures SET size = 6 WHERE size = 5",
        "UPDATE log_cosignatures SET size = 10 WHERE size = 5",
        "UPDATE log_cosignatures SET line = (SELECT line FROM log_cosignatures WHERE size = 10) WHERE size = 5",
    ],
)
def test_a_kept_cosignature_that_does_not_hold_is_found(log, statement):
    made = grown(log, 5, 10)
    cosign(log, made[0], 0)
    cosign(log, made[1], 1)
    with log.db.read() as conn:
        assert check_lines(conn, FONDS, Panel(KEYS, 1)) == 2
        assert check_lines(conn, FONDS, Panel()) == 2
    log.tamper("log_cosignatures", statement)
    with log.db.read() as conn, pytest.raises(LogDamaged) as found:
        check_lines(conn, FONDS, Panel(KEYS, 1))
    if "'A'" not in statement and "size = 10" not in statement:  # what is wrong in its form is seen without any key
        with log.db.read() as conn, pytest.raises(LogDamaged):
            check_lines(conn, FONDS, Panel())
    assert "cosignature of checkpoint" in str(found.value.params["where"])


def test_a_witness_whose_key_was_exchanged_is_another_witness(log):
    (published,) = grown(log, 5)
    cosign(log, published, 0)
    exchanged = SigningKey.from_seed(KEYS[0].name, 77)
    new = VerifierKey.parse(exchanged.vkey(4))
    assert id_of(new) != id_of(KEYS[0])
    with pytest.raises(NoKnownSignature):
        line_by(KEYS[0], published.note, exchanged.cosignature_line(parse_note(published.note).text, SECONDS).encode())
    with log.db.read() as conn:
        assert next_for(conn, FONDS, new) == (0, published)
        assert newest_witnessed(conn, FONDS, Panel((new,), 1)) is None
    note = Proofs(log.db).checkpoint(FONDS).note
    with pytest.raises(NotWitnessed):
        must_be_witnessed(note, log.key(), Panel((new,), 1))


def test_too_few_cosignatures_are_no_quorum_however_they_are_counted(log):
    (published,) = grown(log, 5)
    note = published.note
    for added, needed in ((b"", 1), (said(0, note), 2), (said(0, note) * 3, 2), (said(0, note) + said(0, note, SECONDS + 1), 2)):
        with pytest.raises(NotWitnessed) as refused:
            must_be_witnessed(note + added, log.key(), Panel(KEYS, needed))
        assert refused.value.params["needed"] == needed
    both = note + said(2, note) + said(0, note)
    assert {key for key, _ in must_be_witnessed(both, log.key(), Panel(KEYS, 2))} == {KEYS[0], KEYS[2]}
    with pytest.raises(SignatureInvalid):
        must_be_witnessed(both + said(1, note.replace(b"\n5\n", b"\n6\n")), log.key(), Panel(KEYS, 2))
    with pytest.raises(TlogError):
        must_be_witnessed(both.replace(log.key().name.encode(), b"archive.invalid/f-9"), log.key(), Panel(KEYS, 2))


def test_a_log_that_cosigns_itself_has_no_witness(log):
    (published,) = grown(log, 5)
    own = VerifierKey(log.key().name, 4, log.key().public_key)
    with pytest.raises(OriginMismatch):
        must_be_witnessed(published.note, log.key(), Panel((own,), 1))


@pytest.mark.parametrize(
    ("keys", "quorum", "quorum_of"),
    [
        (KEYS, 0, {}),
        (KEYS, 4, {}),
        (KEYS, 1, {"f-1": 4}),
        (KEYS, 1, {"f-1": 0}),
        ((KEYS[0], KEYS[0]), 1, {}),
        ((KEYS[0], VerifierKey("witness.invalid/alias", 4, KEYS[0].public_key)), 1, {}),
        ((KEYS[0], VerifierKey(KEYS[0].name, 4, KEYS[1].public_key)), 1, {}),
        ((VerifierKey("archive.invalid/f-1", 1, KEYS[0].public_key),), 1, {}),
        ((VerifierKey("w" * 161, 4, KEYS[0].public_key),), 1, {}),
    ],
)
def test_a_quorum_that_would_mean_less_than_it_says_is_refused(keys, quorum, quorum_of):
    with pytest.raises(ValueError):
        Panel(keys, quorum, quorum_of)


def test_the_longest_name_of_a_witness_fits_its_columns(log):
    (published,) = grown(log, 5)
    long = SigningKey.from_seed("见" * 160, 5)
    key = VerifierKey.parse(long.vkey(4))
    line = line_by(Panel((key,), 1).keys[0], published.note, long.cosignature_line(parse_note(published.note).text, SECONDS).encode())
    with log.db.write() as conn:
        assert keep(conn, FONDS, 5, key, line, 1)
    assert Proofs(log.db).checkpoint(FONDS).note == published.note + line.encode()


def test_a_witness_that_is_away_makes_no_look_longer(log):
    """Thousands of checkpoints that one witness alone has cosigned lie above the last that two have."""
    made = grown(log, 5, 10)
    cosign(log, made[0], 0, 1, 2)
    later = to_ms(log.clock.now())
    with log.db.write() as conn:
        conn.execute(
            text(
                "INSERT INTO log_checkpoints (fonds, size, epoch, root, note, signed_ms)"
                " SELECT fonds, size + n, epoch, root, note, signed_ms FROM log_checkpoints,"
                " (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000) SELECT n FROM c) AS counted"
                " WHERE size = 10"
            )
        )
        conn.execute(
            insert(log_cosignatures),
            [{"fonds": FONDS, "size": 10 + n, "witness": id_of(KEYS[0]), "line": "x", "received_ms": later} for n in range(3001)],
        )
    asked: list[str] = []
    event.listen(log.db.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with log.db.read() as conn:
        del asked[:]
        found = newest_witnessed(conn, FONDS, Panel(KEYS, 2))
        assert found is not None
        assert (found.size, len(asked) < 12) == (5, True)
    with log.db.write() as conn:
        # They meet nowhere above, though the second has said something last: all of it is looked through, some hundred at a time.
        assert keep(conn, FONDS, 3000, KEYS[1], "x", later)
        conn.execute(
            text("INSERT INTO log_checkpoints SELECT fonds, 4000, epoch, root, note, signed_ms FROM log_checkpoints WHERE size = 10")
        )
        assert keep(conn, FONDS, 4000, KEYS[2], "x", later)
    with log.db.read() as conn:
        for panel, size in ((Panel(KEYS, 2), 3000), (Panel(KEYS[1:], 2), 5), (Panel(KEYS, 3), 5), (Panel(KEYS, 1), 4000)):
            found = newest_witnessed(conn, FONDS, panel)
            assert found is not None
            assert found.size == size
