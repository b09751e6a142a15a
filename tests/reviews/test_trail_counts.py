"""The trail holds the walls too: neither an id, a number, a digest nor what is left out tells of a case hidden from the asker."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from access_forms import form
from acts.errors import Refused
from archive.finding import find
from archive.intake import deposit
from archive.reading import view
from archive.requests.approvals import decide_request
from archive.requests.filing import file
from archive.requests.grants import give_back, read_request, requests_of, revoke
from archive.requests.openings import open_case
from audit.tables import log_entries
from audit.trail import Question
from case_world import FONDS, World
from foundation.canonical import canonical
from foundation.errors import ArchiveError, NotFound
from foundation.ids import new_id
from petition_records import accusation
from reviews import questions
from reviews.questions import Shown, ask, read_entry
from tlog.merkle import leaf_hash
from vault.signer import digest_matches

# Members that differ from entry to entry of the same act.
OWN = {"id", "time", "request_id"}


def seen(world: World, staff_no: str = "S-4", **question: Any) -> tuple[Shown, ...]:
    return ask(world.desk, world.caller(staff_no), Question(**question), limit=200).entries


def bare(shown: Shown) -> dict[str, Any]:
    return {name: value for name, value in shown.members.items() if name not in OWN}


@pytest.fixture
def plain(world: World) -> str:
    return deposit(world.desk, world.system, world.record()).case_id


@pytest.fixture
def hidden(world: World) -> str:
    """An accusation of the inspector S-4."""
    record = accusation() | {"case_no": "ACC-1"}
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["S-4"]}]
    return deposit(world.desk, world.system, record).case_id


def granted(world: World, *case_ids: str) -> tuple[str, str]:
    """File as the handler and let everybody on the chain approve; the ids of form and grant."""
    filed = file(world.desk, world.caller("S-1"), form(world, *case_ids, fields=("petitioners[].name",)))
    version, grant_id = 1, None
    for approver in ("S-2", "S-8", "S-3"):
        if grant_id is None:
            try:
                done = decide_request(world.desk, world.caller(approver), filed.request_id, verdict="approve", reason="", if_match=version)
            except (Refused, NotFound):
                continue
            version, grant_id = done.version, done.grant_id
    assert grant_id is not None
    return filed.request_id, grant_id


def refused(act: Callable[[], object]) -> None:
    with pytest.raises(ArchiveError):
        act()


def test_a_list_looks_alike_whether_a_hidden_case_was_on_it_or_not(world: World, plain: str, request: pytest.FixtureRequest) -> None:
    find(world.desk, world.caller("S-8"), {})
    (before,) = seen(world, kinds=("case.listed",))
    hidden = request.getfixturevalue("hidden")
    assert find(world.desk, world.caller("S-8"), {}).total == 2
    logged = world.entries("case.listed")[-1]
    assert (set(logged.cases), logged.data["shown"]) == ({plain, hidden}, 2)
    after, _ = seen(world, kinds=("case.listed",))
    assert after.members["cases"] == [plain]
    assert after.members["data"].keys() == before.members["data"].keys() == {"query"}
    assert hidden not in str(after)


def test_a_list_of_hidden_cases_alone_is_not_there(world: World, hidden: str) -> None:
    find(world.desk, world.caller("S-8"), {})
    assert hidden in world.entries("case.listed")[-1].cases
    assert seen(world, kinds=("case.listed",)) == ()


def test_numbers_of_what_others_were_shown_are_no_part_of_the_trail(world: World, plain: str, hidden: str) -> None:
    granted(world, hidden)
    requests_of(world.desk, world.caller("S-1"), to_decide=False)
    view(world.desk, world.caller("S-8"), plain)
    seen(world)
    assert world.entries("requests.listed")[-1].data["shown"] == 1
    for staff_no in ("S-4", "S-10"):
        assert not any({"shown", "chunk"} & one.members.get("data", {}).keys() for one in seen(world, staff_no))


def test_nobody_recognises_a_question_by_its_digest_and_the_key_holder_confirms_it(world: World, plain: str) -> None:
    body: dict[str, Any] = {"filters": {"petition_form": {"in": ["letter"]}}}
    for staff_no in ("S-8", "S-4", "S-4"):
        find(world.desk, world.caller(staff_no), body)
        ask(world.desk, world.caller("S-4"), Question(case=plain))
    entries = [*world.entries("case.searched"), *world.entries("log.queried")]
    assert len({entry.data["query"] for entry in entries}) == len(entries) == 6
    for entry, asked in zip(entries, [body] * 3 + [{"case": plain}] * 3, strict=True):
        bound = {"account": entry.actor.account, "request": entry.request_id, "asked": asked}
        digest = bytes.fromhex(entry.data["query"])
        assert digest_matches(world.desk.keys, FONDS, "query", canonical(bound), digest)
        assert not digest_matches(world.desk.keys, FONDS, "query", canonical(asked), digest)


def test_an_attempt_on_a_hidden_case_reads_like_one_on_nothing(world: World, hidden: str) -> None:
    request_id, grant_id = granted(world, hidden)
    give_back(world.desk, world.caller("S-1"), grant_id)
    for case_id, under in ((hidden, grant_id), (new_id(), grant_id), (new_id(), new_id())):
        refused(partial(open_case, world.desk, world.caller("S-1"), under, case_id))
    assert {entry.reason for entry in world.entries("access.refused")} == {"grant-required", "case-not-found"}
    shown = [bare(one) for one in seen(world, kinds=("access.refused",))]
    assert len(shown) == 3
    assert shown[0] == shown[1] == shown[2]
    assert shown[0]["data"] == {"action": "case.open"}
    for one in (request_id, new_id()):
        refused(partial(decide_request, world.desk, world.caller("S-5"), one, verdict="approve", reason="", if_match=1))
        refused(partial(give_back, world.desk, world.caller("S-5"), one))
    shown = [bare(one) for one in seen(world, kinds=("access.refused",))][:4]
    assert shown[0] == shown[2]
    assert shown[1] == shown[3]


def test_an_attempt_on_a_case_the_asker_knows_keeps_its_reason(world: World, plain: str) -> None:
    _, grant_id = granted(world, plain)
    give_back(world.desk, world.caller("S-1"), grant_id)
    refused(lambda: open_case(world.desk, world.caller("S-1"), grant_id, plain))
    shown = seen(world, kinds=("access.refused",), case=plain)[0].members
    assert (shown["reason"], shown["object"]["id"]) == ("grant-required", plain)
    # How the grant ended is not told: a form hidden for another of its cases would be told by it.
    assert (shown["data"], world.entries("access.refused")[-1].data["cause"]) == ({"action": "case.open"}, "returned")


def test_nothing_of_a_form_that_names_a_hidden_case_is_there(world: World, plain: str, hidden: str) -> None:
    request_id, grant_id = granted(world, plain, hidden)
    read_request(world.desk, world.caller("S-1"), request_id)
    open_case(world.desk, world.caller("S-1"), grant_id, plain)
    give_back(world.desk, world.caller("S-1"), grant_id)
    about = {"request.filed", "request.approved", "grant.made", "grant.returned", "requests.listed", "access.intent", "access.outcome"}
    assert about <= {entry.kind for entry in world.entries()}
    text = str(seen(world))
    assert all(name not in text for name in (request_id, grant_id, hidden, *about))
    _, other = granted(world, plain)
    open_case(world.desk, world.caller("S-1"), other, plain)
    shown = seen(world)
    assert about - {"grant.returned", "requests.listed"} <= {one.members["kind"] for one in shown}
    assert other in str(shown)


def test_how_a_grant_ended_is_found_by_asking_about_its_cases(world: World, plain: str, request: pytest.FixtureRequest) -> None:
    _, returned = granted(world, plain)
    _, revoked = granted(world, plain)
    give_back(world.desk, world.caller("S-1"), returned)
    revoke(world.desk, world.caller("S-3"), revoked, "不再需要")
    ends = ("grant.returned", "grant.revoked", "grant.made")
    shown = {(one.members["kind"], one.members["grant"]) for one in seen(world, case=plain, kinds=ends)}
    assert shown == {("grant.made", returned), ("grant.made", revoked), ("grant.returned", returned), ("grant.revoked", revoked)}
    assert all(one.members["cases"] == [plain] for one in seen(world, case=plain, kinds=ends))
    # The grant of a form that names a hidden case too is not there by its other case, nor is its end.
    hidden = request.getfixturevalue("hidden")
    _, mixed = granted(world, plain, hidden)
    give_back(world.desk, world.caller("S-1"), mixed)
    assert set(world.entries("grant.returned")[-1].cases) == {plain, hidden}
    assert {(one.members["kind"], one.members["grant"]) for one in seen(world, case=plain, kinds=ends)} == shown
    assert seen(world, case=hidden, kinds=ends) == seen(world, grant=mixed) == ()
    # The three administrators see that a grant ended, never of which case.
    assert all("cases" not in one.members for one in seen(world, "S-10", kinds=ends))


def test_what_is_asked_about_by_any_name_is_asked_in_vain_where_it_is_hidden(world: World, hidden: str, plain: str) -> None:
    request_id, grant_id = granted(world, hidden)
    refused(lambda: view(world.desk, world.caller("S-5"), hidden))
    give_back(world.desk, world.caller("S-1"), grant_id)
    refused(lambda: open_case(world.desk, world.caller("S-1"), grant_id, hidden))
    refused(lambda: give_back(world.desk, world.caller("S-5"), grant_id))
    entry_id = world.entries("case.deposited")[-1].id
    for case_id in (hidden, new_id()):
        assert seen(world, about=("case", case_id)) == seen(world, case=case_id) == ()
    for about in (("grant", grant_id), ("grant", new_id()), ("request", request_id), ("entry", entry_id), ("entry", new_id())):
        assert seen(world, about=about) == ()
    assert seen(world, grant=grant_id) == ()
    refused(lambda: view(world.desk, world.caller("S-5"), plain))
    assert [one.members["kind"] for one in seen(world, case=plain, verdict="refuse")] == ["access.refused"]
    # The three administrators ask about no case at all.
    assert seen(world, "S-10", kinds=("request.filed",)) != ()
    assert seen(world, "S-10", about=("case", hidden)) == seen(world, "S-10", case=hidden) == ()


def test_an_entry_of_a_hidden_case_is_read_by_its_place_no_more_than_one_that_is_not_there(world: World, hidden: str) -> None:
    index = view(world.desk, world.caller("S-8"), hidden).log_index
    for place in (index, 10**6):
        with pytest.raises(NotFound):
            read_entry(world.desk, world.caller("S-4"), place)
    assert read_entry(world.desk, world.caller("S-4"), len(world.entries()) - 1).members


def test_a_cursor_is_no_place_of_a_hidden_entry(world: World, hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(30):
        view(world.desk, world.caller("S-8"), hidden)
    monkeypatch.setattr(questions, "MAX_PAGE", 3)
    monkeypatch.setattr(questions, "_SCANNED", 7)
    monkeypatch.setattr(questions, "_MILESTONE", 10)
    cursor, cursors = None, []
    while True:
        page = ask(world.desk, world.caller("S-4"), Question(kinds=("case.viewed",)), cursor=cursor)
        assert page.entries == ()
        cursor = page.cursor
        if cursor is None:
            break
        cursors.append(cursor)
    assert len(cursors) >= 2
    assert all(one % 10 == 0 for one in cursors)


def test_pages_cut_at_milestones_meet_without_gap_or_overlap(world: World, plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(30):
        view(world.desk, world.caller("S-8"), plain)
    whole = [one.index for one in seen(world, kinds=("case.viewed",))]
    assert len(whole) == 30
    monkeypatch.setattr(questions, "MAX_PAGE", 3)
    monkeypatch.setattr(questions, "_SCANNED", 7)
    monkeypatch.setattr(questions, "_MILESTONE", 10)
    for limit in (4, 50):
        found: list[int] = []
        cursor = None
        while True:
            page = ask(world.desk, world.caller("S-4"), Question(kinds=("case.viewed",)), cursor=cursor, limit=limit)
            found += [one.index for one in page.entries]
            cursor = page.cursor
            if cursor is None:
                break
        assert found == whole


@pytest.mark.parametrize("with_hidden", [False, True])
def test_the_public_leaf_hash_of_a_list_confirms_no_guess_of_what_was_left_out(
    world: World, plain: str, request: pytest.FixtureRequest, *, with_hidden: bool
) -> None:
    # Hash tiles are public. Whoever could put the entry together from what the trail shows would learn whether more was on the list.
    if with_hidden:
        request.getfixturevalue("hidden")
    find(world.desk, world.caller("S-8"), {})
    (shown,) = seen(world, kinds=("case.listed",))
    with world.desk.db.read() as conn:
        where = (log_entries.c.fonds == FONDS, log_entries.c.idx == shown.index)
        leaf = bytes(conn.execute(select(log_entries.c.leaf_hash).where(*where)).scalar_one())
    logged = world.entries("case.listed")[-1]
    assert leaf_hash(logged.body) == leaf
    guesses = [{**shown.members, "data": {**shown.members["data"], "shown": count}} for count in range(60)]
    assert leaf not in {leaf_hash(canonical(one)) for one in guesses}
    # The guess is right but for the part that is never shown.
    named = {**shown.members, "cases": list(logged.cases)}
    assert leaf in {leaf_hash(canonical({**named, "data": {**one["data"], "blind": logged.data["blind"]}})) for one in guesses}
