"""Answers with proofs: what a scan of the whole log finds, no more and no less, and nothing of anybody else."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

import naive_index
from audit import index_answers
from audit.errors import AnswerTooLarge, BadQuestion, NotYetPublished
from audit.events import Actor
from audit.index_answers import BODIES, Asked, answer
from audit.index_check import check_answer
from audit.index_keys import KINDS, read
from audit.indexing import Indexing
from audit.tables import log_entries
from foundation.ids import new_id

FONDS = "f-1"


def published(log, fonds=FONDS):
    """Commit to the index and publish the commitment."""
    indexing = Indexing(log.publishing, log.uow)
    indexing.commit(fonds)
    log.publishing.publish(fonds)
    return indexing


def answered(log, kind, subject, fonds=FONDS, **given):
    with log.db.read() as conn:
        return answer(conn, fonds, Asked(kind, subject, **given))


def scanned(log, kind, subject, size, fonds=FONDS):
    """The entries below `size` that concern a subject, found by reading them all."""
    row = log_entries.c
    with log.db.read() as conn:
        found = conn.execute(select(row.idx, row.body).where(row.fonds == fonds, row.idx < size).order_by(row.idx)).all()
    return [one.idx for one in found if (kind, subject) in naive_index.subjects(read(bytes(one.body)).members)]


CASES = [new_id() for _ in range(5)]
PEOPLE = [(new_id(), new_id()) for _ in range(3)]
GRANT = new_id()


def fill(log, count):
    """Entries of few people about few cases, some of them lists, some under a grant."""
    events = []
    for at in range(count):
        account, person = PEOPLE[at % 3]
        given: dict[str, Any] = {"actor": Actor(account=account, person=person, role="handler", client="intranet")}
        if at % 7 == 3:
            given |= {"kind": "case.listed", "cases": (CASES[at % 5], CASES[(at + 1) % 5])}
        elif at % 100 == 50:
            given |= {"kind": "access.intent", "object": {"kind": "case", "id": CASES[0]}, "grant": GRANT}
        elif at % 100 == 60:
            given |= {"object": {"kind": "case", "id": CASES[1]}, "data": {"applicant": PEOPLE[2][1]}}
        else:
            given |= {"object": {"kind": "case", "id": new_id()}}
        events.append(log.event(**given))
    log.add(*events)


def test_an_answer_is_what_a_scan_of_the_whole_log_finds(log):
    fill(log, 700)
    published(log)
    fill(log, 90)
    for kind, subject in [
        *(("case", one) for one in CASES),
        ("grant", GRANT),
        *(("person", one) for _, one in PEOPLE),
        ("account", PEOPLE[0][0]),
    ]:
        found = answered(log, kind, subject)
        proven = check_answer(found.data, log.key())
        expected = scanned(log, kind, subject, 700)
        assert [one.index for one in proven.entries] == expected
        assert (proven.size, found.size, found.entries) == (700, 700, len(expected))
        assert expected


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_of_any_log_any_subject_is_accounted_for_as_a_scan_does(log_factory, data):
    ids = [new_id() for _ in range(6)]
    one_id = st.sampled_from(ids)
    shapes = st.lists(st.tuples(one_id, st.lists(one_id, min_size=1, max_size=3, unique=True), st.booleans()), min_size=1, max_size=40)
    with log_factory() as log:
        for shape in data.draw(st.lists(shapes, min_size=1, max_size=3)):
            log.add(
                *(
                    log.event(kind="case.listed", actor=Actor(account=who, person=who), cases=tuple(cases), grant=who if under else None)
                    for who, cases, under in shape
                )
            )
            log.grow(data.draw(st.sampled_from([0, 1, 215, 300])) or 1)
            published(log)
        for kind in KINDS:
            subject = data.draw(st.sampled_from([*ids, new_id()]))
            proven = check_answer(answered(log, kind, subject).data, log.key())
            assert [one.index for one in proven.entries] == scanned(log, kind, subject, proven.size)


def test_the_absence_of_a_subject_is_proven_in_every_segment(log):
    fill(log, 2600)
    published(log)
    proven = check_answer(answered(log, "case", new_id()).data, log.key())
    assert (proven.entries, proven.size) == ((), 2600)
    parts = json.loads(answered(log, "case", new_id()).data)["cover"]
    assert [one["to"] - one["from"] for one in parts] == [2048, 256, 256, 40]
    assert all("absent" in one for one in parts)


def test_no_answer_tells_anything_of_other_subjects(log):
    fill(log, 300)
    published(log)
    for bodies in ("one-case", "none"):
        text = answered(log, "case", CASES[0], bodies=bodies).data.decode()
        entries = [b64decode(one["body"]).decode() for one in json.loads(text)["entries"] if "body" in one]
        shown = text + "".join(entries)
        assert not any(case in shown for case in CASES[1:])
        # Nor is the hash of a neighbour's list one that can be tried: all lists of one or two entries, with the key and without.
        names = [naive_index.name("case", one) for one in CASES[1:]]
        beside = [
            part["absent"][side]["list"] for part in json.loads(answered(log, "case", new_id()).data)["cover"] for side in part["absent"]
        ]
        tried = {naive_index.sha(index.to_bytes(8, "big")) for index in range(300)}
        tried |= {naive_index.sha(naive_index.sha(name) + index.to_bytes(8, "big")) for name in names for index in range(300)}
        assert not tried & {b64decode(one) for one in beside}


def test_the_text_of_an_entry_that_names_several_cases_goes_with_an_answer_only_when_asked_for(log):
    fill(log, 80)
    published(log)
    lists = {index for index in scanned(log, "case", CASES[0], 80) if index % 7 == 3}
    assert lists
    for bodies in BODIES:
        proven = check_answer(answered(log, "case", CASES[0], bodies=bodies).data, log.key())
        given = {one.index for one in proven.entries if one.members is not None}
        every = {one.index for one in proven.entries}
        assert given == {"one-case": every - lists, "all": every, "none": set()}[bodies]


def test_an_answer_waits_for_a_published_commitment(log):
    with pytest.raises(NotYetPublished):
        answered(log, "case", CASES[0])
    fill(log, 5)
    log.publishing.publish(FONDS)
    with pytest.raises(NotYetPublished):
        answered(log, "case", CASES[0])
    Indexing(log.publishing, log.uow).commit(FONDS)
    with pytest.raises(NotYetPublished):
        answered(log, "case", CASES[0])
    log.publishing.publish(FONDS)
    assert answered(log, "case", CASES[0]).size == 5


def test_an_answer_stays_with_the_published_commitment_while_the_index_moves_on(log):
    fill(log, 2000)
    indexing = published(log)
    before = answered(log, "case", CASES[0])
    fill(log, 300)
    indexing.commit(FONDS)
    indexing.prune(FONDS)
    assert answered(log, "case", CASES[0]).data == before.data
    log.publishing.publish(FONDS)
    indexing.prune(FONDS)
    proven = check_answer(answered(log, "case", CASES[0]).data, log.key())
    assert [one.index for one in proven.entries] == scanned(log, "case", CASES[0], proven.size)
    assert proven.size == 2301


def test_an_answer_says_since_which_checkpoint_the_log_only_grew(log):
    fill(log, 100)
    old = log.publishing.publish(FONDS)
    fill(log, 200)
    published(log)
    proven = check_answer(answered(log, "case", CASES[0], since=old.size).data, log.key(), old.note)
    assert proven.against is not None
    assert (proven.against.size, proven.against.root) == (100, old.root)
    with pytest.raises(NotYetPublished):
        answered(log, "case", CASES[0], since=10_000)


def test_more_entries_than_an_answer_takes_are_refused_and_not_cut_short(log, monkeypatch):
    fill(log, 300)
    published(log)
    monkeypatch.setattr(index_answers, "MOST_ENTRIES", 99)
    with pytest.raises(AnswerTooLarge):
        answered(log, "account", PEOPLE[0][0])
    assert answered(log, "grant", GRANT).entries == 2


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"kind": "unit", "subject": CASES[0]}, "kind"),
        ({"kind": "case", "subject": "nobody"}, "id"),
        ({"kind": "case", "subject": CASES[0].upper()}, "id"),
        ({"kind": "case", "subject": CASES[0], "bodies": "some"}, "bodies"),
    ],
)
def test_a_question_that_cannot_be_accounted_for_is_named(given, member):
    with pytest.raises(BadQuestion) as refused:
        Asked(**given)
    assert refused.value.params == {"member": member}


def test_logs_of_other_fonds_have_no_part_in_an_answer(log):
    fill(log, 20)
    log.add(log.event(object={"kind": "case", "id": CASES[0]}), fonds="f-2")
    published(log)
    published(log, "f-2")
    proven = check_answer(answered(log, "case", CASES[0], fonds="f-2").data, log.key("f-2"))
    assert [one.index for one in proven.entries] == [0]
    assert proven.checkpoint.origin.endswith("/f-2")
