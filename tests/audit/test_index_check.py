"""Attacks on an answer with proofs: whatever is taken out, put in, moved, swapped or relabelled, nothing is proven any more."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from typing import Any

import pytest

from answer_attacks import SIZE, TAMPERINGS, b64
from audit.answer_form import AnswerRejected
from audit.index_answers import Asked, answer
from audit.index_check import check_answer
from audit.index_keys import key_of, name_of
from audit.indexing import Indexing
from foundation.ids import new_id
from tlog.errors import ConsistencyFailed, InclusionFailed, NoKnownSignature, RolledBack, TlogError

FONDS = "f-1"
CASE, OTHER = new_id(), new_id()


@pytest.fixture(scope="module")
def made(log_factory):
    """A log of 2,700 entries in four segments, some about CASE, others about OTHER; answers at two sizes, and of another log."""
    with log_factory() as log:
        indexing = Indexing(log.publishing, log.uow)
        found: dict[str, Any] = {"key": log.key(), "other_key": log.key("f-2")}

        def told(name, fonds=FONDS, subject=CASE, kind="case", **given):
            with log.db.read() as conn:
                found[name] = json.loads(answer(conn, fonds, Asked(kind, subject, **given)).data)

        def grow(count, fonds=FONDS):
            pairs = ((at, CASE if at % 400 == 30 else OTHER if at % 3 else new_id()) for at in range(count))
            log.add(*(log.event(object={"kind": "case", "id": case}) for _, case in pairs), fonds=fonds)

        grow(900)
        indexing.commit(FONDS)
        found["old"] = log.publishing.publish(FONDS)
        told("before", bodies="all")
        grow(SIZE - 901)
        indexing.commit(FONDS)
        log.publishing.publish(FONDS)
        told("answer", bodies="all", since=found["old"].size)
        told("other", subject=OTHER, bodies="none")
        told("nobody", subject=new_id())
        told("person", subject=CASE, kind="person")
        grow(40, "f-2")
        indexing.commit("f-2")
        log.publishing.publish("f-2")
        told("elsewhere", fonds="f-2", bodies="all")
        yield found


def check(made, given, **more):
    return check_answer(json.dumps(given).encode(), made["key"], **more)


def test_the_answers_hold_before_anything_is_done_to_them(made):
    proven = check(made, made["answer"], against=made["old"].note)
    assert [one.index for one in proven.entries] == [30, 430, 830, 931, 1331, 1731, 2131, 2531]
    assert proven.size == SIZE
    assert [one["to"] for one in made["answer"]["cover"]] == [2048, 2304, 2560, 2700]
    assert ["found" in one for one in made["answer"]["cover"]] == [True, True, True, False]
    assert check(made, made["nobody"]).entries == check(made, made["person"]).entries == ()
    assert "2,700" not in str(proven)
    assert str(SIZE) in str(proven)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda one: one.__name__)
def test_an_answer_that_was_tampered_with_is_rejected(made, tamper):
    given = copy.deepcopy(made["answer"])
    tamper(given)
    assert given != made["answer"]
    with pytest.raises(TlogError):
        check(made, given)


def test_the_segment_of_another_answer_proves_nothing_here(made):
    """An absence taken from the answer about another subject, a segment of an older commitment, one of another log."""
    for source, at in (("nobody", 0), ("person", 1), ("before", 0), ("elsewhere", 0)):
        given = copy.deepcopy(made["answer"])
        given["cover"][at] = made[source]["cover"][at]
        kept = {index for part in given["cover"] for index in part.get("found", {}).get("entries", ())}
        given["entries"] = [one for one in given["entries"] if one["index"] in kept]
        with pytest.raises(TlogError):
            check(made, given)


def test_the_absence_of_one_subject_is_not_that_of_another(made):
    """Neighbours that adjoin somewhere else in the segment, and neighbours with the subject between them."""
    absent = made["nobody"]["cover"][0]["absent"]
    given = copy.deepcopy(made["answer"])
    del given["cover"][0]["found"]
    given["cover"][0]["absent"] = absent
    given["entries"] = [one for one in given["entries"] if one["index"] >= 2048]
    with pytest.raises(AnswerRejected) as rejected:
        check(made, given)
    assert rejected.value.evidence["why"] == "order"


@pytest.mark.parametrize("tamper", ["swap", "left-alone", "right-alone", "none", "spread", "own-key"])
def test_an_absence_whose_neighbours_do_not_adjoin_is_rejected(made, tamper):
    given = copy.deepcopy(made["nobody"])
    part = next(one for one in given["cover"] if one["absent"].keys() == {"left", "right"})
    absent = part["absent"]
    if tamper == "swap":
        absent["left"], absent["right"] = absent["right"], absent["left"]
    elif tamper == "left-alone":
        del absent["right"]
    elif tamper == "right-alone":
        del absent["left"]
    elif tamper == "none":
        absent.clear()
    elif tamper == "spread":
        # A neighbour further off, true in itself: that of another subject in the same segment.
        further = next(one for one in made["person"]["cover"] if one["from"] == part["from"])["absent"]
        mine = key_of(name_of("case", given["id"]))
        side = "left" if b64decode(further["left"]["key"]) < mine and further["left"] != absent["left"] else "right"
        if b64decode(further["right"]["key"]) < mine:
            side, further = "left", {"left": further["right"]}
        elif side == "right" and b64decode(further["left"]["key"]) > mine:
            further = {"right": further["left"]}
        absent[side] = further[side]
    else:
        absent["left"]["key"] = b64(key_of(name_of("case", given["id"])))
    with pytest.raises(AnswerRejected):
        check(made, given)


def test_an_older_answer_is_not_relabelled_as_a_newer_one(made):
    given = copy.deepcopy(made["before"])
    for member in ("size", "commitment", "checkpoint"):
        for more in ({"entries"}, {"cover"}, set()):
            changed = given | {name: made["answer"][name] for name in {member} | more}
            with pytest.raises(TlogError):
                check(made, changed)
    assert check(made, given).size == 900


def test_an_answer_of_another_log_or_under_another_key_is_rejected(made):
    with pytest.raises(NoKnownSignature):
        check(made, made["elsewhere"])
    with pytest.raises(NoKnownSignature):
        check_answer(json.dumps(made["answer"]).encode(), made["other_key"])
    given = copy.deepcopy(made["answer"])
    given["checkpoint"] = made["elsewhere"]["checkpoint"]
    with pytest.raises(TlogError):
        check(made, given)


def test_against_an_older_checkpoint_only_the_same_history_holds(made):
    old = made["old"]
    assert check(made, made["answer"], against=old.note).against.size == old.size
    with pytest.raises(AnswerRejected) as refused:
        check(made, made["before"], against=old.note)
    assert refused.value.evidence["why"] == "not-given"
    other = made["answer"]["checkpoint"].encode()
    with pytest.raises(AnswerRejected):
        check(made, made["answer"], against=other)
    given = copy.deepcopy(made["answer"])
    given["consistency"]["path"][0] = b64(b"\0" * 32)
    with pytest.raises(ConsistencyFailed):
        check(made, given, against=old.note)
    given["consistency"] = {"size": SIZE + 1, "path": []}
    with pytest.raises(TlogError):
        check(made, given, against=old.note)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"v":1,"v":1}', b"\xff", b"null", b'{"a":' * 5000])
def test_what_is_no_answer_at_all_is_rejected_as_such(made, data):
    with pytest.raises(AnswerRejected):
        check_answer(data, made["key"])


def test_a_log_that_became_shorter_is_found_against_the_older_checkpoint(made):
    given = copy.deepcopy(made["before"])
    with pytest.raises((RolledBack, AnswerRejected)):
        check(made, given | {"consistency": {"size": SIZE + 1, "path": []}}, against=made["answer"]["checkpoint"].encode())


def test_an_entry_that_stands_elsewhere_in_the_log_is_rejected(made):
    given = copy.deepcopy(made["answer"])
    given["entries"][0]["path"] = given["entries"][1]["path"]
    with pytest.raises(InclusionFailed):
        check(made, given)


def test_the_report_says_what_is_proven_and_what_is_not(made):
    text = str(check(made, made["answer"], against=made["old"].note))
    assert "恰有 8 条" in text
    assert "exactly 8 entries" in text
    assert "2026-03-18 12:00" in text
    assert "+08:00" in text
    assert "audit verify" in text
    assert f"from index {SIZE} on" in text
    assert "re-signed" not in text
    alone = str(check(made, made["nobody"]))
    assert "re-signed" in alone
    assert "无 none" in alone
    assert "未附原文" in str(check(made, made["other"]))
