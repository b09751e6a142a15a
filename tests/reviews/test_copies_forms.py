"""The forms of a copy: lines that are what their formats say, in which nobody's table program finds a formula, and no character is lost."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from audit.entry import encode
from audit.events import CLIENTS, VERDICTS, Actor, Event, SealedDetail
from audit.kinds import KINDS, OBJECTS
from foundation.ids import new_id
from reviews.copies_cef import cef, cef_line
from reviews.copies_forms import LINES, csv_line
from reviews.copies_ocsf import ACTIVITIES, NAMES, ocsf
from reviews.copies_rows import COLUMNS, HEADINGS, Row, cells, unformulated
from tlog.merkle import leaf_hash

FONDS = "F001"
AT = datetime(2026, 3, 18, 4, 0, 0, 123000, UTC)
SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("ocsf_1_5_0_reduced.json").read_text(encoding="utf-8"))
CLASSES = {3002: "authentication", 3004: "entity_management", 6003: "api_activity"}
# The example entry of docs/formats/audit-entry.md, and its leaf hash there.
ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "formats" / "audit-entry.md").read_text(encoding="utf-8")
VECTOR = next(line for line in DOCUMENT.splitlines() if line.startswith('{"actor"')).encode()
VECTOR_LEAF = "4a1a979ce5ade33de086600e993483a934d111e94df2cf0ca0f27f03bf118fed"


def row_of(index: int = 0, **members: Any) -> Row:
    members.setdefault("actor", Actor())
    return Row.of(FONDS, index, encode(Event(time=AT, **members), new_id(), FONDS))


def about(kind: str) -> dict[str, Any] | None:
    objects = KINDS[kind].objects
    return {"kind": objects[0], "id": new_id() if OBJECTS[objects[0]] == "id" else "code-1"} if objects else None


codes = st.from_regex(r"[a-z_.:/\-\[\]][a-z0-9_.:/\-\[\]]{0,10}", fullmatch=True)
ids = st.builds(new_id)
actors = st.builds(
    Actor,
    account=st.none() | ids,
    person=st.none() | ids,
    post=st.none() | ids,
    unit=st.none() | codes,
    role=codes,
    assurance=st.integers(0, 2),
    session=st.none() | ids,
    client=st.sampled_from(CLIENTS),
)


@st.composite
def any_row(draw: st.DrawFn) -> Row:
    kind = draw(st.sampled_from(sorted(KINDS)))
    members: dict[str, Any] = {
        "kind": kind,
        "actor": draw(actors),
        "object": about(kind) if KINDS[kind].required or draw(st.booleans()) else None,
        "verdict": draw(st.sampled_from(VERDICTS)),
        "fields": tuple(draw(st.lists(codes, max_size=3))),
        "cases": tuple(draw(st.lists(ids, max_size=3))),
        "purpose": draw(st.none() | codes),
        "grant": draw(st.none() | ids),
        "reason": draw(codes),
        "policy_version": draw(codes),
        "request_id": draw(codes),
        "data": {"some": draw(codes), "count": draw(st.integers(0, 999))},
        "details": tuple(
            SealedDetail("reason", draw(st.binary(min_size=32, max_size=32)), b"x", "k") for _ in range(draw(st.integers(0, 1)))
        ),
    }
    return row_of(draw(st.integers(0, 2**40)), **members)


# ------------------------------------------------------------------------------------------------ every form


@given(any_row())
def test_every_line_of_every_form_names_fonds_index_entry_and_leaf_hash(row: Row) -> None:
    for form in LINES.values():
        line = form.line(row)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        for wanted in (FONDS, str(row.index), row.text("id"), row.leaf.hex()):
            assert wanted.encode() in line, form.name
        assert form.line(Row.of(FONDS, row.index, row.body)) == line


@given(any_row())
def test_the_entry_in_a_copy_hashes_to_the_leaf_that_stands_beside_it(row: Row) -> None:
    entry = json.loads(LINES["ndjson"].line(row))["entry"]
    again = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    assert leaf_hash(again).hex() == json.loads(LINES["ndjson"].line(row))["leaf_hash"]
    event = json.loads(LINES["ocsf"].line(row))
    assert leaf_hash(event["raw_data"].encode()).hex() == event["unmapped"]["leaf_hash"]


def test_an_entry_of_another_fonds_makes_no_row_of_this_one() -> None:
    with pytest.raises(ValueError, match="no entry of this fonds"):
        Row.of("F002", 0, row_of(kind="archive.started").body)


def test_the_lines_of_a_known_entry_are_the_ones_they_were() -> None:
    # Whoever changes one of these changes what a copy made before is held against: then `copies_rows.VERSION` is raised with it.
    row = Row.of("f-1", 7, VECTOR)
    assert row.leaf.hex() == VECTOR_LEAF
    digests = {name: sha256(form.head + form.line(row)).hexdigest()[:16] for name, form in LINES.items()}
    assert digests == KNOWN
    texts = {code: (KINDS[code].zh, KINDS[code].en, KINDS[code].group) for code in NAMED.split()}
    assert sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16] == MEANINGS


def test_the_page_of_the_forms_has_every_column_and_every_activity_as_they_are() -> None:
    lines = (ROOT / "docs" / "formats" / "log-copies.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.fullmatch(r"\| `[a-z_]+` \| [^|`a-z]+ \|", line)] == [
        f"| `{name}` | {zh} |" for name, zh, _ in COLUMNS
    ]
    told: dict[str, tuple[int, int]] = {}
    for line in lines:
        if found := re.fullmatch(r"\| [A-Za-z ]+ \((\d+)\) \| (\d+) ([A-Za-z ]+) \| (`.*`) \|", line):
            assert NAMES[int(found[1])][int(found[2])] == found[3]
            told |= {kind.strip("`"): (int(found[1]), int(found[2])) for kind in found[4].split(", ")}
    assert told == ACTIVITIES


# ------------------------------------------------------------------------------------------------ OCSF


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def wrong_with(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event by the schema: of its class, its ranges, and the names that stand beside numbers."""
    name = CLASSES[event["class_uid"]]
    found = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(event)]
    properties = SCHEMA["$defs"][name]["properties"]
    siblings = {"activity_id": "activity_name", "class_uid": "class_name", "category_uid": "category_name"}
    for number, beside in (siblings | {"severity_id": "severity", "status_id": "status", "type_uid": "type_name"}).items():
        caption = properties[number]["x-captions"][str(event[number])]
        if event[beside] != caption:
            found.append(f"{beside}: {event[beside]} is not {caption}")
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        found.append("type_uid")
    return found


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_entry_is_an_event_of_the_official_ocsf_schema(kind: str) -> None:
    for verdict in VERDICTS:
        row = row_of(kind=kind, object=about(kind), verdict=verdict)
        assert wrong_with(ocsf(row)) == []
        if not KINDS[kind].required:
            assert wrong_with(ocsf(row_of(kind=kind, verdict=verdict))) == []


@given(any_row())
def test_no_entry_makes_an_event_that_ocsf_does_not_know(row: Row) -> None:
    assert wrong_with(ocsf(row)) == []


def test_the_reduced_schema_refuses_what_the_official_one_refuses() -> None:
    sound = ocsf(row_of(kind="case.viewed", object=about("case.viewed")))
    assert wrong_with(sound) == []
    for broken in (
        sound | {"leaf_hash": "x"},
        sound | {"severity_id": 7},
        sound | {"time": "2026-03-18"},
        sound | {"activity_name": "Look"},
        sound | {"src_endpoint": {}},
        sound | {"actor": {}},
        {name: value for name, value in sound.items() if name != "api"},
        sound | {"metadata": {"version": "1.5.0"}},
    ):
        try:
            assert wrong_with(broken)
        except KeyError:
            continue


def test_sign_ins_changes_of_people_and_readings_are_of_their_own_classes() -> None:
    account, session = new_id(), new_id()
    signed = ocsf(
        row_of(kind="session.opened", actor=Actor(account=account, role="handler", assurance=2), object={"kind": "session", "id": session})
    )
    assert (signed["class_uid"], signed["type_name"], signed["is_mfa"]) == (3002, "Authentication: Logon", True)
    assert (signed["user"]["uid"], signed["session"]["uid"]) == (account, session)
    stranger = ocsf(row_of(kind="session.refused", verdict="refuse"))
    assert (stranger["user"], stranger["status"], stranger["severity_id"]) == ({"name": "unknown"}, "Failure", 2)
    blocked = ocsf(row_of(kind="account.blocked", object={"kind": "account", "id": account}))
    assert (blocked["type_uid"], blocked["entity"]) == (300409, {"type": "account", "uid": account})
    case = new_id()
    viewed = ocsf(row_of(kind="case.viewed", object={"kind": "case", "id": case, "version": 2}, verdict="permit"))
    assert (viewed["type_uid"], viewed["api"]["operation"]) == (600302, "case.viewed")
    assert viewed["resources"] == [{"type": "case", "uid": case, "version": "2"}]


# ------------------------------------------------------------------------------------------------ CEF


@pytest.mark.parametrize(
    ("header", "extension", "line"),
    [
        # The examples of the standard, and its rule for line breaks.
        (
            ("security", "threatmanager", "1.0", 100, "detected a | in message", 10),
            (("src", "10.0.0.1"), ("act", "blocked a |"), ("dst", "1.1.1.1")),
            r"CEF:0|security|threatmanager|1.0|100|detected a \| in message|10|src=10.0.0.1 act=blocked a | dst=1.1.1.1",
        ),
        (
            ("security", "threatmanager", "1.0", 100, "detected a \\ in packet", 10),
            (("src", "10.0.0.1"), ("act", "blocked a \\"), ("dst", "1.1.1.1")),
            r"CEF:0|security|threatmanager|1.0|100|detected a \\ in packet|10|src=10.0.0.1 act=blocked a \\ dst=1.1.1.1",
        ),
        (
            ("security", "threatmanager", "1.0", 100, "detected a = in message", 10),
            (("src", "10.0.0.1"), ("act", "blocked a ="), ("dst", "1.1.1.1")),
            r"CEF:0|security|threatmanager|1.0|100|detected a = in message|10|src=10.0.0.1 act=blocked a \= dst=1.1.1.1",
        ),
        (
            ("security", "threatmanager", "1.0", 100, "A threat.\nNo action needed.", 10),
            (("src", "10.0.0.1"), ("msg", "A threat.\r\n No action needed."), ("act", "")),
            r"CEF:0|security|threatmanager|1.0|100|A threat. No action needed.|10|src=10.0.0.1 msg=A threat.\r\n No action needed.",
        ),
    ],
)
def test_cef_escapes_as_the_examples_of_its_standard_do(header: tuple[Any, ...], extension: tuple[tuple[str, str], ...], line: str) -> None:
    assert cef_line(header, extension) == line


def test_the_longest_cef_line_there_can_be_is_one_that_every_receiver_takes() -> None:
    long = "x" * 120
    actor = Actor(new_id(), new_id(), new_id(), long, long, 2, new_id(), "intranet")
    about, members = {"kind": "key", "id": long}, {"purpose": long, "grant": new_id(), "reason": long, "request_id": long}
    many = {"cases": tuple(new_id() for _ in range(1_500)), "fields": tuple("petitioners[].id_number" for _ in range(200))}
    assert len(cef(row_of(2**53, kind="access.refused", actor=actor, object=about, **members, **many))) < 2_048


def test_a_cef_line_of_a_known_entry_reads_as_it_should() -> None:
    assert cef(Row.of("f-1", 7, VECTOR)) == (
        "CEF:0|Petition Archive|petition-archive|1|access.intent|Clear fields are about to be opened|3|rt=1773806400123"
        " externalId=019d0000-0000-7000-8000-000000000009 cat=access outcome=success reason=grant suid=019d0000-0000-7000-8000-000000000001"
        " suser=019d0000-0000-7000-8000-000000000002 spriv=handler sourceServiceName=intranet cn1Label=index cn1=7 cs1Label=leafHash"
        f" cs1={VECTOR_LEAF} cs2Label=fonds cs2=f-1 cs3Label=object cs3=case:019d0000-0000-7000-8000-000000000005"
        " cs4Label=purpose cs4=review cs5Label=grant cs5=019d0000-0000-7000-8000-000000000006"
        " cs6Label=requestId cs6=019d0000-0000-7000-8000-000000000007 cn3Label=fields cn3=1 flexString1Label=unit flexString1=u-legal"
        " flexString2Label=session flexString2=019d0000-0000-7000-8000-000000000004"
    )


# ------------------------------------------------------------------------------------------------ tables


@given(st.text())
def test_no_cell_of_a_table_begins_like_a_formula(text: str) -> None:
    shown = unformulated(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert shown.removeprefix("'") == text.removeprefix("'")


def test_a_code_that_a_table_program_would_compute_is_shown_as_text() -> None:
    row = row_of(kind="archive.started", actor=Actor(unit="-1"), reason="-9/0")
    values = dict(zip([name for name, _, _ in COLUMNS], cells(row), strict=True))
    assert (values["actor_unit"], values["reason"]) == ("'-1", "'-9/0")
    written = next(csv.reader(io.StringIO(LINES["csv"].line(row).decode())))
    assert [cell for cell in written if cell.startswith(("=", "+", "-", "@"))] == []


def test_a_table_is_headed_in_chinese_beside_the_name_of_each_field() -> None:
    assert [heading.split(" ")[-1] for heading in HEADINGS] == [name for name, _, _ in COLUMNS]
    assert all(not heading.split(" ")[0].isascii() for heading in HEADINGS)
    head = LINES["csv"].head.decode("utf-8-sig")
    assert next(csv.reader(io.StringIO(head))) == list(HEADINGS)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n\0", codec="utf-8")), min_size=2))
def test_what_is_written_into_a_record_is_read_out_of_it(values: list[str]) -> None:
    assert next(csv.reader(io.StringIO(csv_line(values).decode()))) == values


# Of the kinds there were when the forms were made; a new kind is no change of what was written before.
NAMED = """
access.intent access.outcome access.refused account.blocked account.closed account.created account.unblocked archive.started
case.access-changed case.corrected case.deposited case.faceted case.listed case.reopened case.searched case.searched-by-identity
case.supplemented case.viewed client.registered client.revoked client.token-issued client.token-refused deposit.refused
deposit.repeated factor.enrolled factor.reset fonds.created grant.made grant.returned grant.revoked import.finished import.started
key.generated key.relocked key.rotated log.detail-erased log.exported log.heartbeat log.queried log.restored-admitted
office.listed person.left person.registered post.created post.ended post.held post.left receipt.fetched request.approved
request.filed request.refused request.repeated request.trimmed-approved request.withdrawn requests.listed rulebook.activated
secret.changed secret.reset session.closed session.opened session.refused session.revoked unit.created unit.ended unit.moved
unit.renamed
"""
KNOWN = {"ndjson": "0b479d7c847eac6b", "csv": "c482131e58a1f958", "ocsf": "8d6894ddd0c730b4", "cef": "3fe714ed53d1b77f"}
MEANINGS = "7673f2ff7ff6139b"
