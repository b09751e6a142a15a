"""Whoever holds the whole log derives every commitment again: an archive whose index was not true to its entries is found out."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_index
from audit.entry import encode
from audit.errors import LogDamaged
from audit.events import Actor, Event
from audit.export import export
from audit.fsck import fsck
from audit.index_keys import read
from audit.index_recompute import CommitmentMalformed, EntryUnreadable, IndexDiffers, Recomputation, verify_index
from audit.indexing import Indexing
from foundation.clock import parse_iso
from foundation.ids import new_id
from signed_log import SigningKey, write_log
from tlog.checkpoint import Checkpoint
from tlog.errors import FileDiffers, RootMismatch
from tlog.note import VerifierKey
from tlog.verify import verify_export

FONDS = "f-1"
CASES = [new_id() for _ in range(4)]
AT = parse_iso("2026-03-18T04:00:00.123Z")


def viewed(case):
    actor = Actor(account=new_id(), person=new_id(), role="handler", client="intranet")
    return encode(Event("case.viewed", actor, AT, object={"kind": "case", "id": case}), new_id(), FONDS)


def indexed(size, root, version=1):
    data = {"version": version, "size": size, "root": root.hex()}
    return encode(Event("log.indexed", Actor(), AT, object={"kind": "log", "id": FONDS}, data=data), new_id(), FONDS)


def subjects_of_bodies(bodies):
    return [naive_index.subjects(read(body).members) for body in bodies]


def with_true_commitments(count, at):
    """`count` entries with a true commitment after each of the sizes `at`; what was committed to is the log so far."""
    bodies: list[bytes] = []
    for index in range(count):
        if index in at:
            bodies.append(indexed(index, naive_index.root(subjects_of_bodies(bodies), index)))
        else:
            bodies.append(viewed(CASES[index % 4]))
    return bodies


def derive(bodies, tmp_path):
    """Export a log of these entries, verify it as a log, then its index."""
    key = SigningKey.from_seed("archive.invalid/f-1", 3)
    directory, work = tmp_path / "export", tmp_path / "work"
    directory.mkdir()
    work.mkdir()
    write_log(directory, bodies, key)
    report = verify_export(directory, VerifierKey.parse(key.vkey()))
    return verify_index(directory, report.checkpoint, work)


def test_every_true_commitment_of_an_export_is_found_true(tmp_path):
    derived = derive(with_true_commitments(2100, {1, 3, 256, 300, 2047, 2048, 2060}), tmp_path)
    assert (derived.commitments, derived.size) == (7, 2060)
    assert "7 commitments" in str(derived)


def test_a_log_that_commits_to_no_index_says_so(tmp_path):
    derived = derive(with_true_commitments(5, set()), tmp_path)
    assert derived.commitments == 0
    assert "no index is committed to" in str(derived)


def leave_out(every, index):
    every[index] = set()


def leave_out_the_case(every, index):
    every[index] = {one for one in every[index] if one[0] != "case"}


def put_under_another_case(every, index):
    every[index] = {one for one in every[index] if one[0] != "case"} | {("case", new_id())}


def put_into_another_entry(every, index):
    every[index], every[index + 1] = every[index + 1], every[index]


def add_a_subject(every, index):
    every[index] = every[index] | {("person", new_id())}


@pytest.mark.parametrize("cheat", [leave_out, leave_out_the_case, put_under_another_case, put_into_another_entry, add_a_subject])
@pytest.mark.parametrize("index", [5, 2050])
def test_an_archive_whose_index_leaves_out_or_adds_anything_is_caught(tmp_path, cheat, index):
    bodies = [viewed(CASES[at % 4]) for at in range(2060)]
    every = subjects_of_bodies(bodies)
    cheat(every, index)
    bodies.append(indexed(2060, naive_index.root(every, 2060)))
    with pytest.raises(IndexDiffers) as caught:
        derive(bodies, tmp_path)
    assert caught.value.evidence == {"index": 2060, "size": 2060}


def test_the_first_untrue_commitment_is_named_by_its_place(tmp_path):
    bodies = with_true_commitments(20, {4, 9})
    bodies += [indexed(12, b"\0" * 32), indexed(3, b"\1" * 32)]
    with pytest.raises(IndexDiffers) as caught:
        derive(bodies, tmp_path)
    assert caught.value.evidence == {"index": 20, "size": 12}


def test_a_commitment_to_any_earlier_size_is_derived_wherever_it_stands(tmp_path):
    bodies = with_true_commitments(2400, set())
    every = subjects_of_bodies(bodies)
    sizes = (1, 255, 256, 257, 700, 2047, 2048, 2049, 2399, 2400)
    bodies += [indexed(size, naive_index.root(every, size)) for size in sizes]
    assert derive(bodies, tmp_path).commitments == len(sizes)


@pytest.mark.parametrize("claim", [{"size": 0}, {"size": 4}, {"size": 9_999_999_999}, {"size": 3, "version": 2}])
def test_a_commitment_that_no_rule_explains_is_not_passed_over(tmp_path, claim):
    bodies = with_true_commitments(3, set())
    root = naive_index.root(subjects_of_bodies(bodies), 3)
    with pytest.raises(CommitmentMalformed):
        derive([*bodies, indexed(**({"root": root} | claim))], tmp_path)


def test_an_entry_that_could_be_read_in_two_ways_ends_the_derivation(tmp_path):
    double = viewed(CASES[0]).replace(b'"kind":"case.viewed",', b'"kind":"case.viewed","kind":"case.viewed",')
    with pytest.raises(EntryUnreadable) as caught:
        derive([viewed(CASES[0]), double], tmp_path)
    assert caught.value.evidence == {"index": 1}


def test_files_exchanged_after_the_log_was_verified_are_noticed(tmp_path):
    bodies = with_true_commitments(3, {2})
    derive(bodies, tmp_path)
    directory, work = tmp_path / "export", tmp_path / "again"
    work.mkdir()
    with pytest.raises(RootMismatch):
        verify_index(directory, Checkpoint("archive.invalid/f-1", 3, b"\0" * 32), work)
    with pytest.raises(FileDiffers):
        verify_index(directory, Checkpoint("archive.invalid/f-1", 4, b"\0" * 32), work)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(CASES), max_size=3, unique=True), min_size=1, max_size=60), st.integers(1, 60), st.data())
def test_a_root_is_true_exactly_when_it_is_that_of_the_entries(tmp_path_factory, lists, size, data):
    size = min(size, len(lists))
    bodies = [
        encode(Event("case.listed", Actor(), AT, cases=tuple(cases)) if cases else Event("case.listed", Actor(), AT), new_id(), FONDS)
        for cases in lists
    ]
    every = subjects_of_bodies(bodies)
    told = [set(one) for one in every]
    if data.draw(st.booleans()):
        told[data.draw(st.integers(0, len(told) - 1))] ^= {("case", data.draw(st.sampled_from(CASES)))}
    work = Recomputation(tmp_path_factory.mktemp("work"), lambda _: [])
    for body in bodies:
        work.take(body)
    claim = indexed(size, naive_index.root(told, size))
    if told[:size] == every[:size]:
        work.take(claim)
    else:
        with pytest.raises(IndexDiffers):
            work.take(claim)


def test_deriving_an_index_takes_the_memory_of_a_block_and_not_of_the_log(tmp_path):
    def peak(count):
        folder = tmp_path / str(count)
        folder.mkdir()
        work = Recomputation(folder, lambda _: [])
        tracemalloc.start()
        for index in range(count):
            work.take(viewed(CASES[index % 4]))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(2100), peak(8400)
    assert many < few + 2 * 2**20


def test_the_indexer_and_whoever_recomputes_agree_on_a_whole_log(log, tmp_path):
    indexing = Indexing(log.publishing, log.uow)
    for before, size in pairwise((0, 1, 300, 2047, 2060, 2500)):
        log.grow(size - before)
        indexing.commit(FONDS)
    log.publishing.publish(FONDS)
    checkpoint = Checkpoint("archive.invalid/f-1", log.publishing.lags()[0].size, export(log.db, FONDS, tmp_path / "out").root)
    (tmp_path / "work").mkdir()
    assert verify_index(tmp_path / "out", checkpoint, tmp_path / "work").commitments == 5


@pytest.fixture
def kept(log):
    """A log whose stored index has segments of two levels, merged and not."""
    log.grow(2310)
    indexing = Indexing(log.publishing, log.uow)
    indexing.commit(FONDS)
    log.grow(300)
    indexing.commit(FONDS)
    return log


def checked(log):
    return fsck(log.db, FONDS, lambda epoch: str(log.key(epoch=epoch)))


def test_a_sound_index_is_found_sound_with_all_it_has(kept):
    sound = checked(kept)
    assert (sound.commitments, sound.segments) == (2, 11)
    kept.publishing.publish(FONDS)
    Indexing(kept.publishing, kept.uow).prune(FONDS)
    assert checked(kept).segments == 3


@pytest.mark.parametrize(
    ("where", "what", "statement"),
    [
        ("index segment 0/2", "root", "UPDATE log_index_segments SET root = :x WHERE level = 0 AND n = 2"),
        ("index segment 1/0", "root", "UPDATE log_index_segments SET leaves = leaves + 1 WHERE level = 1"),
        ("index segment 1/0", "pages", "UPDATE log_index_pages SET data = :x WHERE level = 1 AND page = 3"),
        ("index segment 1/0", "pages", "UPDATE log_index_pages SET root = :x WHERE level = 1 AND page = 23"),
        ("index segment 1/0", "pages", "UPDATE log_index_pages SET first_key = :x WHERE level = 1 AND page = 3"),
        ("index segment 1/0", "pages", "DELETE FROM log_index_pages WHERE level = 1 AND page = 3"),
        ("index segment 0/7", "pages", "INSERT INTO log_index_pages VALUES ('f-1', 0, 7, 77, :x, :x, :x)"),
        ("index", "more segments than the entries fill", "INSERT INTO log_index_segments VALUES ('f-1', 0, 900, 1, :x)"),
    ],
)
def test_each_tampering_with_the_stored_index_is_found_and_named(kept, where, what, statement):
    table = statement.split()[2 if statement.startswith(("INSERT", "DELETE")) else 1]
    kept.tamper(table, statement, **({"x": b"x" * 32} if ":x" in statement else {}))
    with pytest.raises(LogDamaged) as found:
        checked(kept)
    assert found.value.params == {"fonds": FONDS, "where": where, "what": what}


def test_an_untrue_commitment_in_the_stored_log_is_damage_too(kept):
    claim = {"size": 9, "version": 1, "root": "00" * 32}
    kept.add(Event("log.indexed", Actor(), kept.clock.now(), object={"kind": "log", "id": FONDS}, data=claim))
    with pytest.raises(LogDamaged) as found:
        checked(kept)
    assert found.value.params == {"fonds": FONDS, "where": "entry 2612", "what": "index root"}
