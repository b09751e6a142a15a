from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import BadQuestion, NoSuchEntry
from audit.events import Actor
from audit.trail import MAX_PAGE, Question, ask, entry_named
from foundation.ids import new_id

FONDS = "f-1"
PEOPLE = [Actor(new_id(), new_id(), unit=f"u-{n}", role="handler", assurance=1, client="intranet") for n in range(3)]
CASES = [new_id() for _ in range(4)]
GRANTS = [new_id() for _ in range(2)]
REQUESTS = [new_id() for _ in range(2)]
KINDS = ("case.viewed", "case.listed", "access.intent", "access.refused", "grant.made", "request.filed")


def make(log, plan):
    events = []
    for kind, who, case, grant, purpose, verdict in plan:
        given_ = {"kind": kind, "actor": PEOPLE[who], "purpose": purpose, "verdict": verdict, "data": {"masked": 1}}
        if kind == "case.listed":
            given_["cases"] = tuple(CASES[: case + 1])
        elif kind == "grant.made":
            given_ |= {"object": {"kind": "grant", "id": GRANTS[grant]}, "data": {"request": REQUESTS[grant], "case": CASES[case]}}
        elif kind == "request.filed":
            given_ |= {"object": {"kind": "request", "id": REQUESTS[grant]}, "cases": (CASES[case],)}
        else:
            given_ |= {"object": {"kind": "case", "id": CASES[case]}, "grant": GRANTS[grant] if kind.startswith("access") else None}
        events.append(log.event(**given_))
    log.add(*events)
    return events


def concerns(event, kind, wanted):
    about = event.object or {}
    return (
        (about.get("kind"), about.get("id")) == (kind, wanted)
        or (kind == "case" and wanted in event.cases)
        or (kind == "grant" and event.grant == wanted)
        or event.data.get(kind) == wanted
    )


def fits(event, question):
    return (
        question.account in (None, event.actor.account)
        and question.person in (None, event.actor.person)
        and question.unit in (None, event.actor.unit)
        and (question.case is None or concerns(event, "case", question.case))
        and (question.grant is None or concerns(event, "grant", question.grant))
        and (question.about is None or concerns(event, *question.about))
        and (not question.kinds or event.kind in question.kinds)
        and question.purpose in (None, event.purpose)
        and question.verdict in (None, event.verdict)
        and question.request_id in (None, event.request_id)
        and (question.since is None or event.time >= question.since)
        and (question.until is None or event.time < question.until)
    )


plans = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 2),
        st.integers(0, 3),
        st.integers(0, 1),
        st.sampled_from([None, "review", "reply"]),
        st.sampled_from(["permit", "refuse", "fact"]),
    ),
    min_size=1,
    max_size=25,
)
start = datetime.fromisoformat("2026-03-18T04:00:00+00:00")
questions = st.builds(
    Question,
    account=st.none() | st.sampled_from([person.account for person in PEOPLE]),
    person=st.none() | st.sampled_from([person.person for person in PEOPLE]),
    unit=st.none() | st.sampled_from(["u-0", "u-1"]),
    case=st.none() | st.sampled_from(CASES),
    grant=st.none() | st.sampled_from(GRANTS),
    about=st.none() | st.sampled_from([("request", REQUESTS[0]), ("request", REQUESTS[1])]),
    kinds=st.lists(st.sampled_from(KINDS), max_size=2, unique=True).map(tuple),
    purpose=st.none() | st.sampled_from(["review", "reply"]),
    verdict=st.none() | st.sampled_from(["permit", "refuse", "fact"]),
    since=st.none() | st.integers(0, 20).map(lambda ms: start + timedelta(milliseconds=ms)),
    until=st.none() | st.integers(0, 20).map(lambda ms: start + timedelta(milliseconds=ms)),
)


@settings(max_examples=15)
@given(plan=plans, asked=st.lists(questions, min_size=1, max_size=12), limit=st.integers(1, 7))
def test_any_combination_finds_exactly_the_entries_that_fit_newest_first_and_page_by_page(log_factory, plan, asked, limit):
    with log_factory() as log:
        events = make(log, plan)
        for question in [Question(), *(Question(case=case) for case in CASES), *(Question(grant=grant) for grant in GRANTS), *asked]:
            expected = [index for index, event in enumerate(events) if fits(event, question)][::-1]
            found, cursor = [], None
            while True:
                page = ask(log.db, FONDS, question, cursor=cursor, limit=limit)
                assert len(page.found) <= limit
                found += [item.index for item in page.found]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert found == expected


def test_pages_do_not_shift_while_the_log_grows(log):
    log.grow(10)
    first = ask(log.db, FONDS, Question(), limit=4)
    log.grow(5)
    second = ask(log.db, FONDS, Question(), cursor=first.next_cursor, limit=4)
    assert [item.index for item in first.found + second.found] == [9, 8, 7, 6, 5, 4, 3, 2]


def test_a_question_sees_its_own_fonds_alone(log):
    log.add(log.event(actor=PEOPLE[0]), fonds="f-2")
    assert ask(log.db, FONDS, Question(person=PEOPLE[0].person)).found == ()
    assert len(ask(log.db, "f-2", Question(person=PEOPLE[0].person)).found) == 1


@pytest.mark.parametrize(
    ("question", "member"),
    [
        (Question(case="1' OR '1'='1"), "case"),
        (Question(person="张三"), "person"),
        (Question(kinds=("case.read",)), "kinds"),
        (Question(verdict="maybe"), "verdict"),
        (Question(purpose="a b"), "purpose"),
        (Question(about=("folder", "x")), "about"),
        (Question(since=datetime(2026, 1, 1)), "since"),  # noqa: DTZ001  the naive one is the point
    ],
)
def test_a_malformed_question_is_refused_by_the_name_of_its_member(log, question, member):
    with pytest.raises(BadQuestion) as refusal:
        ask(log.db, FONDS, question)
    assert refusal.value.params == {"member": member}


@pytest.mark.parametrize(("limit", "cursor"), [(0, None), (MAX_PAGE + 1, None), (1, -1), (1, 2**63)])
def test_a_page_is_bounded(log, limit, cursor):
    with pytest.raises(BadQuestion):
        ask(log.db, FONDS, Question(), cursor=cursor, limit=limit)


def test_an_entry_is_found_by_its_id_in_its_own_log_alone(log):
    ticket = log.grow(3)[1]
    with log.db.read() as conn:
        found = entry_named(conn, FONDS, ticket.entry_id)
        assert (found.index, found.entry.id) == (1, ticket.entry_id)
        with pytest.raises(NoSuchEntry):
            entry_named(conn, "f-2", ticket.entry_id)


def test_a_question_about_a_time_finds_all_of_it_also_where_clocks_jumped(log):
    chance = random.Random(7)
    start = log.clock.now()
    # Some minutes forwards and back, with jumps of days, in commits of all lengths around the tiles' edges.
    now, times = start, []
    for _ in range(800):
        now += timedelta(seconds=chance.uniform(-60, 90)) if chance.random() < 0.98 else timedelta(days=chance.choice((-3, 3)))
        times.append(now.replace(microsecond=now.microsecond // 1000 * 1000))
    events = [log.event(time=one) for one in times]
    at = 0
    while at < len(events):
        step = chance.choice((1, 7, 100, 255, 256, 300))
        log.add(*events[at : at + step])
        at += step
    for _ in range(60):
        since, until = sorted(chance.sample(times, 2))
        question = Question(since=chance.choice((since, None)), until=chance.choice((until, None)))
        expected = [
            at for at, one in enumerate(times) if (question.since is None or one >= since) and (question.until is None or one < until)
        ]
        found, cursor = [], None
        while True:
            page = ask(log.db, FONDS, question, cursor=cursor, limit=MAX_PAGE)
            found += [one.index for one in page.found]
            if (cursor := page.next_cursor) is None:
                break
        assert found[::-1] == expected
