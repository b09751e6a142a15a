"""What a witness cosigns and what it never does: one history of each log, whatever it is asked, shown, or put back to."""

from __future__ import annotations

import errno
import shutil
import threading
from base64 import b64encode
from pathlib import Path

import pytest

from foundation.durable import write_durably
from foundation.errors import ArchiveError
from service.witness.errors import OtherKeyTrusted, WitnessForgot, WitnessStateWrong
from service.witness.folder import hash_of
from service.witness.judging import Answer, Witness
from service.witness.wire import AddCheckpoint
from signed_log import SigningKey
from tlog.errors import TlogError
from tlog.note import format_note, parse_note, verify_note
from witness_scene import GrowingLog, made_witness, opened_witness

LOG = GrowingLog()
# The same archive, with its real key, telling another story from the eleventh entry on.
FORGED = GrowingLog(history="forged", branches_at=10)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """Has cosigned twenty entries of the log."""
    made = made_witness(tmp_path / "w", LOG.vkey)
    assert made.add_checkpoint(LOG.ask(0, 20)).status == 200
    return made


def size_of(witness: Witness, log: GrowingLog = LOG) -> int:
    known = witness.folder.log_of(log.key.name)
    assert known is not None
    return witness.folder.seen(known).size


def must_be_cosigned(witness: Witness, note: bytes, answer: Answer) -> None:
    assert answer.status == 200, answer.body
    text = parse_note(note).text
    ((key, seconds),) = verify_note(parse_note(format_note(text, [answer.body.decode()])), [witness.folder.key])
    assert key == witness.folder.key
    assert seconds


def test_a_log_that_grows_is_cosigned_from_the_first_to_the_last_checkpoint(tmp_path: Path) -> None:
    witness = made_witness(tmp_path / "w", LOG.vkey)
    old = 0
    for new in (0, 1, 1, 2, 3, 7, 8, 255, 256, 257, 600):
        must_be_cosigned(witness, LOG.note(new), witness.add_checkpoint(LOG.ask(old, new)))
        old = new
        assert size_of(witness) == new
    latest = witness.latest(hash_of(LOG.key.name))
    assert latest is not None
    assert len(verify_note(parse_note(latest), [LOG.vkey, witness.folder.key])) == 2
    assert witness.latest(hash_of("archive.invalid/other")) is None


def test_a_history_that_was_rewritten_and_signed_with_the_real_key_is_refused(witness: Witness) -> None:
    for old, new in ((20, 21), (20, 40), (20, 400)):
        assert witness.add_checkpoint(FORGED.ask(old, new)).status == 422
    # Not even with the proof that would hold for the true log.
    body = AddCheckpoint(20, LOG.proof(20, 40), FORGED.note(40)).format()
    assert witness.add_checkpoint(body).status == 422
    assert size_of(witness) == 20
    must_be_cosigned(witness, LOG.note(40), witness.add_checkpoint(LOG.ask(20, 40)))


def test_a_log_that_was_rolled_back_is_not_cosigned_again(witness: Witness) -> None:
    for old in (0, 5, 10, 15):
        answer = witness.add_checkpoint(LOG.ask(old, 15))
        assert (answer.status, answer.body, answer.media_type) == (409, b"20\n", "text/x.tlog.size")
    assert witness.add_checkpoint(AddCheckpoint(20, (), LOG.note(15)).format()).status == 400
    assert size_of(witness) == 20


def test_two_roots_of_one_size_are_kept_as_evidence_and_the_second_is_not_cosigned(witness: Witness, tmp_path: Path) -> None:
    for old in (20, 0, 20):
        answer = witness.add_checkpoint(AddCheckpoint(old, (), FORGED.note(20)).format())
        assert answer.status == (422 if old == 20 else 409)
    known = witness.folder.log_of(LOG.key.name)
    assert known is not None
    (evidence,) = known.contradictions
    assert evidence.read_bytes() == FORGED.note(20)
    # A checkpoint somebody else signed is no evidence of anything.
    stranger = SigningKey.from_seed(LOG.key.name, 9)
    assert witness.add_checkpoint(AddCheckpoint(20, (), FORGED.note(20, by=stranger)).format()).status == 403
    assert len(known.contradictions) == 1


def test_what_was_cosigned_before_may_be_asked_for_again_and_changes_nothing(witness: Witness) -> None:
    replayed = LOG.ask(0, 20)
    assert witness.add_checkpoint(replayed).status == 409
    must_be_cosigned(witness, LOG.note(20), witness.add_checkpoint(AddCheckpoint(20, (), LOG.note(20)).format()))
    must_be_cosigned(witness, LOG.note(30), witness.add_checkpoint(LOG.ask(20, 30)))
    assert witness.add_checkpoint(LOG.ask(20, 25)).status == 409
    assert size_of(witness) == 30


def test_a_log_that_is_not_known_here_is_no_log(witness: Witness) -> None:
    other = GrowingLog(SigningKey.from_seed("archive.invalid/f-2", 7))
    assert witness.add_checkpoint(other.ask(0, 1)).status == 404
    # Nor is a known log's checkpoint one of another name, signed by the key it has.
    assert witness.add_checkpoint(AddCheckpoint(20, (), LOG.note(20, origin="archive.invalid/f-2")).format()).status == 404


def test_only_the_logs_own_key_is_believed(witness: Witness) -> None:
    stranger = SigningKey.from_seed(LOG.key.name, 9)
    named_alike = AddCheckpoint(20, LOG.proof(20, 21), LOG.note(21, by=stranger)).format()
    broken = LOG.ask(20, 21).replace(b"\n21\n", b"\n22\n")
    by_the_witness = format_note(parse_note(LOG.note(21)).text, [witness._cosigner.cosign(parse_note(LOG.note(21)).text, 1)])
    for body in (named_alike, broken, AddCheckpoint(20, LOG.proof(20, 21), by_the_witness).format()):
        assert witness.add_checkpoint(body).status == 403
    assert size_of(witness) == 20


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"old 20\n", 400),
        (b"old 020\n\n" + LOG.note(20), 400),
        (b"old -1\n\n" + LOG.note(20), 400),
        (b"old 20 \n\n" + LOG.note(20), 400),
        (b"OLD 20\n\n" + LOG.note(20), 400),
        (b"old 9223372036854775808\n\n" + LOG.note(20), 400),
        (b"old 20\nAAAA\n\n" + LOG.note(20), 400),
        (b"old 20\nnot base64\n\n" + LOG.note(20), 400),
        (b"old 20\n" + b64encode(bytes(32)) + b"\n" * 2 + LOG.note(20), 422),
        (b"old 20\n" + (b64encode(bytes(32)) + b"\n") * 64 + b"\n" + LOG.note(30), 400),
        (b"old 20\n" + (b64encode(bytes(32)) + b"\n") * 63 + b"\n" + LOG.note(30), 422),
        (b"old 21\n\n" + LOG.note(20), 400),
        (b"old 20\n\n" + LOG.note(20)[:-1], 400),
        (b"old 20\n\n" + LOG.note(30), 422),
        (b"old 19\n\n" + LOG.note(30), 409),
        (b"old 20\n\n" + LOG.key.note(f"{LOG.key.name}\n0\n{b64encode(bytes(32)).decode()}\n"), 422),
        (b"old 20\n\n" + LOG.key.note(f"{LOG.key.name}\n20\n{b64encode(bytes(32)).decode()}\nextension\n"), 400),
        (b"old 20\n\n" + LOG.key.note(f"{LOG.key.name}\n020\n{b64encode(bytes(32)).decode()}\n"), 400),
    ],
)
def test_each_thing_wrong_with_a_request_has_the_status_the_specification_gives_it(witness: Witness, body: bytes, status: int) -> None:
    before = (witness.folder.path / f"{hash_of(LOG.key.name)}.checkpoint").read_bytes()
    assert witness.add_checkpoint(body).status == status
    assert (witness.folder.path / f"{hash_of(LOG.key.name)}.checkpoint").read_bytes() == before


def test_the_first_checkpoint_needs_no_proof_and_takes_none(tmp_path: Path) -> None:
    witness = made_witness(tmp_path / "w", LOG.vkey)
    assert witness.add_checkpoint(AddCheckpoint(0, (bytes(32),), LOG.note(5)).format()).status == 422
    assert witness.add_checkpoint(LOG.ask(1, 5)).body == b"0\n"
    assert witness.add_checkpoint(LOG.ask(0, 5)).status == 200


def test_of_two_histories_asked_for_at_once_one_is_cosigned(tmp_path: Path) -> None:
    """By threads of two processes' witnesses: nothing but the lock and the file is shared."""
    for round_ in range(10):
        folder = tmp_path / f"w{round_}"
        made_witness(folder, LOG.vkey).add_checkpoint(LOG.ask(0, 10))
        asked = [LOG.ask(10, 20), FORGED.ask(10, 20), LOG.ask(10, 21), FORGED.ask(10, 21)] * 2
        answers: list[Answer | None] = [None] * len(asked)
        barrier = threading.Barrier(len(asked))

        def ask(place: int, own: Witness, barrier: threading.Barrier = barrier, answers: list[Answer | None] = answers) -> None:
            barrier.wait(30)
            answers[place] = own.add_checkpoint(asked[place])  # noqa: B023  joined within the round

        threads = [threading.Thread(target=ask, args=(place, opened_witness(folder))) for place in range(len(asked))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        given = [place for place, answer in enumerate(answers) if answer is not None and answer.status == 200]
        assert len(given) == 1
        assert all(answer is not None and answer.status in {200, 409} for answer in answers)


def test_an_older_folder_put_back_forgets_nothing_while_the_memory_is_there(witness: Witness, tmp_path: Path) -> None:
    older = tmp_path / "backup"
    shutil.copytree(witness.folder.path, older)
    assert witness.add_checkpoint(LOG.ask(20, 40)).status == 200
    shutil.rmtree(witness.folder.path)
    shutil.copytree(older, witness.folder.path)
    again = opened_witness(witness.folder.path)
    assert size_of(again) == 40
    assert again.add_checkpoint(FORGED.ask(20, 40)).body == b"40\n"
    assert again.add_checkpoint(LOG.ask(40, 50)).status == 200
    # The same the other way round.
    memory = witness.folder.memory / f"{hash_of(LOG.key.name)}.checkpoint"
    kept = memory.read_bytes()
    assert again.add_checkpoint(LOG.ask(50, 60)).status == 200
    memory.write_bytes(kept)
    assert size_of(opened_witness(witness.folder.path)) == 60


@pytest.mark.parametrize("lost", ["folder", "memory", "both"])
def test_a_witness_that_lost_a_copy_of_its_memory_says_so_and_cosigns_nothing(witness: Witness, lost: str) -> None:
    name = f"{hash_of(LOG.key.name)}.checkpoint"
    copies = {"folder": witness.folder.path / name, "memory": witness.folder.memory / name}
    for which, path in copies.items():
        if lost in {which, "both"}:
            path.unlink()
    for body in (LOG.ask(20, 30), FORGED.ask(0, 30), LOG.ask(0, 30)):
        with pytest.raises(WitnessForgot):
            opened_witness(witness.folder.path).add_checkpoint(body)
    if lost == "both":
        with pytest.raises(WitnessForgot):
            witness.folder.trust(LOG.vkey)
        witness.folder.trust(LOG.vkey, LOG.note(20))
    else:
        witness.folder.trust(LOG.vkey)
    assert size_of(opened_witness(witness.folder.path)) == 20
    assert witness.add_checkpoint(FORGED.ask(20, 30)).status == 422
    assert witness.add_checkpoint(LOG.ask(20, 30)).status == 200


def test_a_memory_that_is_away_stops_the_witness_and_forgets_nothing(witness: Witness, tmp_path: Path) -> None:
    away = tmp_path / "away"
    witness.folder.memory.rename(away)
    with pytest.raises(OSError):
        witness.add_checkpoint(LOG.ask(20, 30))
    away.rename(witness.folder.memory)
    assert size_of(witness) == 20
    assert witness.add_checkpoint(LOG.ask(20, 30)).status == 200


def test_what_this_witness_did_not_write_is_not_its_memory(witness: Witness, tmp_path: Path) -> None:
    name = f"{hash_of(LOG.key.name)}.checkpoint"
    stranger = made_witness(tmp_path / "other", LOG.vkey)
    own = (witness.folder.path / name).read_bytes()
    text = parse_note(LOG.note(20)).text
    # A line that says it is by this witness and is not; another log's; half of it; two histories of one size.
    forged = format_note(text, [LOG.key.line(text), witness._cosigner.cosign(text.replace("20", "21"), 1)])
    for data in (forged, own[:40], b"", stranger.folder.key.name.encode()):
        (witness.folder.path / name).write_bytes(data)
        with pytest.raises(WitnessStateWrong):
            witness.add_checkpoint(LOG.ask(20, 30))
    stranger.add_checkpoint(LOG.ask(0, 20))
    (witness.folder.path / name).write_bytes(FORGED.note(20))
    with pytest.raises(WitnessStateWrong):
        witness.add_checkpoint(LOG.ask(20, 30))
    (witness.folder.path / name).write_bytes(own)
    assert witness.add_checkpoint(LOG.ask(20, 30)).status == 200


def test_a_known_log_never_gets_a_second_key(witness: Witness) -> None:
    swapped = GrowingLog(SigningKey.from_seed(LOG.key.name, 9), history="forged")
    with pytest.raises(OtherKeyTrusted):
        witness.folder.trust(swapped.vkey)
    assert witness.add_checkpoint(swapped.ask(0, 30)).status == 403
    assert witness.folder.trust(LOG.vkey).key == LOG.vkey
    assert size_of(witness) == 20


def test_a_log_known_from_a_kept_checkpoint_is_held_to_it_from_the_first(tmp_path: Path) -> None:
    witness = made_witness(tmp_path / "w")
    with pytest.raises(TlogError):
        witness.folder.trust(LOG.vkey, FORGED.note(20, by=SigningKey.from_seed(LOG.key.name, 9)))
    witness.folder.trust(LOG.vkey, LOG.note(20))
    assert witness.latest(hash_of(LOG.key.name)) is None  # it has cosigned nothing yet
    assert witness.add_checkpoint(LOG.ask(0, 30)).body == b"20\n"
    assert witness.add_checkpoint(FORGED.ask(20, 30)).status == 422
    must_be_cosigned(witness, LOG.note(20), witness.add_checkpoint(LOG.ask(20, 20)))
    assert witness.latest(hash_of(LOG.key.name)) is not None


def test_one_log_in_trouble_does_not_keep_the_others_from_being_cosigned(witness: Witness) -> None:
    other = GrowingLog(SigningKey.from_seed("archive.invalid/f-2", 8))
    witness.folder.trust(other.vkey)
    (witness.folder.path / f"{hash_of(LOG.key.name)}.checkpoint").write_bytes(b"damaged")
    with pytest.raises(ArchiveError):
        witness.add_checkpoint(LOG.ask(20, 30))
    assert witness.add_checkpoint(other.ask(0, 3)).status == 200


def test_another_key_in_the_folder_is_not_used_in_the_witness_s_name(witness: Witness, tmp_path: Path) -> None:
    stranger = made_witness(tmp_path / "other")
    with pytest.raises(WitnessStateWrong):
        Witness(witness.folder, stranger._cosigner, witness._clock)


@pytest.mark.parametrize("full", ["witness.remembered", "witness.kept"])
def test_a_disk_that_is_full_gives_no_cosignature_and_forgets_none(witness: Witness, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    def refuse(path: Path, data: bytes, step: str) -> None:
        if step == full:
            raise OSError(errno.ENOSPC, "no space")
        write_durably(path, data, step)

    monkeypatch.setattr("service.witness.folder.write_durably", refuse)
    with pytest.raises(OSError):
        witness.add_checkpoint(LOG.ask(20, 30))
    monkeypatch.undo()
    # The memory alone may have it: then it is bound to what it nearly said.
    bound = full == "witness.kept"
    assert size_of(witness) == (30 if bound else 20)
    assert witness.add_checkpoint(FORGED.ask(20, 30)).status == (409 if bound else 422)
    must_be_cosigned(witness, LOG.note(30), witness.add_checkpoint(LOG.ask(30 if bound else 20, 30)))
