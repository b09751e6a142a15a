from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audit.columns import subjects_of
from audit.entry import Entry, encode
from audit.errors import EntryRefused
from audit.events import Actor, Event, SealedDetail, chunk_cases
from audit.kinds import KINDS, OBJECTS
from foundation.canonical import canonical
from foundation.ids import new_id
from tlog.merkle import leaf_hash

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats" / "audit-entry.md"
NOON = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)

ids = st.builds(new_id)
codes = st.from_regex(r"[a-z][a-z0-9._:/\-\[\]]{0,9}", fullmatch=True)
names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
leaves = ids | codes | st.booleans() | st.integers(-9_999_999_999, 9_999_999_999)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6)
instants = st.integers(0, 4_000_000_000_000).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
details = st.dictionaries(names, st.binary(min_size=32, max_size=32), max_size=2).map(
    lambda found: tuple(SealedDetail(name, commitment, b"sealed", "case-key:1") for name, commitment in found.items())
)


@st.composite
def events(draw):
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    about = None
    if kind.objects:
        name = draw(st.sampled_from(kind.objects))
        about = {"kind": name, "id": draw(ids if OBJECTS[name] == "id" else codes)}
        if draw(st.booleans()):
            about["version"] = draw(st.integers(1, 99))
    actor = Actor(
        account=draw(st.none() | ids),
        person=draw(st.none() | ids),
        post=draw(st.none() | ids),
        unit=draw(st.none() | codes),
        role=draw(codes),
        assurance=draw(st.integers(0, 2)),
        session=draw(st.none() | ids),
        client=draw(st.sampled_from(["loopback", "intranet", "other", "cli"])),
    )
    try:
        return Event(
            kind=kind.code,
            actor=actor,
            time=draw(instants),
            object=about,
            fields=tuple(draw(st.lists(codes, max_size=4))),
            cases=tuple(draw(st.lists(ids, max_size=4))),
            purpose=draw(st.none() | codes),
            grant=draw(st.none() | ids),
            verdict=draw(st.sampled_from(["permit", "refuse", "fact"])),
            reason=draw(codes),
            policy_version=draw(st.just("ab" * 32) | st.just("")),
            request_id=draw(ids),
            data=draw(st.dictionaries(names, values, max_size=4)),
            details=draw(details),
        )
    except EntryRefused as error:
        assume(error.params["rule"] == "type")  # generated deeper than `data` may be
        assume(False)
        raise


@given(events(), ids)
def test_an_entry_reads_back_as_the_event_it_was_written_from(event, entry_id):
    entry = Entry.parse(encode(event, entry_id, "f-1"))
    assert (entry.id, entry.fonds, entry.kind, entry.time) == (entry_id, "f-1", event.kind, event.time)
    assert entry.actor == event.actor
    assert (entry.fields, entry.cases, entry.purpose, entry.grant) == (event.fields, event.cases, event.purpose, event.grant)
    assert (entry.verdict, entry.reason, entry.request_id) == (event.verdict, event.reason, event.request_id)
    assert entry.policy_version == event.policy_version
    assert entry.object == (event.object or {})
    assert entry.data == event.data
    assert entry.details == {detail.name: detail.commitment for detail in event.details}


@given(events(), ids)
def test_an_entry_is_canonical_json_without_empty_members(event, entry_id):
    body = encode(event, entry_id, "f-1")
    members = json.loads(body)
    assert body == canonical(members)
    assert all(value not in (None, "", [], {}) for value in members.values())


@given(st.text(min_size=1).filter(lambda text: not re.fullmatch(r"[A-Za-z0-9_.:/\-\[\]]{1,120}", text)))
def test_no_free_text_is_accepted_anywhere(text):
    about = {"kind": "case", "id": new_id()}
    places = [
        {"purpose": text},
        {"reason": text},
        {"policy_version": text},
        {"request_id": text},
        {"grant": text},
        {"fields": (text,)},
        {"cases": (text,)},
        {"object": {"kind": "case", "id": text}},
        {"object": {**about, "note": text}},
        {"object": {**about, "version": text}},
        {"data": {"what": text}},
        {"data": {text: 1}},
        {"data": {"deep": [{"er": [text]}]}},
        {"actor": Actor(unit=text)},
        {"actor": Actor(role=text)},
        {"actor": Actor(account=text)},
        {"actor": Actor(client=text)},
        {"kind": text},
        {"verdict": text},
    ]
    for place in places:
        with pytest.raises(EntryRefused) as refusal:
            Event(**{"kind": "case.viewed", "actor": Actor(), "time": NOON, "object": about, **place})
        assert len(text) < 4 or text not in f"{refusal.value.text_zh} {refusal.value.text_en}"


@pytest.mark.parametrize(
    "value",
    [
        "13800000000",
        "110101189913320011",
        "11010118991332001X",
        "110101991332001",
        "phone:13800000000",
        "id/110101189913320011/x",
        "x_13800000000",
    ],
)
def test_a_code_shaped_like_a_persons_number_is_refused(value):
    for place in ({"reason": value}, {"data": {"x": value}}, {"request_id": value}, {"actor": Actor(unit=value)}):
        with pytest.raises(EntryRefused):
            Event(**{"kind": "case.listed", "actor": Actor(), "time": NOON, **place})


@pytest.mark.parametrize("value", [13_800_000_000, 1.5, float("nan"), 2**53, b"bytes", {1: 2}, {"set"}, [[[["deep"]]]], object()])
def test_data_holds_nothing_but_ids_codes_and_small_integers(value):
    with pytest.raises(EntryRefused):
        Event(kind="case.listed", actor=Actor(), time=NOON, data={"x": value})


def test_a_kind_outside_the_register_or_an_object_of_another_kind_is_refused():
    case = {"kind": "case", "id": new_id()}
    for kind, about in (
        ("case.read", case),
        ("case.viewed", None),
        ("case.viewed", {"kind": "grant", "id": new_id()}),
        ("case.viewed", {"kind": "case", "id": "2026-0001"}),
        ("case.viewed", {"kind": "case", "id": new_id().upper()}),
        ("case.listed", case),
        ("case.viewed", {"kind": "folder", "id": new_id()}),
    ):
        with pytest.raises(EntryRefused):
            Event(kind=kind, actor=Actor(), time=NOON, object=about)


def test_a_naive_time_is_refused():
    with pytest.raises(EntryRefused):
        Event(kind="case.listed", actor=Actor(), time=NOON.replace(tzinfo=None))


def test_an_event_does_not_change_with_the_values_it_was_made_from():
    data = {"ids": ["a"]}
    event = Event(kind="case.listed", actor=Actor(), time=NOON, data=data)
    before = encode(event, (entry_id := new_id()), "f-1")
    data["ids"].append("张三")
    assert encode(event, entry_id, "f-1") == before


def test_text_smuggled_past_the_event_is_stopped_at_the_bytes():
    event = Event(kind="case.listed", actor=Actor(), time=NOON, data={"x": 1})
    for text in ("张三", "two words", "a" * 121, 'quote"', "back\\slash"):
        event.members["data"]["x"] = text
        with pytest.raises(EntryRefused):
            encode(event, new_id(), "f-1")
    event.members["data"]["x"] = 1.5
    with pytest.raises(EntryRefused):
        encode(event, new_id(), "f-1")


def test_an_entry_past_the_format_limit_is_refused_and_chunks_fit():
    cases = tuple(new_id() for _ in range(2500))
    with pytest.raises(EntryRefused):
        Event(kind="case.listed", actor=Actor(), time=NOON, cases=cases)
    wide = Event(kind="case.listed", actor=Actor(), time=NOON, cases=cases[:1400], data={f"m{n}": "x" * 120 for n in range(120)})
    with pytest.raises(EntryRefused):
        encode(wide, new_id(), "f-1")


@given(st.integers(1, 60), st.integers(1, 20))
def test_chunks_hold_every_case_once_in_order_and_say_which_part_they_are(count, n):
    cases = tuple(new_id() for _ in range(count))
    detail = SealedDetail("query", b"c" * 32, b"s", "k:1")
    event = Event(kind="case.listed", actor=Actor(), time=NOON, cases=cases, data={"hits": count}, details=(detail,))
    parts = chunk_cases(event, n)
    assert tuple(case for part in parts for case in part.cases) == cases
    assert [part.details for part in parts] == [(detail,)] + [()] * (len(parts) - 1)
    if count > n:
        assert [part.data["chunk"] for part in parts] == [{"part": at, "of": len(parts)} for at in range(1, len(parts) + 1)]
    else:
        assert parts == [event]


def test_an_event_of_more_cases_than_an_entry_holds_can_be_made_only_in_chunks():
    event = Event(kind="case.listed", actor=Actor(), time=NOON, cases=tuple(new_id() for _ in range(1500)))
    for part in chunk_cases(event):
        encode(part, new_id(), "f-1")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda members: members | {"v": 2},
        lambda members: members | {"v": True},
        lambda members: members | {"note": "x"},
        lambda members: members | {"kind": "case.read"},
        lambda members: members | {"time": "2026-13-01T00:00:00.000Z"},
        lambda members: members | {"time": "2026-03-18 04:00:00"},
        lambda members: members | {"fonds": "a" * 41},
        lambda members: members | {"id": "7"},
        lambda members: members | {"data": {}},
        lambda members: members | {"details": {"x": "AA=="}},
        lambda members: members | {"details": {"x": base64.b64encode(b"x" * 32).decode().rstrip("=")}},
        lambda members: {name: value for name, value in members.items() if name != "actor"},
        lambda members: members | {"actor": {"role": "handler"}},
        lambda members: members | {"cases": []},
    ],
)
def test_reading_an_entry_is_as_strict_as_writing_one(spoil):
    event = Event(kind="case.listed", actor=Actor(), time=NOON)
    members = json.loads(encode(event, new_id(), "f-1"))
    Entry.parse(canonical(members))
    with pytest.raises(EntryRefused):
        Entry.parse(canonical(spoil(members)))


def test_an_entry_in_other_bytes_than_the_canonical_ones_is_refused():
    body = encode(Event(kind="case.listed", actor=Actor(), time=NOON), new_id(), "f-1")
    for other in (
        body + b" ",
        body.replace(b'"v":1', b'"v": 1'),
        b"\xef\xbb\xbf" + body,
        body.replace(b"case", b"c\\u0061se"),
        body[:-1],
        b"[]",
        b"",
    ):
        with pytest.raises(EntryRefused):
            Entry.parse(other)


@given(events())
def test_the_subjects_of_an_entry_are_each_named_once_and_the_same_after_reading(event):
    found = subjects_of(event.members)
    assert len(found) == len(set(found))
    assert subjects_of(Entry.parse(encode(event, new_id(), "f-1")).members) == found


def test_the_documented_vector_is_what_the_code_writes():
    blocks = re.findall(r"```text\n(.*?)\n```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    body, leaf = blocks[0].encode(), blocks[1]
    entry = Entry.parse(body)
    again = Event(
        kind=entry.kind,
        actor=entry.actor,
        time=entry.time,
        object=entry.object,
        fields=entry.fields,
        purpose=entry.purpose,
        grant=entry.grant,
        verdict="permit",
        reason=entry.reason,
        policy_version=entry.policy_version,
        request_id=entry.request_id,
        data=entry.data,
        details=tuple(SealedDetail(name, commitment, b"sealed", "k:1") for name, commitment in entry.details.items()),
    )
    assert encode(again, entry.id, entry.fonds) == body
    assert leaf_hash(body).hex() == leaf
