"""The index's structure against the definition in docs/formats/log-index.md, written down a second time without it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_index
from audit.columns import NAMED_IN_DATA
from audit.errors import EntryRefused
from audit.events import Actor, Event
from audit.index_keys import KINDS, key_of, name_of, read, subjects
from audit.index_segments import (
    PARTIAL,
    Builder,
    Record,
    Segment,
    commitment,
    cover,
    decode,
    encode,
    head_of_records,
    merged,
    records_of,
)
from audit.kinds import OBJECTS
from foundation.clock import parse_iso
from foundation.ids import new_id

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats" / "log-index.md"
IDS = [new_id() for _ in range(6)]
some_ids = st.sampled_from(IDS)
subject_sets = st.sets(st.tuples(st.sampled_from(KINDS), some_ids), max_size=4)


@st.composite
def entries(draw):
    """Members of an entry as the log takes them, naming few subjects in every way there is."""
    about = draw(st.sampled_from([*OBJECTS, None]))
    names = draw(st.lists(st.sampled_from([*NAMED_IN_DATA, "opening", "shown"]), max_size=3, unique=True))
    members = {
        "kind": "access.refused",
        "actor": {"role": "handler", **draw(st.fixed_dictionaries({}, optional={"account": some_ids, "person": some_ids}))},
        "time": "2026-03-18T04:00:00.123Z",
        "verdict": "refuse",
        "data": {name: draw(st.one_of(some_ids, st.lists(some_ids, max_size=3), st.just("u-1"), st.just(7))) for name in names},
        **draw(st.fixed_dictionaries({}, optional={"grant": some_ids, "cases": st.lists(some_ids, min_size=1, max_size=3)})),
    }
    if about is not None:
        members["object"] = {"kind": about, "id": draw(some_ids) if OBJECTS[about] == "id" else "u-1"}
    return members


@given(entries())
def test_the_subjects_of_an_entry_are_those_the_document_defines(members):
    assert subjects(members) == naive_index.subjects(members)


def test_the_members_that_name_a_subject_are_pinned_by_the_document():
    """Another member in `audit.columns` would give other roots for old entries: it takes another version of the index."""
    text = DOCUMENT.read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^\| `([a-z_]+)` \| `([a-z]+)` \|$", text, re.MULTILINE))
    assert pinned == {name: kind for name, kind in NAMED_IN_DATA.items() if kind in KINDS} == naive_index.NAMED


def test_a_key_tells_nothing_to_whoever_does_not_know_the_id():
    subject = IDS[0]
    name = name_of("case", subject)
    assert (name, key_of(name)) == (naive_index.name("case", subject), naive_index.sha(name))
    assert name != name_of("person", subject)
    assert len({name_of(kind, one) for kind in KINDS for one in IDS}) == len(KINDS) * len(IDS)


@given(st.integers(1, 2**23))
def test_a_cover_is_made_of_aligned_segments_without_gap_or_overlap(size):
    segments = list(cover(size))
    assert [(one.start, one.end) for one in segments] == naive_index.ranges(size)
    assert len(segments) <= size // 2**20 + 4 * 7 + 1
    assert all(Segment.at(one.level, one.n) == one for one in segments if one.level != PARTIAL)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 2047, 2048, 2049, 4095, 4096, 4097])
def test_the_root_is_the_one_of_the_definition_at_every_edge(size):
    every = [{("case", IDS[at % 5]), ("person", f"{at % 97}"), ("account", f"{at}")} for at in range(size)]
    names = [[name_of(*one) for one in found] for found in every]
    heads = [head_of_records(one.start, one.end, records_of(one.start, names[one.start : one.end])) for one in cover(size)]
    assert commitment(heads) == naive_index.root(every, size)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
def test_segments_merged_level_by_level_are_those_made_at_once(size):
    names = [[name_of("case", str(at % 997)), name_of("person", str(at % 31))] for at in range(size)]
    made = {}
    for n in range(size // 256):
        records, level = records_of(n * 256, names[n * 256 : n * 256 + 256]), 0
        made[0, n] = records
        while n % 8 == 7 and level < 4:
            level, n = level + 1, n // 8  # noqa: PLW2901  up to the segment that is complete now
            made[level, n] = list(merged([made[level - 1, n * 8 + part] for part in range(8)]))
    for one in cover(size):
        whole = records_of(one.start, names[one.start : one.end])
        if one.level != PARTIAL:
            assert made[one.level, one.n] == whole
        builder = Builder(one.start, one.end)
        pages = list(builder.pages(whole))
        assert builder.head == head_of_records(one.start, one.end, whole)
        assert [record for page in pages for record in decode(page.data)] == whole


@settings(max_examples=200)
@given(st.lists(subject_sets, min_size=1, max_size=40), st.data())
def test_merging_any_parts_gives_what_their_entries_give_at_once(every, data):
    names = [[name_of(*one) for one in found] for found in every]
    cut = sorted(data.draw(st.lists(st.integers(0, len(every)), max_size=4)))
    edges = [0, *cut, len(every)]
    parts = [records_of(start, names[start:end]) for start, end in itertools.pairwise(edges)]
    whole = records_of(0, names)
    assert list(merged(parts)) == whole
    assert list(decode(encode(whole))) == whole
    assert head_of_records(0, len(every), whole).to_bytes() == naive_index.head(every, 0, len(every))


def test_the_same_list_under_another_subject_has_another_hash():
    indices = (7).to_bytes(8, "big")
    one, other = (Record(key_of(name), name, indices) for name in (name_of("case", IDS[0]), name_of("case", IDS[1])))
    assert naive_index.sha(one.name + indices) != naive_index.sha(other.name + indices)
    assert head_of_records(0, 1, [one]).root == naive_index.sha(b"\x00" + one.key + naive_index.sha(one.name + indices))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"v": 1}',
        b'{"v":1}',
        b'{"actor":{},"kind":"x","kind":"y","time":"2026-03-18T04:00:00.123Z","verdict":"fact"}',
        b'{"actor":{},"cases":7,"kind":"x","time":"2026-03-18T04:00:00.123Z","verdict":"fact"}',
        b'{"actor":{},"cases":[["a"]],"kind":"x","time":"2026-03-18T04:00:00.123Z","verdict":"fact"}',
        b'{"actor":[],"kind":"x","time":"2026-03-18T04:00:00.123Z","verdict":"fact"}',
        b'{"actor":{},"data":[],"kind":"x","time":"2026-03-18T04:00:00.123Z","verdict":"fact"}',
        b'{"actor":{},"kind":"x","object":{"kind":"case"},"time":"2026-03-18T04:00:00.123Z","verdict":"fact"}',
        b'{"actor":{},"kind":"x","time":"yesterday","verdict":"fact"}',
        b'{"actor":{},"kind":"x","n":NaN,"time":"2026-03-18T04:00:00.123Z","verdict":"fact"}',
        b"[" * 60_000,
    ],
)
def test_a_body_that_two_readers_could_read_in_two_ways_is_refused(body):
    with pytest.raises(EntryRefused):
        read(body)


def test_every_entry_the_log_writes_can_be_read_for_its_subjects():
    from audit.entry import encode as encode_entry

    event = Event(
        "request.filed",
        Actor(account=IDS[0], person=IDS[1], role="handler"),
        parse_iso("2026-03-18T04:00:00.123Z"),
        object={"kind": "request", "id": IDS[2]},
        cases=(IDS[3], IDS[4]),
        data={"applicant": IDS[5]},
    )
    found = read(encode_entry(event, new_id(), "f-1"))
    assert set(found.names) == {
        name_of(*one)
        for one in [("account", IDS[0]), ("person", IDS[1]), ("case", IDS[3]), ("case", IDS[4]), ("person", IDS[5])]
    }  # fmt: skip
